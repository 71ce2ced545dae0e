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
_EMPTY: NDArray[np.float64] = np.zeros((0, 3))


class CollisionScene:
    """The cell as RoboPlan sees it. Joint positions are the arm's seven [rad]; the fingers are open.

    Args:
        layout: the known cell.
        resolution: edge of the voxels of sensed obstacles [m].
        max_voxels: a sensed box that would fill more than this many is a body of its own instead.
    """

    def __init__(self, layout: CellLayout, resolution: float = 0.0075, max_voxels: int = 20_000) -> None:
        description = fr3_description()
        source = roboplan.loadUrdfSceneDescriptionFromXml(description.urdf, [str(description.package_path)])
        self.scene = roboplan.Scene("cell", source)
        self.scene.importSrdf(description.srdf)
        self.scene.importJointLimitsFromConfig(roboplan.loadJointLimitsConfig(description.joint_limits))
        self.lower, self.upper = self.scene.getPositionLimitVectors(GROUP)
        self.max_velocity = self.scene.getVelocityLimitVectors(GROUP)[1]
        self.max_acceleration = self.scene.getAccelerationLimitVectors(GROUP)[1]
        self._arm = self.scene.getJointGroupInfo(GROUP).q_indices
        self._positions = self.scene.getCurrentJointPositions().copy()
        self._positions[self.scene.getJointPositionIndices([FINGER_JOINT])] = FINGER_OPEN
        self.scene.setJointPositions(self._positions)
        self._tcp_frame = layout.tcp_frame
        self._resolution, self._max_voxels = resolution, max_voxels
        self._T_wrist_hand = self._relative(_WRIST, _HAND)
        self._T_wrist_tcp = self._relative(_WRIST, layout.tcp_frame)

        camera = camera_box(layout)
        self._add("hand core", _WRIST, _hand_core(layout), self._T_wrist_hand)
        self._add(camera.name, _WRIST, camera, self._T_wrist_hand)
        self._links = [f"fr3_link{i}" for i in range(1, 8)] + [_HAND, *FINGERS, "hand core", camera.name]
        # The hand overlaps its core, and the fingers slide through it: it is there for obstacles only.
        self._set_pairs(itertools.product(["hand core", camera.name], [_HAND, *FINGERS]), False)
        self.known = {box.name: box for box in known_boxes(layout)}
        for box in self.known.values():
            self._add(box.name, "world", box, np.eye(4))
        self._set_pairs([*itertools.combinations(self.known, 2), *((name, "fr3_link0") for name in self.known)], False)
        self._contacts = ContactFinder(description, [(_HAND, camera)])

        self.sensed: dict[str, Box] = {}
        self._voxels: dict[str, NDArray[np.float64]] = {}
        self._large: tuple[str, ...] = ()  # sensed boxes in the scene as bodies of their own
        self._octree = False
        self._carried: Box | None = None

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

    def contacts(self, arm: NDArray[np.float64], ignore: Sequence[str] = (), fingers_may_touch: bool = False) -> list[tuple[str, str]]:
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
        self._show_sensed(sensed)

    def set_carried(self, box: Box | None) -> None:
        """Replace what the hand carries; T_base_box is read as T_tcp_box."""
        if self._carried is not None:
            self.scene.removeGeometry(_CARRIED)
        self._carried = box
        if box is None:
            return
        self._add(_CARRIED, _WRIST, box, self._T_wrist_tcp)
        self._set_pairs(itertools.product([_CARRIED], [_HAND, *FINGERS]), False)

    @contextlib.contextmanager
    def allowing(self, ignore: Sequence[str], fingers_may_touch: bool) -> Iterator[None]:
        """Check less while the context lasts; see PlanRequest for the arguments."""
        known = [name for name in ignore if name in self.known]
        sensed = any(name in self.sensed for name in ignore)
        moving = [*self._links, *([_CARRIED] if self._carried is not None else [])]
        known_pairs = list(itertools.product(known, moving))
        if sensed:
            self._show_sensed({name: box for name, box in self.sensed.items() if name not in ignore})
        fingers = [*FINGERS, *([_CARRIED] if self._carried is not None else [])]
        finger_pairs = list(itertools.product(self._sensed_bodies(), fingers)) if fingers_may_touch else []
        self._set_pairs([*known_pairs, *finger_pairs], False)
        try:
            yield
        finally:
            self._set_pairs([*known_pairs, *finger_pairs], True)
            if sensed:
                self._show_sensed(self.sensed)

    def _show_sensed(self, boxes: dict[str, Box]) -> None:
        for name in self._sensed_bodies():
            self.scene.removeGeometry(name)
        large = [box for box in boxes.values() if voxel_count(box, self._resolution) > self._max_voxels]
        small = [box for box in boxes.values() if voxel_count(box, self._resolution) <= self._max_voxels]
        self._large = tuple(box.name for box in large)
        for box in large:
            self._add(box.name, "world", box, np.eye(4))
        centres = voxelise(small, self._resolution)
        self._octree = len(centres) > 0
        if self._octree:
            # An octree's rows are x, y, z, size, occupancy and the occupancy from which on a voxel counts.
            rows = np.column_stack([centres, np.tile([self._resolution, 1.0, 0.5], (len(centres), 1))])
            self.scene.addOcTreeGeometry(_SENSED, "world", roboplan.OcTree(list(rows), self._resolution), np.eye(4), _GREY)
        bodies = self._sensed_bodies()
        self._set_pairs([*itertools.combinations(bodies, 2), *itertools.product(bodies, [*self.known, "fr3_link0"])], False)

    def _sensed_bodies(self) -> list[str]:
        return [*self._large, *([_SENSED] if self._octree else [])]

    def _relative(self, frame: str, other: str) -> NDArray[np.float64]:
        """T_frame_other (4, 4)."""
        T_base_frame = np.asarray(self.scene.forwardKinematics(self._positions, frame))
        return np.asarray(invert(T_base_frame) @ np.asarray(self.scene.forwardKinematics(self._positions, other)))

    def _add(self, name: str, parent: str, box: Box, T_parent_frame: NDArray[np.float64]) -> None:
        self.scene.addBoxGeometry(name, parent, roboplan.Box(*box.size), np.asfortranarray(T_parent_frame @ box.T_base_box), _GREY)

    def _set_pairs(self, pairs: Iterator[tuple[str, str]] | Sequence[tuple[str, str]] | itertools.product, enable: bool) -> None:
        pairs = list(pairs)
        if pairs:
            self.scene.setCollisions(pairs, enable)


def _hand_core(layout: CellLayout) -> Box:
    """A solid box inside the hand's mesh, in the frame of the hand."""
    T_hand_box = np.eye(4)
    T_hand_box[2, 3] = 0.033
    return Box("hand core", T_hand_box, (0.6 * layout.gripper.hand_depth, 0.9 * layout.gripper.hand_width, 0.05))


