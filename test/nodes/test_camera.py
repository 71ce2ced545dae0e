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

"""The D435 node, end to end on recordings: its own rs.pipeline plays them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from objectcentric_ros.geometry.se3 import T_from
from objectcentric_ros.nodes.camera import CameraNode, matrix_from_extrinsics, millimetres
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.heart import ERROR, OK
from objectcentric_ros.nodes.image_conversions import color_from_image, depth_from_image
from objectcentric_ros.nodes.transforms import TransformListener

from .node_bench import COLOR_TOPIC, DEPTH_TOPIC, INFO_TOPIC, NodeBench

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)

from .realsense_recording import BASELINE, COLOR_FOCAL, DEPTH_FOCAL, record  # noqa: E402


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("realsense") / "wall.db3"
    record(path)
    return path


def test_recording_comes_out_as_realsense_ros_would_publish_it(bench: NodeBench, recording: Path) -> None:
    sensor = qos_profile_sensor_data
    color, depth = bench.listen(Image, COLOR_TOPIC, sensor), bench.listen(Image, DEPTH_TOPIC, sensor)
    infos = bench.listen(CameraInfo, INFO_TOPIC, sensor)
    transforms = TransformListener(bench.client)
    bench.add(CameraNode, device_file=str(recording))

    def pair() -> tuple[Image, Image] | None:
        stamps = {stamp_nanoseconds(image.header.stamp): image for image in color}
        return next(((stamps[key], image) for image in depth if (key := stamp_nanoseconds(image.header.stamp)) in stamps), None)

    rgb, aligned = bench.wait_for(lambda: infos and pair(), "a pair of images", timeout=20.0)
    assert (rgb.encoding, aligned.encoding, rgb.header.frame_id, aligned.header.frame_id) == (
        "rgb8", "16UC1", "camera_color_optical_frame", "camera_color_optical_frame")
    assert (infos[0].width, infos[0].height, infos[0].k[0]) == (640, 480, COLOR_FOCAL)
    assert np.all(color_from_image(rgb)[..., 0] == 200)
    metres = depth_from_image(aligned)
    rows, columns = np.nonzero(np.abs(metres - 0.6) < 0.01)
    # The box, at the middle of columns 160..279 of the depth image, as the colour camera sees it.
    expected = COLOR_FOCAL * (((160 + 279) / 2 - 320) / DEPTH_FOCAL + BASELINE / 0.6) + 320
    assert columns.mean() == pytest.approx(expected, abs=1.5)
    assert rows.mean() == pytest.approx(COLOR_FOCAL * ((180 + 299) / 2 - 240) / DEPTH_FOCAL + 240, abs=1.5)
    # The colour sensor is 15 mm to the right of camera_link, which looks along x with y to the left.
    T_link_color = transforms.lookup("camera_link", "camera_color_optical_frame", timeout=3.0)
    np.testing.assert_allclose(T_link_color[:3, 3], [0.0, BASELINE, 0.0], atol=1e-6)
    np.testing.assert_allclose(T_link_color[:3, 2], [1.0, 0.0, 0.0], atol=1e-6)


def test_recording_loops_or_stops_at_its_end(bench: NodeBench, recording: Path) -> None:
    images = bench.listen(Image, COLOR_TOPIC, qos_profile_sensor_data)
    node = bench.add(CameraNode, device_file=str(recording), at_end="stop")
    bench.wait_for_status("camera", OK, "wall.db3 has ended", timeout=20.0)
    assert node.state_label == "active"
    node.bring_down()
    played = len(images)
    assert 1 <= played <= 6
    bench.add(CameraNode, device_file=str(recording))
    bench.wait_for(lambda: len(images) > played + 8, "more images than the file has", timeout=30.0)


def test_no_device_is_a_sentence(bench: NodeBench) -> None:
    if len(rs.context().query_devices()):
        pytest.skip("a device is connected")
    node = bench.add(CameraNode, start=False)
    assert not node.configure_and_activate()
    bench.wait_for_status("camera", ERROR, "no RealSense device is connected", "device_file")


def test_missing_and_broken_files_are_named(bench: NodeBench, tmp_path: Path) -> None:
    node = bench.add(CameraNode, start=False, device_file=str(tmp_path / "nothing.db3"))
    assert not node.configure_and_activate()
    bench.wait_for_status("camera", ERROR, "there is no device file", "nothing.db3")
    broken = tmp_path / "broken.db3"
    broken.write_bytes(b"not a recording" * 100)
    node = bench.add(CameraNode, start=False, device_file=str(broken))
    assert not node.configure_and_activate()
    bench.wait_for_status("camera", ERROR, "can't start device file", "broken.db3")


def test_recording_without_colour_is_refused(bench: NodeBench, tmp_path: Path) -> None:
    path = tmp_path / "depth_only.db3"
    record(path, frames=3, color=False)
    node = bench.add(CameraNode, start=False, device_file=str(path))
    assert not node.configure_and_activate()
    bench.wait_for_status("camera", ERROR, "has no colour stream")


def test_extrinsics_are_column_major() -> None:
    quarter = T_from([0.1, 0.2, 0.3], [0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    extrinsics = SimpleNamespace(rotation=quarter[:3, :3].T.ravel().tolist(), translation=[0.1, 0.2, 0.3])
    np.testing.assert_allclose(matrix_from_extrinsics(extrinsics), quarter)


def test_depth_of_another_unit_becomes_millimetres() -> None:
    depth = np.array([[0, 10, 65535]], np.uint16)
    np.testing.assert_array_equal(millimetres(depth, 0.001), depth)
    np.testing.assert_array_equal(millimetres(depth, 0.0001), [[0, 1, 6554]])
    np.testing.assert_array_equal(millimetres(depth, 0.01), [[0, 100, 0]])   # 655 m don't fit: invalid, not wrapped
