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


"""RoboPlan's collision scene of the cell: robot, wrist camera, known furniture, sensed obstacles, carried item.

Ways of RoboPlan 0.7 that this module keeps to itself:

- Removing geometries leaves a scene with stale pair numbers: it then answers wrongly, or fails with "pair_id <
  collisionPairs.size()". So a scene is never changed: another one is built, in 8 ms, from the description read once.
- Obstacles are checked against each other unless each pair is switched off.
- A geometry added to a link is placed relative to the joint above that link: the link's own offset is ignored. So
  everything on the hand is added to fr3_link7, whose offset is zero.
- The robot's meshes are hollow: a voxel wholly inside the hand would not collide. A solid core fills the hand.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from roboplan.core import _core_ext as roboplan

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.geometry.se3 import invert
from objectcentric_ros.motion.contacts import ContactFinder
from objectcentric_ros.motion.fr3_description import FINGER_JOINT, FINGER_OPEN, FINGERS, GROUP, fr3_description
from objectcentric_ros.motion.obstacles import camera_box, known_boxes
from objectcentric_ros.motion.protocols import Box
from objectcentric_ros.motion.voxels import voxel_count, voxelise

_WRIST = "fr3_link7"
_HAND = "fr3_hand"
_SENSED = "sensed"
_CARRIED = "carried"
_GREY = np.array([0.5, 0.5, 0.5, 1.0])


class CollisionScene:
    """The cell as RoboPlan sees it. Joint positions are the arm's seven [rad]; the fingers are open.

    Args:
        layout: the known cell.
        resolution: edge of the voxels of sensed obstacles [m].
        max_voxels: a sensed box that would fill more than this many is a body of its own instead.
    """

    def __init__(self, layout: CellLayout, resolution: float = 0.0075, max_voxels: int = 20_000) -> None:
        self._description = fr3_description()
        self._source = roboplan.loadUrdfSceneDescriptionFromXml(self._description.urdf, [str(self._description.package_path)])
        self._limits = roboplan.loadJointLimitsConfig(self._description.joint_limits)
        self._tcp_frame = layout.tcp_frame
        self._resolution, self._max_voxels = resolution, max_voxels
        robot = self._robot()
        self.lower, self.upper = robot.getPositionLimitVectors(GROUP)
        self.max_velocity = robot.getVelocityLimitVectors(GROUP)[1]
        self.max_acceleration = robot.getAccelerationLimitVectors(GROUP)[1]
        self._arm = robot.getJointGroupInfo(GROUP).q_indices
        self._positions = robot.getCurrentJointPositions().copy()
        self._positions[robot.getJointPositionIndices([FINGER_JOINT])] = FINGER_OPEN
        self._T_wrist_hand = self._relative(robot, _WRIST, _HAND)
        self._T_wrist_tcp = self._relative(robot, _WRIST, layout.tcp_frame)

        self._camera, self._core = camera_box(layout), _hand_core(layout)
        self.known = {box.name: box for box in known_boxes(layout)}
        self.sensed: dict[str, Box] = {}
        self._carried: Box | None = None
        self._allowed: tuple[frozenset[str], bool] = (frozenset(), False)
        self._scenes: dict[tuple[frozenset[str], bool], roboplan.Scene] = {}
        self._octrees: dict[frozenset[str], roboplan.OcTree | None] = {}
        self._contacts = ContactFinder(self._description, [(_HAND, self._camera)])

    @property
    def scene(self) -> roboplan.Scene:
        """RoboPlan's scene of the moment. Solvers keep the scene that they were made with: make them anew."""
        if self._allowed not in self._scenes:
            self._scenes[self._allowed] = self._built(*self._allowed)
        return self._scenes[self._allowed]

    def full(self, arm: NDArray[np.float64]) -> NDArray[np.float64]:
        """RoboPlan's position vector (nq,) of the arm's (7,)."""
        positions = self._positions.copy()
        positions[self._arm] = arm
        return positions

    def arm(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The arm's (7,) of RoboPlan's position vector, which may be the arm's already."""
        return positions if len(positions) == len(self._arm) else positions[self._arm]

    def tcp(self, arm: NDArray[np.float64]) -> NDArray[np.float64]:
        """T_base_tcp (4, 4)."""
        return np.asarray(self.scene.forwardKinematics(self.full(arm), self._tcp_frame))

    def in_collision(self, arm: NDArray[np.float64]) -> bool:
        """Whether anything touches that may not."""
        return bool(self.scene.hasCollisions(self.full(arm)))

    def contacts(self, arm: NDArray[np.float64], ignore: Sequence[str] = (),
                 fingers_may_touch: bool = False) -> list[tuple[str, str]]:
        """The touching pairs as (body of the robot, other body), at most a voxel apart; slower than in_collision."""
        boxes = [box for box in (*self.known.values(), *self.sensed.values()) if box.name not in ignore]
        carried = [] if self._carried is None else [(self._tcp_frame, self._carried)]
        free = {*FINGERS, *(box.name for _, box in carried)} if fingers_may_touch else set()
        pairs: list[tuple[str, str]] = []
        for margin in (0.0, self._resolution):  # a voxel reaches up to its edge beyond the box that it stands for
            pairs = [(body, other) for body, other in self._contacts.touching(arm, boxes, carried, margin)
                     if not (other in self.sensed and body in free)]
            if pairs:
                break
        return pairs

    def set_sensed(self, boxes: Sequence[Box]) -> None:
        """Replace the sensed obstacles.

        Raises:
            ValueError: two boxes have the same name, or a box has the name of a known one.
        """
        sensed = {box.name: box for box in boxes}
        if len(sensed) < len(boxes):
            raise ValueError("sensed obstacles must have names of their own, two are the same")
        taken = sensed.keys() & self.known.keys()
        if taken:
            raise ValueError(f"sensed obstacles have names of the known cell: {', '.join(sorted(taken))}")
        self.sensed = sensed
        self._octrees.clear()
        self._scenes.clear()

    def set_carried(self, box: Box | None) -> None:
        """Replace what the hand carries; T_base_box is read as T_tcp_box."""
        if box is not self._carried:
            self._carried = box
            self._scenes.clear()

    @contextlib.contextmanager
    def allowing(self, ignore: Sequence[str], fingers_may_touch: bool) -> Iterator[None]:
        """Check less while the context lasts; see PlanRequest for the arguments. Names of no obstacle mean nothing."""
        before = self._allowed
        obstacles = self.known.keys() | self.sensed.keys()
        self._allowed = (frozenset(obstacles.intersection(ignore)), fingers_may_touch and bool(self.sensed))
        try:
            yield
        finally:
            self._allowed = before

    def _robot(self) -> roboplan.Scene:
        scene = roboplan.Scene("cell", self._source)
        scene.importSrdf(self._description.srdf)
        scene.importJointLimitsFromConfig(self._limits)
        return scene

    def _built(self, ignore: frozenset[str], fingers_may_touch: bool) -> roboplan.Scene:
        scene = self._robot()
        scene.setJointPositions(self._positions)
        on_hand = [self._core.name, self._camera.name]
        _add_box(scene, self._core.name, _WRIST, self._core, self._T_wrist_hand)
        _add_box(scene, self._camera.name, _WRIST, self._camera, self._T_wrist_hand)
        if self._carried is not None:
            on_hand.append(_CARRIED)
            _add_box(scene, _CARRIED, _WRIST, self._carried, self._T_wrist_tcp)
        obstacles = [name for name in self.known if name not in ignore]
        for name in obstacles:
            _add_box(scene, name, "world", self.known[name])
        sensed = [box.name for box in self._large(ignore)]
        for name in sensed:
            _add_box(scene, name, "world", self.sensed[name])
        octree = self._octree(ignore)
        if octree is not None:
            sensed.append(_SENSED)
            scene.addOcTreeGeometry(_SENSED, "world", octree, np.eye(4), _GREY)
        obstacles += sensed
        allowed = [*itertools.combinations(obstacles, 2), *((name, "fr3_link0") for name in obstacles)]
        # What is on the hand overlaps it and each other, the fingers slide through the core and hold what is carried.
        allowed += [*itertools.product(on_hand, [_HAND, *FINGERS]), *itertools.combinations(on_hand, 2)]
        if fingers_may_touch:
            carried = [_CARRIED] if self._carried is not None else []
            allowed += itertools.product(sensed, [*FINGERS, *carried])
        scene.setCollisions(allowed, False)
        return scene

    def _large(self, ignore: frozenset[str]) -> list[Box]:
        return [box for box in self.sensed.values()
                if box.name not in ignore and voxel_count(box, self._resolution) > self._max_voxels]

    def _octree(self, ignore: frozenset[str]) -> roboplan.OcTree | None:
        """The small sensed boxes, or None where there are none."""
        ignored = ignore.intersection(self.sensed)
        if ignored not in self._octrees:
            small = [box for box in self.sensed.values()
                     if box.name not in ignored and voxel_count(box, self._resolution) <= self._max_voxels]
            centres = voxelise(small, self._resolution)
            # Rows are x, y, z, size, occupancy and the occupancy from which on a voxel counts.
            rows = np.column_stack([centres, np.tile([self._resolution, 1.0, 0.5], (len(centres), 1))])
            self._octrees[ignored] = roboplan.OcTree(list(rows), self._resolution) if len(rows) else None
        return self._octrees[ignored]

    def _relative(self, robot: roboplan.Scene, frame: str, other: str) -> NDArray[np.float64]:
        """T_frame_other (4, 4)."""
        T_base_frame = np.asarray(robot.forwardKinematics(self._positions, frame))
        return np.asarray(invert(T_base_frame) @ np.asarray(robot.forwardKinematics(self._positions, other)))


def _add_box(scene: roboplan.Scene, name: str, parent: str, box: Box, T_parent_frame: NDArray[np.float64] | None = None) -> None:
    placement = box.T_base_box if T_parent_frame is None else T_parent_frame @ box.T_base_box
    scene.addBoxGeometry(name, parent, roboplan.Box(*box.size), np.asfortranarray(placement), _GREY)


def _hand_core(layout: CellLayout) -> Box:
    """A solid box inside the hand's mesh, in the frame of the hand."""
    T_hand_box = np.eye(4)
    T_hand_box[2, 3] = 0.034
    return Box("hand core", T_hand_box, (0.5 * layout.gripper.hand_depth, 0.8 * layout.gripper.hand_width, 0.04))


