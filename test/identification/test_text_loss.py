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

"""InfoNCE against numbers worked out by hand, with shared titles and missing sources."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from objectcentric_ros.identification.text_loss import info_nce, masked_terms

EYE = torch.eye(3)


def test_one_positive_a_row_is_the_loss_of_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (functional.normalize(torch.randn(5, 4, generator=generator), dim=1) for _ in range(2))
    logits, labels = 10.0 * first @ second.T, torch.arange(5)
    expected = 0.5 * (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels))
    assert info_nce(first, second, 10.0).item() == pytest.approx(expected.item(), rel=1e-6)


def test_shared_title_by_hand() -> None:
    # Pictures e0, e1, e2; objects 0 and 1 have one title, whose vector is e0. scale = ln 2, so that exp(s) is 2 or 1.
    texts = torch.stack([EYE[0], EYE[0], EYE[2]])
    loss = info_nce(EYE, texts, math.log(2.0), torch.tensor([7, 7, 9]))
    # Rows (pictures) see exp(s) = [2 2 1], [1 1 1], [1 1 2], of which the first two, the first two and the last are right:
    rows = (-math.log(4 / 5), -math.log(2 / 3), -math.log(2 / 4))
    # Columns (titles) see [2 1 1] twice and [1 1 2]:
    columns = (-math.log(3 / 4), -math.log(3 / 4), -math.log(2 / 4))
    assert loss.item() == pytest.approx(0.5 * (sum(rows) + sum(columns)) / 3, rel=1e-6)


def test_a_shared_title_is_no_false_negative() -> None:
    same = torch.stack([EYE[0], EYE[0], EYE[2]])      # pictures 0 and 1 look alike, their titles are alike
    assert info_nce(same, same, 50.0).item() == pytest.approx(2 / 3 * math.log(2), abs=1e-6)
    assert info_nce(same, same, 50.0, torch.tensor([0, 0, 1])).item() == pytest.approx(0.0, abs=1e-6)


def test_a_missing_source_leaves_the_object_out_of_its_terms_only() -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = {name: functional.normalize(torch.randn(4, 3, generator=generator), dim=1) for name in ("query", "bin", "text")}
    everywhere = torch.ones(4, dtype=torch.bool)
    present = {"query": everywhere, "text": everywhere, "bin": torch.tensor([True, False, True, True])}
    terms = masked_terms(vectors, present, ("query_text", "query_bin", "bin_text"), 5.0, torch.arange(4))
    kept = [0, 2, 3]
    assert terms["query_text"].item() == pytest.approx(info_nce(vectors["query"], vectors["text"], 5.0).item())
    for name, first, second in (("query_bin", "query", "bin"), ("bin_text", "bin", "text")):
        assert terms[name].item() == pytest.approx(info_nce(vectors[first][kept], vectors[second][kept], 5.0).item())


def test_missing_rows_get_no_gradient_even_where_they_are_nan() -> None:
    first = torch.full((3, 2), float("nan"))
    first[:2] = torch.eye(2)
    first.requires_grad_()
    present = {"query": torch.tensor([True, True, False]), "text": torch.ones(3, dtype=torch.bool)}
    terms = masked_terms({"query": first, "text": functional.normalize(torch.ones(3, 2), dim=1)}, present, ("query_text",), 2.0,
                         torch.arange(3))
    gradient = torch.autograd.grad(terms["query_text"], first)[0]
    assert torch.isfinite(gradient[:2]).all()
    assert (gradient[2] == 0).all()


def test_a_term_that_one_object_has_is_left_out() -> None:
    present = {"query": torch.tensor([True, True]), "tray": torch.tensor([True, False])}
    assert masked_terms({"query": EYE[:2], "tray": EYE[:2]}, present, ("query_tray",), 1.0, torch.arange(2)) == {}


def test_pictures_of_the_same_title_are_negatives_of_one_another() -> None:
    vectors = {"query": EYE, "tray": EYE}
    everywhere = {name: torch.ones(3, dtype=torch.bool) for name in vectors}
    term = masked_terms(vectors, everywhere, ("query_tray",), 3.0, torch.tensor([0, 0, 0]))["query_tray"]
    assert term.item() == pytest.approx(info_nce(EYE, EYE, 3.0).item())
