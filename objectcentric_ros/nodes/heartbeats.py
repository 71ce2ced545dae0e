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

"""Which nodes are alive, by their heartbeat on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from objectcentric_ros.nodes import require

require("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402

from objectcentric_ros.nodes.heart import DIAGNOSTICS_TOPIC  # noqa: E402


@dataclass(frozen=True)
class Heartbeat:
    """The newest heartbeat of a node: lifecycle state, level (0 ok, 1 warn, 2 error), sentence, process id, age [s]."""

    state: str
    level: int
    message: str
    pid: int
    values: dict[str, str] = field(default_factory=dict)
    age: float = 0.0


class Heartbeats:
    """Watches the heartbeats of named nodes on the steady clock.

    Args:
        node: the node to subscribe with.
        names: node names; a relative one is in the namespace of `node`. Empty: watch whoever beats.
        timeout: a node that was silent this long is lost [s]. A node that never beat is lost this long after the start.
    """

    def __init__(self, node: Node, names: Sequence[str] = (), timeout: float = 3.0) -> None:
        self._node = node
        self._timeout = timeout
        self._began = time.monotonic()
        self._changed = threading.Condition()
        self._names = {self._resolve(name): name for name in names}
        self._beats: dict[str, tuple[float, Heartbeat]] = {}
        self._subscription = node.create_subscription(DiagnosticArray, DIAGNOSTICS_TOPIC, self._on_diagnostics, 50,
                                                      callback_group=MutuallyExclusiveCallbackGroup())

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def lost(self) -> list[str]:
        """Names that are silent for longer than the timeout, or said goodbye."""
        now = time.monotonic()
        with self._changed:
            return [name for resolved, name in self._names.items() if self._is_lost(resolved, now)]

    def inactive(self) -> list[str]:
        """Names that are lost or beat in another lifecycle state than active."""
        now = time.monotonic()
        with self._changed:
            return [name for resolved, name in self._names.items()
                    if resolved not in self._beats or self._is_lost(resolved, now) or self._beats[resolved][1].state != "active"]

    def get(self, name: str) -> Heartbeat | None:
        """Newest heartbeat of a node; None when it never beat. A restarted node has another pid."""
        with self._changed:
            beat = self._beats.get(self._resolve(name))
        if beat is None:
            return None
        heard, heartbeat = beat
        return Heartbeat(heartbeat.state, heartbeat.level, heartbeat.message, heartbeat.pid, heartbeat.values,
                         time.monotonic() - heard)

    def wait_for_beat(self, timeout: float) -> bool:
        """Wait until any watched node beats; False when none did."""
        with self._changed:
            return self._changed.wait(timeout)

    def _is_lost(self, resolved: str, now: float) -> bool:
        heard, heartbeat = self._beats.get(resolved, (self._began, None))
        return now - heard > self._timeout or (heartbeat is not None and heartbeat.state == "finalized")

    def _resolve(self, name: str) -> str:
        if name.startswith("/"):
            return name.lstrip("/")
        return f"{self._node.get_namespace().rstrip('/')}/{name}".lstrip("/")

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now = time.monotonic()
        with self._changed:
            for status in message.status:
                name = status.name.lstrip("/")
                if self._names and name not in self._names:
                    continue
                heartbeat = _heartbeat(status)
                if heartbeat is not None:
                    self._beats[name] = (now, heartbeat)
                    self._changed.notify_all()


def _heartbeat(status: DiagnosticStatus) -> Heartbeat | None:
    values = {value.key: value.value for value in status.values}
    if "state" not in values or not values.get("pid", "").isdigit():
        return None   # somebody else's diagnostics
    return Heartbeat(values["state"], ord(status.level), status.message, int(values["pid"]), values)
