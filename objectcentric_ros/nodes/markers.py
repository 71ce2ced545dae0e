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

"""Markers for rviz and the report: names, grasps, paths and obstacles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.layout import GripperShape
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import Box
from objectcentric_ros.nodes import require

require("rclpy", "objectcentric_interfaces")

from geometry_msgs.msg import Point, Vector3  # noqa: E402
from objectcentric_interfaces.msg import Segments  # noqa: E402
from std_msgs.msg import ColorRGBA, Header  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from objectcentric_ros.nodes.conversions import pose_from_matrix  # noqa: E402

TEXT_HEIGHT = 0.02   # [m]
TEXT_RAISE = 0.05    # texts float this far before their item, towards the camera [m]
LINE_WIDTH = 0.004   # [m]
WHITE, PLANNED, EXECUTED, OBSTACLE = (1.0, 1.0, 1.0, 1.0), (0.1, 0.6, 1.0, 0.9), (0.1, 0.9, 0.2, 1.0), (0.9, 0.4, 0.1, 0.35)

Color = tuple[float, float, float, float]


def delete_all(header: Header, namespace: str = "") -> Marker:
    """Marker that removes what was shown before; put it first in an array. An empty namespace means all of the topic."""
    return Marker(header=header, ns=namespace, action=Marker.DELETEALL)


def name_markers(segments: Segments, captions: Mapping[int, str]) -> MarkerArray:
    """Texts over the segments' centroids, in the optical frame of the Segments; segments without a caption get none."""
    array = MarkerArray(markers=[delete_all(segments.header)])
    for segment in segments.segments:
        if segment.id not in captions:
            continue
        marker = _marker(segments.header, "names", segment.id, Marker.TEXT_VIEW_FACING, WHITE)
        marker.text = captions[segment.id]
        marker.scale.z = TEXT_HEIGHT
        centroid = segment.centroid
        marker.pose.position = Point(x=centroid.x, y=centroid.y, z=centroid.z - TEXT_RAISE)
        array.markers.append(marker)
    return array


def grasp_markers(grasps: Sequence[Grasp], gripper: GripperShape, header: Header) -> MarkerArray:
    """Two fingers and the palm for each grasp at its opening, best first, from green (score 1) to red (score 0)."""
    array = MarkerArray(markers=[delete_all(header)])
    for index, grasp in enumerate(grasps):
        color = (1.0 - float(grasp.score), float(grasp.score), 0.1, 0.9 if index == 0 else 0.3)
        half = grasp.opening / 2 + gripper.finger_depth / 2
        length = gripper.finger_length
        finger = (gripper.finger_thickness, gripper.finger_depth, length)
        palm = (gripper.finger_thickness, 2 * half + gripper.finger_depth, gripper.finger_depth)
        parts = (((0.0, half, -length / 2), finger), ((0.0, -half, -length / 2), finger), ((0.0, 0.0, -length), palm))
        for part, (centre, size) in enumerate(parts):
            T_tcp_part = np.eye(4)
            T_tcp_part[:3, 3] = centre
            array.markers.append(_cube(header, "grasps", 3 * index + part, grasp.T_base_tcp @ T_tcp_part, size, color))
    return array


def path_marker(points: Sequence[NDArray[np.float64]], header: Header, namespace: str, color: Color) -> Marker:
    """Line through points (3,) [m, frame of the header]."""
    marker = _marker(header, namespace, 0, Marker.LINE_STRIP, color)
    marker.scale.x = LINE_WIDTH
    marker.points = [Point(x=float(p[0]), y=float(p[1]), z=float(p[2])) for p in points]
    return marker


def box_markers(boxes: Sequence[Box], header: Header, namespace: str = "obstacles", color: Color = OBSTACLE) -> list[Marker]:
    """A translucent cube for each box."""
    return [_cube(header, namespace, index, box.T_base_box, box.size, color) for index, box in enumerate(boxes)]


def _cube(header: Header, namespace: str, index: int, T_frame_box: NDArray[np.float64], size: Sequence[float],
          color: Color) -> Marker:
    marker = _marker(header, namespace, index, Marker.CUBE, color)
    marker.pose = pose_from_matrix(T_frame_box)
    marker.scale = Vector3(x=float(size[0]), y=float(size[1]), z=float(size[2]))
    return marker


def _marker(header: Header, namespace: str, index: int, kind: int, color: Color) -> Marker:
    red, green, blue, alpha = color
    marker = Marker(header=header, ns=namespace, id=index, type=kind, action=Marker.ADD,
                    color=ColorRGBA(r=red, g=green, b=blue, a=alpha))
    marker.pose.orientation.w = 1.0
    return marker
