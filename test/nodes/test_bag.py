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

"""Recording and replaying bags."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from objectcentric_interfaces.msg import Identification, Identifications
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.interfaces import ConnectionExtRosbag2, QosDurability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from objectcentric_ros.nodes import bag, bag_recording
from objectcentric_ros.nodes.bag import BagError
from objectcentric_ros.nodes.conversions import stamp_nanoseconds, transform_from_matrix
from objectcentric_ros.nodes.image_conversions import image_from_color
from objectcentric_ros.nodes.transforms import STATIC_QOS

from .node_bench import NodeBench

START = 1_790_000_000 * 10**9
RELIABLE = QoSProfile(depth=100)


def write_bag(path: Path, plugin: StoragePlugin = StoragePlugin.MCAP, seconds: float = 1.0, count: int = 11) -> Path:
    """A bag of texts, evenly over some seconds, with a latched transform at its start."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        text = writer.add_connection("/text", "std_msgs/msg/String", typestore=store)
        other = writer.add_connection("/other", "std_msgs/msg/String", typestore=store)
        static = writer.add_connection("/tf_static", "tf2_msgs/msg/TFMessage", typestore=store)
        transform = transform_from_matrix(np.eye(4), "base", "camera", Time())
        writer.write(static, START, serialize_message(TFMessage(transforms=[transform])))
        for number in range(count):
            stamp = START + round(number * seconds / (count - 1) * 1e9)
            writer.write(text, stamp, serialize_message(String(data=f"text {number}")))
            writer.write(other, stamp, serialize_message(String(data=f"other {number}")))
    return path


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_play_publishes_everything_in_order_with_a_clock(bench: NodeBench, tmp_path: Path, plugin: StoragePlugin) -> None:
    path = write_bag(tmp_path / "bag", plugin, seconds=0.5)
    texts, clock = bench.listen(String, "/text", RELIABLE), bench.listen(Clock, "/clock", RELIABLE)
    summary = bag.play(path, wait_for=["/text", "/clock"])
    assert summary.counts == {"/text": 11, "/other": 11, "/tf_static": 1}
    assert summary.duration == pytest.approx(0.5)
    bench.wait_for(lambda: len(texts) == 11, "all texts")
    assert [message.data for message in texts] == [f"text {number}" for number in range(11)]
    bench.wait_for(lambda: clock and stamp_nanoseconds(clock[-1].clock) == START + 500_000_000, "the last of the clock")
    times = [stamp_nanoseconds(message.clock) for message in clock]
    assert times == sorted(times) and START <= times[0]
    assert len(times) > 15   # also between the messages, which come 50 ms apart


def test_latched_transforms_reach_a_late_joiner(bench: NodeBench, tmp_path: Path, stopping: threading.Event) -> None:
    path = write_bag(tmp_path / "bag", seconds=5.0)
    played = threading.Event()
    player = threading.Thread(target=lambda: bag.play(path, stop=stopping, on_progress=lambda *_: played.set()))
    player.start()
    assert played.wait(10.0)
    static = bench.listen(TFMessage, "/tf_static", STATIC_QOS)
    bench.wait_for(lambda: static, "the latched transform")
    stopping.set()
    player.join(10.0)
    assert not player.is_alive()


def test_rate_and_chosen_topics(bench: NodeBench, tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", seconds=4.0)
    positions: list[tuple[float, float]] = []
    summary = bag.play(path, rate=8.0, topics=["text"],
                       on_progress=lambda position, _: positions.append((time.monotonic(), position)))
    assert summary.counts == {"/text": 11}
    assert positions[-1][0] - positions[0][0] == pytest.approx(0.5, abs=0.3)
    assert positions[-1][1] == pytest.approx(4.0)


def test_loop_goes_on_until_stopped(tmp_path: Path, stopping: threading.Event) -> None:
    path = write_bag(tmp_path / "bag", seconds=0.1)
    seen = 0

    def count(*_: float) -> None:
        nonlocal seen
        seen += 1
        if seen > 50:   # the bag has 23
            stopping.set()
    bag.play(path, loop=True, stop=stopping, on_progress=count)
    assert seen > 50


def test_topics_that_the_bag_has_not_and_types_that_are_not_installed(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag")
    with pytest.raises(BagError, match="has no topic /nothing; it has /text, /other, /tf_static"):
        bag.play(path, topics=["/nothing"])
    with pytest.raises(BagError, match="rate must be positive, got 0"):
        bag.play(path, rate=0.0)
    strange = tmp_path / "strange"
    with Writer(strange, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        strange_connection = writer.add_connection("/strange", "no_such_msgs/msg/Thing", msgdef="string data", rihs01="RIHS01_0")
        writer.write(strange_connection, START, b"\0\1\0\0")
    warnings: list[str] = []
    with pytest.raises(BagError, match="no topic that can be played"):
        bag.play(strange, on_warning=warnings.append)
    assert warnings == ["left out /strange: message type no_such_msgs/msg/Thing is not installed"
                        " (apt package ros-jazzy-no-such-msgs)"]


def _truncated_mcap(folder: Path) -> Path:
    path = write_bag(folder / "bag")
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-200])
    return path


def _broken_database(folder: Path) -> Path:
    path = write_bag(folder / "bag", StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    return path


def _broken_metadata(folder: Path) -> Path:
    path = write_bag(folder / "bag")
    (path / "metadata.yaml").write_text("a: [1")
    return path


def _missing_table(folder: Path) -> Path:
    path = write_bag(folder / "bag", StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE messages")
    return path


def _empty_folder(folder: Path) -> Path:
    (folder / "bag").mkdir()
    return folder / "bag"


def _text_file(folder: Path) -> Path:
    (folder / "bag.txt").write_text("hello")
    return folder / "bag.txt"


@pytest.mark.parametrize("spoil", [_truncated_mcap, _broken_database, _broken_metadata, _missing_table, _empty_folder,
                                   _text_file])
def test_broken_bag_is_a_sentence_with_its_path(tmp_path: Path, spoil: object) -> None:
    path = spoil(tmp_path)   # type: ignore[operator]
    with pytest.raises(BagError, match=str(path)):
        bag.play(path)


def test_waiting_for_nobody_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bag(tmp_path / "bag")
    monkeypatch.setattr(bag, "MATCH_TIMEOUT", 0.2)
    monkeypatch.setattr(bag, "WANTED_TIMEOUT", 0.4)
    with pytest.raises(BagError, match="nobody subscribed to /text within 0 s"):
        bag.play(path, wait_for=["text"])


def test_no_bag(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"there is no bag .*nothing"):
        bag.play(tmp_path / "nothing")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compress", [True, False])
def test_recorded_messages_come_back_equal(bench: NodeBench, tmp_path: Path, stopping: threading.Event, storage: str,
                                                   compress: bool) -> None:
    color = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    image = image_from_color(color, Header(frame_id="camera", stamp=Time(sec=7)))
    images = bench.client.create_publisher(Image, "/image", qos_profile_sensor_data)
    static = bench.client.create_publisher(TFMessage, "/tf_static", STATIC_QOS)
    static.publish(TFMessage(transforms=[transform_from_matrix(np.eye(4), "base", "camera", Time())]))
    results: list[bag.BagSummary] = []
    path = tmp_path / "bag"
    recorder = threading.Thread(target=lambda: results.append(
        bag_recording.record(path, ["/image", "/tf_static"], storage=storage, compress=compress, stop=stopping)))
    recorder.start()
    bench.wait_for(images.get_subscription_count, "the recorder")
    for _ in range(3):
        images.publish(image)
        time.sleep(0.05)
    stopping.set()
    recorder.join(10.0)
    assert results[0].counts["/tf_static"] == 1 and results[0].counts["/image"] >= 1
    with Reader(path) as reader:
        contents = {connection.topic: bytes(raw) for connection, _, raw in reader.messages()}
        latched = next(connection for connection in reader.connections if connection.topic == "/tf_static")
    assert deserialize_message(contents["/image"], Image) == image   # CDR's padding bytes are anything
    assert isinstance(latched.ext, ConnectionExtRosbag2)
    assert latched.ext.offered_qos_profiles[0].durability is QosDurability.TRANSIENT_LOCAL
    topics, _ = bag.describe_bag(path)
    assert {topic.name: topic.kind for topic in topics} == {"/image": "sensor_msgs/msg/Image",
                                                            "/tf_static": "tf2_msgs/msg/TFMessage"}


def test_own_interfaces_are_recorded_with_their_definition(bench: NodeBench, tmp_path: Path, stopping: threading.Event) -> None:
    publisher = bench.client.create_publisher(Identifications, "/identifications", RELIABLE)
    recorder = threading.Thread(target=lambda: bag_recording.record(tmp_path / "bag", ["identifications"], stop=stopping))
    recorder.start()
    bench.wait_for(publisher.get_subscription_count, "the recorder")
    publisher.publish(Identifications(identifications=[Identification(segment_id=3, reason="because")]))
    publisher.wait_for_all_acked()
    time.sleep(0.2)
    stopping.set()
    recorder.join(10.0)
    with Reader(tmp_path / "bag") as reader:
        (connection,) = reader.connections
        assert "RankedCandidate[] ranking" in connection.msgdef.data
        assert "MSG: objectcentric_interfaces/RankedCandidate" in connection.msgdef.data


def test_recording_takes_the_time_of_the_clock(bench: NodeBench, tmp_path: Path, stopping: threading.Event) -> None:
    clock, texts = bench.client.create_publisher(Clock, "/clock", 10), bench.client.create_publisher(String, "/text", 10)
    recorder = threading.Thread(target=lambda: bag_recording.record(tmp_path / "bag", ["/text"], stop=stopping))
    recorder.start()
    bench.wait_for(lambda: clock.get_subscription_count() and texts.get_subscription_count(), "the recorder")
    for _ in range(5):
        clock.publish(Clock(clock=Time(sec=1000)))
        time.sleep(0.05)
    texts.publish(String(data="now"))
    texts.wait_for_all_acked()
    time.sleep(0.2)
    stopping.set()
    recorder.join(10.0)
    with Reader(tmp_path / "bag") as reader:
        assert [stamp for _, stamp, _ in reader.messages()] == [1000 * 10**9]


def test_recording_nothing_leaves_nothing_and_an_old_bag_stays(tmp_path: Path, stopping: threading.Event) -> None:
    stopping.set()
    with pytest.raises(BagError, match="no message came on /silence"):
        bag_recording.record(tmp_path / "bag", ["/silence"], stop=stopping)
    assert not (tmp_path / "bag").exists()
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="exists already"):
        bag_recording.record(tmp_path / "bag", ["/silence"], stop=stopping)
    with pytest.raises(BagError, match="unknown storage 'tape'"):
        bag_recording.record(tmp_path / "other", storage="tape")


def test_verbs_record_and_replay(bench: NodeBench, tmp_path: Path) -> None:
    publisher = bench.client.create_publisher(String, "/text", RELIABLE)
    path = tmp_path / "bag"
    process = subprocess.Popen([sys.executable, "-m", "objectcentric_ros.cli", "record", "--output", str(path), "--topics",
                                "/text"],
                               stderr=subprocess.PIPE, text=True)
    bench.wait_for(publisher.get_subscription_count, "the recorder", timeout=20.0)
    publisher.publish(String(data="hello"))
    publisher.wait_for_all_acked()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, output = process.communicate(timeout=20.0)
    assert process.returncode == 0 and "1  /text" in output
    texts = bench.listen(String, "/text", RELIABLE)
    replay = subprocess.run([sys.executable, "-m", "objectcentric_ros.cli", "replay", str(path), "--wait-for", "/text"],
                            capture_output=True, text=True, timeout=60.0)
    assert replay.returncode == 0, replay.stderr
    bench.wait_for(lambda: [message.data for message in texts] == ["hello"], "the text")
    wrong = subprocess.run([sys.executable, "-m", "objectcentric_ros.cli", "replay", str(tmp_path / "no")], capture_output=True,
                           text=True)
    assert wrong.returncode == 1 and "there is no bag" in wrong.stderr
