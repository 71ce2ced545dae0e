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

"""Following, replacing and refusing trajectories, without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.motion.protocols import Trajectory
from objectcentric_ros.simulation.trajectory_controller import TrajectoryController, TrajectoryRefused

LIMITS = np.array([[-2.0, 2.0], [-1.0, 1.0]])
SPEEDS = np.array([1.0, 2.0])


def controller() -> TrajectoryController:
    return TrajectoryController(("a", "b"), np.zeros(2), LIMITS, SPEEDS, start_tolerance=0.1)


def move(goal: tuple[float, float], times: tuple[float, ...] = (0.0, 2.0), start: tuple[float, float] = (0.0, 0.0),
         names: tuple[str, str] = ("a", "b")) -> Trajectory:
    positions = np.array([start, goal] if len(times) == 2 else [goal], dtype=float)
    return Trajectory(names, np.array(times), positions, np.zeros((len(times), 2)))


def test_halfway_of_a_rest_to_rest_cubic_is_half_the_way_at_one_and_a_half_mean_speed() -> None:
    arm = controller()
    arm.accept(move((1.0, 0.5)), start=10.0, now=10.0, positions=np.zeros(2))
    positions, velocities = arm.command(11.0)
    np.testing.assert_allclose(positions, [0.5, 0.25])
    np.testing.assert_allclose(velocities, [0.75, 0.375])
    positions, velocities = arm.command(12.5)
    np.testing.assert_allclose(positions, [1.0, 0.5])
    np.testing.assert_allclose(velocities, 0.0)
    assert not arm.moving


def test_joints_in_another_order() -> None:
    arm = controller()
    arm.accept(move((0.5, 1.0), names=("b", "a")), 0.0, 0.0, np.zeros(2))
    np.testing.assert_allclose(arm.command(5.0)[0], [1.0, 0.5])


def test_single_point_is_reached_from_where_the_arm_is() -> None:
    arm = controller()
    arm.accept(move((0.4, 0.0), times=(1.0,)), 0.0, 0.0, np.zeros(2))
    np.testing.assert_allclose(arm.command(0.5)[0], [0.2, 0.0])
    np.testing.assert_allclose(arm.command(1.0)[0], [0.4, 0.0])


def test_single_point_at_zero_holds_there() -> None:
    arm = controller()
    arm.accept(move((1.0, 0.0)), 0.0, 0.0, np.zeros(2))
    here = arm.command(1.0)[0]
    arm.accept(move(tuple(here), times=(0.0,)), 1.0, 1.0, here)
    np.testing.assert_allclose(arm.command(1.5)[0], here)


def test_stamp_in_the_past_skips_and_in_the_future_waits() -> None:
    arm = controller()
    arm.accept(move((0.1, 0.0)), start=0.0, now=1.0, positions=np.array([0.05, 0.0]))
    np.testing.assert_allclose(arm.command(1.0)[0], [0.05, 0.0])
    arm = controller()
    arm.accept(move((1.0, 0.0)), start=5.0, now=0.0, positions=np.zeros(2))
    np.testing.assert_allclose(arm.command(4.9)[0], 0.0)
    assert arm.moving
    np.testing.assert_allclose(arm.command(6.0)[0], [0.5, 0.0])


@pytest.mark.parametrize(("trajectory", "start", "sentence", "reflex"), [
    (move((1.0, 0.0), names=("a", "c")), 0.0, "for joints a, c, expected a, b", False),
    (move((1.0, 0.0)), -10.0, "ended 8.00 s ago", False),
    (move((2.5, 0.0), times=(0.0, 9.0)), 0.0, "point 1 wants a at 2.500 rad", True),
    (move((1.0, 0.0), times=(0.0, 0.5)), 0.0, "moves a at 2.00 rad/s", True),
    (move((0.5, 0.0), start=(0.3, 0.0)), 0.0, "starts 0.300 rad away from where a is", True),
])
def test_refusals(trajectory: Trajectory, start: float, sentence: str, reflex: bool) -> None:
    arm = controller()
    with pytest.raises(TrajectoryRefused, match=sentence) as refusal:
        arm.accept(trajectory, start, 0.0, np.zeros(2))
    assert refusal.value.reflex is reflex
    np.testing.assert_allclose(arm.command(1.0)[0], 0.0)


def test_reflex_ends_the_motion_and_a_malformed_message_does_not() -> None:
    arm = controller()
    arm.accept(move((1.0, 0.0)), 0.0, 0.0, np.zeros(2))
    with pytest.raises(TrajectoryRefused):
        arm.accept(move((0.0, 0.0), names=("x", "y")), 1.0, 1.0, arm.command(1.0)[0])
    assert arm.moving
    with pytest.raises(TrajectoryRefused):
        arm.accept(move((9.0, 0.0), times=(0.0, 20.0)), 1.0, 1.0, np.array([0.5, 0.0]))
    np.testing.assert_allclose(arm.command(1.5)[0], [0.5, 0.0])
    assert not arm.moving
