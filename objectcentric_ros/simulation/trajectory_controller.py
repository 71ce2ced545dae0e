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

"""What ros2_control's joint_trajectory_controller and an FR3 do with a trajectory, without ROS.

A new trajectory replaces the old one; between two points the arm follows the cubic through positions and velocities; before
the first point it moves there from where it is; after the last point it holds. A real FR3 stops with a reflex when a
command jumps or exceeds a limit: here such a trajectory is refused, and the arm holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.protocols import Trajectory
from objectcentric_ros.motion.trajectory import sample

# FR3, from Franka's documentation: position limits [rad] and velocity limits [rad/s] of joints 1..7
FR3_POSITION_LIMITS = np.array([[-2.7437, 2.7437], [-1.7837, 1.7837], [-2.9007, 2.9007], [-3.0421, -0.1518], [-2.8065, 2.8065],
                                [0.5445, 4.5169], [-3.0159, 3.0159]])
FR3_VELOCITY_LIMITS = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
_ROUNDING = 1e-3   # of a message that was planned on a limit


class TrajectoryRefused(ValueError):
    """The trajectory can't be followed; the message says why. After `reflex` the arm holds, else it goes on as it did."""

    def __init__(self, message: str, reflex: bool) -> None:
        super().__init__(message)
        self.reflex = reflex


class TrajectoryController:
    """Joint commands of an arm that follows the newest trajectory.

    Args:
        joint_names: the arm's joints.
        positions: (N,) where the arm is [rad]; it holds there.
        position_limits: (N, 2) [rad].
        velocity_limits: (N,) [rad/s].
        start_tolerance: largest distance between a new trajectory and a joint when it takes over [rad].
    """

    def __init__(self, joint_names: Sequence[str], positions: NDArray[np.float64],
                 position_limits: NDArray[np.float64] = FR3_POSITION_LIMITS,
                 velocity_limits: NDArray[np.float64] = FR3_VELOCITY_LIMITS, start_tolerance: float = 0.1) -> None:
        self.joint_names = tuple(joint_names)
        self._position_limits, self._velocity_limits = position_limits, velocity_limits
        self._start_tolerance = start_tolerance
        self.hold(positions)

    def hold(self, positions: NDArray[np.float64]) -> None:
        """Forget the trajectory and stay at positions (N,) [rad]."""
        self._held = np.array(positions, dtype=float)
        self._trajectory: Trajectory | None = None
        self._start = 0.0

    def accept(self, trajectory: Trajectory, start: float, now: float, positions: NDArray[np.float64]) -> None:
        """Follow a trajectory instead of what was followed before.

        Args:
            trajectory: its joints may come in any order; its first time may be later than 0.
            start: time at which it starts [s]; in the past, its beginning is skipped; in the future, the arm waits.
            now: the present time on the same clock [s].
            positions: (N,) where the arm is [rad].

        Raises:
            TrajectoryRefused: wrong joints (ignored); or a limit or a jump (reflex: the arm holds).
        """
        trajectory = self._in_our_order(trajectory)
        if start + trajectory.times[-1] < now:
            raise TrajectoryRefused(f"the trajectory ended {now - start - trajectory.times[-1]:.2f} s ago: is its stamp from"
                                    " another clock (use_sim_time)?", reflex=False)
        if trajectory.times[0] > 0:
            trajectory = _led_to(trajectory, positions)
        try:
            self._check_limits(trajectory)
            wanted, _ = sample(trajectory, max(0.0, now - start))
            distance = np.abs(wanted - positions)
            worst = int(np.argmax(distance))
            if distance[worst] > self._start_tolerance:
                raise TrajectoryRefused(f"the trajectory starts {distance[worst]:.3f} rad away from where"
                                        f" {self.joint_names[worst]} is ({positions[worst]:.3f} rad),"
                                        f" {self._start_tolerance} rad are allowed", reflex=True)
        except TrajectoryRefused:
            self.hold(positions)
            raise
        self._held, _ = self.command(now)
        self._trajectory, self._start = trajectory, start

    def command(self, now: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Commanded positions (N,) [rad] and velocities (N,) [rad/s] at a time [s]."""
        if self._trajectory is None or now < self._start:
            return self._held, np.zeros_like(self._held)
        positions, velocities = sample(self._trajectory, now - self._start)
        if now - self._start >= self._trajectory.duration:
            self.hold(positions)
        return positions, velocities

    @property
    def moving(self) -> bool:
        """A trajectory is being followed or waits for its start."""
        return self._trajectory is not None

    def _in_our_order(self, trajectory: Trajectory) -> Trajectory:
        if sorted(trajectory.joint_names) != sorted(self.joint_names):
            raise TrajectoryRefused(f"the trajectory is for joints {', '.join(trajectory.joint_names) or '(none)'}, expected"
                                    f" {', '.join(self.joint_names)}", reflex=False)
        order = [trajectory.joint_names.index(name) for name in self.joint_names]
        return Trajectory(self.joint_names, trajectory.times, trajectory.positions[:, order], trajectory.velocities[:, order])

    def _check_limits(self, trajectory: Trajectory) -> None:
        low, high = self._position_limits.T
        outside = np.argwhere((trajectory.positions < low - _ROUNDING) | (trajectory.positions > high + _ROUNDING))
        if outside.size:
            point, joint = outside[0]
            wanted = trajectory.positions[point, joint]
            raise TrajectoryRefused(f"point {point} wants {self.joint_names[joint]} at {wanted:.3f} rad,"
                                    f" its limits are {low[joint]} .. {high[joint]}", reflex=True)
        speed = np.abs(trajectory.velocities).max(axis=0)
        if len(trajectory.times) > 1:
            mean = np.abs(np.diff(trajectory.positions, axis=0)) / np.diff(trajectory.times)[:, None]
            speed = np.maximum(speed, mean.max(axis=0))
        excess = speed / self._velocity_limits
        joint = int(np.argmax(excess))
        if excess[joint] > 1.0 + _ROUNDING:
            raise TrajectoryRefused(f"the trajectory moves {self.joint_names[joint]} at {speed[joint]:.2f} rad/s,"
                                    f" its limit is {self._velocity_limits[joint]}", reflex=True)


def _led_to(trajectory: Trajectory, positions: NDArray[np.float64]) -> Trajectory:
    """The trajectory with the present position, at rest, put before its first point."""
    return Trajectory(trajectory.joint_names, np.concatenate([[0.0], trajectory.times]),
                      np.vstack([positions, trajectory.positions]),
                      np.vstack([np.zeros_like(positions), trajectory.velocities]))
