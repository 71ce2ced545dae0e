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

"""Times and poses of messages, as numbers and matrices and back.

Images and cameras are in image_conversions, the stack's own messages in stack_conversions. In all three, every function that
reads a message raises ValueError with a sentence when the message contradicts itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.se3 import T_from, quaternion_from_matrix
from objectcentric_ros.nodes import require

require("rclpy")

from builtin_interfaces.msg import Duration, Time  # noqa: E402
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, TransformStamped, Vector3  # noqa: E402
from std_msgs.msg import Header  # noqa: E402


def stamp_seconds(stamp: Time) -> float:
    """Seconds of a stamp (float64: exact to 0.3 µs for present dates; compare stamps with stamp_nanoseconds)."""
    return float(stamp.sec + stamp.nanosec * 1e-9)


def stamp_nanoseconds(stamp: Time) -> int:
    """Nanoseconds of a stamp, exact: the key to match messages of one frame."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def stamp_from_nanoseconds(nanoseconds: int) -> Time:
    """Stamp of nanoseconds."""
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def stamp_from_seconds(seconds: float) -> Time:
    """Stamp of seconds, rounded to nanoseconds."""
    return stamp_from_nanoseconds(round(seconds * 1e9))


def duration_from_seconds(seconds: float) -> Duration:
    """Duration message of seconds."""
    nanoseconds = round(seconds * 1e9)
    return Duration(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def duration_seconds(duration: Duration) -> float:
    """Seconds of a duration message."""
    return float(duration.sec + duration.nanosec * 1e-9)


def matrix_from_pose(pose: Pose) -> NDArray[np.float64]:
    """T_frame_object (4, 4) of a pose.

    Raises:
        ValueError: not finite, or the quaternion's norm is not 1 within 1 %.
    """
    return _matrix(pose.position, pose.orientation, "pose")


def pose_from_matrix(T_frame_object: NDArray[np.float64]) -> Pose:
    """Pose message of a (4, 4) transform."""
    x, y, z = map(float, T_frame_object[:3, 3])
    return Pose(position=Point(x=x, y=y, z=z), orientation=_quaternion(T_frame_object))


def matrix_from_transform(transform: Transform) -> NDArray[np.float64]:
    """T_parent_child (4, 4) of a transform.

    Raises:
        ValueError: not finite, or the quaternion's norm is not 1 within 1 %.
    """
    return _matrix(transform.translation, transform.rotation, "transform")


def transform_from_matrix(T_parent_child: NDArray[np.float64], parent: str, child: str, stamp: Time) -> TransformStamped:
    """Transform message of a (4, 4) transform that maps the child's coordinates into the parent's."""
    x, y, z = map(float, T_parent_child[:3, 3])
    return TransformStamped(header=Header(stamp=stamp, frame_id=parent), child_frame_id=child,
                            transform=Transform(translation=Vector3(x=x, y=y, z=z), rotation=_quaternion(T_parent_child)))


def _matrix(position: Point | Vector3, orientation: Quaternion, name: str) -> NDArray[np.float64]:
    quaternion = np.array([orientation.x, orientation.y, orientation.z, orientation.w])
    translation = np.array([position.x, position.y, position.z])
    if not (np.all(np.isfinite(quaternion)) and np.all(np.isfinite(translation))):
        raise ValueError(f"{name} is not finite: position {translation.tolist()}, quaternion {quaternion.tolist()}")
    norm = float(np.linalg.norm(quaternion))
    if abs(norm - 1.0) > 0.01:
        raise ValueError(f"{name} has a quaternion of norm {norm:.3f}, expected 1: {quaternion.tolist()} (x, y, z, w)")
    return T_from(translation, quaternion)


def _quaternion(matrix: NDArray[np.float64]) -> Quaternion:
    x, y, z, w = map(float, quaternion_from_matrix(matrix[:3, :3]))
    return Quaternion(x=x, y=y, z=z, w=w)
