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

"""What a motion planner, an arm driver and a gripper are.

The protocols carry only what moveit_py, move_group, RoboPlan, ros2_control and an FR3 over FCI all have:
blocking calls, plain arrays, a cancel event, and outcomes instead of backend exceptions.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class PlanningFailure(enum.Enum):
    """Why there is no plan; each has its counterpart among MoveIt's error codes."""

    INVALID_REQUEST = "invalid request"
    UNREACHABLE = "unreachable"
    START_IN_COLLISION = "start in collision"
    GOAL_IN_COLLISION = "goal in collision"
    NO_PATH = "no path"


class PlanningError(RuntimeError):
    """No plan: one sentence for a person, and the reason for a program."""

    def __init__(self, reason: PlanningFailure, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class MotionOutcome(enum.Enum):
    """How an execution ended; values are the constants of ExecuteGrasp.action."""

    SUCCEEDED = 0
    NO_PLAN = 1
    STALE_STATE = 2
    TRACKING_ERROR = 3
    STOPPED = 4
    NOTHING_GRASPED = 5
    GRIPPER_FAILED = 6


@dataclass(frozen=True)
class Box:
    """An oriented box obstacle: T_base_box (4, 4) of its centre, full edge lengths size (3,) [m]."""

    name: str
    T_base_box: NDArray[np.float64]
    size: tuple[float, float, float]


@dataclass(frozen=True)
class Trajectory:
    """A time-parametrised joint trajectory.

    Args:
        joint_names: N names.
        times: (K,) [s], starts at 0, strictly increasing.
        positions: (K, N) [rad].
        velocities: (K, N) [rad/s].
    """

    joint_names: tuple[str, ...]
    times: NDArray[np.float64]
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]

    @property
    def duration(self) -> float:
        """Duration [s]."""
        return float(self.times[-1])


@dataclass(frozen=True)
class PlanRequest:
    """One motion to plan.

    Args:
        start: (N,) joint positions [rad].
        goal: (N,) joint positions, or (4, 4) T_base_tcp, or (M, 4, 4) poses of which any will do (a parallel hand
            grasps the same at yaw and yaw + 180 degrees): the planner takes one that is near in joint space.
        linear: straight TCP line instead of free motion (the goal must be one pose).
        velocity_scale, acceleration_scale: 0..1 of the joint limits.
        max_linear_speed: speed of linear motions [m/s].
        timeout: planning time allowed [s].
        ignore: names of obstacles, sensed or known, that are not checked during this motion.
        fingers_may_touch: the fingers and the carried item aren't checked against sensed obstacles, the rest of the
            hand and the arm are. For the line into the clutter and out of it: depth obstacles are too coarse to say
            whether a finger fits between two items, and an item being lifted starts amid its neighbours.
    """

    start: NDArray[np.float64]
    goal: NDArray[np.float64]
    linear: bool = False
    velocity_scale: float = 0.6
    acceleration_scale: float = 0.6
    max_linear_speed: float = 0.25
    timeout: float = 2.0
    ignore: tuple[str, ...] = ()
    fingers_may_touch: bool = False


class Planner(Protocol):
    """Plans collision-free motions of the arm's TCP."""

    joint_names: tuple[str, ...]

    def set_obstacles(self, boxes: Sequence[Box]) -> None:
        """Replace the obstacles that come from sensing; the known cell stays."""
        ...

    def attach(self, box: Box | None) -> None:
        """Carry a box with the hand; None detaches.

        A carried box is fixed to the TCP: its `T_base_box` is read as T_tcp_box. It may touch the fingers and the hand.
        """
        ...

    def plan(self, request: PlanRequest) -> Trajectory:
        """Plan one motion; raises PlanningError."""
        ...

    def forward(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """T_base_tcp (4, 4) of (N,) joint positions."""
        ...


@dataclass(frozen=True)
class ArmState:
    """Newest joint state: positions (N,) [rad], velocities (N,) [rad/s], age [s]."""

    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    age: float


@dataclass(frozen=True)
class ExecutionResult:
    """How an execution ended, where, and one sentence why."""

    outcome: MotionOutcome
    message: str = ""
    max_tracking_error: float = 0.0
    positions: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


class ArmDriver(Protocol):
    """Runs trajectories on an arm, real or simulated."""

    joint_names: tuple[str, ...]

    def state(self) -> ArmState:
        """Newest joint state; raises TimeoutError when none ever came."""
        ...

    def execute(self, trajectory: Trajectory, cancel: threading.Event) -> ExecutionResult:
        """Run to the end and settle; stops on cancel, stale joint states or a growing tracking error."""
        ...

    def stop(self) -> None:
        """Bring the arm to rest where it is, now."""
        ...


@dataclass(frozen=True)
class GripperResult:
    """Outcome of a gripper command and the finger opening afterwards [m]."""

    success: bool
    width: float
    message: str = ""


class Gripper(Protocol):
    """A parallel gripper with the Franka hand's commands; width = distance between the fingers [m]."""

    def move(self, width: float, speed: float = 0.1) -> GripperResult:
        """Open or close to a width."""
        ...

    def grasp(self, force: float, width: float = 0.0, speed: float = 0.1,
              epsilon_inner: float = 0.08, epsilon_outer: float = 0.08) -> GripperResult:
        """Close until the force [N] is reached; success when the end width is within width -inner..+outer."""
        ...

    def width(self) -> float:
        """Finger opening now [m]."""
        ...
