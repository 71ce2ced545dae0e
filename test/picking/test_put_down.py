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
from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.picking.ports import GraspOutcome
from objectcentric_ros.picking.put_down import RELEASE_HEIGHTS, put_down

POSE = top_down([0.5, 0.1, 0.03], 0.4)
DONE = MotionOutcome.SUCCEEDED


class Arm:
    """Notes moves as (height above the pose [m], linear, release); lines down end as ordered, everything else succeeds."""

    def __init__(self, *downs: MotionOutcome, above: MotionOutcome = DONE) -> None:
        self.downs, self.above = list(downs), above
        self.moves: list[tuple[float, bool, bool]] = []

    def __call__(self, goal: np.ndarray, linear: bool, release: bool) -> GraspOutcome:
        assert np.allclose(goal[:2], POSE[:2]), "it goes straight down"
        self.moves.append((round(float(goal[2, 3] - POSE[2, 3]), 3), linear, release))
        end = self.above if not linear else self.downs.pop(0) if release and self.downs else DONE
        return GraspOutcome(end, f"ended {end.name}", "move", 0.03)


def test_the_hand_opens_just_above_the_pose_and_goes_up_again():
    arm = Arm()
    assert put_down(arm, POSE, 0.15).outcome is DONE
    assert arm.moves == [(0.16, False, False), (0.01, True, True), (0.16, True, False)]


@pytest.mark.parametrize("end", [MotionOutcome.NO_PLAN, MotionOutcome.TRACKING_ERROR])
def test_where_the_line_down_ends_early_it_lets_go_higher(end: MotionOutcome):
    arm = Arm(end, end)
    assert put_down(arm, POSE, 0.15).outcome is DONE
    assert [height for height, _, release in arm.moves if release] == list(RELEASE_HEIGHTS)


def test_when_no_height_will_do_the_reason_is_the_last():
    arm = Arm(*[MotionOutcome.NO_PLAN] * 9)
    assert put_down(arm, POSE, 0.15).outcome is MotionOutcome.NO_PLAN
    assert len(arm.moves) == 1 + len(RELEASE_HEIGHTS)


def test_a_stop_is_not_tried_again():
    arm = Arm(MotionOutcome.STOPPED)
    assert put_down(arm, POSE, 0.15).outcome is MotionOutcome.STOPPED
    assert len(arm.moves) == 2


def test_a_place_that_is_not_reached_is_not_descended_to():
    arm = Arm(above=MotionOutcome.NO_PLAN)
    assert put_down(arm, POSE, 0.15).outcome is MotionOutcome.NO_PLAN
    assert len(arm.moves) == 1
