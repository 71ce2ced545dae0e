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


"""Arm and gripper of the simulated cell: a scripted pick, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.geometry.franka_hand import HAND_TCP_DISTANCE
from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.motion.protocols import MotionOutcome, Trajectory
from objectcentric_ros.simulation import scene
from objectcentric_ros.simulation.arm import SimulatedArm, SimulatedGripper
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.cell import Cell
from objectcentric_ros.simulation.kinematics import solve_pose

LAYOUT = CellLayout.load()


class _Bench:
    def __init__(self, cell: Cell) -> None:
        self.cell, self.arm, self.gripper = cell, SimulatedArm(cell), SimulatedGripper(cell)
        self._robot = scene.build_model(LAYOUT, [])

    def to(self, q: NDArray[np.float64], duration: float) -> Trajectory:
        """Minimum-jerk motion from where the arm is."""
        q0 = self.arm.state().positions
        times = np.linspace(0, duration, int(duration * 50) + 1)
        s = times / duration
        way, speed = 10 * s**3 - 15 * s**4 + 6 * s**5, (30 * s**2 - 60 * s**3 + 30 * s**4) / duration
        return Trajectory(self.arm.joint_names, times, q0 + way[:, None] * (q - q0), speed[:, None] * (q - q0))

    def joints(self, T_base_tcp: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
        return solve_pose(self._robot, "hand", np.array([0, 0, HAND_TCP_DISTANCE]), T_base_tcp, scene.ARM_JOINTS, start)

    def go(self, T_base_tcp: NDArray[np.float64], duration: float, start: NDArray[np.float64] | None = None) -> MotionOutcome:
        q = self.joints(T_base_tcp, self.arm.state().positions if start is None else start)
        return self.arm.execute(self.to(q, duration), threading.Event()).outcome


@pytest.fixture
def cube(catalogue: Catalogue) -> Iterator[_Bench]:
    with Cell([catalogue.get("rubiks-cube")], 5) as cell:
        yield _Bench(cell)


@pytest.fixture(scope="module")
def empty() -> Iterator[_Bench]:
    with Cell([], 0) as cell:
        yield _Bench(cell)


def _finger_forces(cell: Cell) -> list[float]:
    """Normal force of all contacts of each finger [N]."""
    model, data = cell._model, cell._data
    forces = {model.body("left_finger").id: 0.0, model.body("right_finger").id: 0.0}
    for index in range(data.ncon):
        wrench = np.zeros(6)
        mujoco.mj_contactForce(model, data, index, wrench)
        for body in model.geom_bodyid[data.contact.geom[index]]:
            if int(body) in forces:
                forces[int(body)] += wrench[0]
    return list(forces.values())


def test_a_top_down_pinch_holds_lifts_and_places(cube: _Bench) -> None:
    cell = cube.cell
    T_item = cell.ground_truth().T_base_item[0]
    side = next(T_item[:3, axis] for axis in range(3) if abs(T_item[2, axis]) < 0.5)         # a horizontal face normal
    yaw = (np.arctan2(side[0], -side[1]) + np.pi / 2) % np.pi - np.pi / 2                    # fingers close along it
    x, y, z = T_item[:3, 3]
    assert cube.go(top_down([x, y, z + 0.13], yaw), 2.5, LAYOUT.home) is MotionOutcome.SUCCEEDED
    assert cube.go(top_down([x, y, z], yaw), 1.2) is MotionOutcome.SUCCEEDED

    grasp = cube.gripper.grasp(force=20.0)
    assert grasp.success and grasp.width == pytest.approx(0.056, abs=0.002)
    assert _finger_forces(cell) == pytest.approx([20.0, 20.0], rel=0.1)

    assert cube.go(top_down([x, y, z + 0.2], yaw), 1.2) is MotionOutcome.SUCCEEDED
    cell.step(1.0)
    lifted = cell.ground_truth()
    assert lifted.held == (True,) and lifted.in_tray == (False,)
    assert lifted.T_base_item[0][2, 3] - z == pytest.approx(0.2, abs=0.005)

    assert cube.go(top_down([*LAYOUT.place_bin.centre, 0.2], 0.0), 2.5, LAYOUT.home) is MotionOutcome.SUCCEEDED
    cube.gripper.move(0.08)
    cell.step(1.0)
    placed = cell.ground_truth()
    assert placed.in_place_bin == (True,) and placed.held == (False,)


def test_the_arm_follows_closely_and_arrives(empty: _Bench) -> None:
    goal = empty.arm.state().positions + [0.3, 0.2, -0.2, 0.1, 0.3, -0.2, 0.5]
    result = empty.arm.execute(empty.to(goal, 1.0), threading.Event())
    assert result.outcome is MotionOutcome.SUCCEEDED, result.message
    assert result.max_tracking_error < 0.01
    np.testing.assert_allclose(empty.arm.state().positions, goal, atol=0.003)


def test_a_trajectory_too_fast_is_refused_and_nothing_moves(empty: _Bench) -> None:
    before = empty.arm.state().positions
    result = empty.arm.execute(empty.to(before + 1.0, 0.5), threading.Event())
    assert result.outcome is MotionOutcome.TRACKING_ERROR
    assert "its limit is 2.62" in result.message
    np.testing.assert_allclose(empty.arm.state().positions, before, atol=1e-3)


def test_a_trajectory_beyond_a_joint_limit_is_refused(empty: _Bench) -> None:
    goal = empty.arm.state().positions.copy()
    goal[3] = 0.2
    result = empty.arm.execute(empty.to(goal, 8.0), threading.Event())
    assert result.outcome is MotionOutcome.TRACKING_ERROR and "its limits are -3.0421 .. -0.1518" in result.message


def test_a_trajectory_that_starts_elsewhere_is_refused(empty: _Bench) -> None:
    away = empty.to(empty.arm.state().positions, 1.0)
    shifted = Trajectory(away.joint_names, away.times, away.positions + 0.3, away.velocities)
    result = empty.arm.execute(shifted, threading.Event())
    assert result.outcome is MotionOutcome.TRACKING_ERROR and "0.300 rad away" in result.message


def test_a_trajectory_for_other_joints_is_an_error(empty: _Bench) -> None:
    own = empty.to(empty.arm.state().positions, 1.0)
    with pytest.raises(ValueError, match="the arm has fr3_joint1"):
        empty.arm.execute(Trajectory(("a",) * 7, own.times, own.positions, own.velocities), threading.Event())


class _CancelAt:
    """A cancel event that is set when the simulated clock reaches a time."""

    def __init__(self, cell: Cell, time: float) -> None:
        self._cell, self._time = cell, time

    def is_set(self) -> bool:
        return self._cell.time >= self._time


def test_cancelling_brings_the_arm_to_rest_on_its_way(empty: _Bench) -> None:
    start = empty.arm.state().positions
    goal = start.copy()
    goal[0] += 1.0 if start[0] < 0 else -1.0
    result = empty.arm.execute(empty.to(goal, 2.0), _CancelAt(empty.cell, empty.cell.time + 1.0))   # type: ignore[arg-type]
    assert result.outcome is MotionOutcome.STOPPED
    state = empty.arm.state()
    assert np.abs(state.velocities).max() < 0.02
    assert 0.3 < abs(state.positions[0] - start[0]) < 0.9
    empty.cell.step(0.5)
    np.testing.assert_allclose(empty.arm.state().positions, state.positions, atol=2e-3)


def test_the_gripper_moves_to_widths_and_closes_on_nothing(empty: _Bench) -> None:
    for width in (0.03, 0.08, 0.0):
        moved = empty.gripper.move(width)
        assert moved.success and moved.width == pytest.approx(width, abs=0.001)
    empty.gripper.move(0.08)
    nothing = empty.gripper.grasp(force=20.0, width=0.05, epsilon_inner=0.01, epsilon_outer=0.01)
    assert not nothing.success and "outside 40.0 .. 60.0 mm" in nothing.message
    with pytest.raises(ValueError, match="the hand opens 0 .. 0.08 m"):
        empty.gripper.move(0.1)


def test_the_fingers_take_the_time_that_their_speed_says(empty: _Bench) -> None:
    empty.gripper.move(0.08)
    begin = empty.cell.time
    empty.gripper.move(0.02, speed=0.05)
    assert empty.cell.time - begin == pytest.approx(0.06 / 0.05 + 0.15, abs=0.12)
