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


"""Which bodies touch: names for error messages, and a collision check that is independent of the planner's.

RoboPlan answers whether a configuration collides, Pinocchio and Coal say what with. The check is exact for the
boxes, where the planner's sensed obstacles are voxels, and slow (milliseconds): it runs only when a plan failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from objectcentric_ros.motion.fr3_description import FINGER_OPEN, RobotDescription
from objectcentric_ros.motion.protocols import Box


@dataclass(frozen=True)
class _Body:
    """A shape somewhere: joint that moves it (0: none), and how far it reaches from its placement's origin [m]."""

    name: str
    shape: coal.CollisionGeometry
    placement: coal.Transform3s
    joint: int
    reach: float


class ContactFinder:
    """Pairs of bodies of the robot, of boxes on the robot and of boxes in the world that touch.

    Args:
        description: the robot.
        fixtures: boxes that belong to the robot: (frame, box), T_base_box read as T_frame_box.
    """

    def __init__(self, description: RobotDescription, fixtures: Sequence[tuple[str, Box]] = ()) -> None:
        self._model = pin.buildModelFromXML(description.urdf)
        self._geometry = pin.buildGeomFromUrdfString(self._model, description.urdf, pin.GeometryType.COLLISION,
                                                     package_dirs=[str(description.package_path)])
        self._data = self._model.createData()
        self._fixtures = tuple(fixtures)
        self._geometry.addAllCollisionPairs()
        pin.removeCollisionPairsFromXML(self._model, self._geometry, description.srdf)
        self._geometry_data = pin.GeometryData(self._geometry)

    def touching(self, arm: NDArray[np.float64], boxes: Sequence[Box], fixtures: Sequence[tuple[str, Box]] = (),
                 margin: float = 0.0) -> list[tuple[str, str]]:
        """Every touching pair once, as (body of the robot, other body).

        Args:
            arm: (7,) joint positions [rad]; the fingers are open.
            boxes: in the base frame.
            fixtures: more boxes on the robot, as in the constructor (a carried item).
            margin: bodies nearer than this touch [m].
        """
        q = np.concatenate([arm, [FINGER_OPEN] * (self._model.nq - len(arm))])
        pin.framesForwardKinematics(self._model, self._data, q)
        pin.updateGeometryPlacements(self._model, self._data, self._geometry, self._geometry_data)
        pairs: dict[tuple[str, str], None] = {}
        links, carried = self._links(), self._on_links((*self._fixtures, *fixtures))
        # The base stands on the table, and never moves into anything else.
        moving = [*(body for body in links if body.joint != 0), *carried]
        world = [_Body(box.name, coal.Box(*box.size), _transform(box.T_base_box), 0, float(np.linalg.norm(box.size)) / 2)
                 for box in boxes]
        pairs |= {(a.name, b.name): None for a in moving for b in world if _touch(a, b, margin)}
        for body in carried:
            # What is fixed to a joint can't move against its own link, and the fingers hold what is carried.
            others = (link for link in links if body.joint not in (link.joint, self._model.parents[link.joint]))
            pairs |= {(body.name, link.name): None for link in others if _touch(body, link, 0.0)}
        if pin.computeCollisions(self._geometry, self._geometry_data, False):
            for pair, result in zip(self._geometry.collisionPairs, self._geometry_data.collisionResults, strict=True):
                if result.isCollision():
                    pairs[self._link(pair.first), self._link(pair.second)] = None
        return list(pairs)

    def _links(self) -> list[_Body]:
        bodies = []
        for i, shape in enumerate(self._geometry.geometryObjects):
            where = self._geometry_data.oMg[i]
            shape.geometry.computeLocalAABB()
            reach = float(np.linalg.norm(shape.geometry.aabb_center) + shape.geometry.aabb_radius)
            placement = coal.Transform3s(where.rotation, where.translation)
            bodies.append(_Body(self._link(i), shape.geometry, placement, int(shape.parentJoint), reach))
        return bodies

    def _on_links(self, fixtures: Sequence[tuple[str, Box]]) -> list[_Body]:
        bodies = []
        for name, box in fixtures:
            frame = self._model.getFrameId(name)
            placement = _transform(self._data.oMf[frame].homogeneous @ box.T_base_box)
            joint = int(self._model.frames[frame].parentJoint)
            bodies.append(_Body(box.name, coal.Box(*box.size), placement, joint, float(np.linalg.norm(box.size)) / 2))
        return bodies

    def _link(self, index: int) -> str:
        return str(self._model.frames[self._geometry.geometryObjects[index].parentFrame].name)


def _transform(T: NDArray[np.float64]) -> coal.Transform3s:
    return coal.Transform3s(np.ascontiguousarray(T[:3, :3]), np.ascontiguousarray(T[:3, 3]))


def _touch(a: _Body, b: _Body, margin: float) -> bool:
    if np.linalg.norm(a.placement.getTranslation() - b.placement.getTranslation()) > a.reach + b.reach + margin:
        return False
    request = coal.CollisionRequest()
    request.security_margin = margin
    return bool(coal.collide(a.shape, a.placement, b.shape, b.placement, request, coal.CollisionResult()))
