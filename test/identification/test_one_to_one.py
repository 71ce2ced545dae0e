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

"""Identifications revised by the rule that every item is there once."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.identification.assignment import one_to_one
from objectcentric_ros.identification.ranking import IdentificationResult, RankedCandidate


def result(**probabilities: float) -> IdentificationResult:
    """An identification with these probabilities; what is missing to 1 is "none of these"."""
    distances = np.full(4, np.nan, np.float32)
    best_first = sorted(probabilities.items(), key=lambda item: -item[1])
    ranking = tuple(RankedCandidate(name, name, p, distances) for name, p in best_first)
    none = 1 - sum(probabilities.values())
    return IdentificationResult(ranking, none >= ranking[0].probability, max(none, ranking[0].probability), "made up")


def revised(results: list[IdentificationResult], **copies: int) -> list[dict[str, float]]:
    """Probabilities after the rule."""
    return [{c.object_id: c.probability for c in r.ranking} for r in one_to_one(results, copies or None)]


def test_the_second_best_segment_is_what_remains() -> None:
    first, second = revised([result(cup=0.8, jug=0.1), result(cup=0.6, jug=0.3)])
    # The first keeps the cup: p'(cup) = 0.6 * (1 - 0.8) = 0.12 beside jug 0.3 and none 0.1, of 0.52 in all.
    assert second["cup"] == pytest.approx(0.12 / 0.52) and second["jug"] == pytest.approx(0.3 / 0.52)
    # The jug went to the second with 0.3: p'(jug) = 0.1 * 0.7 = 0.07 beside cup 0.8 and none 0.1.
    assert first["cup"] == pytest.approx(0.8 / 0.97) and first["jug"] == pytest.approx(0.07 / 0.97)


def test_rankings_are_sorted_again_and_the_reason_says_why() -> None:
    _, second = one_to_one([result(cup=0.8, jug=0.1), result(cup=0.6, jug=0.3)])
    assert [c.object_id for c in second.ranking] == ["jug", "cup"] and not second.none_of_these
    assert second.confidence == pytest.approx(0.3 / 0.52) and "cup is more likely another segment" in second.reason


def test_a_segment_whose_only_item_is_taken_is_none_of_these() -> None:
    _, second = one_to_one([result(cup=1.0), result(cup=1.0)])
    assert second.none_of_these and second.confidence == 1.0 and second.ranking[0].probability == 0.0


def test_nothing_changes_where_nobody_competes() -> None:
    given = [result(cup=0.9, jug=0.0), result(cup=0.0, jug=0.9)]
    assert revised(given) == [{"cup": 0.9, "jug": 0.0}, {"jug": 0.9, "cup": 0.0}]


def test_two_copies_satisfy_two_segments() -> None:
    assert revised([result(cup=0.9), result(cup=0.8)], cup=2) == [{"cup": pytest.approx(0.9)}, {"cup": pytest.approx(0.8)}]


def test_probabilities_with_none_add_up_to_one() -> None:
    rng = np.random.default_rng(0)
    rows = [dict(zip("abcd", p[:4], strict=True)) for p in rng.dirichlet(np.ones(5), size=6)]
    for before, after in zip(rows, one_to_one([result(**row) for row in rows]), strict=True):
        assert sum(c.probability for c in after.ranking) + after.none_probability == pytest.approx(1.0)
        assert {c.object_id for c in after.ranking} == set(before)


def test_no_segments_is_no_question() -> None:
    assert one_to_one([]) == ()
