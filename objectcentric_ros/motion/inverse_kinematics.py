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


"""Inverse kinematics that prefers arms that are near: several seeds, checked for collisions, ranked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from roboplan.core import _core_ext as roboplan
from roboplan.simple_ik import SimpleIk, SimpleIkOptions

from objectcentric_ros.motion.collision_scene import CollisionScene
from objectcentric_ros.motion.fr3_description import ARM_JOINTS, GROUP


@dataclass(frozen=True)
class IkConfig:
    """How joint positions of a pose are searched.

    Args:
        solutions: collision-free solutions to choose from; the search ends when it has them.
        random_seeds: random starts after the near ones (start, home, both turned towards the goal).
        position_tolerance: of a solution [m].
        angle_tolerance: of a solution [rad].
        limit_margin: solutions this near to a joint limit are refused [rad]: no straight line leads on from there.
        home_weight: how much an arm near home is preferred to one near the start (0: not at all).
    """

    solutions: int = 4
    random_seeds: int = 24
    position_tolerance: float = 2e-4
    angle_tolerance: float = 1e-3
    limit_margin: float = 0.03
    home_weight: float = 0.3


@dataclass(frozen=True)
class IkSolutions:
    """Collision-free solutions (7,) [rad], the preferred first, and one that collides when there is none that doesn't."""

    free: list[NDArray[np.float64]]
    colliding: NDArray[np.float64] | None


class InverseKinematics:
    """Joint positions of TCP poses in a scene.

    Args:
        scene: robot and obstacles; whatever they are when `solve` is called.
        tcp_frame: frame that is brought to the pose.
        home: (7,) a comfortable arm [rad].
        config: search effort and preferences.
    """

    def __init__(self, scene: CollisionScene, tcp_frame: str, home: NDArray[np.float64], config: IkConfig | None = None) -> None:
        self._scene, self._tcp_frame, self._home = scene, tcp_frame, home
        self.config = config or IkConfig()

    def solve(self, T_base_tcp: NDArray[np.float64], start: NDArray[np.float64], rng: np.random.Generator) -> IkSolutions:
        """Solutions for one pose, ranked by the time that the arm takes there from start (7,) [rad]."""
        # A solver keeps the collision bodies of the moment it was made.
        solver = SimpleIk(self._scene.scene, SimpleIkOptions(
            group_name=GROUP, max_iters=80, max_time=1.0, max_restarts=0, step_size=0.5, check_collisions=False,
            max_linear_error_norm=self.config.position_tolerance / 2, max_angular_error_norm=self.config.angle_tolerance / 2))
        goal = roboplan.CartesianConfiguration("world", self._tcp_frame, np.asfortranarray(T_base_tcp))
        free: list[NDArray[np.float64]] = []
        colliding = None
        for seed in self._seeds(T_base_tcp, start, rng):
            solution = roboplan.JointConfiguration(list(ARM_JOINTS), seed.copy())
            if not solver.solveIk(goal, roboplan.JointConfiguration(list(ARM_JOINTS), seed), solution):
                continue
            arm = np.array(solution.positions)
            if not self._is_solution(arm, T_base_tcp):
                continue
            if self._scene.in_collision(arm):
                colliding = arm if colliding is None else colliding
                continue
            if all(np.max(np.abs(arm - other)) > 0.05 for other in free):
                free.append(arm)
            if len(free) >= self.config.solutions:
                break
        return IkSolutions(sorted(free, key=lambda arm: self.cost(arm, start)), colliding)

    def cost(self, arm: NDArray[np.float64], start: NDArray[np.float64]) -> float:
        """Time [s] at full speed from start, and some of the time from home; a turned wrist or elbow is expensive."""
        def time_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
            times = np.abs(a - b) / self._scene.max_velocity
            return float(np.max(times) + 0.2 * np.sum(times))
        return time_between(arm, start) + self.config.home_weight * time_between(arm, self._home)

    def _seeds(self, T_base_tcp: NDArray[np.float64], start: NDArray[np.float64],
               rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        azimuth = float(np.arctan2(T_base_tcp[1, 3], T_base_tcp[0, 3]))
        # The yaw of the hand's x axis; the wrist takes over what the shoulder turns.
        yaw = float(np.arctan2(T_base_tcp[1, 0], T_base_tcp[0, 0]))
        turned = self._home.copy()
        turned[0] = azimuth
        turned[6] = _nearest_turn(self._home[6] + azimuth - yaw, self._scene.lower[6], self._scene.upper[6])
        yield turned
        yield start
        yield self._home
        spread = 0.5 * (self._scene.upper - self._scene.lower)
        for i in range(self.config.random_seeds):
            around = (turned, start)[i % 2] if i < self.config.random_seeds // 2 else self._home
            reach = 0.4 if i < self.config.random_seeds // 2 else 1.0
            yield np.clip(around + rng.uniform(-reach, reach, len(spread)) * spread, self._scene.lower, self._scene.upper)

    def _is_solution(self, arm: NDArray[np.float64], T_base_tcp: NDArray[np.float64]) -> bool:
        margin = self.config.limit_margin
        if np.any(arm < self._scene.lower + margin) or np.any(arm > self._scene.upper - margin):
            return False
        reached = self._scene.tcp(arm)
        cosine = (np.trace(reached[:3, :3].T @ T_base_tcp[:3, :3]) - 1.0) / 2.0
        return bool(np.linalg.norm(reached[:3, 3] - T_base_tcp[:3, 3]) <= self.config.position_tolerance
                    and np.arccos(np.clip(cosine, -1.0, 1.0)) <= self.config.angle_tolerance)


def _nearest_turn(angle: float, lower: float, upper: float) -> float:
    """The angle, whole turns added until it lies within limits, or clipped to them."""
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    return float(np.clip(wrapped, lower, upper))
