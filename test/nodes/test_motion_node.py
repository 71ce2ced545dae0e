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

"""The motion node: what it hands to the executor, and everything that must stop the arm."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from objectcentric_interfaces.action import ExecuteGrasp, MoveTo
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.execution import GraspExecution, GraspExecutor, MoveExecution
from objectcentric_ros.motion.protocols import MotionOutcome, PlanningError, PlanningFailure
from objectcentric_ros.nodes import motion
from objectcentric_ros.nodes.conversions import pose_from_matrix, stamp_nanoseconds
from objectcentric_ros.nodes.heart import ERROR, OK, WARN
from objectcentric_ros.nodes.motion import MotionNode
from objectcentric_ros.nodes.stack_conversions import message_from_grasp

from .bench_robot import HOME, BenchRobot
from .node_bench import BLOCK, T_BASE_CAMERA, BenchCamera, NodeBench, block_segmentation

GRASP = Grasp(top_down([0.48, 0.0, 0.06], 0.0), 0.04, 0.07, 0.1, 0.9, "geometric", "made up")
BASE = Header(frame_id="fr3_link0")


class RecordingExecutor:
    """Stands in for GraspExecutor: remembers what it was asked, and waits where it is told to."""

    last: RecordingExecutor

    def __init__(self, planner: Any, arm: Any, gripper: Any, layout: CellLayout, config: Any) -> None:
        self.arm = arm
        self.calls: list[dict[str, Any]] = []
        self.hold = False
        self.began = threading.Event()
        self.error: Exception | None = None
        RecordingExecutor.last = self

    def execute_grasp(self, grasp: Grasp, frame: Any, item_mask: Any, **arguments: Any) -> GraspExecution:
        """See GraspExecutor."""
        self.calls.append({"grasp": grasp, "frame": frame, "mask": item_mask, **arguments})
        arguments["on_stage"]("plan")
        arguments["on_stage"]("approach")
        outcome = self._run(arguments["cancel"])
        return GraspExecution(outcome, "so it went", "approach", 0.041, 12.5, {"plan": 0.2, "approach": 1.5})

    def move_to(self, goal: Any, **arguments: Any) -> MoveExecution:
        """See GraspExecutor."""
        self.calls.append({"goal": goal, **arguments})
        arguments["on_stage"]("move")
        return MoveExecution(self._run(arguments["cancel"]), "", 0.08, 3.0)

    def _run(self, cancel: threading.Event) -> MotionOutcome:
        self.began.set()
        if self.error is not None:
            raise self.error
        if self.hold:
            assert cancel.wait(15.0), "nobody cancelled"
        return MotionOutcome.STOPPED if cancel.is_set() else MotionOutcome.SUCCEEDED


class StubPlanner:
    """A planner that nobody plans with."""

    joint_names = tuple(f"fr3_joint{i}" for i in range(1, 8))

    def forward(self, positions: np.ndarray) -> np.ndarray:
        """The first joint moves the TCP along x."""
        return top_down([positions[0], 0.0, 0.3], 0.0)


@pytest.fixture
def robot(bench: NodeBench) -> Iterator[BenchRobot]:
    """A robot at home."""
    robot = BenchRobot(bench)
    yield robot
    robot.close()


@pytest.fixture
def node(bench: NodeBench, robot: BenchRobot, monkeypatch: pytest.MonkeyPatch) -> MotionNode:
    """The node with a recording executor."""
    monkeypatch.setattr(motion, "GraspExecutor", RecordingExecutor)
    monkeypatch.setattr(motion, "make_planner", lambda name, layout: StubPlanner())
    return bench.add(MotionNode, threads=6, client_timeout=0.7)


@pytest.fixture
def executor(node: MotionNode) -> RecordingExecutor:
    """The node's executor."""
    return RecordingExecutor.last


def send(bench: NodeBench, kind: Any, goal: Any, feedback: list[str] | None = None) -> Any:
    """Send a goal; the goal handle."""
    client = bench.action(kind, {ExecuteGrasp: "execute_grasp", MoveTo: "move_to"}[kind])
    on_feedback = (lambda message: feedback.append(message.feedback.stage)) if feedback is not None else None
    return bench.finish(client.send_goal_async(goal, feedback_callback=on_feedback))


def result_of(bench: NodeBench, handle: Any) -> Any:
    """Result and status of a goal."""
    assert handle.accepted
    return bench.finish(handle.get_result_async(), timeout=20.0)


def run(bench: NodeBench, kind: Any, goal: Any, feedback: list[str] | None = None) -> Any:
    """Send a goal and wait for its end."""
    return result_of(bench, send(bench, kind, goal, feedback))


def grasp_goal(**fields: Any) -> ExecuteGrasp.Goal:
    """A goal with the made-up grasp."""
    return ExecuteGrasp.Goal(**{"grasp": message_from_grasp(GRASP, BASE), **fields})


def scene(bench: NodeBench, camera: BenchCamera, node: MotionNode) -> Time:
    """A scene that the node remembers; its stamp."""
    camera.connect(node)
    before = node._camera.frames_received
    header = camera.look()
    bench.wait_for(lambda: node._camera.frames_received > before)
    camera.segment(header, block_segmentation())
    bench.wait_for(lambda: node._scenes.newest() is not None)
    return header.stamp


def test_a_grasp_is_executed_with_the_scene_it_was_planned_on(
        bench: NodeBench, camera: BenchCamera, node: MotionNode, executor: RecordingExecutor) -> None:
    stamp = scene(bench, camera, node)
    feedback: list[str] = []
    answer = run(bench, ExecuteGrasp, grasp_goal(scene_stamp=stamp, segment_id=1, lift_height=0.2, force=40.0), feedback)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    result = answer.result
    assert (result.outcome, result.message, result.stage) == (0, "so it went", "approach")
    assert result.gripper_width == pytest.approx(0.041) and result.planning_ms == pytest.approx(12.5)
    assert list(result.stage_seconds) == pytest.approx([0.2, 1.5, 0.0, 0.0])
    bench.wait_for(lambda: feedback == ["plan", "approach"])
    (call,) = executor.calls
    assert np.allclose(call["grasp"].T_base_tcp, GRASP.T_base_tcp, atol=1e-6) and call["grasp"].opening == pytest.approx(0.07)
    assert np.allclose(call["frame"].T_base_camera, T_BASE_CAMERA, atol=1e-6)
    assert call["frame"].depth[24, 32] == pytest.approx(0.55)
    assert call["mask"].sum() == 16 * 12 and call["mask"][BLOCK].all()
    assert (call["lift_height"], call["force"]) == (pytest.approx(0.2), pytest.approx(40.0))


def test_zeros_in_a_goal_mean_the_newest_image_and_the_nodes_defaults(
        bench: NodeBench, camera: BenchCamera, node: MotionNode, executor: RecordingExecutor) -> None:
    scene(bench, camera, node)
    newest = camera.look()
    bench.wait_for(lambda: node._camera.newest().stamp_ns == stamp_nanoseconds(newest.stamp))
    assert run(bench, ExecuteGrasp, grasp_goal()).status == GoalStatus.STATUS_SUCCEEDED
    (call,) = executor.calls
    assert call["frame"].stamp == pytest.approx(stamp_nanoseconds(newest.stamp) * 1e-9, abs=1e-6) and call["mask"] is None
    assert (call["lift_height"], call["force"]) == (0.15, 30.0)


@pytest.mark.parametrize(("fields", "text"), [
    ({"scene_stamp": Time(sec=7)}, "no segments of 7.000 s"),
    ({"lift_height": float("nan")}, "lift_height"), ({"force": -1.0}, "force"),
    ({"grasp": message_from_grasp(GRASP, Header(frame_id="map"))}, "frame 'map'"), ({}, "no depth image")])
def test_a_grasp_that_cannot_be_meant_is_aborted_with_a_sentence(
        bench: NodeBench, node: MotionNode, executor: RecordingExecutor, fields: dict[str, Any], text: str) -> None:
    answer = run(bench, ExecuteGrasp, grasp_goal(**fields))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.outcome == ExecuteGrasp.Result.NO_PLAN and text in answer.result.message
    assert not executor.calls


def test_a_pose_that_is_not_finite_is_refused(bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    goal = grasp_goal()
    goal.grasp.pose.position.x = float("nan")
    assert "not finite" in run(bench, ExecuteGrasp, goal).result.message


def test_it_moves_to_a_named_pose_and_releases(bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    answer = run(bench, MoveTo, MoveTo.Goal(named="look", release=True, ignore_scene=True))
    assert answer.status == GoalStatus.STATUS_SUCCEEDED and answer.result.gripper_width == pytest.approx(0.08)
    (call,) = executor.calls
    assert call["goal"] == "look" and call["release"] and not call["linear"] and call["frame"] is None


def test_a_pose_in_another_frame_is_taken_to_the_base(
        bench: NodeBench, camera: BenchCamera, node: MotionNode, executor: RecordingExecutor) -> None:
    T_camera_target = np.eye(4)
    T_camera_target[2, 3] = 0.2
    pose = PoseStamped(header=Header(frame_id="camera_color_optical_frame"), pose=pose_from_matrix(T_camera_target))
    run(bench, MoveTo, MoveTo.Goal(pose=pose, linear=True, ignore_scene=True))
    (call,) = executor.calls
    assert np.allclose(call["goal"], T_BASE_CAMERA @ T_camera_target, atol=1e-6) and call["linear"]


def test_obstacles_are_wanted_unless_told_otherwise(bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    answer = run(bench, MoveTo, MoveTo.Goal(named="look"))
    assert answer.result.outcome == ExecuteGrasp.Result.NO_PLAN and "ignore_scene" in answer.result.message


def test_a_second_goal_is_rejected_while_one_runs(bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    executor.hold = True
    first = send(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True))
    assert executor.began.wait(5.0)
    assert not send(bench, ExecuteGrasp, grasp_goal()).accepted
    assert not send(bench, MoveTo, MoveTo.Goal(named="place", ignore_scene=True)).accepted
    executor.hold = False
    bench.finish(first.cancel_goal_async())
    assert result_of(bench, first).status == GoalStatus.STATUS_CANCELED
    assert run(bench, MoveTo, MoveTo.Goal(named="place", ignore_scene=True)).status == GoalStatus.STATUS_SUCCEEDED, "free again"


def test_cancel_stops_the_motion(bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    executor.hold = True
    handle = send(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True))
    assert executor.began.wait(5.0)
    began = time.monotonic()
    bench.finish(handle.cancel_goal_async())
    answer = result_of(bench, handle)
    assert time.monotonic() - began < 2.0
    assert answer.status == GoalStatus.STATUS_CANCELED and answer.result.outcome == ExecuteGrasp.Result.STOPPED
    assert "cancelled by the caller" in answer.result.message


class Heart:
    """Beats for a client node."""

    def __init__(self, bench: NodeBench, name: str) -> None:
        self._publisher = bench.client.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._name, self.ended, self.state = name, threading.Event(), "active"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.ended.wait(0.1):
            values = [KeyValue(key="state", value=self.state), KeyValue(key="pid", value="1")]
            self._publisher.publish(DiagnosticArray(status=[DiagnosticStatus(name=self._name, values=values)]))


def test_the_motion_goes_on_while_its_caller_beats_and_stops_when_it_is_gone(
        bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    heart = Heart(bench, "picker")
    executor.hold = True
    handle = send(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True, client="/picker"))
    future = handle.get_result_async()
    assert executor.began.wait(5.0)
    time.sleep(1.2)   # longer than the time-out of 0.7 s
    assert not future.done(), "a caller that beats is not gone"
    heart.ended.set()
    began = time.monotonic()
    answer = bench.finish(future)
    assert time.monotonic() - began < 3.0
    assert answer.status == GoalStatus.STATUS_ABORTED and answer.result.outcome == ExecuteGrasp.Result.STOPPED
    assert "/picker is gone" in answer.result.message


def test_a_caller_that_says_goodbye_is_gone_at_once(bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    heart = Heart(bench, "picker")
    executor.hold = True
    future = send(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True, client="picker")).get_result_async()
    assert executor.began.wait(5.0)
    heart.state = "finalized"
    assert "picker is gone" in bench.finish(future).result.message
    heart.ended.set()


def test_deactivating_stops_the_motion_and_waits_for_rest(
        bench: NodeBench, node: MotionNode, executor: RecordingExecutor) -> None:
    executor.hold = True
    future = send(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True)).get_result_async()
    assert executor.began.wait(5.0)
    node.trigger_deactivate()
    assert executor.calls[0]["cancel"].is_set() and node._running is None
    assert "deactivated" in bench.finish(future).result.message, "the client learns why"


@pytest.mark.parametrize(("error", "outcome", "text"), [
    (PlanningError(PlanningFailure.GOAL_IN_COLLISION, "the goal is in the wall"), ExecuteGrasp.Result.NO_PLAN, "in the wall"),
    (TimeoutError("no joint state came"), ExecuteGrasp.Result.STALE_STATE, "no joint state"),
    (ZeroDivisionError("division by zero"), ExecuteGrasp.Result.STOPPED, "ZeroDivisionError")])
def test_whatever_fails_is_a_result(bench: NodeBench, node: MotionNode, executor: RecordingExecutor, error: Exception,
                                    outcome: int, text: str) -> None:
    executor.error = error
    answer = run(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True))
    assert answer.status == GoalStatus.STATUS_ABORTED and answer.result.outcome == outcome and text in answer.result.message
    executor.error = None
    assert run(bench, MoveTo, MoveTo.Goal(named="look", ignore_scene=True)).status == GoalStatus.STATUS_SUCCEEDED


def test_diagnostics_warn_without_joint_states(bench: NodeBench, robot: BenchRobot, node: MotionNode) -> None:
    bench.wait_for_status("motion", OK, "idle")
    robot.silent = True
    bench.wait_for_status("motion", WARN, "/joint_states")


def test_an_unknown_planner_fails_configure(bench: NodeBench) -> None:
    node = bench.add(MotionNode, start=False, planner="magic")
    assert not node.configure_and_activate()
    bench.wait_for_status("motion", ERROR, "magic", "roboplan")


# -- with the real planner and executor -----------------------------------------------------------------------------------


@pytest.fixture
def real(bench: NodeBench, robot: BenchRobot) -> MotionNode:
    """The node as it is."""
    assert motion.GraspExecutor is GraspExecutor
    node = bench.add(MotionNode, threads=6)
    bench.wait_for(lambda: node._arm._publisher.get_subscription_count() > 0 and node._arm.age() is not None)
    return node


def test_a_real_plan_reaches_the_pose_and_is_shown(bench: NodeBench, robot: BenchRobot, real: MotionNode) -> None:
    shown = bench.listen(MarkerArray, "motion/display")
    answer = run(bench, MoveTo, MoveTo.Goal(named="look_left", ignore_scene=True))
    assert answer.result.outcome == 0, answer.result.message
    reached = real._planner.forward(robot.positions)
    assert np.allclose(reached[:3, 3], CellLayout.load().named_poses["look_left"][:3, 3], atol=0.004)
    bench.wait_for(lambda: shown and {marker.ns for marker in shown[-1].markers} >= {"planned", "executed"})
    (executed,) = [marker for marker in shown[-1].markers if marker.ns == "executed"]
    assert executed.type == Marker.LINE_STRIP and len(executed.points) > 10


def test_a_cancelled_real_motion_leaves_the_arm_at_rest(bench: NodeBench, robot: BenchRobot, real: MotionNode) -> None:
    handle = send(bench, MoveTo, MoveTo.Goal(named="place", ignore_scene=True))
    bench.wait_for(lambda: np.max(np.abs(robot.positions - HOME)) > 0.2)
    bench.finish(handle.cancel_goal_async())
    answer = result_of(bench, handle)
    assert answer.status == GoalStatus.STATUS_CANCELED and answer.result.outcome == ExecuteGrasp.Result.STOPPED
    assert robot.at_rest()


@pytest.mark.parametrize(("item_width", "outcome"), [
    (0.04, ExecuteGrasp.Result.SUCCEEDED), (0.0, ExecuteGrasp.Result.NOTHING_GRASPED)])
def test_a_real_grasp_ends_by_what_the_fingers_feel(bench: NodeBench, robot: BenchRobot, camera: BenchCamera, real: MotionNode,
                                                    item_width: float, outcome: int) -> None:
    robot.item_width = item_width
    stamp = scene(bench, camera, real)
    feedback: list[str] = []
    answer = run(bench, ExecuteGrasp, grasp_goal(scene_stamp=stamp, segment_id=1), feedback)
    assert answer.result.outcome == outcome, answer.result.message
    assert feedback[:3] == ["plan", "approach", "close"]
    assert answer.result.planning_ms < 5000 and robot.at_rest()
    assert real._planner.forward(robot.positions)[2, 3] > 0.15, "back above the clutter"
