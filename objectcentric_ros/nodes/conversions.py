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

"""Messages to arrays and back: the only place that knows both.

Every function that reads a message raises ValueError with a sentence when the message contradicts itself; images come as
they are in the message's buffer (no copy) where the layout allows it, and must not be written to.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.depth import depth_to_metres, metres_to_millimetres
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.se3 import T_from, invert, quaternion_from_matrix
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import Trajectory
from objectcentric_ros.nodes import require
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation

require("rclpy", "objectcentric_interfaces")

from builtin_interfaces.msg import Duration, Time  # noqa: E402
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, TransformStamped, Vector3  # noqa: E402
from objectcentric_interfaces import msg as interfaces  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

if TYPE_CHECKING:
    from objectcentric_ros.identification.ranking import IdentificationResult

# dtype and channels of the encodings of sensor_msgs/image_encodings.hpp that a colour or depth camera sends
_ENCODINGS: dict[str, tuple[type, int]] = {
    "mono8": (np.uint8, 1), "8UC1": (np.uint8, 1), "rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "8UC3": (np.uint8, 3),
    "rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4), "mono16": (np.uint16, 1), "16UC1": (np.uint16, 1), "32FC1": (np.float32, 1)}
_RGB_ORDER = {"rgb8": [0, 1, 2], "bgr8": [2, 1, 0], "rgba8": [0, 1, 2], "bgra8": [2, 1, 0]}


# -- time -------------------------------------------------------------------------------------------------------------


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


# -- images -------------------------------------------------------------------------------------------------------------


def array_from_image(image: Image) -> NDArray[Any]:
    """Pixels of an image in the encoding's own dtype and channel order.

    Returns:
        (H, W) or (H, W, C), native byte order, a view of the message's buffer where possible.

    Raises:
        ValueError: unknown encoding, no pixels, a step shorter than a row, or fewer bytes than step * height.
    """
    if image.encoding not in _ENCODINGS:
        raise ValueError(f"unknown image encoding {image.encoding!r}, expected one of {', '.join(_ENCODINGS)}")
    kind, channels = _ENCODINGS[image.encoding]
    dtype = np.dtype(kind)
    if image.width == 0 or image.height == 0:
        raise ValueError(f"the image is empty ({image.width}x{image.height})")
    row = image.width * channels * dtype.itemsize
    if image.step < row:
        raise ValueError(f"image step is {image.step} bytes, but {image.width} pixels of {image.encoding} need {row}")
    # The last row may come without its padding, as from a sub-image.
    if len(image.data) < image.step * (image.height - 1) + row:
        raise ValueError(f"image data is truncated: {len(image.data)} bytes, expected {image.step * image.height}"
                         f" ({image.height} rows of {image.step})")
    shape = (image.height, image.width, channels) if channels > 1 else (image.height, image.width)
    strides = (image.step, channels * dtype.itemsize, dtype.itemsize)[:len(shape)]
    order = dtype.newbyteorder(">" if image.is_bigendian else "<")
    pixels: NDArray[Any] = np.ndarray(shape, order, buffer=image.data, strides=strides)
    return pixels if order.isnative else pixels.astype(dtype)


def color_from_image(image: Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, contiguous.

    Raises:
        ValueError: as array_from_image, or the encoding holds no colour or grey image.
    """
    pixels = array_from_image(image)
    if image.encoding in _RGB_ORDER:
        return np.ascontiguousarray(pixels[..., _RGB_ORDER[image.encoding]] if image.encoding != "rgb8" else pixels)
    if image.encoding == "mono8":
        return np.repeat(pixels[..., None], 3, axis=2)
    raise ValueError(f"image encoding {image.encoding!r} is no colour image, expected {', '.join(_RGB_ORDER)} or mono8")


def depth_from_image(image: Image) -> NDArray[np.float32]:
    """(H, W) float32 [m], NaN where invalid, of a depth image by REP 118 (16UC1 millimetres or 32FC1 metres).

    Raises:
        ValueError: as array_from_image, or another encoding.
    """
    if image.encoding not in ("16UC1", "mono16", "32FC1"):
        raise ValueError(f"image encoding {image.encoding!r} is no depth image, expected 16UC1 (millimetres) or 32FC1 (metres)")
    return depth_to_metres(array_from_image(image), image.encoding)


def labels_from_image(image: Image) -> NDArray[np.uint16]:
    """(H, W) uint16 label image.

    Raises:
        ValueError: as array_from_image, or the encoding is not 16UC1.
    """
    if image.encoding != "16UC1":
        raise ValueError(f"a label image must be 16UC1, got {image.encoding!r}")
    return array_from_image(image)


def image_from_array(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    """Image message of an array whose dtype and channels are the encoding's.

    Raises:
        ValueError: unknown encoding, or the array doesn't fit it.
    """
    if encoding not in _ENCODINGS:
        raise ValueError(f"unknown image encoding {encoding!r}, expected one of {', '.join(_ENCODINGS)}")
    kind, channels = _ENCODINGS[encoding]
    expected = 2 if channels == 1 else 3
    if pixels.ndim != expected or pixels.dtype != kind or (channels > 1 and pixels.shape[2] != channels):
        raise ValueError(f"{encoding} takes {np.dtype(kind)} with {channels} channels, got {pixels.dtype} {pixels.shape}")
    contiguous = np.ascontiguousarray(pixels)
    image = Image(header=header, height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
                  step=contiguous.strides[0] if pixels.shape[0] > 1 else contiguous.nbytes)
    image.data = array.array("B", contiguous.tobytes())   # the only assignment that the setter doesn't check byte by byte
    return image


def image_from_color(color: NDArray[np.uint8], header: Header) -> Image:
    """rgb8 message of (H, W, 3) uint8 RGB."""
    return image_from_array(color, "rgb8", header)


def image_from_depth(depth: NDArray[np.float32], header: Header) -> Image:
    """16UC1 message [mm], 0 invalid, of (H, W) float [m], NaN invalid."""
    return image_from_array(metres_to_millimetres(depth), "16UC1", header)


def image_from_labels(labels: NDArray[np.uint16], header: Header) -> Image:
    """16UC1 message of a (H, W) uint16 label image."""
    return image_from_array(labels, "16UC1", header)


def color_from_compressed(image: CompressedImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a PNG or JPEG.

    Raises:
        ValueError: the bytes are no such image.
    """
    if not image.data:
        raise ValueError("the compressed image is empty")
    decoded = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError(f"{len(image.data)} bytes of format {image.format!r} are no readable PNG or JPEG")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def compressed_from_color(color: NDArray[np.uint8], header: Header | None = None, kind: str = "png",
                          quality: int = 90) -> CompressedImage:
    """PNG or JPEG message of (H, W, 3) uint8 RGB; quality is JPEG's."""
    if kind not in ("png", "jpeg"):
        raise ValueError(f"unknown image format {kind!r}, expected png or jpeg")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    done, encoded = cv2.imencode(f".{kind}", cv2.cvtColor(np.ascontiguousarray(color), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"can't encode an image of shape {color.shape} as {kind}")
    return compressed_from_bytes(encoded.tobytes(), kind, header)


def compressed_from_bytes(encoded: bytes, kind: str = "png", header: Header | None = None) -> CompressedImage:
    """Message of an image that is encoded already."""
    image = CompressedImage(header=header or Header(), format=kind)
    image.data = array.array("B", encoded)
    return image


# -- cameras ------------------------------------------------------------------------------------------------------------


def camera_from_info(info: CameraInfo) -> PinholeCamera:
    """Camera of a CameraInfo's K; distortion is not modelled (see is_rectified).

    Raises:
        ValueError: the size is zero, or K is not finite or has no positive focal length (an uncalibrated camera).
    """
    try:
        return PinholeCamera.from_matrix(np.asarray(info.k, dtype=float), int(info.width), int(info.height))
    except ValueError as error:
        raise ValueError(f"camera_info of frame {info.header.frame_id!r}: {error}") from error


def is_rectified(info: CameraInfo, tolerance: float = 1e-3) -> bool:
    """Whether the distortion coefficients are zero, as those of a D435's colour stream."""
    return bool(np.all(np.abs(np.asarray(info.d, dtype=float)) <= tolerance))


def info_from_camera(camera: PinholeCamera, header: Header) -> CameraInfo:
    """CameraInfo as realsense-ros sends it for a colour stream: plumb_bob without distortion."""
    k = camera.matrix
    return CameraInfo(header=header, height=camera.height, width=camera.width, distortion_model="plumb_bob", d=[0.0] * 5,
                      k=k.ravel().tolist(), r=np.eye(3).ravel().tolist(), p=np.hstack([k, np.zeros((3, 1))]).ravel().tolist())


def frame_from_messages(color: Image, depth: Image, info: CameraInfo, T_base_camera: NDArray[np.float64]) -> RgbdFrame:
    """RGB-D frame of a colour image, the depth image aligned to it, and the colour camera's info.

    Raises:
        ValueError: a message is broken, or the three don't have one size; the message says which.
    """
    camera = camera_from_info(info)
    for name, image in (("colour", color), ("depth", depth)):
        if (image.width, image.height) != (camera.width, camera.height):
            raise ValueError(f"the {name} image is {image.width}x{image.height}, camera_info says {camera.width}x{camera.height}:"
                             " depth must be aligned to colour")
    return RgbdFrame(color_from_image(color), depth_from_image(depth), camera, T_base_camera, stamp_seconds(color.header.stamp))


# -- geometry -----------------------------------------------------------------------------------------------------------


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


# -- segments, grasps, identifications, trajectories ----------------------------------------------------------------------


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
