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

"""The heartbeat of a node: its status on /diagnostics, twice a second, whatever its callbacks do."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from objectcentric_ros.nodes import require

require("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402
from rclpy.impl.implementation_singleton import rclpy_implementation  # noqa: E402

if TYPE_CHECKING:
    from objectcentric_ros.nodes.stack_node import StackNode

HEARTBEAT_PERIOD = 0.5   # [s]
DIAGNOSTICS_TOPIC = "/diagnostics"
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Heart:
    """Publishes a node's status at 2 Hz from a thread of its own, on wall time: callbacks and /clock can't hold it up.

    Args:
        node: whose; it says in which state it is.
    """

    def __init__(self, node: StackNode) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS_TOPIC, 10)
        self._lock = threading.Lock()
        self._level, self.message, self._values = OK, "unconfigured", dict[str, object]()
        self._born = time.monotonic()
        self._beat = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def report(self, level: bytes, message: str, values: dict[str, object]) -> None:
        """Say this from now on; at once, where level or message changed."""
        with self._lock:
            at_once = (level, message) != (self._level, self.message)
            self._level, self.message, self._values = level, message, dict(values)
        if at_once:
            self._beat.set()

    def stop(self) -> None:
        """Say it once more and end."""
        self._stopped = True
        self._beat.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            self._publish()
            last = time.monotonic()
            while True:
                self._beat.wait(HEARTBEAT_PERIOD)
                self._beat.clear()
                if self._stopped:
                    self._publish()
                    return
                # A node that reports in every callback must not flood the topic.
                time.sleep(max(0.0, last + 0.05 - time.monotonic()))
                last = time.monotonic()
                self._publish()
        except (rclpy_implementation.RCLError, rclpy_implementation.InvalidHandle):
            return   # the context went away under us: the process is ending

    def _publish(self) -> None:
        node = self._node
        with self._lock:
            level, message, values = self._level, self.message, dict(self._values)
        values = {"state": node.state_label, "pid": os.getpid(), "uptime_s": f"{time.monotonic() - self._born:.1f}", **values}
        status = DiagnosticStatus(level=level, name=node.get_fully_qualified_name().lstrip("/"), message=message,
                                  hardware_id="objectcentric_ros",
                                  values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
        array = DiagnosticArray(status=[status])
        array.header.stamp = node.get_clock().now().to_msg()
        self._publisher.publish(array)
