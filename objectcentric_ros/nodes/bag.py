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

"""Record topics into a rosbag2 bag and play one with /clock, without rosbag2: the files are ros2 bag's."""

from __future__ import annotations

import importlib
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from objectcentric_ros.nodes import require

require("rclpy")

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rosbags.interfaces import (  # noqa: E402
    Connection,
    ConnectionExtRosbag2,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from objectcentric_ros.nodes.graph_client import GraphClient  # noqa: E402

CAMERA_TOPICS = ("/camera/camera/color/image_raw", "/camera/camera/color/camera_info",
                 "/camera/camera/aligned_depth_to_color/image_raw", "/camera/camera/aligned_depth_to_color/camera_info",
                 "/tf", "/tf_static", "/joint_states")
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
DISCOVERY_PERIOD = 0.2   # how often the graph is searched for the wanted topics [s]
CLOCK_PERIOD = 0.02      # /clock between messages [s of the bag]
FIRST_MESSAGE_TIMEOUT = 10.0   # a recording with a duration gives up when nothing came until then [s]
SETTLE_TIME = 0.4        # playing begins when the graph has not changed for this long [s] ...
MATCH_TIMEOUT = 3.0      # ... or after this, but for the topics that it was told to wait for [s]
WANTED_TIMEOUT = 30.0    # how long it waits for those [s]
_FOREVER = QosTime(2147483647, 4294967295)   # how rosbag2 9 writes an infinite duration


class BagError(RuntimeError):
    """A bag can't be read or written; the message says which and why."""


@dataclass(frozen=True)
class BagSummary:
    """What was recorded or played: messages of each topic, bytes of messages, seconds from the first to the last."""

    counts: dict[str, int]
    size: int
    duration: float


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag: name, type such as sensor_msgs/msg/Image, number of messages."""

    name: str
    kind: str
    count: int


# -- reading ------------------------------------------------------------------------------------------------------------


def describe_bag(path: Path) -> tuple[tuple[BagTopic, ...], float]:
    """Topics and duration [s] of a bag.

    Raises:
        BagError: no bag is there, or it is broken.
    """
    with _opened(path) as reader:
        topics = tuple(BagTopic(c.topic, c.msgtype, c.msgcount) for c in reader.connections)
        return topics, max(0, reader.duration - 1) * 1e-9


class _opened:
    """A bag folder or file (mcap, sqlite3) opened for reading; whatever is wrong with it becomes a BagError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Reader:
        if not self._path.exists():
            raise BagError(f"there is no bag {self._path}")
        if self._path.is_dir() and not (self._path / "metadata.yaml").is_file():
            raise BagError(f"{self._path} is no bag: it has no metadata.yaml (was the recording killed?)")
        try:
            self._reader = Reader(self._path)
            self._reader.open()
        except Exception as error:   # the storages raise what their formats raise: sqlite3, struct, zstd, YAML errors
            raise BagError(f"the bag {self._path} can't be read: {error}") from error
        return self._reader

    def __exit__(self, *_: object) -> None:
        self._reader.close()


def _messages(reader: Reader, path: Path, topics: Sequence[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
    messages = reader.messages(topics)
    while True:
        try:
            connection, stamp, raw = next(messages)
        except StopIteration:
            return
        except Exception as error:
            raise BagError(f"the bag {path} is broken: {error}") from error
        yield connection, stamp, bytes(raw)


# -- playing ------------------------------------------------------------------------------------------------------------


def play(path: Path, rate: float = 1.0, topics: Sequence[str] = (), loop: bool = False, clock: bool = True,
         wait_for: Sequence[str] = (), stop: threading.Event | None = None,
         on_progress: Callable[[float, float], None] = lambda position, duration: None,
         on_warning: Callable[[str], None] = lambda text: None, namespace: str = "") -> BagSummary:
    """Publish the messages of a bag with their timing.

    Args:
        path: folder or file of a bag, mcap or sqlite3.
        rate: seconds of the bag per second.
        topics: only these; empty is all.
        loop: start over at the end, until stop; /clock jumps back then.
        clock: publish the bag's time on /clock (and skip a recorded /clock).
        wait_for: topics that need a subscriber before the first message goes out.
        stop: ends it early.
        on_progress: called with position and duration [s].
        on_warning: called with sentences about topics that are left out.
        namespace: namespace of the player's node.

    Returns:
        What was published.

    Raises:
        BagError: no bag, a broken bag, none of the topics in it, or nobody subscribed to what was waited for.
    """
    if not rate > 0:
        raise BagError(f"the rate must be positive, got {rate}")
    stop = stop or threading.Event()
    with _opened(path) as reader, GraphClient("player", namespace) as client:
        chosen = _choose(reader, topics, clock, on_warning, path)
        publishers = {c.topic: client.node.create_publisher(message_class(c.msgtype), c.topic, _publisher_qos(c)) for c in chosen}
        clock_publisher = client.node.create_publisher(Clock, "/clock", 10) if clock else None
        all_publishers = [*publishers.values(), *([clock_publisher] if clock_publisher else [])]
        _wait_for_subscribers(client.node, all_publishers, wait_for, stop)
        counts, size = dict.fromkeys(publishers, 0), 0
        duration = max(0, reader.duration - 1) * 1e-9
        while not stop.is_set():
            pace = _Pace(reader.start_time, rate, clock_publisher, stop)
            for connection, stamp, raw in _messages(reader, path, chosen):
                if not pace.wait_for(stamp):
                    break
                publishers[connection.topic].publish(raw)   # serialised already: nothing to decode
                counts[connection.topic] += 1
                size += len(raw)
                on_progress((stamp - reader.start_time) * 1e-9, duration)
            if not loop:
                break
        for publisher in publishers.values():
            publisher.wait_for_all_acked()
    return BagSummary(counts, size, duration)


class _Pace:
    """Waits for the time of a message, and keeps /clock going meanwhile."""

    def __init__(self, start: int, rate: float, clock: Publisher | None, stop: threading.Event) -> None:
        self._start, self._rate, self._clock, self._stop = start, rate, clock, stop
        self._began = time.monotonic()
        self._told = start - 1

    def wait_for(self, stamp: int) -> bool:
        """False when stopped."""
        while not self._stop.is_set():
            present = self._start + round((time.monotonic() - self._began) * self._rate * 1e9)
            self._tell(min(stamp, present))
            if present >= stamp:
                return True
            self._stop.wait(min((stamp - present) * 1e-9, CLOCK_PERIOD) / self._rate)
        return False

    def _tell(self, now: int) -> None:
        if self._clock is not None and now > self._told:
            self._told = now
            self._clock.publish(Clock(clock=Time(sec=now // 10**9, nanosec=now % 10**9)))


def _choose(reader: Reader, topics: Sequence[str], clock: bool, on_warning: Callable[[str], None],
            path: Path) -> list[Connection]:
    wanted = {topic if topic.startswith("/") else f"/{topic}" for topic in topics}
    there = [c.topic for c in reader.connections]
    if missing := sorted(wanted - set(there)):
        raise BagError(f"the bag {path} has no topic {', '.join(missing)}; it has {', '.join(there)}")
    chosen: list[Connection] = []
    for connection in reader.connections:
        if (wanted and connection.topic not in wanted) or (clock and connection.topic == "/clock"):
            continue
        try:
            message_class(connection.msgtype)
        except BagError as error:
            on_warning(f"left out {connection.topic}: {error}")
            continue
        chosen.append(connection)
    if not chosen:
        raise BagError(f"the bag {path} has no topic that can be played; it has {', '.join(there) or 'none at all'}")
    return chosen


def message_class(kind: str) -> type:
    """Message class of a type such as sensor_msgs/msg/Image.

    Raises:
        BagError: its package is not installed.
    """
    package, *_, name = kind.split("/")
    try:
        found: type = getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise BagError(f"message type {kind} is not installed (apt package ros-jazzy-{package.replace('_', '-')})") from error
    return found


def _wait_for_subscribers(node: Node, publishers: Sequence[Publisher], wanted: Sequence[str], stop: threading.Event) -> None:
    """Wait until the graph has settled and every subscriber in it is matched, so that the first messages arrive too."""
    wanted = [topic if topic.startswith("/") else f"/{topic}" for topic in wanted]
    began = settled = time.monotonic()
    before: object = None
    while not stop.wait(0.05):
        known = [node.count_subscribers(publisher.topic_name) for publisher in publishers]
        matched = {publisher.topic_name: publisher.get_subscription_count() for publisher in publishers}
        missing = [topic for topic in wanted if not matched.get(topic)]
        now = time.monotonic()
        view = known, len(node.get_node_names())
        if view != before or missing or known != list(matched.values()):
            before, settled = view, now
        if now - settled >= SETTLE_TIME:
            return
        if now - began > MATCH_TIMEOUT:
            if missing and now - began < WANTED_TIMEOUT:
                continue
            if missing:
                raise BagError(f"nobody subscribed to {', '.join(missing)} within {WANTED_TIMEOUT:.0f} s")
            return


def _publisher_qos(connection: Connection) -> QoSProfile:
    """Reliable whatever was offered: a replay has no reason to lose messages, and best-effort subscribers take it too."""
    offered = connection.ext.offered_qos_profiles if isinstance(connection.ext, ConnectionExtRosbag2) else []
    latched = any(profile.durability is QosDurability.TRANSIENT_LOCAL for profile in offered) or connection.topic == "/tf_static"
    return QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)


# -- recording ------------------------------------------------------------------------------------------------------------


def record(path: Path, topics: Sequence[str] = CAMERA_TOPICS, duration: float | None = None, storage: str = "mcap",
           compress: bool = True, stop: threading.Event | None = None,
           on_progress: Callable[[float, int, int], None] = lambda seconds, messages, size: None) -> BagSummary:
    """Record topics until stop or for a duration; times are /clock's where there is one.

    Args:
        path: folder to make.
        topics: names; those that appear later are recorded from then on.
        duration: seconds to record from the first message on; None is until stop.
        storage: "mcap" or "sqlite3".
        compress: zstd, by chunk (mcap) or by message (sqlite3).
        stop: ends it.
        on_progress: called five times a second with seconds, messages, bytes.

    Raises:
        BagError: the path exists, an unknown storage, or not one message came (nothing is left on disk then).
    """
    if storage not in STORAGES:
        raise BagError(f"unknown storage {storage!r}: expected {', '.join(STORAGES)}")
    if path.exists():
        raise BagError(f"{path} exists already: choose another --output or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    stop = stop or threading.Event()
    writer = Writer(path, version=9, storage_plugin=STORAGES[storage])
    if compress:
        writer.set_compression(CompressionMode.STORAGE if storage == "mcap" else CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer, GraphClient("recorder") as client:
        recorder = _Recorder(client.node, writer, topics)
        began = looked = began_recording = time.monotonic()
        while not stop.is_set():
            recorder.write(timeout=DISCOVERY_PERIOD / 4)
            now = time.monotonic()
            if not recorder.size and duration is not None and now - began < FIRST_MESSAGE_TIMEOUT:
                began_recording = now
            elif duration is not None and now - began_recording >= duration:
                break
            if now - looked > DISCOVERY_PERIOD:   # also later: a topic may appear while others are recorded
                looked = now
                recorder.subscribe()
                on_progress(now - began, sum(recorder.counts.values()), recorder.size)
        while recorder.write(timeout=0.0):
            pass
        there = sorted(name for name, _ in client.node.get_topic_names_and_types())
    if not any(recorder.counts.values()):
        shutil.rmtree(path, ignore_errors=True)
        raise BagError(f"no message came on {', '.join(topics)}; topics in the graph: {', '.join(there) or 'none'}")
    return BagSummary(recorder.counts, recorder.size, (recorder.last - recorder.first) * 1e-9)


class _Recorder:
    """Subscribes to the wanted topics as they appear and writes what comes, serialised as it is.

    Callbacks only queue: SQLite allows one thread, and compressing an image must not make best-effort messages drop.
    """

    def __init__(self, node: Node, writer: Writer, topics: Sequence[str]) -> None:
        self._node, self._writer = node, writer
        self._missing = {topic if topic.startswith("/") else f"/{topic}" for topic in topics}
        self._group = MutuallyExclusiveCallbackGroup()
        self._queue: queue.SimpleQueue[tuple[Connection, int, bytes]] = queue.SimpleQueue()
        self._typestore = get_typestore(Stores.ROS2_JAZZY)
        self._clock: int | None = None
        self.counts: dict[str, int] = {}
        self.size, self.first, self.last = 0, 0, 0
        node.create_subscription(Clock, "/clock", self._on_clock, QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
                                 callback_group=self._group)

    def subscribe(self) -> None:
        """Subscribe to wanted topics that have a publisher by now."""
        for topic in sorted(self._missing):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            self._missing.discard(topic)
            kind = publishers[0].topic_type
            reliable = all(p.qos_profile.reliability is ReliabilityPolicy.RELIABLE for p in publishers)
            latched = all(p.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for p in publishers)
            qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
                             durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)
            _ensure_type(self._typestore, kind)
            connection = self._writer.add_connection(topic, kind, typestore=self._typestore,
                                                     offered_qos_profiles=[_recorded_qos(reliable, latched)])
            self.counts[topic] = 0
            self._node.create_subscription(message_class(kind), topic, partial(self._take, connection), qos, raw=True,
                                           callback_group=self._group)

    def write(self, timeout: float) -> bool:
        """Write one queued message; False when none came within the timeout [s]."""
        try:
            connection, stamp, raw = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return False
        self._writer.write(connection, stamp, raw)
        self.counts[connection.topic] += 1
        self.size += len(raw)
        self.first, self.last = min(self.first or stamp, stamp), max(self.last, stamp)
        return True

    def _on_clock(self, message: Clock) -> None:
        self._clock = message.clock.sec * 10**9 + message.clock.nanosec

    def _take(self, connection: Connection, raw: bytes) -> None:
        self._queue.put((connection, self._clock or time.time_ns(), raw))


def _recorded_qos(reliable: bool, latched: bool) -> Qos:
    return Qos(QosHistory.KEEP_LAST, 100, QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
               QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE, _FOREVER, _FOREVER, QosLiveliness.AUTOMATIC,
               _FOREVER, False)


def _ensure_type(typestore: Any, kind: str) -> None:
    """Add a message type that is not in ROS's own set, with what it is made of, from the .msg files of its package."""
    pending = [kind]
    while pending:
        name = pending.pop()
        if name in typestore.types:
            continue
        package, _, message = name.split("/")
        definition = _share_of(package) / "msg" / f"{message}.msg"
        if not definition.is_file():
            raise BagError(f"the definition of {name} is not installed: expected {definition}")
        types = get_types_from_msg(definition.read_text(), name)
        typestore.register(types)
        for _, fields in types.values():
            pending += [field for field in _type_names(fields) if field.count("/") == 2]


def _type_names(fields: Any) -> Iterator[str]:
    """Names of message types anywhere in rosbags' nested field descriptions."""
    if isinstance(fields, str):
        yield fields
    elif isinstance(fields, (list, tuple)):
        for part in fields:
            yield from _type_names(part)


def _share_of(package: str) -> Path:
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    for prefix in filter(None, prefixes):
        if (share := Path(prefix) / "share" / package).is_dir():
            return share
    raise BagError(f"package {package} is not installed")
