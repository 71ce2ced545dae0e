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

"""Blocking service and action calls for a worker thread, which a pick's switch ends early."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from objectcentric_ros.nodes import require
from objectcentric_ros.picking.outcome import AbortSwitch, PickEnded, PickOutcome

require("rclpy")

from action_msgs.msg import GoalStatus  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.client import Client  # noqa: E402
from rclpy.task import Future  # noqa: E402

POLL = 0.05           # how often a wait looks at the switch [s]
CANCEL_TIMEOUT = 5.0  # how long a cancelled action may take to bring the arm to rest [s]


def call(client: Client, request: Any, abort: AbortSwitch, timeout: float) -> Any:
    """Call a service and wait for its answer.

    Raises:
        PickEnded: the switch was triggered; or NODE_LOST when the service is not there or does not answer in time [s].
    """
    deadline = time.monotonic() + timeout
    while not client.service_is_ready():
        abort.check()
        if time.monotonic() > deadline:
            raise PickEnded(PickOutcome.NODE_LOST, f"Service {client.srv_name} is not there.")
        time.sleep(POLL)
    future = client.call_async(request)
    try:
        return _wait(future, abort, deadline, f"Service {client.srv_name} did not answer within {timeout:.0f} s.")
    finally:
        if not future.done():
            client.remove_pending_request(future)


def run_action(client: ActionClient, goal: Any, abort: AbortSwitch, timeout: float,
               on_feedback: Callable[[Any], None] = lambda feedback: None) -> Any:
    """Send a goal and wait for its result; a triggered switch cancels it and waits for the arm to rest.

    Raises:
        PickEnded: the switch was triggered (after the action ended); ABORTED when the goal is rejected; NODE_LOST when the
            server is not there or does not answer in time [s].
    """
    name = client._action_name
    deadline = time.monotonic() + timeout
    while not client.server_is_ready():
        abort.check()
        if time.monotonic() > deadline:
            raise PickEnded(PickOutcome.NODE_LOST, f"Action {name} is not there.")
        time.sleep(POLL)
    handle = _wait(client.send_goal_async(goal, feedback_callback=lambda message: on_feedback(message.feedback)), abort, deadline,
                   f"Action {name} did not answer within {timeout:.0f} s.")
    if not handle.accepted:
        raise PickEnded(PickOutcome.ABORTED, f"Action {name} rejected the goal: another one is running.")
    result = handle.get_result_async()
    try:
        answer = _wait(result, abort, deadline, f"Action {name} did not end within {timeout:.0f} s.")
    except PickEnded:
        _cancel(handle, result)
        raise
    if answer.status == GoalStatus.STATUS_UNKNOWN:
        raise PickEnded(PickOutcome.NODE_LOST, f"Action {name} lost the goal.")
    return answer.result


def _cancel(handle: Any, result: Future) -> None:
    """Cancel a goal and wait until it has ended, so that the arm is at rest; a server that is gone is not waited for longer."""
    ended = threading.Event()
    result.add_done_callback(lambda _: ended.set())
    handle.cancel_goal_async()
    ended.wait(CANCEL_TIMEOUT)


def _wait(future: Future, abort: AbortSwitch, deadline: float, late: str) -> Any:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    while not done.wait(POLL):
        abort.check()
        if time.monotonic() > deadline:
            raise PickEnded(PickOutcome.NODE_LOST, late)
    return future.result()
