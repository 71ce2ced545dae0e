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

"""The Franka hand over the actions of franka_gripper."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from objectcentric_ros.motion.protocols import GripperResult
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.action_client import PatientActionClient

require("rclpy", "franka_msgs")

from action_msgs.msg import GoalStatus  # noqa: E402
from franka_msgs.action import Grasp, Move  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.task import Future  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.ros_arm import JOINT_STATES_QOS  # noqa: E402


@dataclass(frozen=True)
class RosGripperConfig:
    """Names and limits of a gripper."""

    name: str = parameter("/franka_gripper", "gripper node: its actions move and grasp, its service stop, its topic joint_states"
                          " (upstream's launch files call it /franka_gripper or /fr3_gripper)")
    finger_joints: tuple[str, ...] = parameter(("fr3_finger_joint1", "fr3_finger_joint2"),
                                                "finger joints; the opening is their sum")
    ready_timeout: float = parameter(5.0, "how long to wait for the gripper's actions and its first joint state [s]",
                                     minimum=0.0, maximum=60.0)
    command_timeout: float = parameter(10.0, "longest time of a command [s]", minimum=0.1, maximum=60.0)


class RosGripper:
    """Gripper over actions; calls block the calling thread, so answers need another thread of the executor.

    Args:
        node: the node to make the clients with.
        config: names and limits.
    """

    def __init__(self, node: Node, config: RosGripperConfig) -> None:
        self._node, self._config = node, config
        # A group of its own each: an rclpy action client is not made to be run by two threads at once.
        self._move = PatientActionClient(node, Move, f"{config.name}/move", callback_group=MutuallyExclusiveCallbackGroup())
        self._grasp = PatientActionClient(node, Grasp, f"{config.name}/grasp", callback_group=MutuallyExclusiveCallbackGroup())
        self._stop = node.create_client(Trigger, f"{config.name}/stop", callback_group=MutuallyExclusiveCallbackGroup())
        self._arrived = threading.Condition()
        self._width: float | None = None
        self._received = 0.0
        self._subscription = node.create_subscription(JointState, f"{config.name}/joint_states", self._on_joint_state,
                                                      JOINT_STATES_QOS, callback_group=MutuallyExclusiveCallbackGroup())

    def destroy(self) -> None:
        """Release clients and subscription."""
        self._move.destroy()
        self._grasp.destroy()
        self._node.destroy_client(self._stop)
        self._node.destroy_subscription(self._subscription)

    def move(self, width: float, speed: float = 0.1) -> GripperResult:
        """See Gripper."""
        return self._run(self._move, Move.Goal(width=float(width), speed=float(speed)))

    def grasp(self, force: float, width: float = 0.0, speed: float = 0.1,
              epsilon_inner: float = 0.08, epsilon_outer: float = 0.08) -> GripperResult:
        """See Gripper."""
        goal = Grasp.Goal(width=float(width), speed=float(speed), force=float(force))
        goal.epsilon.inner, goal.epsilon.outer = float(epsilon_inner), float(epsilon_outer)
        return self._run(self._grasp, goal)

    def width(self) -> float:
        """See Gripper; raises TimeoutError when the gripper never said."""
        return self._width_after(0.0)

    def stop(self) -> None:
        """Stop the fingers, now; returns at once, safe from any thread."""
        if self._stop.service_is_ready():
            self._stop.call_async(Trigger.Request())

    def _run(self, client: ActionClient, goal: Any) -> GripperResult:
        name = client._action_name
        if not client.wait_for_server(timeout_sec=self._config.ready_timeout):
            return self._failure(f"action {name} is not there: is the gripper's node running?")
        deadline = time.monotonic() + self._config.command_timeout
        handle = _result(client.send_goal_async(goal), deadline)
        if handle is None or not handle.accepted:
            return self._failure(f"action {name} {'did not answer' if handle is None else 'rejected the goal'}")
        answer = _result(handle.get_result_async(), deadline)
        if answer is None:
            handle.cancel_goal_async()
            self.stop()
            return self._failure(f"action {name} did not end within {self._config.command_timeout:.0f} s")
        try:
            width = self._width_after(time.monotonic())
        except TimeoutError as error:
            return self._failure(str(error))
        if answer.result.success and answer.status == GoalStatus.STATUS_SUCCEEDED:
            return GripperResult(True, width)
        return GripperResult(False, width, answer.result.error or f"action {name} ended with status {answer.status}")

    def _failure(self, message: str) -> GripperResult:
        return GripperResult(False, self._last_width(), message)

    def _width_after(self, moment: float) -> float:
        """Opening of the first joint state received after a moment of the steady clock [m]."""
        with self._arrived:
            timeout = self._config.ready_timeout
            if not self._arrived.wait_for(lambda: self._width is not None and self._received > moment, timeout):
                raise TimeoutError(f"no joint state of {' and '.join(self._config.finger_joints)} came on "
                                   f"{self._subscription.topic_name} within {timeout:.0f} s")
            assert self._width is not None
            return self._width

    def _last_width(self) -> float:
        with self._arrived:
            return float("nan") if self._width is None else self._width

    def _on_joint_state(self, message: JointState) -> None:
        positions = dict(zip(message.name, message.position, strict=False))
        if not set(self._config.finger_joints) <= positions.keys():
            return
        with self._arrived:
            self._width = float(sum(positions[name] for name in self._config.finger_joints))
            self._received = time.monotonic()
            self._arrived.notify_all()


def _result(future: Future, deadline: float) -> Any:
    """Result of a future that another thread completes; None when it isn't done in time."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return future.result() if done.wait(max(0.0, deadline - time.monotonic())) else None
