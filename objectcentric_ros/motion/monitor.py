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


"""Watching an execution: the one place that decides when an arm must stop, for every driver.

Pure logic without a clock or a thread: a driver calls `update` in its loop with the time and the newest joint
state, and stops the arm as soon as the verdict is no longer RUNNING.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.protocols import ArmState, ExecutionResult, MotionOutcome, Trajectory
from objectcentric_ros.motion.trajectory import sample


class Progress(enum.Enum):
    """Where an execution stands; everything but RUNNING ends it."""

    RUNNING = "running"
    SETTLED = "settled"
    STALE_STATE = "stale state"
    TRACKING_ERROR = "tracking error"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class MonitorConfig:
    """When an execution is stopped and when it counts as arrived.

    Args:
        max_state_age: joint states older than this are stale [s].
        max_tracking_error: largest distance of any joint from its commanded position [rad]. An arm under position
            control lags its command by some hundredths of a second, so this can't be much below 0.1.
        settle_tolerance: the arm has arrived when every joint is this near its goal [rad] ...
        settle_velocity: ... and slower than this [rad/s].
        settle_timeout: time allowed to settle after the end of the trajectory [s].
        goal_tolerance: an arm that is at rest after settle_timeout and this near has arrived as well [rad]: a load
            makes a position controller without integral action sag (by 10 to 11 mrad with the demo's toy truck).
    """

    max_state_age: float = 0.3
    max_tracking_error: float = 0.15
    settle_tolerance: float = 0.002
    settle_velocity: float = 0.01
    settle_timeout: float = 2.0
    goal_tolerance: float = 0.02


@dataclass(frozen=True)
class Verdict:
    """Progress, one sentence why (empty while RUNNING), and the tracking error now [rad]."""

    progress: Progress
    message: str = ""
    tracking_error: float = 0.0


_OUTCOMES = {
    Progress.SETTLED: MotionOutcome.SUCCEEDED,
    Progress.STALE_STATE: MotionOutcome.STALE_STATE,
    Progress.TRACKING_ERROR: MotionOutcome.TRACKING_ERROR,
    Progress.TIMEOUT: MotionOutcome.TRACKING_ERROR,  # it never came to where its trajectory ends
}


class ExecutionMonitor:
    """Compares the arm with its trajectory.

    Args:
        trajectory: what the arm was told to do.
        config: thresholds.
    """

    def __init__(self, trajectory: Trajectory, config: MonitorConfig | None = None) -> None:
        self.trajectory = trajectory
        self.config = config or MonitorConfig()
        self.max_tracking_error = 0.0
        self._positions = trajectory.positions[0]

    def check_start(self, state: ArmState) -> Verdict:
        """Verdict before anything moves: a trajectory that doesn't begin at the arm would make it jump."""
        return self.update(0.0, state)

    def update(self, elapsed: float, state: ArmState) -> Verdict:
        """Verdict on the newest joint state.

        Args:
            elapsed: time since the trajectory was started [s], on the clock that the arm follows.
            state: newest joint state; its age counts back from the same moment.

        Raises:
            ValueError: the state has another number of joints than the trajectory.
        """
        config = self.config
        if state.positions.shape != self.trajectory.positions[0].shape:
            raise ValueError(f"the joint state has {state.positions.size} joints, the trajectory "
                             f"{len(self.trajectory.joint_names)}: {', '.join(self.trajectory.joint_names)}")
        if state.age > config.max_state_age:
            return Verdict(Progress.STALE_STATE, f"the newest joint state is {state.age:.2f} s old, "
                                                 f"{config.max_state_age:.2f} s are allowed: is the robot's driver running?")
        if not (np.all(np.isfinite(state.positions)) and np.all(np.isfinite(state.velocities))):
            return Verdict(Progress.STALE_STATE, f"the joint state holds values that are not finite: {state.positions}")
        self._positions = state.positions
        # The state was measured `age` ago, so it is compared with the command of that moment.
        desired, _ = sample(self.trajectory, elapsed - state.age)
        errors = np.abs(state.positions - desired)
        worst = int(np.argmax(errors))
        error = float(errors[worst])
        self.max_tracking_error = max(self.max_tracking_error, error)
        if error > config.max_tracking_error:
            joint = self.trajectory.joint_names[worst]
            return Verdict(Progress.TRACKING_ERROR, f"{joint} is {error:.3f} rad from its trajectory at {elapsed:.2f} s, "
                           f"{config.max_tracking_error:.3f} rad are allowed", error)
        return self._settling(elapsed, state, error, worst)

    def result(self, verdict: Verdict) -> ExecutionResult:
        """The ExecutionResult of the verdict that ended the execution."""
        return ExecutionResult(_OUTCOMES[verdict.progress], verdict.message, self.max_tracking_error, self._copy_positions())

    def stopped(self, message: str = "stopped on request") -> ExecutionResult:
        """The ExecutionResult of an execution that was cancelled."""
        return ExecutionResult(MotionOutcome.STOPPED, message, self.max_tracking_error, self._copy_positions())

    def _settling(self, elapsed: float, state: ArmState, error: float, worst: int) -> Verdict:
        config = self.config
        overtime = elapsed - self.trajectory.duration
        # A state measured before the end says nothing about having arrived.
        if overtime - state.age < 0:
            return Verdict(Progress.RUNNING, tracking_error=error)
        at_rest = float(np.max(np.abs(state.velocities))) <= config.settle_velocity
        if at_rest and error <= config.settle_tolerance:
            return Verdict(Progress.SETTLED, f"arrived within {error * 1000:.1f} mrad", error)
        if overtime <= config.settle_timeout:
            return Verdict(Progress.RUNNING, tracking_error=error)
        if at_rest and error <= config.goal_tolerance:
            return Verdict(Progress.SETTLED, f"at rest {error * 1000:.1f} mrad from its goal", error)
        joint, speed = self.trajectory.joint_names[worst], float(np.max(np.abs(state.velocities)))
        return Verdict(Progress.TIMEOUT, f"{joint} is still {error * 1000:.1f} mrad from its goal and the arm moves at "
                       f"{speed:.3f} rad/s, {overtime:.1f} s after the trajectory's end", error)

    def _copy_positions(self) -> NDArray[np.float64]:
        return np.array(self._positions, dtype=float)
