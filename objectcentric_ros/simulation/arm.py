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


"""Arm and gripper of a simulated cell: they step the physics themselves, as fast as it goes.

The same rules hold as on the real robot: limits and jumps are refused, and the monitor that watches every driver stops
an arm that leaves its trajectory.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.monitor import ExecutionMonitor, MonitorConfig, Progress
from objectcentric_ros.motion.protocols import ArmState, ExecutionResult, GripperResult, MotionOutcome, Trajectory
from objectcentric_ros.simulation.cell import MAX_WIDTH, Cell
from objectcentric_ros.simulation.trajectory_controller import TrajectoryController, TrajectoryRefused

_REST_VELOCITY = 0.02    # an arm that is slower has come to rest [rad/s]
_REST_TIMEOUT = 2.0      # [s]


@dataclass(frozen=True)
class SimulatedArmConfig:
    """How the simulated arm is driven.

    Args:
        control_period: simulated time between two joint commands [s].
        stop_deceleration: joint deceleration of a stop [rad/s^2].
        monitor: when an execution is stopped and when it has arrived.
    """

    control_period: float = 0.004
    stop_deceleration: float = 5.0
    monitor: MonitorConfig = MonitorConfig()


class SimulatedArm:
    """ArmDriver of a cell; times are simulated seconds."""

    def __init__(self, cell: Cell, config: SimulatedArmConfig | None = None) -> None:
        self.joint_names = tuple(cell.joint_names)
        self._cell = cell
        self._config = config or SimulatedArmConfig()
        self._controller = TrajectoryController(self.joint_names, cell.joint_state()[0][:7])
        self._stop = threading.Event()

    def state(self) -> ArmState:
        """See ArmDriver; a simulated state is never old."""
        positions, velocities = self._cell.joint_state()
        return ArmState(positions[:7], velocities[:7], 0.0)

    def execute(self, trajectory: Trajectory, cancel: threading.Event) -> ExecutionResult:
        """See ArmDriver. A trajectory that breaks a limit or does not start at the arm is refused, and nothing moves.

        Raises:
            ValueError: the trajectory is for other joints.
        """
        if sorted(trajectory.joint_names) != sorted(self.joint_names):
            raise ValueError(f"the trajectory is for {', '.join(trajectory.joint_names)}, "
                             f"the arm has {', '.join(self.joint_names)}")
        self._stop.clear()
        begin, state = self._cell.time, self.state()
        try:
            self._controller.accept(trajectory, begin, begin, state.positions)
        except TrajectoryRefused as refused:
            return ExecutionResult(MotionOutcome.TRACKING_ERROR, f"refused: {refused}", positions=state.positions)
        monitor = ExecutionMonitor(trajectory, self._config.monitor)
        while True:
            if cancel.is_set() or self._stop.is_set():
                self._brake()
                return monitor.stopped()
            self._advance()
            verdict = monitor.update(self._cell.time - begin, self.state())
            if verdict.progress is Progress.RUNNING:
                continue
            if verdict.progress is not Progress.SETTLED:
                self._brake()
            return monitor.result(verdict)

    def stop(self) -> None:
        """See ArmDriver: ends a running execution; an arm without one is at rest already. Safe from any thread."""
        self._stop.set()

    def _advance(self) -> None:
        self._cell.set_joint_targets(*self._controller.command(self._cell.time))
        self._cell.step(self._config.control_period)

    def _brake(self) -> None:
        """Brake along the commanded velocity and wait until the arm rests."""
        now = self._cell.time
        positions, velocities = self._controller.command(now)
        actual = self.state().positions
        if np.max(np.abs(positions - actual)) > self._config.monitor.max_tracking_error / 2:
            positions, velocities = actual, np.zeros_like(actual)     # it is held up: stay where it is
        duration = max(0.1, float(np.max(np.abs(velocities))) / self._config.stop_deceleration)
        end = positions + velocities * duration / 2                   # where a constant deceleration ends
        braking = Trajectory(self.joint_names, np.array([0.0, duration]), np.stack([positions, end]),
                             np.stack([velocities, np.zeros_like(velocities)]))
        try:
            self._controller.accept(braking, now, now, actual)
        except TrajectoryRefused:
            self._controller.hold(actual)                             # braking would end behind a joint limit
        deadline = now + duration + _REST_TIMEOUT
        while self._cell.time < deadline:
            self._advance()
            if self._cell.time > now + duration and np.max(np.abs(self.state().velocities)) < _REST_VELOCITY:
                break


@dataclass(frozen=True)
class SimulatedGripperConfig:
    """How the simulated hand reports.

    Args:
        move_force: force of a move, which the real hand doesn't tell [N].
        move_tolerance: a move has arrived within this [m].
        rest_speed: fingers slower than this rest [m/s] ...
        rest_time: ... when they do for this long [s].
        timeout: longest command [s].
    """

    move_force: float = 20.0
    move_tolerance: float = 0.004
    rest_speed: float = 0.002
    rest_time: float = 0.15
    timeout: float = 10.0


class SimulatedGripper:
    """Gripper of a cell, with the Franka hand's rules."""

    def __init__(self, cell: Cell, config: SimulatedGripperConfig | None = None) -> None:
        self._cell = cell
        self._config = config or SimulatedGripperConfig()

    def move(self, width: float, speed: float = 0.1) -> GripperResult:
        """See Gripper; fails when something between the fingers keeps them from the width."""
        self._drive(_checked_width(width), self._config.move_force, speed)
        reached = self.width()
        if abs(reached - width) > self._config.move_tolerance:
            return GripperResult(False, reached, f"the fingers stopped at {reached * 1000:.1f} mm on the way to "
                                 f"{width * 1000:.1f} mm")
        return GripperResult(True, reached)

    def grasp(self, force: float, width: float = 0.0, speed: float = 0.1,
              epsilon_inner: float = 0.08, epsilon_outer: float = 0.08) -> GripperResult:
        """See Gripper; like the real hand it closes until something holds it and then compares the width."""
        outward = _checked_width(width) > self.width()
        self._drive(width if outward else 0.0, force, speed)
        reached = self.width()
        if not width - epsilon_inner <= reached <= width + epsilon_outer:
            return GripperResult(False, reached, f"the fingers ended at {reached * 1000:.1f} mm, outside "
                                 f"{(width - epsilon_inner) * 1000:.1f} .. {(width + epsilon_outer) * 1000:.1f} mm")
        return GripperResult(True, reached)

    def width(self) -> float:
        """See Gripper."""
        return self._cell.gripper_width()

    def _drive(self, width: float, force: float, speed: float) -> None:
        """Command the fingers and step until they rest."""
        self._cell.set_gripper(width, force, speed)
        begin = moved = self._cell.time
        while self._cell.time - moved < self._config.rest_time and self._cell.time - begin < self._config.timeout:
            self._cell.step(0.01)
            fingers: NDArray[np.float64] = self._cell.joint_state()[1][7:]
            if abs(fingers.sum()) > self._config.rest_speed:
                moved = self._cell.time


def _checked_width(width: float) -> float:
    if not 0.0 <= width <= MAX_WIDTH:
        raise ValueError(f"width is {width} m, the hand opens 0 .. {MAX_WIDTH} m")
    return width
