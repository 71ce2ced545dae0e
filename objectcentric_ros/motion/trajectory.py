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


"""Reading a trajectory: where the arm should be at a time, and how fast and how hard it moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.protocols import Trajectory


def sample(trajectory: Trajectory, time: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Commanded state at a time: cubic Hermite between samples, as joint_trajectory_controller does it.

    Args:
        trajectory: the trajectory.
        time: seconds since its start; before the start is its first sample, after the end its last, at rest.

    Returns:
        positions (N,) [rad], velocities (N,) [rad/s].
    """
    times = trajectory.times
    if time <= times[0]:
        return trajectory.positions[0].copy(), trajectory.velocities[0].copy()
    if time >= times[-1]:
        return trajectory.positions[-1].copy(), np.zeros_like(trajectory.velocities[-1])
    k = int(np.searchsorted(times, time, side="right")) - 1
    step = times[k + 1] - times[k]
    s = (time - times[k]) / step
    p0, p1 = trajectory.positions[k], trajectory.positions[k + 1]
    v0, v1 = trajectory.velocities[k] * step, trajectory.velocities[k + 1] * step
    position = (2 * s**3 - 3 * s**2 + 1) * p0 + (s**3 - 2 * s**2 + s) * v0 + (3 * s**2 - 2 * s**3) * p1 + (s**3 - s**2) * v1
    velocity = ((6 * s**2 - 6 * s) * (p0 - p1) + (3 * s**2 - 4 * s + 1) * v0 + (3 * s**2 - 2 * s) * v1) / step
    return position, velocity


def accelerations(trajectory: Trajectory) -> NDArray[np.float64]:
    """Mean acceleration of every interval, (K - 1, N) [rad/s^2], from the velocities at its two ends."""
    return np.diff(trajectory.velocities, axis=0) / np.diff(trajectory.times)[:, None]


def dwell(joint_names: tuple[str, ...], positions: NDArray[np.float64], duration: float = 0.01) -> Trajectory:
    """A trajectory that stays at positions (N,) [rad]: what a plan to where the arm already is comes to."""
    return Trajectory(joint_names, np.array([0.0, duration]), np.stack([positions, positions]), np.zeros((2, len(positions))))
