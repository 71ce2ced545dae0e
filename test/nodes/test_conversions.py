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

"""Messages to arrays and back, and what broken messages say."""

from __future__ import annotations

import array
import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.se3 import T_from, exp
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.identification.ranking import IdentificationResult, RankedCandidate
from objectcentric_ros.motion.protocols import Trajectory
from objectcentric_ros.nodes import conversions, image_conversions, stack_conversions
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation

HEADER = Header(frame_id="camera_color_optical_frame", stamp=Time(sec=12, nanosec=345))


def image(encoding: str, rows: list[bytes], width: int, step: int, bigendian: bool = False) -> Image:
    message = Image(height=len(rows), width=width, step=step, encoding=encoding, is_bigendian=bigendian)
    message.data = array.array("B", b"".join(rows))
    return message


def test_colour_round_trip_keeps_every_pixel() -> None:
    color = np.random.default_rng(1).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    message = image_conversions.image_from_color(color, HEADER)
    assert (message.encoding, message.step, message.header) == ("rgb8", 15, HEADER)
    np.testing.assert_array_equal(image_conversions.color_from_image(message), color)


def test_image_of_a_sliced_array_is_made_contiguous() -> None:
    color = np.random.default_rng(1).integers(0, 256, (8, 10, 3), dtype=np.uint8)[::2, ::2]
    np.testing.assert_array_equal(image_conversions.color_from_image(image_conversions.image_from_color(color, HEADER)), color)


def test_padded_rows_are_skipped_by_the_step() -> None:
    message = image("mono8", [b"\x01\x02\xff\xff", b"\x03\x04\xff\xff"], width=2, step=4)
    np.testing.assert_array_equal(image_conversions.array_from_image(message), [[1, 2], [3, 4]])


def test_last_row_may_come_without_padding() -> None:
    message = image("mono8", [b"\x01\x02\xff\xff", b"\x03\x04"], width=2, step=4)
    np.testing.assert_array_equal(image_conversions.array_from_image(message), [[1, 2], [3, 4]])


@pytest.mark.parametrize(("encoding", "pixel"),
                         [("rgb8", b"\x01\x02\x03"), ("bgr8", b"\x03\x02\x01"), ("rgba8", b"\x01\x02\x03\xff"),
                                                 ("bgra8", b"\x03\x02\x01\xff")])
def test_colour_encodings_give_rgb(encoding: str, pixel: bytes) -> None:
    np.testing.assert_array_equal(image_conversions.color_from_image(image(encoding, [pixel], 1, len(pixel))), [[[1, 2, 3]]])


def test_grey_becomes_rgb() -> None:
    np.testing.assert_array_equal(image_conversions.color_from_image(image("mono8", [b"\x07"], 1, 1)), [[[7, 7, 7]]])


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
@pytest.mark.parametrize("bigendian", [False, True])
def test_millimetres_of_either_byte_order(encoding: str, bigendian: bool) -> None:
    row = (500).to_bytes(2, "big" if bigendian else "little") + b"\x00\x00"
    depth = image_conversions.depth_from_image(image(encoding, [row], 2, 4, bigendian))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0.5, np.nan]])


def test_metres_pass_through() -> None:
    depth = image_conversions.depth_from_image(image("32FC1", [np.array([0.25, np.nan], "<f4").tobytes()], 2, 8))
    np.testing.assert_allclose(depth, [[0.25, np.nan]])


def test_depth_round_trip_is_within_half_a_millimetre() -> None:
    depth = np.random.default_rng(2).uniform(0.2, 2.0, (6, 8)).astype(np.float32)
    depth[0, 0] = np.nan
    message = image_conversions.image_from_depth(depth, HEADER)
    assert message.encoding == "16UC1"
    np.testing.assert_allclose(image_conversions.depth_from_image(message), depth, atol=0.00051)


@pytest.mark.parametrize(("message", "sentence"), [
    (image("yuv422", [b"\0\0"], 1, 2), "unknown image encoding 'yuv422'"),
    (image("rgb8", [b"\0" * 6] * 2, 2, 5), "image step is 5 bytes, but 2 pixels of rgb8 need 6"),
    (image("rgb8", [b"\0" * 6], 2, 6).__class__(height=3, width=2, step=6, encoding="rgb8", data=array.array("B", b"\0" * 10)),
     "truncated: 10 bytes, expected 18"),
    (Image(height=0, width=2, step=6, encoding="rgb8"), "the image is empty"),
    (image("16UC1", [b"\0\0"], 1, 2), "no colour image"),
])
def test_broken_colour_image_says_what_is_wrong(message: Image, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        image_conversions.color_from_image(message)


def test_colour_is_no_depth() -> None:
    with pytest.raises(ValueError, match="rgb8"):
        image_conversions.depth_from_image(image("rgb8", [b"\0\0\0"], 1, 3))


def test_array_that_does_not_fit_the_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="rgb8 takes uint8 with 3 channels, got float32"):
        image_conversions.image_from_array(np.zeros((2, 2, 3), np.float32), "rgb8", HEADER)


def test_camera_round_trip() -> None:
    camera = PinholeCamera(640, 480, 615.0, 616.0, 320.5, 240.25)
    info = image_conversions.info_from_camera(camera, HEADER)
    assert image_conversions.camera_from_info(info) == camera
    assert image_conversions.is_rectified(info)
    info.d = [0.1, 0.0, 0.0, 0.0, 0.0]
    assert not image_conversions.is_rectified(info)


@pytest.mark.parametrize(("k", "sentence"),
                         [([math.nan] * 9, "camera matrix must be finite"), ([0.0] * 9, "focal lengths must be positive")])
def test_uncalibrated_camera_is_refused(k: list[float], sentence: str) -> None:
    info = image_conversions.info_from_camera(PinholeCamera(4, 3, 1.0, 1.0, 0.0, 0.0), HEADER)
    info.k = k
    with pytest.raises(ValueError, match=f"camera_color_optical_frame.*{sentence}"):
        image_conversions.camera_from_info(info)


def test_frame_names_the_image_of_another_size() -> None:
    info = image_conversions.info_from_camera(PinholeCamera(4, 3, 1.0, 1.0, 0.0, 0.0), HEADER)
    color = image_conversions.image_from_color(np.zeros((3, 4, 3), np.uint8), HEADER)
    small = image_conversions.image_from_depth(np.ones((2, 2), np.float32), HEADER)
    with pytest.raises(ValueError, match="depth image is 2x2, camera_info says 4x3"):
        image_conversions.frame_from_messages(color, small, info, np.eye(4))
    depth = image_conversions.image_from_depth(np.full((3, 4), 0.7, np.float32), HEADER)
    frame = image_conversions.frame_from_messages(color, depth, info, np.eye(4))
    assert frame.stamp == pytest.approx(12.000000345) and frame.depth[0, 0] == pytest.approx(0.7)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_compressed_round_trip(kind: str) -> None:
    color = np.zeros((16, 16, 3), np.uint8)
    color[:, :, 0] = 200
    back = image_conversions.color_from_compressed(image_conversions.compressed_from_color(color, kind=kind))
    np.testing.assert_allclose(back, color, atol=0 if kind == "png" else 6)


def test_compressed_rubbish_is_refused() -> None:
    with pytest.raises(ValueError, match="no readable PNG or JPEG"):
        image_conversions.color_from_compressed(image_conversions.compressed_from_bytes(b"not an image"))
    with pytest.raises(ValueError, match="empty"):
        image_conversions.color_from_compressed(CompressedImage())


def test_pose_and_transform_round_trip() -> None:
    T = exp([0.1, -0.2, 0.3, 1.0, -0.5, 2.0])
    np.testing.assert_allclose(conversions.matrix_from_pose(conversions.pose_from_matrix(T)), T, atol=1e-12)
    message = conversions.transform_from_matrix(T, "base", "tool", Time(sec=1))
    assert (message.header.frame_id, message.child_frame_id) == ("base", "tool")
    np.testing.assert_allclose(conversions.matrix_from_transform(message.transform), T, atol=1e-12)


def test_empty_quaternion_and_nan_position_are_refused() -> None:
    pose = Pose()
    pose.orientation.w = 0.0
    with pytest.raises(ValueError, match="quaternion of norm 0.000"):
        conversions.matrix_from_pose(pose)
    pose.orientation.w, pose.position.x = 1.0, math.nan
    with pytest.raises(ValueError, match="not finite"):
        conversions.matrix_from_pose(pose)


def test_times_are_exact_in_nanoseconds() -> None:
    stamp = Time(sec=1_795_319_757, nanosec=777_212_766)
    assert conversions.stamp_from_nanoseconds(conversions.stamp_nanoseconds(stamp)) == stamp
    assert conversions.stamp_from_seconds(1.25) == Time(sec=1, nanosec=250_000_000)
    assert conversions.duration_seconds(conversions.duration_from_seconds(2.75)) == 2.75


def test_segments_round_trip_through_the_optical_frame() -> None:
    T_base_camera = T_from([0.4, 0.0, 0.6], [1.0, 0.0, 0.0, 0.0])   # looks down
    labels = np.zeros((6, 8), np.uint16)
    labels[1:3, 2:5] = 7
    segment = Segment(7, (2, 1, 5, 3), 6, np.array([0.4, 0.1, 0.1]), 0.75)
    message = stack_conversions.segments_from_segmentation(Segmentation(labels, (segment,)), T_base_camera, HEADER)
    centroid = message.segments[0].centroid
    # 0.5 m below the camera; the camera's y axis is the base's -y
    np.testing.assert_allclose([centroid.x, centroid.y, centroid.z], [0.0, -0.1, 0.5], atol=1e-12)
    back = stack_conversions.segmentation_from_segments(message, T_base_camera)
    np.testing.assert_array_equal(back.labels, labels)
    (found,) = back.segments
    assert (found.id, found.box, found.area, found.confidence) == (7, (2, 1, 5, 3), 6, 0.75)
    np.testing.assert_allclose(found.centroid_base, segment.centroid_base, atol=1e-12)
    message.segments[0].roi.width = 100
    with pytest.raises(ValueError, match="segment 7 has box"):
        stack_conversions.segmentation_from_segments(message, T_base_camera)


def test_grasp_round_trip_and_nonsense() -> None:
    grasp = Grasp(T_from([0.4, 0.1, 0.05], [1.0, 0.0, 0.0, 0.0]), 0.03, 0.08, 0.1, 0.5, "geometric", "wide and free")
    message = stack_conversions.message_from_grasp(grasp, HEADER)
    back = stack_conversions.grasp_from_message(message)
    np.testing.assert_allclose(back.T_base_tcp, grasp.T_base_tcp)
    assert (back.method, back.reason) == ("geometric", "wide and free")
    assert (back.width, back.opening, back.approach_distance, back.score) == pytest.approx((0.03, 0.08, 0.1, 0.5))
    message.opening = math.nan
    with pytest.raises(ValueError, match="opening is nan"):
        stack_conversions.grasp_from_message(message)


def test_trajectory_round_trip() -> None:
    trajectory = Trajectory(("a", "b"), np.array([0.0, 0.5, 1.25]), np.arange(6.0).reshape(3, 2), np.ones((3, 2)))
    back = stack_conversions.trajectory_from_message(stack_conversions.message_from_trajectory(trajectory))
    assert back.joint_names == ("a", "b")
    for one, other in ((back.times, trajectory.times), (back.positions, trajectory.positions),
                       (back.velocities, trajectory.velocities)):
        np.testing.assert_allclose(one, other)


def points(*times: float, positions: tuple[float, ...] = (0.0,), velocities: tuple[float, ...] = ()) -> JointTrajectory:
    return JointTrajectory(joint_names=["a"], points=[
        JointTrajectoryPoint(positions=positions, velocities=velocities, time_from_start=conversions.duration_from_seconds(t))
        for t in times])


@pytest.mark.parametrize(("message", "sentence"), [
    (points(), "no points"),
    (points(0.0, positions=(0.0, 1.0)), "2 positions and 0 velocities for 1 joints"),
    (points(0.0, velocities=(0.0, 1.0)), "1 positions and 2 velocities for 1 joints"),
    (points(1.0, 0.5), "must grow"),
    (points(0.0, positions=(math.nan,)), "not finite"),
])
def test_broken_trajectory_says_what_is_wrong(message: JointTrajectory, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        stack_conversions.trajectory_from_message(message)


def test_identification_round_trip() -> None:
    candidate = RankedCandidate("cup", "Cup", 0.75, np.array([0.1, np.nan, 0.3, np.nan], np.float32),
                                (0.08, 0.08, 0.1), None, 3, 2)
    result = IdentificationResult((candidate,), False, 0.75, "clear")
    back = stack_conversions.identification_from_message(stack_conversions.message_from_identification(result, 5))
    (ranked,) = back.ranking
    assert (ranked.object_id, ranked.title, ranked.mass) == ("cup", "Cup", None)
    assert (ranked.picks_attempted, ranked.picks_succeeded) == (3, 2)
    np.testing.assert_allclose(ranked.distances, candidate.distances)
    assert ranked.size == pytest.approx((0.08, 0.08, 0.1))
    assert (back.none_of_these, back.reason) == (False, "clear")
