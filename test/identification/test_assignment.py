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

from __future__ import annotations

import itertools

import numpy as np
import pytest

from objectcentric_ros.identification.assignment import assign
from objectcentric_ros.identification.ranking import IdentificationResult, RankedCandidate

NAN = np.full(4, np.nan, np.float32)


def result(**probabilities: float) -> IdentificationResult:
    ranking = tuple(RankedCandidate(name, name, p, NAN) for name, p in sorted(probabilities.items(), key=lambda item: -item[1]))
    return IdentificationResult(ranking, False, ranking[0].probability, "")


def test_two_segments_can_not_be_the_same_item() -> None:
    first, second = assign([result(mug=0.8, glass=0.1), result(mug=0.6, glass=0.3)])
    assert (first.object_id, second.object_id) == ("mug", "glass")
    assert (first.probability, second.probability) == (0.8, 0.3)


def test_a_second_copy_is_allowed_when_there_are_two() -> None:
    results = [result(mug=0.8, glass=0.1), result(mug=0.6, glass=0.3)]
    assert [assignment.object_id for assignment in assign(results, {"mug": 2})] == ["mug", "mug"]
    assert [assignment.object_id for assignment in assign(results, {"mug": 0})] == [None, "glass"]


def test_any_number_of_segments_may_be_none() -> None:
    results = [result(mug=0.05), result(mug=0.1), result(mug=0.02)]
    assert [assignment.object_id for assignment in assign(results)] == [None, None, None]


def test_an_impossible_candidate_is_never_assigned() -> None:
    assert assign([result(mug=1.0, glass=0.0), result(mug=1.0, glass=0.0)])[1].object_id is None


def test_the_assignment_is_the_best_of_all() -> None:
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(4), 4)                       # the fourth column is none
    names = ["a", "b", "c"]
    answer = assign([result(**dict(zip(names, row, strict=False))) for row in p])
    likelihoods = {}
    for choice in itertools.product(range(4), repeat=4):
        named = [c for c in choice if c < 3]
        if len(set(named)) == len(named):
            likelihoods[choice] = np.log(p[range(4), choice]).sum()
    best = max(likelihoods, key=lambda choice: likelihoods[choice])
    assert [assignment.object_id for assignment in answer] == [(names + [None])[c] for c in best]


def test_bad_input() -> None:
    assert assign([]) == ()
    with pytest.raises(ValueError, match="different candidates"):
        assign([result(mug=0.5), result(glass=0.5)])
    with pytest.raises(ValueError, match="negative"):
        assign([result(mug=0.5)], {"mug": -1})
