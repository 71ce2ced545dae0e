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

"""Record topics into a rosbag2 bag, without rosbag2: the files are ros2 bag's."""

from __future__ import annotations

import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime  # noqa: E402
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

from objectcentric_ros.nodes.bag import BagError, BagSummary, message_class  # noqa: E402
from objectcentric_ros.nodes.graph_client import GraphClient  # noqa: E402

CAMERA_TOPICS = ("/camera/camera/color/image_raw", "/camera/camera/color/camera_info",
                 "/camera/camera/aligned_depth_to_color/image_raw", "/camera/camera/aligned_depth_to_color/camera_info",
                 "/tf", "/tf_static", "/joint_states")
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
DISCOVERY_PERIOD = 0.2   # how often the graph is searched for the wanted topics [s]
FIRST_MESSAGE_TIMEOUT = 10.0   # a recording with a duration gives up when nothing came until then [s]
_FOREVER = QosTime(2147483647, 4294967295)   # how rosbag2 9 writes an infinite duration




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
