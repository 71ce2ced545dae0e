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


"""Frames for the inspector from topics and bags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from objectcentric_ros.nodes import inspect_source
from objectcentric_ros.nodes.camera_subscription import IMAGE_QOS
from objectcentric_ros.nodes.graph_client import GraphClient
from objectcentric_ros.nodes.image_conversions import compressed_from_color, image_from_color
from objectcentric_ros.nodes.inspect_source import COLOR_TOPIC, BagSource, TopicSource

from .node_bench import NodeBench

START = 1_790_000_000 * 10**9


def picture(value: int) -> NDArray[np.uint8]:
    return np.full((12, 16, 3), value, np.uint8)


def write_bag(path: Path, plugin: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Two colour images of one stamp and a third 2 s later, a compressed one, and a text."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        other = writer.add_connection("/other/compressed", "sensor_msgs/msg/CompressedImage", typestore=store)
        color = writer.add_connection(COLOR_TOPIC, "sensor_msgs/msg/Image", typestore=store)
        text = writer.add_connection("/text", "std_msgs/msg/String", typestore=store)
        writer.write(text, START, serialize_message(String(data="hello")))
        writer.write(other, START, serialize_message(compressed_from_color(picture(7))))
        for value, seconds in ((10, 0), (20, 0), (30, 2)):
            writer.write(color, START + seconds * 10**9, serialize_message(image_from_color(picture(value), Header())))
    return path


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_bag_s_images_are_read_by_index_in_any_order(tmp_path: Path, plugin: StoragePlugin) -> None:
    source = BagSource(write_bag(tmp_path / "tray", plugin))
    assert (source.count, source.live) == (3, False)
    assert [int(source.frame(index).color[0, 0, 0]) for index in (2, 0, 1, 2)] == [30, 10, 20, 30]
    assert source.frame(2).title == f"tray {COLOR_TOPIC} at 2.00 s"


def test_a_bag_s_compressed_images_are_read_when_named(tmp_path: Path) -> None:
    source = BagSource(write_bag(tmp_path / "tray"), "/other/compressed")
    np.testing.assert_array_equal(source.frame(0).color, picture(7))


@pytest.mark.parametrize(("topic", "sentence"), [("/text", "no images on /text; topics with images: /other"), ("/none", "/none")])
def test_a_topic_without_images_is_refused_with_those_that_have_some(tmp_path: Path, topic: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        BagSource(write_bag(tmp_path / "tray"), topic)


def test_a_missing_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no bag"):
        BagSource(tmp_path / "nothing")


@pytest.fixture
def client(bench: NodeBench) -> Iterator[GraphClient]:
    with GraphClient("inspector") as client:
        yield client


@pytest.mark.parametrize(("topic", "kind"), [("camera/color", Image), ("/camera/color/compressed", CompressedImage)])
def test_a_topic_gives_its_newest_image(bench: NodeBench, client: GraphClient, topic: str, kind: type) -> None:
    publisher = bench.spinning_node("lens").create_publisher(kind, topic, IMAGE_QOS)
    source = TopicSource(client, topic)
    bench.wait_for(lambda: publisher.get_subscription_count(), "the subscription")
    for value in (1, 2):
        color = picture(value)
        publisher.publish(image_from_color(color, Header()) if kind is Image else compressed_from_color(color))
    bench.wait_for(lambda: source.frame(0).color[0, 0, 0] == 2, "the newest image")
    assert source.live and source.title == "/" + topic.lstrip("/")
    source.close()


def test_a_silent_topic_is_told(client: GraphClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_source, "FIRST_IMAGE_TIMEOUT", 0.1)
    source = TopicSource(client, "/nobody")
    with pytest.raises(ValueError, match="no image came on /nobody"):
        source.frame(0)
    source.close()
