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

"""The segmentation node: colour and depth in, `segments` out."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.nodes import require
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.segmentation.overlay import draw_overlay

require("rclpy", "objectcentric_interfaces", "tf2_msgs")

from objectcentric_interfaces.msg import Segments  # noqa: E402
from rclpy.time import Time  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from objectcentric_ros.nodes.camera_input import LATCHED_QOS, CameraConfig, CameraInput, CameraMessages  # noqa: E402
from objectcentric_ros.nodes.conversions import stamp_from_nanoseconds  # noqa: E402
from objectcentric_ros.nodes.heart import ERROR, OK, WARN  # noqa: E402
from objectcentric_ros.nodes.image_conversions import image_from_color  # noqa: E402
from objectcentric_ros.nodes.newest_frame import NewestFrameWorker  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import segments_from_segmentation  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackNode, run  # noqa: E402
from objectcentric_ros.nodes.transforms import TransformListener  # noqa: E402

COMPLAINT_PERIOD = 0.5   # how often a silent camera is looked at [s]


@dataclasses.dataclass(frozen=True)
class SegmentationConfig(CameraConfig):
    """Parameters of the segmentation node."""

    segmenter: str = parameter("rgbd", "which segmenter (objectcentric_ros.segmentation.make_segmenter)")
    max_rate: float = parameter(2.0, "images a second that are segmented at most, always the newest [Hz]", minimum=0.01,
                                maximum=60.0, read_only=False)
    transform_timeout: float = parameter(1.0, "how long to wait for the camera's pose at the image's stamp [s]", minimum=0.0,
                                         maximum=5.0)
    cell_file: str = parameter("", "YAML file of the cell's layout; empty = config/cell.yaml of the package")


class SegmentationNode(StackNode):
    """Segments the newest image in a thread of its own, so that no callback waits and no image queues up."""

    NODE_NAME = "segmentation"
    Config = SegmentationConfig

    def setup(self) -> None:
        """Load the layout and the segmenter."""
        self._layout = CellLayout.load(Path(self.config.cell_file) if self.config.cell_file else None)
        self._segmenter = make_segmenter(self.config.segmenter, self._layout)
        self._segments_publisher = self.create_publisher(Segments, "segments", LATCHED_QOS)
        self._overlay_publisher = self.create_publisher(Image, "segmentation/overlay", 1)

    def start(self) -> None:
        """Subscribe and begin to segment."""
        self._segmented = self._refused = 0
        self._milliseconds: deque[float] = deque(maxlen=50)
        self._transforms = TransformListener(self)
        worker = NewestFrameWorker[CameraMessages]("segmenter", self._try, lambda: self.config.max_rate,
                                                   idle=self._report_silence, idle_period=COMPLAINT_PERIOD)
        self._camera = CameraInput(self, self.config, on_frame=worker.offer)
        self._worker = worker
        worker.start()

    def pause(self) -> None:
        """End the worker."""
        if not hasattr(self, "_worker"):
            return
        self._worker.stop()
        self._camera.destroy()

    def _try(self, messages: CameraMessages) -> None:
        try:
            self._segment(messages)
        except Exception as error:   # the next image may be better, whatever was wrong with this one
            self._refused += 1
            sentence = str(error) if isinstance(error, (ValueError, LookupError)) else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"image not segmented: {sentence}", throttle_duration_sec=5.0)
            self.report(ERROR, sentence, **self._figures())

    def _segment(self, messages: CameraMessages) -> None:
        started = time.perf_counter()
        header = Header(stamp=stamp_from_nanoseconds(messages.stamp_ns), frame_id=messages.frame_id or self._layout.camera_frame)
        # The sizes are checked before the transform is waited for: of two faults, the camera's is the one to mend first.
        frame = messages.frame(np.eye(4))
        T_base_camera = self._transforms.lookup(self._layout.base_frame, header.frame_id, header.stamp,
                                                timeout=self.config.transform_timeout)
        frame = dataclasses.replace(frame, T_base_camera=T_base_camera)
        segmentation = self._segmenter.segment(frame)
        self._segments_publisher.publish(segments_from_segmentation(segmentation, T_base_camera, header))
        self._segmented += 1
        self._milliseconds.append((time.perf_counter() - started) * 1e3)
        age = (self.get_clock().now() - Time.from_msg(header.stamp, clock_type=self.get_clock().clock_type)).nanoseconds * 1e-6
        count = len(segmentation.segments)
        self.report(OK, f"{count} segments" if count else "the tray looks empty", segments=count, **self._figures(),
                    image_to_segments_ms=f"{age:.0f}")
        if self._overlay_publisher.get_subscription_count():
            captions = {segment.id: f"{segment.id}: {segment.confidence:.0%}" for segment in segmentation.segments}
            self._overlay_publisher.publish(image_from_color(draw_overlay(frame.color, segmentation.labels, captions), header))

    def _report_silence(self) -> None:
        complaint = self._camera.complaint()
        if complaint:
            self.get_logger().warning(complaint, throttle_duration_sec=10.0)
            self.report(WARN, complaint, **self._figures())

    def _figures(self) -> dict[str, object]:
        milliseconds = np.median(self._milliseconds) if self._milliseconds else float("nan")
        return {"segmenter": self.config.segmenter, "images_received": self._camera.frames_received, "segmented": self._segmented,
                "refused": self._refused, "segment_ms_p50": f"{milliseconds:.0f}"}


def main() -> int:
    """Run the node."""
    return run(SegmentationNode)


if __name__ == "__main__":
    sys.exit(main())
