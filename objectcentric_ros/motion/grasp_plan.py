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


"""What a grasp or a move consists of: which motions, in which order, with which obstacles. Plans only, moves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.obstacles import ObstacleConfig, boxes_from_depth, carried_box
from objectcentric_ros.motion.protocols import Box, Planner, PlanningError, PlanningFailure, PlanRequest, Trajectory

# Half a turn about the approach axis: the same grasp for a parallel hand.
_HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class MotionConfig:
    """Speeds and planning effort.

    Args:
        velocity_scale, acceleration_scale: of free motions, 0..1 of the joint limits.
        carry_scale: both, while an item is in the hand: it must not slip.
        approach_speed: of the TCP on the line to the item [m/s].
        lift_speed: of the TCP on the line up [m/s].
        timeout: planning time for each motion [s].
        back_out: an arm that starts in contact first moves back so far along its approach axis [m].
        line_tolerance: sensed obstacles lose so much of their height, and half of it on each side, on the lines to the item
            and up: their grid is coarse, and the grasp planner has fitted the hand in on a finer one [m].
        raise_step, max_raise: a named pose at which the carried item would collide is raised in such steps up to so much [m].
    """

    velocity_scale: float = 0.7
    acceleration_scale: float = 0.7
    carry_scale: float = 0.35
    approach_speed: float = 0.25
    lift_speed: float = 0.25
    timeout: float = 2.0
    back_out: float = 0.12
    line_tolerance: float = 0.008
    raise_step: float = 0.04
    max_raise: float = 0.2


@dataclass(frozen=True)
class GraspPlan:
    """A whole grasp: motions to the pre-grasp, the line to the item, the line up, and the box that is then carried."""

    to_pregrasp: tuple[Trajectory, ...]
    approach: Trajectory
    lift: Trajectory
    carried: Box

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """All motions in order."""
        return (*self.to_pregrasp, self.approach, self.lift)


class MotionPlanning:
    """Plans grasps and moves; remembers what the hand carries.

    Args:
        planner: any planner.
        layout: the known cell and its named poses.
        config: speeds and effort.
        obstacles: how obstacles are read from depth images.
    """

    def __init__(self, planner: Planner, layout: CellLayout, config: MotionConfig, obstacles: ObstacleConfig) -> None:
        self._planner, self._layout, self._config, self._obstacles = planner, layout, config, obstacles
        self._carried: Box | None = None
        self._sensed: list[Box] = []
        # One arm position for each named pose, found near home and without obstacles, so that "look" is always the same.
        planner.set_obstacles([])
        planner.attach(None)
        self._named: dict[str, NDArray[np.float64]] = {"home": layout.home, "ready": layout.home}
        for name, pose in layout.named_poses.items():
            try:
                self._named[name] = planner.plan(PlanRequest(layout.home, pose, timeout=config.timeout)).positions[-1]
            except PlanningError as error:
                raise ValueError(f"the cell's named pose '{name}' can't be used: {error}") from error

    @property
    def carried(self) -> Box | None:
        """The box in the hand, T_base_box read as T_tcp_box."""
        return self._carried

    @carried.setter
    def carried(self, box: Box | None) -> None:
        self._carried = box
        self._planner.attach(box)

    def grasp(self, start: NDArray[np.float64], grasp: Grasp, lift_height: float, frame: RgbdFrame | None,
              item_mask: NDArray[np.bool_] | None) -> GraspPlan:
        """Plan everything from start (7,) to the lifted item; raises PlanningError."""
        self._see(frame, item_mask)
        carried = self._item_box(grasp, frame, item_mask)
        poses = [grasp.T_base_tcp, grasp.T_base_tcp @ _HALF_TURN]
        first_error: PlanningError | None = None
        pregrasps = np.stack([_backed(pose, grasp.approach_distance) for pose in poses])
        while poses:
            try:
                to_pregrasp = self._free_motion(start, pregrasps)
                reached = self._planner.forward(to_pregrasp[-1].positions[-1])
                chosen = int(np.argmin([np.abs(reached - pose).max() for pose in pregrasps]))
            except PlanningError as error:
                raise first_error or error from error
            try:
                return self._into_clutter(to_pregrasp, poses[chosen], lift_height, carried)
            except PlanningError as error:
                first_error = first_error or error
                poses.pop(chosen)
                pregrasps = np.delete(pregrasps, chosen, axis=0)
        raise first_error or PlanningError(PlanningFailure.NO_PATH, "no grasp pose was left to plan")

    def move(self, start: NDArray[np.float64], goal: str | NDArray[np.float64], frame: RgbdFrame | None,
             linear: bool) -> tuple[Trajectory, ...]:
        """Plan a motion from start (7,) to a named pose or T_base_tcp (4, 4); raises PlanningError."""
        self._see(frame, None)
        if linear:
            return (self._straight(start, self._pose(goal)),)
        first_error: PlanningError | None = None
        for candidate in self._candidates(goal):
            try:
                return self._free_motion(start, candidate)
            except PlanningError as error:
                first_error = first_error or error
                if error.reason not in (PlanningFailure.GOAL_IN_COLLISION, PlanningFailure.UNREACHABLE):
                    break
        raise first_error or PlanningError(PlanningFailure.INVALID_REQUEST, "there is no goal")

    def _straight(self, start: NDArray[np.float64], goal: NDArray[np.float64]) -> Trajectory:
        request = self._line(start, goal, self._config.approach_speed)
        try:
            return self._planner.plan(request)
        except PlanningError as error:
            upward = goal[2, 3] > self._planner.forward(start)[2, 3]
            if self._carried is None or not upward or error.reason is not PlanningFailure.START_IN_COLLISION:
                raise
        # What is carried, or its box, touches something: straight up it comes free. The hand is checked still.
        self._planner.attach(None)
        try:
            return self._planner.plan(request)
        finally:
            self._planner.attach(self._carried)

    def _into_clutter(self, before: tuple[Trajectory, ...], T_base_tcp: NDArray[np.float64], lift_height: float,
                      carried: Box) -> GraspPlan:
        lifted = T_base_tcp.copy()
        lifted[2, 3] += lift_height
        self._planner.set_obstacles(_slimmed(self._sensed, self._config.line_tolerance))
        try:
            approach = self._planner.plan(self._line(before[-1].positions[-1], T_base_tcp, self._config.approach_speed))
            return GraspPlan(before, approach, self._lift(approach.positions[-1], lifted, carried), carried)
        finally:
            self._planner.set_obstacles(self._sensed)

    def _lift(self, start: NDArray[np.float64], lifted: NDArray[np.float64], carried: Box) -> Trajectory:
        request = self._line(start, lifted, self._config.lift_speed)
        self._planner.attach(carried)
        try:
            return self._planner.plan(request)
        except PlanningError as error:
            if error.reason is not PlanningFailure.START_IN_COLLISION:
                raise
        finally:
            self._planner.attach(self._carried)
        # An item that leans on a wall touches it, or its box does: straight up it slides along. The hand is checked still.
        return self._planner.plan(request)

    def _see(self, frame: RgbdFrame | None, item_mask: NDArray[np.bool_] | None) -> None:
        self._sensed = [] if frame is None else boxes_from_depth(frame, self._layout, item_mask, self._obstacles, self._carried)
        self._planner.set_obstacles(self._sensed)

    def _item_box(self, grasp: Grasp, frame: RgbdFrame | None, item_mask: NDArray[np.bool_] | None) -> Box:
        points = np.zeros((0, 3), dtype=np.float32)
        if frame is not None and item_mask is not None:
            points = frame.points_base()[item_mask & np.isfinite(frame.depth)]
        x, y = grasp.T_base_tcp[:2, 3]
        inside = self._layout.tray.contains(np.array([x, y, 0.0]))
        floor = self._layout.tray.floor_thickness if inside else 0.0
        return carried_box(points, grasp.T_base_tcp, grasp.width, floor, palm=self._layout.gripper.finger_length)

    def _free_motion(self, start: NDArray[np.float64], goal: NDArray[np.float64]) -> tuple[Trajectory, ...]:
        """Free motion; from a start in contact (fingers amid the clutter, say) first a line back along the approach axis."""
        try:
            return (self._planner.plan(self._free(start, goal)),)
        except PlanningError as error:
            if error.reason is not PlanningFailure.START_IN_COLLISION:
                raise
            pose = _backed(self._planner.forward(start), self._config.back_out)
            try:
                line = self._planner.plan(self._line(start, pose, self._config.lift_speed))
            except PlanningError as no_way_out:
                raise PlanningError(error.reason, f"{error}; and no line leads back from there: {no_way_out}") from no_way_out
            return line, self._planner.plan(self._free(line.positions[-1], goal))

    def _candidates(self, goal: str | NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """The goal, and with an item in the hand higher ones: a long item needs more room under the hand."""
        yield self._named_goal(goal)[0] if isinstance(goal, str) else np.asarray(goal, dtype=float)
        if isinstance(goal, str) and goal in self._layout.named_poses and self._carried is not None:
            for height in np.arange(self._config.raise_step, self._config.max_raise + 1e-9, self._config.raise_step):
                raised = self._layout.named_poses[goal].copy()
                raised[2, 3] += height
                yield np.stack([raised, raised @ _HALF_TURN])

    def _pose(self, goal: str | NDArray[np.float64]) -> NDArray[np.float64]:
        return self._named_goal(goal)[1] if isinstance(goal, str) else np.asarray(goal, dtype=float)

    def _named_goal(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Arm position and T_base_tcp of a named pose."""
        if name not in self._named:
            known = ", ".join(sorted(self._named))
            raise PlanningError(PlanningFailure.INVALID_REQUEST, f"no pose is called '{name}'; known: {known}")
        return self._named[name], self._planner.forward(self._named[name])

    def _free(self, start: NDArray[np.float64], goal: NDArray[np.float64]) -> PlanRequest:
        config = self._config
        request = PlanRequest(start, goal, velocity_scale=config.velocity_scale, acceleration_scale=config.acceleration_scale,
                              timeout=config.timeout)
        if self._carried is None:
            return request
        return replace(request, velocity_scale=config.carry_scale, acceleration_scale=config.carry_scale)

    def _line(self, start: NDArray[np.float64], goal: NDArray[np.float64], speed: float) -> PlanRequest:
        config = self._config
        return PlanRequest(start, goal, linear=True, max_linear_speed=speed, velocity_scale=config.velocity_scale,
                           acceleration_scale=config.acceleration_scale, timeout=config.timeout, fingers_may_touch=True)


def _backed(T_base_tcp: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """The pose so far [m] back along its approach axis."""
    backed = T_base_tcp.copy()
    backed[:3, 3] -= distance * T_base_tcp[:3, 2]
    return backed


def _slimmed(boxes: Sequence[Box], tolerance: float) -> list[Box]:
    """Upright boxes whose top is lower by the tolerance and whose sides are nearer by half of it."""
    slim = []
    for box in boxes:
        size = (box.size[0] - tolerance, box.size[1] - tolerance, box.size[2] - tolerance)
        if min(size) > 0:
            T_base_box = box.T_base_box.copy()
            T_base_box[2, 3] -= tolerance / 2
            slim.append(Box(box.name, T_base_box, size))
    return slim
