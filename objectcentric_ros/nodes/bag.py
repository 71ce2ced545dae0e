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

"""Look into a rosbag2 bag and play it with /clock, without rosbag2: the files are ros2 bag's."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from objectcentric_ros.nodes import require

require("rclpy")

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from rosbags.interfaces import (  # noqa: E402
    Connection,
    ConnectionExtRosbag2,
    QosDurability,
)
from rosbags.rosbag2 import Reader  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from objectcentric_ros.nodes.graph_client import GraphClient  # noqa: E402

CLOCK_PERIOD = 0.02      # /clock between messages [s of the bag]
SETTLE_TIME = 0.4        # playing begins when the graph has not changed for this long [s] ...
MATCH_TIMEOUT = 3.0      # ... or after this, but for the topics that it was told to wait for [s]
WANTED_TIMEOUT = 30.0    # how long it waits for those [s]
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
