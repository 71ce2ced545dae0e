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


"""Planning with RoboPlan: IK, RRT-Connect, shortcuts and TOPP-RA for free motion, differential IK for straight lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from roboplan.cartesian_planning import CartesianPathPlanner, CartesianPlannerOptions, CartesianSpeedMode
from roboplan.core import _core_ext as roboplan
from roboplan.rrt import RRT, RRTOptions
from roboplan.toppra import PathParameterizerTOPPRA, SplineFittingMode, TOPPRAOptions

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.motion.collision_scene import CollisionScene
from objectcentric_ros.motion.fr3_description import ARM_JOINTS, GROUP
from objectcentric_ros.motion.inverse_kinematics import IkConfig, InverseKinematics
from objectcentric_ros.motion.protocols import Box, Planner, PlanningError, PlanningFailure, PlanRequest, Trajectory
from objectcentric_ros.motion.trajectory import dwell


@dataclass(frozen=True)
class RoboPlanConfig:
    """How RoboPlan searches and what it promises.

    Args:
        ik: search of joint positions for pose goals.
        goals_tried: of the collision-free joint positions for a pose goal, so many are tried.
        step: distance between collision checks along a path [rad].
        voxel: edge of the voxels of sensed obstacles [m].
        max_nodes: of the RRT; it is bounded by the request's timeout as well.
        shortcut_iterations: random shortcuts tried on a path.
        blend: how far a corner of the path may be cut [rad].
        sample_time: of trajectories [s].
        line_tolerance: largest distance of the TCP from a straight line, and of its end from the goal [m].
        line_angle_tolerance: largest angle between the TCP and the line's orientation [rad].
        max_linear_acceleration, max_angular_speed: of the TCP on straight lines [m/s^2], [rad/s].
        start_contact_travel: a line may begin in contact if it is free after this distance [m]: so an arm gets out of
            the clutter, and a lifted item off its floor.
    """

    ik: IkConfig = field(default_factory=IkConfig)
    goals_tried: int = 3
    step: float = 0.02
    voxel: float = 0.0075
    max_nodes: int = 20_000
    shortcut_iterations: int = 100
    blend: float = 0.05
    sample_time: float = 0.01
    line_tolerance: float = 0.002
    line_angle_tolerance: float = 0.01
    max_linear_acceleration: float = 1.5
    max_angular_speed: float = 1.5
    start_contact_travel: float = 0.08


def make_planner(layout: CellLayout, seed: int = 0) -> Planner:
    """This module's planner, for motion.factory."""
    return RoboPlanPlanner(layout, seed)


class RoboPlanPlanner:
    """Plans for the FR3 with its wrist camera in the known cell among sensed boxes.

    The same seed, request and obstacles give the same trajectory, unless a search was cut off by its timeout. Calls
    from several threads take turns.

    Args:
        layout: the known cell.
        seed: of every random choice.
        config: search effort and tolerances.
    """

    joint_names: tuple[str, ...] = ARM_JOINTS

    def __init__(self, layout: CellLayout, seed: int = 0, config: RoboPlanConfig | None = None) -> None:
        self.config = config or RoboPlanConfig()
        self.scene = CollisionScene(layout, self.config.voxel)
        self._ik = InverseKinematics(self.scene, layout.tcp_frame, layout.home, self.config.ik)
        self._tcp_frame = layout.tcp_frame
        self._seed = seed
        self._lock = threading.RLock()

    def set_obstacles(self, boxes: Sequence[Box]) -> None:
        """Replace the obstacles that come from sensing; the known cell stays."""
        with self._lock:
            self.scene.set_sensed(boxes)

    def attach(self, box: Box | None) -> None:
        """Carry a box with the hand, its T_base_box read as T_tcp_box; None detaches."""
        with self._lock:
            self.scene.set_carried(box)

    def forward(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """T_base_tcp (4, 4) of (7,) joint positions [rad]."""
        with self._lock:
            return self.scene.tcp(np.asarray(positions, dtype=float))

    def contacts(self, positions: NDArray[np.float64]) -> list[tuple[str, str]]:
        """Pairs of bodies that touch at (7,) joint positions [rad]; none where the arm is free."""
        with self._lock:
            return self.scene.contacts(positions) if self.scene.in_collision(positions) else []

    def plan(self, request: PlanRequest) -> Trajectory:
        """Plan one motion; raises PlanningError."""
        start, goal = self._checked(request)
        with self._lock, self.scene.allowing(request.ignore, request.fingers_may_touch):
            if request.linear:
                return self._plan_line(request, start, goal)
            return self._plan_free(request, start, goal)

    def _checked(self, request: PlanRequest) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Start and goal as float arrays; raises PlanningError(INVALID_REQUEST)."""
        start, goal = np.asarray(request.start, dtype=float), np.asarray(request.goal, dtype=float)
        joints = len(self.joint_names)
        if start.shape != (joints,):
            raise _invalid(f"the start must be ({joints},) joint positions, got {start.shape}")
        if goal.shape not in ((joints,), (4, 4)) and not (goal.ndim == 3 and goal.shape[1:] == (4, 4) and len(goal)):
            raise _invalid(f"the goal must be ({joints},) joint positions or (4, 4) or (M, 4, 4) poses, got {goal.shape}")
        if not (np.all(np.isfinite(start)) and np.all(np.isfinite(goal))):
            raise _invalid("start and goal must be finite")
        if request.linear and goal.shape not in ((4, 4), (1, 4, 4)):
            raise _invalid(f"a straight line needs one (4, 4) pose as its goal, got {goal.shape}")
        if not (0 < request.velocity_scale <= 1 and 0 < request.acceleration_scale <= 1):
            raise _invalid("velocity_scale and acceleration_scale must lie in (0, 1], got "
                           f"{request.velocity_scale} and {request.acceleration_scale}")
        self._check_limits(start, "start", PlanningFailure.INVALID_REQUEST)
        if goal.ndim == 1:
            self._check_limits(goal, "goal", PlanningFailure.UNREACHABLE)
        # A joint that rests at its limit is measured a hair beyond it.
        return np.clip(start, self.scene.lower, self.scene.upper), goal

    def _check_limits(self, arm: NDArray[np.float64], what: str, reason: PlanningFailure, slack: float = 0.005) -> None:
        beyond = np.flatnonzero((arm < self.scene.lower - slack) | (arm > self.scene.upper + slack))
        if len(beyond):
            i = int(beyond[0])
            raise PlanningError(reason, f"the {what} has {self.joint_names[i]} at {arm[i]:.3f} rad, its limits are "
                                        f"{self.scene.lower[i]:.3f} to {self.scene.upper[i]:.3f} rad")

    def _plan_free(self, request: PlanRequest, start: NDArray[np.float64], goal: NDArray[np.float64]) -> Trajectory:
        deadline = time.monotonic() + request.timeout
        if self.scene.in_collision(start):
            raise PlanningError(PlanningFailure.START_IN_COLLISION, f"the start is in collision: {self._names(request, start)}")
        goals = self._goals(request, start, goal)
        for attempt, arm in enumerate(goals):
            path = self._path(start, arm, deadline, self._seed + attempt)
            trajectory = None if path is None else self._timed(path, request)
            if trajectory is not None:
                return trajectory
            if time.monotonic() >= deadline:
                break
        raise PlanningError(PlanningFailure.NO_PATH, f"no collision-free path to {len(goals)} arm position(s) of the goal found "
                                                     f"in {request.timeout:.2f} s")

    def _goals(self, request: PlanRequest, start: NDArray[np.float64], goal: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Collision-free arm positions of the goal, the preferred first."""
        if goal.ndim == 1:
            arm = np.clip(goal, self.scene.lower, self.scene.upper)
            if self.scene.in_collision(arm):
                raise PlanningError(PlanningFailure.GOAL_IN_COLLISION, f"the goal is in collision: {self._names(request, arm)}")
            return [arm]
        rng = np.random.default_rng(self._seed)
        solutions = [self._ik.solve(pose, start, rng) for pose in goal.reshape(-1, 4, 4)]
        free = sorted((arm for found in solutions for arm in found.free), key=lambda arm: self._ik.cost(arm, start))
        if free:
            return free[:self.config.goals_tried]
        x, y, z = goal.reshape(-1, 4, 4)[0, :3, 3]
        where = f"({x:.3f}, {y:.3f}, {z:.3f}) m"
        for found in solutions:
            if found.colliding is not None:
                raise PlanningError(PlanningFailure.GOAL_IN_COLLISION, f"the goal at {where} is in collision: "
                                                                       f"{self._names(request, found.colliding)}")
        raise PlanningError(PlanningFailure.UNREACHABLE, f"the goal at {where} is unreachable: no arm position within the joint "
                                                         "limits brings the TCP there in this orientation")

    def _path(self, start: NDArray[np.float64], goal: NDArray[np.float64], deadline: float,
              seed: int) -> list[NDArray[np.float64]] | None:
        """Corners of a collision-free path, or None when none was found in time."""
        if float(np.max(np.abs(goal - start))) < 1e-6:
            return [start]
        full = self.scene.full
        # Most motions above the clutter need no search; the straight path is the shortest and the most predictable.
        if not roboplan.hasCollisionsAlongPath(self.scene.scene, full(start), full(goal), self.config.step):
            return [start, goal]
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return None
        names = list(self.joint_names)
        rrt = RRT(self.scene.scene, RRTOptions(
            group_name=GROUP, rrt_connect=True, max_nodes=self.config.max_nodes, max_connection_distance=1.0,
            collision_check_step_size=self.config.step, max_planning_time=remaining))
        rrt.setRngSeed(seed)
        try:
            path = rrt.plan(roboplan.JointConfiguration(names, start), roboplan.JointConfiguration(names, goal))
        except RuntimeError:  # RoboPlan's way to say that time or nodes ran out
            return None
        shortcutter = roboplan.PathShortcutter(self.scene.scene, roboplan.PathShortcuttingOptions(
            GROUP, self.config.step, self.config.shortcut_iterations, seed))
        return [self.scene.arm(np.array(q)) for q in shortcutter.shortcut(path).positions]

    def _timed(self, corners: list[NDArray[np.float64]], request: PlanRequest) -> Trajectory | None:
        """The path within the joint limits' speed, or None when its blended corners collide."""
        if len(corners) == 1:
            return dwell(self.joint_names, corners[0])
        path = roboplan.JointPath()
        path.joint_names, path.positions = list(self.joint_names), corners
        parameterizer = PathParameterizerTOPPRA(self.scene.scene, GROUP)
        # Hermite stops at every corner: slow, but exactly on the path.
        for mode in (SplineFittingMode.LinearBlend, SplineFittingMode.Hermite):
            try:
                timed = parameterizer.generate(path, TOPPRAOptions(
                    dt=self.config.sample_time, mode=mode, velocity_scale=request.velocity_scale,
                    acceleration_scale=request.acceleration_scale, max_blend_deviation=self.config.blend))
            except RuntimeError:
                continue
            trajectory = self._trajectory(timed)
            if not any(self.scene.in_collision(arm) for arm in trajectory.positions):
                return trajectory
        return None

    def _plan_line(self, request: PlanRequest, start: NDArray[np.float64], goal: NDArray[np.float64]) -> Trajectory:
        T_start, T_goal = self.scene.tcp(start), goal.reshape(4, 4)
        if np.allclose(T_start, T_goal, atol=1e-5):
            return dwell(self.joint_names, start)
        trajectory = self._line(request, start, T_start, T_goal)
        self._check_line(request, trajectory, T_start, T_goal)
        return trajectory

    def _line(self, request: PlanRequest, start: NDArray[np.float64], T_start: NDArray[np.float64],
              T_goal: NDArray[np.float64]) -> Trajectory:
        planner = CartesianPathPlanner(self.scene.scene, CartesianPlannerOptions(
            group_name=GROUP, dt=self.config.sample_time, speed_mode=CartesianSpeedMode.Bounded,
            max_linear_speed=request.max_linear_speed, max_linear_acceleration=self.config.max_linear_acceleration,
            max_angular_speed=self.config.max_angular_speed, max_position_error=self.config.line_tolerance / 2,
            velocity_scale=request.velocity_scale, acceleration_scale=request.acceleration_scale))
        path = roboplan.CartesianPath(["world"], [self._tcp_frame], [[np.asfortranarray(T_start), np.asfortranarray(T_goal)]])
        try:
            timed = planner.plan(path, roboplan.JointConfiguration(self.scene.scene.getJointNames(), self.scene.full(start)))
        except RuntimeError as error:
            x, y, z = T_goal[:3, 3]
            raise PlanningError(PlanningFailure.UNREACHABLE, f"the straight line to ({x:.3f}, {y:.3f}, {z:.3f}) m leaves the "
                                                             f"arm's reach: {error}") from error
        return self._trajectory(timed)

    def _check_line(self, request: PlanRequest, trajectory: Trajectory, T_start: NDArray[np.float64],
                    T_goal: NDArray[np.float64]) -> None:
        """RoboPlan's lines know nothing of collisions and only roughly of straightness: both are checked here."""
        poses = np.array([self.scene.tcp(arm) for arm in trajectory.positions])
        along = T_goal[:3, 3] - T_start[:3, 3]
        length = float(np.linalg.norm(along))
        travelled = poses[:, :3, 3] - T_start[:3, 3]
        progress = np.clip(travelled @ along / max(length, 1e-9) ** 2, 0.0, 1.0)
        deviation = float(np.max(np.linalg.norm(travelled - progress[:, None] * along, axis=1)))
        missed = float(np.linalg.norm(poses[-1, :3, 3] - T_goal[:3, 3]))
        cosine = (np.einsum("ij,ij", poses[-1, :3, :3], T_goal[:3, :3]) - 1.0) / 2.0
        angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
        if max(deviation, missed) > self.config.line_tolerance or angle > self.config.line_angle_tolerance:
            raise PlanningError(PlanningFailure.UNREACHABLE, f"the line would bend by {deviation * 1000:.1f} mm and end "
                                f"{missed * 1000:.1f} mm and {angle:.3f} rad from its goal: too near to the arm's limits")
        collides = np.array([self.scene.in_collision(arm) for arm in trajectory.positions])
        if not collides.any():
            return
        distance = np.linalg.norm(travelled, axis=1)
        # In contact from the start: fine if the contact ends soon and doesn't come back.
        leaves = int(np.argmin(collides)) if collides[0] else 0
        if collides[0] and (collides.all() or distance[leaves] > self.config.start_contact_travel):
            raise PlanningError(PlanningFailure.START_IN_COLLISION, "the start is in collision and the line doesn't lead out of "
                                f"it: {self._names(request, trajectory.positions[0])}")
        again = np.flatnonzero(collides[leaves:])
        if not len(again):
            return
        first = leaves + int(again[0])
        pair = self._names(request, trajectory.positions[first])
        where = f"{distance[first] * 100:.1f} of {length * 100:.1f} cm"
        if collides[-1]:
            raise PlanningError(PlanningFailure.GOAL_IN_COLLISION, f"the line's goal is in collision, from {where} on: {pair}")
        raise PlanningError(PlanningFailure.NO_PATH, f"the line collides after {where}: {pair}")

    def _names(self, request: PlanRequest, arm: NDArray[np.float64]) -> str:
        pairs = self.scene.contacts(arm, request.ignore, request.fingers_may_touch)
        if not pairs:
            return "bodies that touch by less than a voxel"
        named = [f"{body} with {other}" for body, other in pairs[:3]]
        return ", ".join(named) + (f" and {len(pairs) - 3} more" if len(pairs) > 3 else "")

    def _trajectory(self, timed: roboplan.JointTrajectory) -> Trajectory:
        positions = np.array([self.scene.arm(np.asarray(q)) for q in timed.positions])
        velocities = np.array([self.scene.arm(np.asarray(v)) for v in timed.velocities])
        return Trajectory(self.joint_names, np.asarray(timed.times, dtype=float), positions, velocities)


def _invalid(message: str) -> PlanningError:
    return PlanningError(PlanningFailure.INVALID_REQUEST, message)
