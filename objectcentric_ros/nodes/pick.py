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

"""The pick node: the pick_object action over the rest of the graph."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.heart import OK, WARN
from objectcentric_ros.nodes.heartbeats import Heartbeats
from objectcentric_ros.nodes.image_conversions import compressed_from_bytes
from objectcentric_ros.nodes.parameters import parameter
from objectcentric_ros.nodes.pick_ports import RosPorts
from objectcentric_ros.nodes.stack_conversions import message_from_grasp
from objectcentric_ros.nodes.stack_node import StackConfig, StackNode
from objectcentric_ros.nodes.stack_node import run as run_node
from objectcentric_ros.picking.outcome import AbortSwitch, PickOutcome
from objectcentric_ros.picking.procedure import PickConfig, PickProcedure, PickReport, PickRequest

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.action import PickObject  # noqa: E402
from objectcentric_interfaces.msg import PickAttempt  # noqa: E402
from rclpy.action import ActionServer, CancelResponse, GoalResponse  # noqa: E402
from rclpy.action.server import ServerGoalHandle  # noqa: E402
from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from std_msgs.msg import Header, String  # noqa: E402

FRESH = 1.0   # a heartbeat this young is the present process's [s]


@dataclasses.dataclass(frozen=True)
class PickNodeConfig(StackConfig):
    """Parameters of the pick node."""

    pick: PickConfig = dataclasses.field(default_factory=PickConfig)
    required_nodes: tuple[str, ...] = parameter(
        ("segmentation", "gallery", "identification", "grasp_planner", "motion"), "nodes whose loss ends a pick with node_lost")
    heartbeat_timeout: float = parameter(
        4.0, "a node that is silent on /diagnostics this long is lost [s]", minimum=1.0, maximum=60.0)
    color_topic: str = parameter("/camera/camera/color/image_raw", "colour image, for the evidence")
    scene_topic: str = parameter("/scene/image_raw", "overview image, for the evidence; may not exist")
    service_timeout: float = parameter(20.0, "longest wait for a service [s]", minimum=0.1)
    motion_timeout: float = parameter(60.0, "longest wait for one motion [s]", minimum=1.0)
    image_timeout: float = parameter(10.0, "longest wait for a new image to be segmented [s]", minimum=0.5)
    lift_height: float = parameter(0.15, "straight up after closing [m]", minimum=0.02, maximum=0.4)


class PickNode(StackNode):
    """Runs one pick at a time; watches the other nodes meanwhile."""

    NODE_NAME = "pick"
    Config = PickNodeConfig

    def setup(self) -> None:
        """Connect to the graph; nothing is waited for, so the nodes may come in any order."""
        config = self.config
        self._layout = CellLayout.load()
        self._ports = RosPorts(self, self._layout, config.color_topic, config.scene_topic, config.service_timeout,
                               config.motion_timeout, config.image_timeout, config.lift_height)
        self._heartbeats = Heartbeats(self, config.required_nodes, config.heartbeat_timeout)
        self._busy = threading.Lock()
        self._abort: AbortSwitch | None = None
        self._picks: dict[str, int] = {}

    def start(self) -> None:
        """Serve the action."""
        self._state = self.create_publisher(String, "pick/state", 10)
        self._server = ActionServer(
            self, PickObject, "pick_object", self._execute, goal_callback=self._on_goal, cancel_callback=self._on_cancel,
            callback_group=ReentrantCallbackGroup())

    def pause(self) -> None:
        """End a running pick, the arm at rest."""
        abort = self._abort
        if abort is not None:
            abort.trigger(PickOutcome.ABORTED, "The pick node was deactivated.")
            with self._busy:
                pass

    def _on_goal(self, goal: PickObject.Goal) -> GoalResponse:
        if not goal.object.strip():
            self.get_logger().warning("rejected a pick: object is empty; give an id or a title")
            return GoalResponse.REJECT
        if self._busy.locked():
            self.get_logger().warning(f"rejected the pick of {goal.object!r}: another pick is running")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if self._abort is not None:
            self._abort.trigger(PickOutcome.ABORTED, "Cancelled.")
        return CancelResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle) -> PickObject.Result:
        with self._busy:
            goal, abort = handle.request, AbortSwitch()
            self._abort = abort
            if handle.is_cancel_requested:
                abort.trigger(PickOutcome.ABORTED, "Cancelled.")
            watch = threading.Thread(target=self._watch, args=(abort, goal.timeout or self.config.pick.timeout), daemon=True)
            watch.start()

            def on_phase(attempt: int, phase: str, message: str) -> None:
                handle.publish_feedback(PickObject.Feedback(attempt=attempt, phase=phase, message=message))
                self._state.publish(String(data=phase))
                self.report(OK, f"picking {goal.object!r}: {phase}", attempt=attempt)

            request = PickRequest(goal.object, tuple(goal.candidates), goal.destination, int(goal.max_attempts))
            try:
                report = PickProcedure(self._ports, self.config.pick).run(request, abort, on_phase)
            finally:
                self._abort = None
                abort.event.set()   # ends the watch
            self._finish(handle, report)
            return self._result(report)

    def _watch(self, abort: AbortSwitch, timeout: float) -> None:
        """Trigger the switch when a node is lost or the time is up."""
        began = time.monotonic()
        pids: dict[str, int] = {}
        while not abort.event.wait(0.1):
            silent = self._heartbeats.lost()
            for name in self.config.required_nodes:
                beat = self._heartbeats.get(name)
                if beat is not None and beat.age < FRESH:
                    # A restarted node beats again, but it knows nothing of the calls that its predecessor took with it.
                    if pids.setdefault(name, beat.pid) != beat.pid:
                        abort.trigger(PickOutcome.NODE_LOST, f"Lost {name}: restarted in the middle of the pick.")
                # A node that was just restarted when the pick began gets the time that it takes to be heard.
                elif name in silent and (name in pids or time.monotonic() - began > self.config.heartbeat_timeout):
                    abort.trigger(PickOutcome.NODE_LOST, f"Lost {name}: no sign of life on /diagnostics.")
            if time.monotonic() - began > timeout:
                abort.trigger(PickOutcome.TIMEOUT, f"The pick took longer than {timeout:.0f} s.")

    def _finish(self, handle: ServerGoalHandle, report: PickReport) -> None:
        self._picks[report.outcome.label] = self._picks.get(report.outcome.label, 0) + 1
        self.report(OK if report.outcome is PickOutcome.PICKED else WARN, f"last pick: {report.outcome.label}: {report.message}",
                    **self._picks)
        self._state.publish(String(data=report.outcome.label))
        if handle.is_cancel_requested:
            handle.canceled()
        elif report.outcome is PickOutcome.PICKED:
            handle.succeed()
        else:
            handle.abort()

    def _result(self, report: PickReport) -> PickObject.Result:
        result = PickObject.Result(
            outcome=int(report.outcome), outcome_name=report.outcome.label, message=report.message, pick_id=report.pick_id,
            object_id=report.object_id, image_names=list(report.evidence),
            images=[compressed_from_bytes(picture, "jpeg") for picture in report.evidence.values()])
        for attempt in report.attempts:
            message: Any = PickAttempt(
                outcome=attempt.outcome.label, message=attempt.message, confidence=attempt.confidence,
                gripper_width=attempt.gripper_width, phases=[name for name, _ in attempt.phases],
                seconds=[seconds for _, seconds in attempt.phases])
            if attempt.grasp is not None:
                message.grasp = message_from_grasp(attempt.grasp, Header(frame_id=self._layout.base_frame))
            result.attempts.append(message)
        return result


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(PickNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
