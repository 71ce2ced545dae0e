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

"""A robot that picks by name, for a program or a notebook: one class over the pick_object action.

Example:
    >>> with PickClient() as robot:                                                   # doctest: +SKIP
    ...     result = robot.pick("rubik's cube", candidates=["rubiks_cube", "cup"])
    ...     print(result.outcome, result.message)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.action_client import PatientActionClient
from objectcentric_ros.nodes.camera_subscription import CameraSubscription
from objectcentric_ros.nodes.graph_client import GraphClient
from objectcentric_ros.nodes.heartbeats import Heartbeats
from objectcentric_ros.nodes.image_conversions import color_from_image, compressed_from_color
from objectcentric_ros.picking.outcome import PickOutcome
from objectcentric_ros.picking.result import PickResult

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.action import PickObject  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

POLL = 0.05   # [s]


class PickClient(GraphClient):
    """Blocking picks over DDS.

    Args:
        namespace: namespace of the graph.
        heartbeat_timeout: the pick node is lost when it is silent this long [s].
    """

    def __init__(self, namespace: str = "", heartbeat_timeout: float = 4.0) -> None:
        super().__init__("pick_client", namespace)
        self._client = PatientActionClient(self.node, PickObject, "pick_object")
        self._heartbeats = Heartbeats(self.node, ("pick",), heartbeat_timeout)
        self._cancel = threading.Event()

    def wait_until_ready(self, timeout: float) -> bool:
        """Wait for the pick node; False when it is not there in time [s]."""
        return bool(self._client.wait_for_server(timeout_sec=timeout))

    def wait_for_picture(self, topic: str, timeout: float) -> bytes | None:
        """JPEG of the next image of a topic, None when none comes in time [s]."""
        came = threading.Event()
        box: list[Image] = []

        def on_image(image: Image) -> None:
            box.append(image)
            came.set()

        subscription = CameraSubscription(self.node, Image, topic, on_image)
        try:
            if not came.wait(timeout):
                return None
            return bytes(compressed_from_color(color_from_image(box[0]), kind="jpeg").data)
        finally:
            subscription.destroy()

    def cancel(self) -> None:
        """End the running pick from another thread; pick() returns when the arm is at rest."""
        self._cancel.set()

    def pick(self, item: str, candidates: Sequence[str] = (), destination: str = "", max_attempts: int = 0, timeout: float = 0.0,
             on_phase: Callable[[int, str, str], None] = lambda attempt, phase, message: None,
             server_timeout: float = 5.0) -> PickResult:
        """Pick one item and wait for the end.

        Args:
            item: object id, or a title in any catalogued language.
            candidates: ids of what may be in the tray; empty = every object of the gallery.
            destination: named place pose; empty = the default.
            max_attempts: 0 = the node's default.
            timeout: of the whole pick [s]; 0 = the node's default.
            on_phase: called as (attempt, phase, message) from the executor's thread.
            server_timeout: how long to wait for the pick node [s].

        Returns:
            How it ended; a pick node that is not there or dies is NODE_LOST, a rejected goal ABORTED.
        """
        started = time.monotonic()
        self._cancel.clear()
        if not self.wait_until_ready(server_timeout):
            return PickResult(PickOutcome.NODE_LOST, "No pick node answers: start one with `objectcentric bringup pick` or "
                              "`ros2 launch objectcentric_ros pick.launch.py`.", time.monotonic() - started)
        goal = PickObject.Goal(object=item, candidates=list(candidates), destination=destination, max_attempts=max_attempts,
                               timeout=timeout)
        accepted = self._client.send_goal_async(
            goal, feedback_callback=lambda m: on_phase(m.feedback.attempt, m.feedback.phase, m.feedback.message))
        if not self._wait(accepted, None):
            return self._lost(started)
        handle = accepted.result()
        if not handle.accepted:
            return PickResult(PickOutcome.ABORTED, "The pick node rejected the goal: another pick is running, or no item was "
                              "named.", time.monotonic() - started)
        result = handle.get_result_async()
        if not self._wait(result, handle):
            return self._lost(started)
        details = result.result().result
        return PickResult(PickOutcome(details.outcome), details.message, time.monotonic() - started, details)

    def _wait(self, future: Any, handle: Any) -> bool:
        """Wait for a future; False when the pick node is lost meanwhile."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        first = self._heartbeats.get("pick")
        cancelled = False
        while not done.wait(POLL):
            if self._cancel.is_set() and handle is not None and not cancelled:
                handle.cancel_goal_async()
                cancelled = True
            now = self._heartbeats.get("pick")
            if self._heartbeats.lost() or (first is not None and now is not None and now.pid != first.pid):
                return False
            first = first or now
        return True

    @staticmethod
    def _lost(started: float) -> PickResult:
        return PickResult(PickOutcome.NODE_LOST, "The pick node died; the arm stops when its motion node misses it.",
                          time.monotonic() - started)
