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

"""The motion node: execute_grasp and move_to as actions, one motion at a time."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.motion.execution import ExecutionConfig, GraspExecution, GraspExecutor, MoveExecution
from objectcentric_ros.motion.factory import make_planner
from objectcentric_ros.motion.protocols import MotionOutcome, PlanningError
from objectcentric_ros.nodes import require

require("rclpy", "objectcentric_interfaces", "tf2_msgs", "franka_msgs")

from builtin_interfaces.msg import Time  # noqa: E402
from objectcentric_interfaces.action import ExecuteGrasp, MoveTo  # noqa: E402
from rclpy.action import ActionServer, CancelResponse, GoalResponse  # noqa: E402
from rclpy.action.server import ServerGoalHandle  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from objectcentric_ros.nodes.camera_input import LATCHED_QOS, CameraConfig, CameraInput, CameraMessages, SceneMemory  # noqa: E402
from objectcentric_ros.nodes.conversions import matrix_from_pose, stamp_nanoseconds  # noqa: E402
from objectcentric_ros.nodes.heart import ERROR, OK, WARN  # noqa: E402
from objectcentric_ros.nodes.heartbeats import Heartbeats  # noqa: E402
from objectcentric_ros.nodes.motion_display import DisplayedPlanner, MotionDisplay  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.ros_arm import RosArm, RosArmConfig  # noqa: E402
from objectcentric_ros.nodes.ros_gripper import RosGripper, RosGripperConfig  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import grasp_from_message  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackNode, run  # noqa: E402
from objectcentric_ros.nodes.transforms import TransformListener  # noqa: E402

STAGES = ("plan", "approach", "close", "lift")
WATCH_PERIOD = 0.1        # how often the caller's heartbeat is looked at, and the display published [s]
OLDEST_DEPTH = 2.0        # a depth image that came longer ago is not the present scene [s]
REST_TIMEOUT = 5.0        # how long deactivating waits for a stopped motion [s]
ANSWER_GRACE = 0.1        # rclpy sends the result after the goal's callback has returned [s]
THREADS = 6               # one is blocked by the motion, the others receive joint states, answers and images


@dataclass(frozen=True)
class MotionConfig(CameraConfig):
    """Parameters of the motion node."""

    planner: str = parameter("roboplan", "motion planner (objectcentric_ros.motion.factory.make_planner)")
    lift_height: float = parameter(0.15, "straight up after closing when a goal says 0 [m]", minimum=0.0, maximum=0.5)
    force: float = parameter(30.0, "grasp force when a goal says 0 [N]", minimum=1.0, maximum=70.0)
    client_timeout: float = parameter(3.0, "the arm stops when the caller's heartbeat is silent for so long [s]", minimum=0.5,
                                      maximum=60.0)
    transform_timeout: float = parameter(0.5, "how long to wait for the camera's pose at the scene's stamp [s]", minimum=0.0,
                                         maximum=5.0)
    cell_file: str = parameter("", "YAML file of the cell's layout; empty = config/cell.yaml of the package")
    arm: RosArmConfig = field(default_factory=RosArmConfig)
    gripper: RosGripperConfig = field(default_factory=RosGripperConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)


class _Running:
    """The motion that is running: who asked for it, and why it was stopped."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.began = time.monotonic()
        self.cancel = threading.Event()
        self.ended = threading.Event()      # the arm is at rest
        self.answered = threading.Event()   # and the goal has its terminal state
        self.reason = ""
        self.stage = "plan"

    def stop(self, reason: str) -> None:
        """Ask for the end; the first reason counts."""
        self.reason = self.reason or reason
        self.cancel.set()


class MotionNode(StackNode):
    """Plans and runs motions, and stops the arm when it must."""

    NODE_NAME = "motion"
    Config = MotionConfig

    def setup(self) -> None:
        """Load the layout and the planner."""
        self._layout = CellLayout.load(Path(self.config.cell_file) if self.config.cell_file else None)
        planner = make_planner(self.config.planner, self._layout)
        publisher = self.create_publisher(MarkerArray, "motion/display", LATCHED_QOS)
        self._display = MotionDisplay(publisher, self._layout.base_frame, planner.forward)
        self._planner = DisplayedPlanner(planner, self._display)

    def start(self) -> None:
        """Subscribe and offer the actions."""
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._paused = False
        self._outcomes: Counter[str] = Counter()
        self._planning_ms = 0.0
        self._last = "no motion yet"
        self._transforms = TransformListener(self)
        self._camera = CameraInput(self, self.config, color=False)
        self._scenes = SceneMemory(self, self.config, self._camera, locate=self._locate)
        self._heartbeats = Heartbeats(self)
        self._arm = RosArm(self, self.config.arm, on_state=self._display.state)
        self._gripper = RosGripper(self, self.config.gripper)
        self._executor_of_motions = GraspExecutor(self._planner, self._arm, self._gripper, self._layout, self.config.execution)
        for kind, name, work in ((ExecuteGrasp, "execute_grasp", self._execute_grasp), (MoveTo, "move_to", self._move_to)):
            ActionServer(self, kind, name, execute_callback=lambda handle, work=work: self._execute(handle, work),
                         goal_callback=self._on_goal, cancel_callback=self._on_cancel,
                         callback_group=MutuallyExclusiveCallbackGroup())
        self.create_timer(1.0, self._report, callback_group=MutuallyExclusiveCallbackGroup())

    def pause(self) -> None:
        """Stop the arm and wait until it rests."""
        if not hasattr(self, "_executor_of_motions"):
            return
        with self._lock:
            self._paused = True
            running = self._running
        if running is not None:
            running.stop("the motion node is being deactivated")
            if running.answered.wait(REST_TIMEOUT):
                time.sleep(ANSWER_GRACE)
        self._camera.destroy()

    # -- goals ------------------------------------------------------------------------------------------------------------

    def _on_goal(self, goal: Any) -> GoalResponse:
        with self._lock:
            running, paused = self._running, self._paused
        if running is None and not paused:
            return GoalResponse.ACCEPT
        reason = "the node is being deactivated"
        if running is not None:
            reason = f"a motion of {running.client or 'another client'} is running"
        self.get_logger().warning(f"rejected a goal of {goal.client or 'an unnamed client'}: {reason}")
        return GoalResponse.REJECT

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        with self._lock:
            running = self._running
        if running is not None:
            running.stop("cancelled by the caller")
        return CancelResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle, work: Callable[[Any, _Running, Callable[[str], None]], Any]) -> Any:
        """Run a goal in this executor thread; the result says how it ended, whatever happens."""
        kind = type(handle.request).__name__.removesuffix("_Goal")
        running = _Running(handle.request.client)
        with self._lock:
            busy = self._running is not None or self._paused
            if not busy:
                self._running = running
        if busy:   # two goals came at the same moment
            handle.abort()
            return self._result_type(handle)(outcome=MotionOutcome.STOPPED.value, message="another motion is running",
                                             gripper_width=float("nan"))
        watch = threading.Thread(target=self._watch, args=(running,), name="watch", daemon=True)
        watch.start()
        feedback_type = ExecuteGrasp.Feedback if isinstance(handle.request, ExecuteGrasp.Goal) else MoveTo.Feedback

        def on_stage(stage: str) -> None:
            running.stage = stage
            handle.publish_feedback(feedback_type(stage=stage))

        self._display.begin()
        result = self._result_type(handle)(gripper_width=float("nan"))
        if handle.is_cancel_requested:
            running.stop("cancelled by the caller")
        try:
            self._fill(result, work(handle.request, running, on_stage))
        except (PlanningError, ValueError, LookupError) as error:
            result.outcome, result.message = MotionOutcome.NO_PLAN.value, str(error)
        except TimeoutError as error:
            result.outcome, result.message = MotionOutcome.STALE_STATE.value, str(error)
        except Exception as error:
            self._arm.stop()
            result.outcome, result.message = MotionOutcome.STOPPED.value, f"{type(error).__name__}: {error}"
            self.get_logger().error(f"a motion failed: {result.message}")
            self.report(ERROR, f"a motion failed: {result.message}")
        finally:
            running.ended.set()
            watch.join()
        if running.reason:
            result.message = f"{running.reason}; {result.message}" if result.message else running.reason
        outcome = MotionOutcome(result.outcome)
        self._outcomes[outcome.name.lower()] += 1
        self._planning_ms = float(result.planning_ms)
        self._last = f"{kind}: {outcome.name.lower()}" + (f" ({result.message})" if result.message else "")
        self.get_logger().info(f"{self._last}, planned in {self._planning_ms:.0f} ms")
        # Free before the client learns that this goal has ended: its next goal may come at once.
        with self._lock:
            self._running = None
        try:
            self._end(handle, outcome)
        finally:
            running.answered.set()
        return result

    def _end(self, handle: ServerGoalHandle, outcome: MotionOutcome) -> None:
        if outcome is MotionOutcome.SUCCEEDED:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()

    def _fill(self, result: Any, execution: GraspExecution | MoveExecution) -> None:
        result.outcome, result.message = execution.outcome.value, execution.message
        result.gripper_width, result.planning_ms = float(execution.gripper_width), float(execution.planning_ms)
        if isinstance(execution, GraspExecution):
            result.stage = execution.stage
            result.stage_seconds = [float(execution.stage_seconds.get(stage, 0.0)) for stage in STAGES]

    @staticmethod
    def _result_type(handle: ServerGoalHandle) -> Any:
        return ExecuteGrasp.Result if isinstance(handle.request, ExecuteGrasp.Goal) else MoveTo.Result

    def _watch(self, running: _Running) -> None:
        """Stop the motion when its caller is gone; publish the display while it runs."""
        while not running.ended.wait(WATCH_PERIOD):
            if running.client and not running.cancel.is_set():
                beat = self._heartbeats.get(running.client)
                silence = time.monotonic() - running.began if beat is None else beat.age
                if silence > self.config.client_timeout or (beat is not None and beat.state == "finalized"):
                    running.stop(f"the caller {running.client} is gone: no heartbeat for {silence:.1f} s")
            self._display.publish()
        self._display.publish()

    # -- work -------------------------------------------------------------------------------------------------------------

    def _execute_grasp(self, goal: ExecuteGrasp.Goal, running: _Running, on_stage: Callable[[str], None]) -> GraspExecution:
        grasp = grasp_from_message(goal.grasp)
        frame_id = goal.grasp.header.frame_id or self._layout.base_frame
        if frame_id != self._layout.base_frame:
            raise ValueError(f"the grasp is in frame {frame_id!r}, expected the base frame {self._layout.base_frame!r}")
        for name, value in (("lift_height", goal.lift_height), ("force", goal.force)):
            if not np.isfinite(value) or value < 0:
                raise ValueError(f"{name} is {value}, expected a number from 0")
        frame, labels = self._scene(goal.scene_stamp)
        mask = None
        if goal.segment_id:
            if labels is None:
                raise LookupError(f"segment {goal.segment_id} is named, but no segments of that stamp are remembered")
            mask = labels == goal.segment_id
        return self._executor_of_motions.execute_grasp(
            grasp, frame, mask, lift_height=goal.lift_height or self.config.lift_height, force=goal.force or self.config.force,
            cancel=running.cancel, on_stage=on_stage)

    def _move_to(self, goal: MoveTo.Goal, running: _Running, on_stage: Callable[[str], None]) -> MoveExecution:
        target: str | NDArray[np.float64] = goal.named
        if not goal.named:
            target = matrix_from_pose(goal.pose.pose)
            frame_id = goal.pose.header.frame_id or self._layout.base_frame
            if frame_id != self._layout.base_frame:
                T_base_frame = self._transforms.lookup(self._layout.base_frame, frame_id, timeout=self.config.transform_timeout)
                target = T_base_frame @ target
        frame = None if goal.ignore_scene else self._scene(Time())[0]
        return self._executor_of_motions.move_to(target, frame=frame, linear=goal.linear, release=goal.release,
                                                cancel=running.cancel, on_stage=on_stage)

    def _scene(self, stamp: Time) -> tuple[RgbdFrame, NDArray[np.uint16] | None]:
        """Frame and label image of a stamp; of the newest depth image, without labels, for stamp 0.

        Raises:
            LookupError: no such image, or no camera pose for it.
            ValueError: the image is broken.
        """
        if stamp == Time():
            newest = self._camera.newest()
            if newest is None or time.monotonic() - newest.received > OLDEST_DEPTH:
                raise LookupError(f"there is no depth image to take obstacles from: {self._camera.complaint() or 'none came yet'}"
                                  " (move_to takes ignore_scene)")
            return self._frame(newest), None
        stamp_ns = stamp_nanoseconds(stamp)
        recent = self._camera.at(stamp_ns)
        try:
            scene = self._scenes.scene(stamp_ns)
        except LookupError:
            if recent is None:
                raise
            return self._frame(recent), None
        return self._frame(scene.messages, scene.T_base_camera), scene.labels()

    def _frame(self, messages: CameraMessages, T_base_camera: NDArray[np.float64] | None = None) -> RgbdFrame:
        if T_base_camera is None:
            T_base_camera = self._transforms.lookup(self._layout.base_frame, messages.frame_id or self._layout.camera_frame,
                                                    messages.stamp_ns * 1e-9, timeout=self.config.transform_timeout)
        return messages.frame(T_base_camera)

    def _locate(self, frame_id: str, stamp: float) -> NDArray[np.float64] | None:
        try:
            return self._transforms.lookup(self._layout.base_frame, frame_id, stamp)
        except LookupError:
            return None

    def _report(self) -> None:
        with self._lock:
            running = self._running
        age = self._arm.age()
        values = {"planner": self.config.planner, "last": self._last, "last_planning_ms": f"{self._planning_ms:.0f}",
                  "joint_state_age_s": "never" if age is None else f"{age:.2f}",
                  **{f"motions_{name}": count for name, count in self._outcomes.items()}}
        if age is None or age > self.config.arm.monitor.max_state_age:
            self.report(WARN, f"no joint states on {self.config.arm.joint_states_topic}: is the robot running?", **values)
        else:
            doing = "idle" if running is None else f"{running.stage} for {running.client or 'an unnamed client'}"
            self.report(OK, doing, **values)


def main() -> int:
    """Run the node."""
    return run(MotionNode, threads=THREADS)


if __name__ == "__main__":
    sys.exit(main())
