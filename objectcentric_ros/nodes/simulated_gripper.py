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

"""The Franka hand of the simulated cell: franka_gripper's actions and service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from objectcentric_ros.nodes import require

require("rclpy", "franka_msgs")

from franka_msgs.action import Grasp, Homing, Move  # noqa: E402
from rclpy.action import ActionServer, CancelResponse  # noqa: E402
from rclpy.action.server import ServerGoalHandle  # noqa: E402
from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

MAX_WIDTH = 0.08          # opening of the Franka hand [m]
MAX_SPEED = 0.2           # of both fingers together [m/s]
MAX_FORCE = 140.0         # peak force of the hand [N]
MOVE_FORCE = 20.0         # force of a move; the real hand doesn't say its own [N]
MOVE_TOLERANCE = 0.004    # a move has arrived within this [m]
REST_SPEED = 0.002        # fingers slower than this rest [m/s] ...
REST_TIME = 0.15          # ... when they do so for this long [s]
TIMEOUT = 10.0            # [s] of simulated time
FEEDBACK_PERIOD = 0.1     # [s] of simulated time


class Hand(Protocol):
    """The simulated hand, on simulated time [s]."""

    def set_gripper(self, width: float, force: float, speed: float) -> None:
        """Command the fingers: opening [m], force [N], speed of both together [m/s]."""
        ...

    def gripper_width(self) -> float:
        """Opening now [m]."""
        ...

    def finger_speed(self) -> float:
        """Speed of the opening [m/s]."""
        ...

    def wait(self, seconds: float) -> float:
        """Wait for simulated time; returns the time now."""
        ...


class SimulatedGripper:
    """Serves `<prefix>/homing`, `move`, `grasp` and `stop`; a new goal preempts the running one.

    Args:
        node: the node to serve with.
        hand: the simulated hand.
        prefix: name of the gripper node that is stood in for.
    """

    def __init__(self, node: Node, hand: Hand, prefix: str) -> None:
        self._node, self._hand = node, hand
        self._lock = threading.Lock()
        self._interrupt = threading.Event()   # of the running goal
        group = ReentrantCallbackGroup()
        for kind, name, execute in ((Homing, "homing", self._home), (Move, "move", self._move), (Grasp, "grasp", self._grasp)):
            ActionServer(node, kind, f"{prefix}/{name}", execute, callback_group=group,
                         cancel_callback=lambda _: CancelResponse.ACCEPT)
        node.create_service(Trigger, f"{prefix}/stop", self._stop, callback_group=group)

    def interrupt(self) -> None:
        """End the running goal; the fingers stay where they are."""
        self._interrupt.set()

    def _home(self, goal: ServerGoalHandle) -> Any:
        def run(finish: Callable[[float, float, float], str]) -> str:
            return finish(0.0, MOVE_FORCE, 0.1) or finish(MAX_WIDTH, MOVE_FORCE, 0.1)
        return self._run(goal, Homing, run)

    def _move(self, goal: ServerGoalHandle) -> Any:
        request = goal.request
        problem = _bad_width(request.width) or _bad_speed(request.speed)

        def run(finish: Callable[[float, float, float], str]) -> str:
            ended = finish(request.width, MOVE_FORCE, request.speed)
            width = self._hand.gripper_width()
            if not ended and abs(width - request.width) > MOVE_TOLERANCE:
                return f"the fingers stopped at {width:.4f} m on the way to {request.width:.4f} m: something is between them"
            return ended
        return self._run(goal, Move, run, problem)

    def _grasp(self, goal: ServerGoalHandle) -> Any:
        request = goal.request
        problem = _bad_width(request.width) or _bad_speed(request.speed)
        if not problem and not 0.0 < request.force <= MAX_FORCE:
            problem = f"force is {request.force} N, expected above 0 up to {MAX_FORCE}"

        def run(finish: Callable[[float, float, float], str]) -> str:
            # The hand doesn't stop at the width: it closes until something holds it, then compares.
            outward = request.width > self._hand.gripper_width()
            ended = finish(request.width if outward else 0.0, request.force, request.speed)
            width = self._hand.gripper_width()
            low, high = request.width - request.epsilon.inner, request.width + request.epsilon.outer
            if not ended and not low <= width <= high:
                return f"the fingers ended at {width:.4f} m, outside {low:.4f} .. {high:.4f} m"
            return ended
        return self._run(goal, Grasp, run, problem)

    def _run(self, goal: ServerGoalHandle, kind: Any, steps: Callable[[Callable[[float, float, float], str]], str],
             problem: str = "") -> Any:
        interrupt = threading.Event()
        if not problem:
            with self._lock:
                self._interrupt.set()
                self._interrupt = interrupt
            problem = steps(lambda width, force, speed: self._drive(goal, kind, interrupt, width, force, speed))
        if goal.is_cancel_requested:
            goal.canceled()
        elif problem:
            goal.abort()
        else:
            goal.succeed()
        return kind.Result(success=not problem, error=problem)

    def _drive(self, goal: ServerGoalHandle, kind: Any, interrupt: threading.Event, width: float, force: float,
               speed: float) -> str:
        """Command the fingers and wait until they rest; returns why they didn't get there, empty when they rest."""
        hand = self._hand
        hand.set_gripper(width, force, speed)
        start = now = hand.wait(0.0)
        moved, told = now, now
        while True:
            if interrupt.is_set() or goal.is_cancel_requested:
                if not interrupt.is_set() or self._interrupt is interrupt:   # else the goal that preempts commands already
                    hand.set_gripper(hand.gripper_width(), force, speed)
                return "stopped"
            if now - start > TIMEOUT:
                return f"the fingers didn't come to rest in {TIMEOUT} s"
            if hand.finger_speed() > REST_SPEED:
                moved = now
            if now - max(moved, start) > REST_TIME:
                return ""
            if now - told > FEEDBACK_PERIOD:
                told = now
                goal.publish_feedback(kind.Feedback(current_width=hand.gripper_width()))
            now = hand.wait(0.01)

    def _stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.interrupt()
        width = self._hand.gripper_width()
        self._hand.set_gripper(width, MOVE_FORCE, 0.1)
        response.success, response.message = True, f"stopped at {width:.4f} m"
        return response


def _bad_width(width: float) -> str:
    return "" if 0.0 <= width <= MAX_WIDTH else f"width is {width} m, expected 0 .. {MAX_WIDTH}"


def _bad_speed(speed: float) -> str:
    return "" if 0.0 < speed <= MAX_SPEED else f"speed is {speed} m/s, expected above 0 up to {MAX_SPEED}"
