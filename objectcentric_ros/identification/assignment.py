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

"""Names a whole tray at once: inventory says that every item is there once, so that two segments can't both be it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from objectcentric_ros.identification.identifier import IdentificationResult

_LEAST_PROBABILITY = 1e-9      # keeps the logarithm finite; a candidate without references stays assignable only in theory


@dataclass(frozen=True)
class Assignment:
    """What one segment was named.

    Args:
        object_id: the item, or None for none of the candidates.
        probability: of this answer for this segment alone, before the one-to-one rule.
    """

    object_id: str | None
    probability: float


def assign(results: Sequence[IdentificationResult], copies: Mapping[str, int] | None = None) -> tuple[Assignment, ...]:
    """Most likely names of all segments together, each item at most once.

    Maximises the sum of log-probabilities (Hungarian method), where every segment may also be none of the candidates.

    Args:
        results: identifications of the segments of one image, against the same candidates.
        copies: how many of an item there are, where it is not one.

    Returns:
        One assignment a result, in order.

    Raises:
        ValueError: the results have different candidates, or copies are negative.
    """
    if not results:
        return ()
    ids = sorted(candidate.object_id for candidate in results[0].ranking)
    if any(sorted(candidate.object_id for candidate in result.ranking) != ids for result in results):
        raise ValueError("the identifications have different candidates; one-to-one needs the same for every segment")
    if any(count < 0 for count in (copies or {}).values()):
        raise ValueError(f"copies must not be negative, got {dict(copies or {})}")
    slots = [object_id for object_id in ids for _ in range(min((copies or {}).get(object_id, 1), len(results)))]
    p = np.full((len(results), len(slots) + len(results)), 0.0)
    for row, result in enumerate(results):
        by_id = {candidate.object_id: candidate.probability for candidate in result.ranking}
        p[row, :len(slots)] = [by_id[object_id] for object_id in slots]
        p[row, len(slots):] = result.none_probability           # any number of segments may be none
    rows, columns = linear_sum_assignment(-np.log(np.maximum(p, _LEAST_PROBABILITY)))
    chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    return tuple(Assignment(slots[chosen[row]] if chosen[row] < len(slots) and p[row, chosen[row]] > 0 else None,
                            float(p[row, chosen[row]])) for row in range(len(results)))
