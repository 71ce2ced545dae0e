# Copyright 2026 the objectcentric_ros developers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""InfoNCE between two sources of the same objects (paper B, section V), with titles that several objects share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def info_nce(first: Tensor, second: Tensor, scale: Tensor | float, groups: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE; the mean over both directions and all rows.

    Row i of `first` and row j of `second` are a positive pair where groups[i] = groups[j]. A row with several positives asks for
    their sum, so that they don't compete: L_i = -log(sum_{j in P(i)} exp(s_ij) / sum_k exp(s_ik)), s = scale * cosine (MIL-NCE,
    arXiv:1912.06430). With one positive a row it is CLIP's loss. (The mean of the positives' own terms would be no remedy: where
    the vectors of two equal titles are equal, it has the same gradient as no groups at all.)

    Args:
        first: (N, D) of length 1.
        second: (N, D) of length 1, row i of the same object.
        scale: 1 / temperature.
        groups: (N,) integers, equal for rows whose text is the same; None: every row is alone.
    """
    logits = scale * first @ second.T
    if groups is None:
        groups = torch.arange(len(first), device=first.device)
    negative = groups[:, None] != groups[None]      # symmetric, so that it serves both directions
    return 0.5 * (_towards_positives(logits, negative) + _towards_positives(logits.T, negative))


def _towards_positives(logits: Tensor, negative: Tensor) -> Tensor:
    return (logits.logsumexp(dim=1) - logits.masked_fill(negative, -torch.inf).logsumexp(dim=1)).mean()


def masked_terms(vectors: Mapping[str, Tensor], present: Mapping[str, Tensor], terms: Sequence[str], scale: Tensor | float,
                 text_groups: Tensor) -> dict[str, Tensor]:
    """The terms of a batch that can be computed: objects that lack one of the two sources are no part of a term.

    Args:
        vectors: (B, D) by source, of length 1 where present.
        present: (B,) bool by source.
        terms: names such as "query_tray"; see text_recipe.TERMS.
        scale: 1 / temperature.
        text_groups: (B,) integers, equal where titles are the same: these are positives in terms with text. In a term of two
            images every object is alone: other pictures of the same title may show something else.

    Returns:
        Terms that at least two objects have, by name.
    """
    found = {}
    for term in terms:
        first, second = term.split("_")
        both = present[first] & present[second]
        if int(both.sum()) < 2:
            continue
        groups = text_groups[both] if "text" in (first, second) else None
        found[term] = info_nce(vectors[first][both], vectors[second][both], scale, groups)
    return found
