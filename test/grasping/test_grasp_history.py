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

"""What the history of picks says of grasps, by hand."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from objectcentric_ros.gallery.records import AttemptRecord, PickRecord
from objectcentric_ros.geometry.layout import top_down
from objectcentric_ros.grasping.geometric import GraspSearch
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.grasp_history import GraspHistoryConfig, PastGrasp, by_history, past_grasps, trust


def grasp(z: float = 0.04, width: float = 0.03, score: float = 0.8, x: float = 0.5) -> Grasp:
    return Grasp(top_down([x, 0.0, z], 0.0), width, 0.05, 0.1, score, "geometric", "over the middle")


def pick(*attempts: tuple[str, object]) -> PickRecord:
    records = tuple(AttemptRecord(outcome, mapping) for outcome, mapping in attempts)
    return PickRecord(str(uuid.uuid4()), "mug", "mug", attempts[-1][0], 1.0, 2.0, records)


def test_only_grasps_that_held_or_lost_the_item_count() -> None:
    mapping = grasp().to_mapping()
    picks = [pick(("grasp_lost", mapping), ("picked", mapping)), pick(("no_plan", mapping), ("wrong_item", mapping)),
             pick(("grasp_lost", None)), pick(("grasp_lost", {"width": 0.03})),
             pick(("picked", {**mapping, "T_base_tcp": [1.0]}))]
    assert [earlier.held for earlier in past_grasps(picks)] == [False, True]


@pytest.mark.parametrize("held, lost, share", [(0, 0, 1.0), (0, 2, 0.5), (2, 2, 4 / 6), (0, 6, 0.25), (9, 1, 11 / 12)])
def test_trust_is_a_share_of_successes(held: int, lost: int, share: float) -> None:
    past = [PastGrasp(grasp(x=0.1 * number), number < held) for number in range(held + lost)]
    assert trust(grasp(), past, 2.0) == pytest.approx(share)


@pytest.mark.parametrize("other", [{"width": 0.06}, {"z": 0.08}])
def test_another_part_of_the_item_keeps_its_score(other: dict[str, float]) -> None:
    past = [PastGrasp(grasp(), False)] * 5
    assert trust(grasp(**other), past, 2.0) > 0.99


def test_the_kind_that_failed_comes_after_the_one_that_did_not() -> None:
    bad, good = grasp(score=0.9), grasp(width=0.06, score=0.6)
    search = GraspSearch((bad, good), "2 grasps", np.array([[1.0], [2.0]]))
    judged = by_history(search, [PastGrasp(grasp(x=0.2), False)] * 4, GraspHistoryConfig())
    assert [found.width for found in judged.grasps] == [0.06, 0.03]
    assert judged.grasps[1].score == pytest.approx(0.3) and judged.grasps[0].score == pytest.approx(0.6, abs=1e-3)
    assert "lost the item before" in judged.grasps[1].reason and judged.grasps[0].reason == "over the middle"
    assert judged.reason == "2 grasps; 1 of 2 are of a kind that has lost the item before"
    np.testing.assert_array_equal(judged.features, [[2.0], [1.0]])


def test_without_failures_nothing_changes() -> None:
    search = GraspSearch((grasp(),), "1 grasp")
    assert by_history(search, [PastGrasp(grasp(), True)] * 3, GraspHistoryConfig()) is search
    assert by_history(search, [], GraspHistoryConfig()) is search
    empty = GraspSearch((), "too wide")
    assert by_history(empty, [PastGrasp(grasp(), False)], GraspHistoryConfig()) is empty
    with pytest.raises(ValueError, match="worth positive"):
        GraspHistoryConfig(worth=0.0)
