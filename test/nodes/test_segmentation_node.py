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

"""The segmentation node: what it publishes, and that bad input never ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from objectcentric_interfaces.msg import Segments
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.nodes import segmentation
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.heart import ERROR, OK, WARN
from objectcentric_ros.nodes.image_conversions import array_from_image, labels_from_image
from objectcentric_ros.nodes.segmentation import SegmentationNode
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation

from .node_bench import DEPTH_TOPIC, T_BASE_CAMERA, TIMEOUT, BenchCamera, NodeBench


class HeightSegmenter:
    """Everything more than 2 cm above the tray's floor is one item."""

    def __init__(self) -> None:
        self.frames: list[RgbdFrame] = []
        self.gate = threading.Event()
        self.gate.set()

    def segment(self, frame: RgbdFrame) -> Segmentation:
        """See Segmenter."""
        self.frames.append(frame)
        assert self.gate.wait(10.0)
        points = frame.points_base()
        mask = points[..., 2] > 0.02
        labels = mask.astype(np.uint16) * 7
        if not mask.any():
            return Segmentation(labels, ())
        rows, columns = np.nonzero(mask)
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        return Segmentation(labels, (Segment(7, box, int(mask.sum()), np.median(points[mask], axis=0).astype(float), 0.8),))


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> HeightSegmenter:
    """The segmenter that the node makes."""
    made = HeightSegmenter()
    monkeypatch.setattr(segmentation, "make_segmenter", lambda name, layout: made)
    return made


@pytest.fixture
def node(bench: NodeBench, camera: BenchCamera, segmenter: HeightSegmenter) -> Any:
    """The node, with the camera connected."""
    node = bench.add(SegmentationNode, max_rate=50.0)
    camera.connect(node)
    bench.wait_for_status("segmentation", OK, "1 segments")
    return node


def segments_of(bench: NodeBench, received: list[Segments], header: Header) -> Segments:
    """The Segments of a frame, as soon as they come."""
    stamp = stamp_nanoseconds(header.stamp)
    return bench.wait_for(lambda: next((m for m in received if stamp_nanoseconds(m.header.stamp) == stamp), None),
                          f"segments of {stamp}")


def test_segments_carry_the_images_stamp_and_lie_in_the_optical_frame(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    received = bench.listen(Segments, "segments")
    header = camera.look()
    message = segments_of(bench, received, header)
    assert message.header.frame_id == header.frame_id
    labels = labels_from_image(message.labels)
    assert labels.shape == (48, 64) and set(np.unique(labels)) == {0, 7}
    (segment,) = message.segments
    assert (segment.roi.x_offset, segment.roi.y_offset, segment.roi.width, segment.roi.height) == (24, 18, 16, 12)
    assert segment.area == 16 * 12
    # The block's top is 0.55 m in front of the camera, in the middle of the image: u 31.5, v 23.5 of fx 60.
    centroid = segment.centroid
    assert np.allclose([centroid.x, centroid.y, centroid.z], [-0.5 / 60 * 0.55, -0.5 / 60 * 0.55, 0.55], atol=2e-3)
    status = bench.wait_for_status("segmentation", OK, "1 segments")
    assert int({v.key: v.value for v in status.values}["segmented"]) >= 1


def test_a_late_joiner_gets_the_last_segments(bench: NodeBench, node: Any) -> None:
    received = bench.listen(Segments, "segments")
    assert bench.wait_for(lambda: received)[-1].segments


def test_the_segmenter_sees_the_camera_where_tf_has_it(node: Any, segmenter: HeightSegmenter) -> None:
    assert np.allclose(segmenter.frames[0].T_base_camera, T_BASE_CAMERA, atol=1e-9)


def test_an_empty_tray_gives_segments_without_entries(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    received = bench.listen(Segments, "segments")
    message = segments_of(bench, received, camera.look(depth=np.full((48, 64), 0.596, np.float32)))
    assert not message.segments and not labels_from_image(message.labels).any()
    bench.wait_for_status("segmentation", OK, "empty")


def test_of_images_that_come_while_it_is_busy_only_the_newest_is_segmented(
        bench: NodeBench, camera: BenchCamera, node: Any, segmenter: HeightSegmenter) -> None:
    received = bench.listen(Segments, "segments")
    bench.wait_for(lambda: received)
    before, arrived = len(segmenter.frames), node._camera.frames_received
    segmenter.gate.clear()
    camera.look()
    bench.wait_for(lambda: len(segmenter.frames) == before + 1)
    headers = [camera.look() for _ in range(6)]
    bench.wait_for(lambda: node._camera.frames_received == arrived + 7)
    segmenter.gate.set()
    segments_of(bench, received, headers[-1])
    assert len(segmenter.frames) == before + 2


def test_max_rate_limits_how_often_it_segments(bench: NodeBench, camera: BenchCamera, segmenter: HeightSegmenter) -> None:
    node = bench.add(SegmentationNode, max_rate=0.1)
    camera.connect(node)
    bench.wait_for_status("segmentation", OK, "1 segments")
    arrived = node._camera.frames_received
    for _ in range(5):
        camera.look()
    bench.wait_for(lambda: node._camera.frames_received == arrived + 5)
    assert len(segmenter.frames) == 1


def test_a_rate_of_zero_is_refused(bench: NodeBench, node: Any) -> None:
    (answer,) = node.set_parameters([Parameter("max_rate", value=0.0)])
    assert not answer.successful


def test_the_overlay_is_published_for_subscribers(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    overlays = bench.listen(Image, "segmentation/overlay", 1)
    bench.wait_for(lambda: node._overlay_publisher.get_subscription_count() > 0)
    camera.look()
    overlay = bench.wait_for(lambda: overlays and overlays[-1])
    assert overlay.encoding == "rgb8" and array_from_image(overlay).shape == (48, 64, 3)


def test_colour_without_depth_is_reported_with_the_missing_topic(bench: NodeBench, camera: BenchCamera, node: Any) -> None:
    deadline = time.monotonic() + TIMEOUT
    while bench.status("segmentation").level != WARN and time.monotonic() < deadline:   # colour and info stay fresh
        header = camera.header()
        camera.info.publish(CameraInfo(header=header))
        camera.color.publish(Image(header=header))
        with bench.changed:
            bench.changed.wait(0.1)
    status = bench.wait_for_status("segmentation", WARN, f"no messages on {DEPTH_TOPIC},")
    assert "color/image_raw" in status.message and "come" in status.message


def _smaller(color: Image, depth: Image, info: CameraInfo) -> None:
    depth.width, depth.height = 32, 24


def _not_a_number(color: Image, depth: Image, info: CameraInfo) -> None:
    info.k[0] = float("nan")


def _unknown_color(color: Image, depth: Image, info: CameraInfo) -> None:
    color.encoding = "yuv422_made_up"


def _unknown_depth(color: Image, depth: Image, info: CameraInfo) -> None:
    depth.encoding = "12UC7"


def _truncated(color: Image, depth: Image, info: CameraInfo) -> None:
    depth.data = depth.data[:100]


def _elsewhere(color: Image, depth: Image, info: CameraInfo) -> None:
    color.header.frame_id = "camera_of_somebody_else"


@pytest.mark.parametrize(("spoil", "texts"), [
    (_smaller, ("depth image is 32x24", "64x48")), (_not_a_number, ("camera matrix must be finite",)),
    (_unknown_color, ("yuv422_made_up", "rgb8")), (_unknown_depth, ("12UC7", "16UC1")), (_truncated, ("truncated",)),
    (_elsewhere, ("camera_of_somebody_else",))])
def test_a_bad_image_is_reported_and_the_next_good_one_segmented(
        bench: NodeBench, camera: BenchCamera, node: Any, spoil: Callable[[Image, Image, CameraInfo], None],
        texts: tuple[str, ...]) -> None:
    received = bench.listen(Segments, "segments")
    bad = camera.look(change=spoil)     # may still be seen with the camera_info that came before

    def refused() -> bool:
        nonlocal bad
        status = bench.status("segmentation")
        if status is not None and status.level == ERROR and all(text in status.message for text in texts):
            return True
        bad = camera.look(change=spoil)
        return False
    bench.wait_for(refused, f"an error with {texts}", timeout=20.0)
    camera.look()
    good = camera.look()
    segments_of(bench, received, good)
    assert stamp_nanoseconds(bad.stamp) not in {stamp_nanoseconds(message.header.stamp) for message in received}
    bench.wait_for_status("segmentation", OK, "1 segments")


def test_a_segmenter_that_fails_does_not_end_the_node(
        bench: NodeBench, camera: BenchCamera, node: Any, segmenter: HeightSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(frame: RgbdFrame) -> Segmentation:
        raise RuntimeError("out of ideas")
    monkeypatch.setattr(segmenter, "segment", fail)
    camera.look()
    bench.wait_for_status("segmentation", ERROR, "out of ideas")
    monkeypatch.undo()
    camera.look()
    bench.wait_for_status("segmentation", OK, "1 segments")


def test_an_unknown_segmenter_fails_configure_with_a_sentence(bench: NodeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, layout: Any) -> None:
        raise ValueError(f"unknown segmenter {name!r}")
    monkeypatch.setattr(segmentation, "make_segmenter", refuse)
    node = bench.add(SegmentationNode, start=False, segmenter="magic")
    assert not node.configure_and_activate()
    bench.wait_for_status("segmentation", ERROR, "unknown segmenter 'magic'")


def test_it_pauses_and_goes_on(bench: NodeBench, camera: BenchCamera, node: Any, segmenter: HeightSegmenter) -> None:
    node.trigger_deactivate()
    bench.wait_for(lambda: camera.color.get_subscription_count() == 0)
    before = len(segmenter.frames)
    node.trigger_activate()
    camera.connect(node)
    bench.wait_for(lambda: len(segmenter.frames) > before)
    bench.wait_for_status("segmentation", OK, "1 segments")
