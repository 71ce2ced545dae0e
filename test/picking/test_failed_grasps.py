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


import numpy as np
import pytest

from objectcentric_ros.geometry.layout import top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.picking.failed_grasps import OF_ONE_KIND, FailedGrasps, similarity


def grasp(x: float = 0.5, z: float = 0.04, yaw: float = 0.0, width: float = 0.03, score: float = 0.8) -> Grasp:
    return Grasp(top_down([x, 0.0, z], yaw), width, 0.05, 0.1, score, "geometric")


def test_without_failures_the_score_is_the_expectation():
    assert FailedGrasps().expectation(grasp(score=0.8)) == 0.8


def test_the_same_grasp_turned_by_half_a_turn_is_the_same():
    assert similarity(grasp(), grasp(yaw=np.pi)) == pytest.approx(0.9)


def test_the_same_part_of_an_item_that_moved_counts_half():
    assert similarity(grasp(), grasp(x=0.7, yaw=1.0)) == pytest.approx(OF_ONE_KIND)


@pytest.mark.parametrize("other", [{"width": 0.06}, {"z": 0.07}])
def test_another_part_elsewhere_has_nothing_in_common(other: dict[str, float]):
    assert similarity(grasp(), grasp(x=0.7, **other)) < 0.01


def test_failures_of_one_kind_add_up():
    failed = FailedGrasps()
    failed.add(grasp(), "cup")
    failed.add(grasp(x=0.6), "cup")
    assert failed.of("cup") == 2
    assert failed.expectation(grasp(x=0.7, score=0.8), "cup") == pytest.approx(0.8 * (1 - OF_ONE_KIND) ** 2)


def test_of_another_item_only_the_place_counts():
    failed = FailedGrasps()
    failed.add(grasp(), "cup")
    assert failed.of("cap") == 0
    for other in ("cap", ""):
        assert failed.expectation(grasp(x=0.7, score=0.8), other) == pytest.approx(0.8)
        assert failed.expectation(grasp(score=0.8), other) == pytest.approx(0.08)


def test_a_deeper_or_wider_grasp_overtakes_the_kind_that_failed():
    failed = FailedGrasps()
    kind, again, deeper = grasp(score=0.9), grasp(x=0.55, score=0.9), grasp(z=0.01, score=0.6)
    failed.add(kind, "cup")
    assert failed.best_first([kind, again, deeper], "cup") == [deeper, again, kind]
