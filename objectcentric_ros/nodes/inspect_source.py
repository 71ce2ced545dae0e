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


"""Frames for the inspector from a live topic or a bag."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

from objectcentric_ros.inspector.frames import Frame
from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.serialization import deserialize_message  # noqa: E402
from rosbags.rosbag2 import Reader  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from objectcentric_ros.nodes.bag import BagError, describe_bag  # noqa: E402
from objectcentric_ros.nodes.camera_subscription import CameraSubscription  # noqa: E402
from objectcentric_ros.nodes.graph_client import GraphClient  # noqa: E402
from objectcentric_ros.nodes.image_conversions import color_from_compressed, color_from_image  # noqa: E402

COLOR_TOPIC = "/camera/camera/color/image_raw"
FIRST_IMAGE_TIMEOUT = 5.0      # how long the first image of a topic is waited for [s]
KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}


class TopicSource:
    """The newest image of a topic; close it.

    Args:
        client: a guest in the graph; its owner closes it.
        topic: of images; one that ends in /compressed has compressed ones.
    """

    live = True
    count = 1

    def __init__(self, client: GraphClient, topic: str) -> None:
        self.title = topic if topic.startswith("/") else f"/{topic}"
        self._came = threading.Condition()
        self._newest: Any = None
        kind = CompressedImage if self.title.endswith("/compressed") else Image
        self._subscription = CameraSubscription(client.node, kind, self.title, self._on_image)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscription.destroy()

    def frame(self, index: int) -> Frame:
        """The newest image.

        Raises:
            ValueError: none came within 5 s, or it is broken.
        """
        with self._came:
            if not self._came.wait_for(lambda: self._newest is not None, FIRST_IMAGE_TIMEOUT):
                raise ValueError(f"no image came on {self.title} within {FIRST_IMAGE_TIMEOUT:.0f} s: is the camera running?")
            message = self._newest
        return Frame(_color(message), self.title)

    def _on_image(self, message: Any) -> None:
        with self._came:
            self._newest = message
            self._came.notify_all()


class BagSource:
    """The images of a topic of a bag, in order.

    Args:
        path: folder or file, mcap or sqlite3.
        topic: of images; empty: the camera's colour images, or else the bag's first topic of images.

    Raises:
        ValueError: the bag can't be read, or has no such images.
    """

    live = False

    def __init__(self, path: Path, topic: str = "") -> None:
        self._path = path
        try:
            topics, _ = describe_bag(path)
        except BagError as error:
            raise ValueError(str(error)) from error
        images = {found.name: found.kind for found in topics if found.kind in KINDS and found.count}
        topic = topic or next((name for name in (COLOR_TOPIC, *images) if name in images), "")
        if topic not in images:
            raise ValueError(f"the bag {path} has no images on {topic or 'any topic'}; topics with images: "
                             + (", ".join(images) or "none"))
        self._topic, self._kind = topic, KINDS[images[topic]]
        self.title = f"{path.name} {topic}"
        self._stamps = self._read_stamps()
        self.count = len(self._stamps)

    def frame(self, index: int) -> Frame:
        """Image of an index.

        Raises:
            ValueError: the bag can't be read any more, or the image is broken.
        """
        stamp, number = self._stamps[index]
        seconds = (stamp - self._stamps[0][0]) * 1e-9
        try:
            # A reader of its own: readers can't be shared between threads.
            with Reader(self._path) as reader:
                messages = reader.messages(self._connections(reader), start=stamp, stop=stamp + 1)
                raw = [bytes(data) for _, _, data in messages][number]
        except Exception as error:      # the storages raise what their formats raise: sqlite3, struct, zstd errors
            raise ValueError(f"the bag {self._path} can't be read: {error}") from error
        return Frame(_color(deserialize_message(raw, self._kind)), f"{self.title} at {seconds:.2f} s")

    def _read_stamps(self) -> list[tuple[int, int]]:
        """Stamp of each image [ns], and which of those of one stamp it is."""
        try:
            with Reader(self._path) as reader:
                stamps = [stamp for _, stamp, _ in reader.messages(self._connections(reader))]
        except Exception as error:
            raise ValueError(f"the bag {self._path} is broken: {error}") from error
        before: Counter[int] = Counter()
        numbered = []
        for stamp in stamps:
            numbered.append((stamp, before[stamp]))
            before[stamp] += 1
        return numbered

    def _connections(self, reader: Reader) -> list[Any]:
        return [connection for connection in reader.connections if connection.topic == self._topic]


def _color(message: Any) -> Any:
    return color_from_compressed(message) if isinstance(message, CompressedImage) else color_from_image(message)
