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

"""Segments, grasps, identifications and trajectories of messages, as what the libraries take and give, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.se3 import invert
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import Trajectory
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.conversions import duration_from_seconds, duration_seconds, matrix_from_pose, pose_from_matrix
from objectcentric_ros.nodes.image_conversions import image_from_labels, labels_from_image
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation

require("rclpy", "objectcentric_interfaces")

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import Point  # noqa: E402
from objectcentric_interfaces import msg as interfaces  # noqa: E402
from sensor_msgs.msg import RegionOfInterest  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

if TYPE_CHECKING:
    from objectcentric_ros.identification.ranking import IdentificationResult


def segments_from_segmentation(segmentation: Segmentation, T_base_camera: NDArray[np.float64],
                               header: Header) -> interfaces.Segments:
    """Segments message; header is the colour image's, so centroids go into the optical frame."""
    T_camera_base = invert(T_base_camera)
    message = interfaces.Segments(header=header, labels=image_from_labels(segmentation.labels, header))
    for segment in segmentation.segments:
        u0, v0, u1, v1 = segment.box
        x, y, z = map(float, (T_camera_base @ np.append(segment.centroid_base, 1.0))[:3])
        message.segments.append(interfaces.Segment(
            id=int(segment.id), area=int(segment.area), confidence=float(segment.confidence), centroid=Point(x=x, y=y, z=z),
            roi=RegionOfInterest(x_offset=int(u0), y_offset=int(v0), width=int(u1 - u0), height=int(v1 - v0))))
    return message


def segmentation_from_segments(message: interfaces.Segments, T_base_camera: NDArray[np.float64]) -> Segmentation:
    """Segmentation of a Segments message whose optical frame lies at T_base_camera.

    Raises:
        ValueError: the label image is broken, or a segment has no pixel box inside it.
    """
    labels = labels_from_image(message.labels)
    height, width = labels.shape
    segments = []
    for segment in message.segments:
        roi = segment.roi
        box = (roi.x_offset, roi.y_offset, roi.x_offset + roi.width, roi.y_offset + roi.height)
        if segment.id == 0 or box[2] > width or box[3] > height:
            raise ValueError(f"segment {segment.id} has box {box} in a label image of {width}x{height}")
        centroid = T_base_camera @ [segment.centroid.x, segment.centroid.y, segment.centroid.z, 1.0]
        segments.append(Segment(segment.id, box, segment.area, centroid[:3], segment.confidence))
    return Segmentation(labels, tuple(segments))


def message_from_grasp(grasp: Grasp, header: Header) -> interfaces.Grasp:
    """Grasp message; header has the base frame and the stamp of the image that the grasp was planned on."""
    return interfaces.Grasp(header=header, pose=pose_from_matrix(grasp.T_base_tcp), width=float(grasp.width),
                            opening=float(grasp.opening), approach_distance=float(grasp.approach_distance),
                            score=float(grasp.score), method=grasp.method, reason=grasp.reason)


def grasp_from_message(message: interfaces.Grasp) -> Grasp:
    """Grasp of a message.

    Raises:
        ValueError: the pose is broken, or a number is not finite or negative.
    """
    numbers = {"width": message.width, "opening": message.opening, "approach_distance": message.approach_distance}
    for name, number in numbers.items():
        if not np.isfinite(number) or number < 0:
            raise ValueError(f"the grasp's {name} is {number}, expected metres from 0")
    return Grasp(matrix_from_pose(message.pose), score=message.score, method=message.method, reason=message.reason, **numbers)


def message_from_identification(result: IdentificationResult, segment_id: int) -> interfaces.Identification:
    """Identification message; segment_id is 0 for an image."""
    message = interfaces.Identification(segment_id=segment_id, none_of_these=bool(result.none_of_these),
                                        confidence=float(result.confidence), reason=result.reason)
    for candidate in result.ranking:
        tray, bin_, catalog, text = map(float, candidate.distances)
        message.ranking.append(interfaces.RankedCandidate(
            object_id=candidate.object_id, title=candidate.title, probability=float(candidate.probability), distance_tray=tray,
            distance_bin=bin_, distance_catalog=catalog, distance_text=text, size=_sizes(candidate.size),
            mass=float("nan") if candidate.mass is None else float(candidate.mass),
            picks_attempted=int(candidate.picks_attempted), picks_succeeded=int(candidate.picks_succeeded)))
    return message


def identification_from_message(message: interfaces.Identification) -> IdentificationResult:
    """Identification of a message."""
    from objectcentric_ros.identification.ranking import IdentificationResult, RankedCandidate

    ranking = tuple(RankedCandidate(
        object_id=c.object_id, title=c.title, probability=c.probability,
        distances=np.array([c.distance_tray, c.distance_bin, c.distance_catalog, c.distance_text], dtype=np.float32),
        size=None if np.isnan(c.size[0]) else tuple(map(float, c.size)), mass=None if np.isnan(c.mass) else c.mass,
        picks_attempted=c.picks_attempted, picks_succeeded=c.picks_succeeded) for c in message.ranking)
    return IdentificationResult(ranking=ranking, none_of_these=message.none_of_these, confidence=message.confidence,
                                reason=message.reason)


def _sizes(size: Sequence[float] | None) -> list[float]:
    return [float("nan")] * 3 if size is None else [float(edge) for edge in size]


def message_from_trajectory(trajectory: Trajectory, stamp: Time | None = None) -> JointTrajectory:
    """JointTrajectory that starts at `stamp`; None (zero) means at once."""
    message = JointTrajectory(header=Header(stamp=stamp or Time()), joint_names=list(trajectory.joint_names))
    for seconds, positions, velocities in zip(trajectory.times, trajectory.positions, trajectory.velocities, strict=True):
        message.points.append(JointTrajectoryPoint(positions=positions.tolist(), velocities=velocities.tolist(),
                                                   time_from_start=duration_from_seconds(float(seconds))))
    return message


def trajectory_from_message(message: JointTrajectory) -> Trajectory:
    """Trajectory of a message; missing velocities are differences, zero at both ends.

    Raises:
        ValueError: no points, a wrong number of values, numbers that are not finite, or times that don't grow.
    """
    names = tuple(message.joint_names)
    if not message.points:
        raise ValueError("the trajectory has no points")
    for index, point in enumerate(message.points):
        if len(point.positions) != len(names) or len(point.velocities) not in (0, len(names)):
            raise ValueError(f"point {index} has {len(point.positions)} positions and {len(point.velocities)} velocities"
                             f" for {len(names)} joints")
    times = np.array([duration_seconds(point.time_from_start) for point in message.points])
    positions = np.array([point.positions for point in message.points], dtype=float).reshape(len(times), len(names))
    if np.any(np.diff(times) <= 0) or times[0] < 0:
        raise ValueError(f"times of the points must grow from 0, got {times.tolist()}")
    if all(len(point.velocities) == len(names) for point in message.points):
        velocities = np.array([point.velocities for point in message.points], dtype=float).reshape(positions.shape)
    else:
        velocities = np.gradient(positions, times, axis=0) if len(times) > 1 else np.zeros_like(positions)
        velocities[[0, -1]] = 0.0
    if not (np.all(np.isfinite(positions)) and np.all(np.isfinite(velocities))):
        raise ValueError("the trajectory has positions or velocities that are not finite")
    return Trajectory(names, times, positions, velocities)
