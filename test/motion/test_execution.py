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


"""The grasp executor with the real planner, and an arm and a gripper that keep the real ones' rules."""

import itertools
import threading

import numpy as np
import pytest

from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.execution import ExecutionConfig, GraspExecutor
from objectcentric_ros.motion.monitor import ExecutionMonitor, MonitorConfig, Progress
from objectcentric_ros.motion.protocols import ArmState, Box, ExecutionResult, GripperResult, MotionOutcome
from objectcentric_ros.motion.roboplan_planner import RoboPlanPlanner
from objectcentric_ros.motion.trajectory import sample

LAYOUT = CellLayout.load()
LIMIT_VELOCITY = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
PERIOD = 0.01


class KinematicArm:
    """An arm that lags its command by 20 ms, refuses what a real one refuses, and can lose its joint states or get stuck.

    Args:
        stale_after, stuck_after, cancel_after: moved time [s] at which states stop coming, the arm jams, or cancel is set.
    """

    def __init__(self, joint_names, stale_after=np.inf, stuck_after=np.inf, cancel_after=np.inf):
        self.joint_names = joint_names
        self.stale_after, self.stuck_after, self.cancel_after = stale_after, stuck_after, cancel_after
        self.positions, self.velocities = LAYOUT.home.copy(), np.zeros(7)
        self.time = 0.0
        self.stops = 0
        self.executed = []
        self.silent = False

    def state(self):
        if self.silent:
            raise TimeoutError("no message on /joint_states")
        if self.time <= self.stale_after:
            self.seen = self.positions.copy(), self.velocities.copy()
        return ArmState(*self.seen, max(0.0, self.time - self.stale_after))

    def execute(self, trajectory, cancel):
        assert trajectory.joint_names == self.joint_names
        assert not cancel.is_set(), "an executor must not start a motion that is cancelled"
        assert np.all(np.diff(trajectory.times) > 0)
        assert np.all(np.abs(trajectory.velocities) <= LIMIT_VELOCITY + 1e-6)
        monitor = ExecutionMonitor(trajectory, MonitorConfig(settle_timeout=0.5))
        verdict = monitor.check_start(self.state())
        self.executed.append(trajectory)
        for tick in itertools.count(1):
            if verdict.progress is not Progress.RUNNING:
                self.velocities = np.zeros(7)
                return monitor.result(verdict)
            if self.time >= self.cancel_after:
                cancel.set()
            if cancel.is_set():
                self.velocities = np.zeros(7)
                return monitor.stopped()
            self.time += PERIOD
            if self.time < self.stuck_after:
                self.positions, self.velocities = sample(trajectory, tick * PERIOD - 0.02)
            else:
                self.velocities = np.zeros(7)
            verdict = monitor.update(tick * PERIOD, self.state())
        raise AssertionError("unreachable")

    def stop(self):
        self.stops += 1
        self.velocities = np.zeros(7)


class RuledGripper:
    """A Franka hand around an item of a width: refuses widths that it doesn't have, stops at the item.

    Args:
        item: width between the fingers when it closes at the grasp [m]; 0: nothing there.
        fails: commands ("move", "grasp") that fail.
        slips: the item is gone once the hand was lifted.
    """

    def __init__(self, item=0.04, fails=(), slips=False, on_grasp=lambda: None):
        self.item, self.fails, self.slips, self.on_grasp = item, fails, slips, on_grasp
        self.opening = 0.08
        self.commands = []
        self.closed = False

    def move(self, width, speed=0.1):
        assert 0.0 <= width <= LAYOUT.gripper.max_width and speed > 0
        self.commands.append(("move", width))
        if "move" in self.fails:
            return GripperResult(False, self.opening, "the hand is in error mode")
        self.opening, self.closed = width, False
        return GripperResult(True, width)

    def grasp(self, force, width=0.0, speed=0.1, epsilon_inner=0.08, epsilon_outer=0.08):
        assert force > 0
        self.commands.append(("grasp", force))
        self.on_grasp()
        if "grasp" in self.fails:
            return GripperResult(False, self.opening, "the hand is in error mode")
        assert self.opening > self.item, "the fingers came down on the item"
        self.opening, self.closed = self.item, True
        return GripperResult(width - epsilon_inner <= self.item <= width + epsilon_outer, self.item)

    def width(self):
        if self.slips and self.closed and len(self.commands) >= 2:
            self.opening = 0.0
        return self.opening


@pytest.fixture(scope="module")
def planner():
    return RoboPlanPlanner(LAYOUT)


@pytest.fixture
def run(planner):
    def build(gripper=None, **arm_options):
        arm = KinematicArm(planner.joint_names, **arm_options)
        gripper = gripper or RuledGripper()
        executor = GraspExecutor(planner, arm, gripper, LAYOUT, ExecutionConfig(), clock=lambda: arm.time)
        return executor, arm, gripper
    return build


def grasp(x=0.5, y=0.05, z=0.04, yaw=0.3, width=0.04):
    return Grasp(top_down([x, y, z], yaw), width, 0.07, 0.1, 0.9, "geometric")


def tcp(planner, arm):
    return planner.forward(arm.positions)


def test_grasp_approaches_closes_and_lifts(planner, run):
    executor, arm, gripper = run()
    stages = []
    result = executor.execute_grasp(grasp(), lift_height=0.2, force=25.0, on_stage=stages.append)
    assert result.outcome is MotionOutcome.SUCCEEDED, result.message
    assert stages == ["plan", "approach", "close", "lift"] == list(result.stage_seconds)
    assert gripper.commands == [("move", 0.07), ("grasp", 25.0)]
    assert result.gripper_width == pytest.approx(0.04) and result.stage == "lift" and executor.holding
    assert tcp(planner, arm)[:3, 3] == pytest.approx([0.5, 0.05, 0.24], abs=2e-3)
    assert len(arm.executed) == len(result.trajectories) == 3
    assert sum(result.stage_seconds.values()) == pytest.approx(arm.time)
    assert result.planning_ms > 1.0


def test_yaw_beyond_the_wrist_is_run_as_its_half_turn(planner, run):
    executor, arm, _ = run()
    far = grasp(yaw=0.3 + np.pi)
    assert executor.execute_grasp(far).outcome is MotionOutcome.SUCCEEDED
    assert abs(tcp(planner, arm)[:3, 1] @ far.T_base_tcp[:3, 1]) == pytest.approx(1.0, abs=1e-4)
    assert np.abs(arm.positions - LAYOUT.home).max() < 1.5


def test_nothing_grasped_comes_back_up_with_an_open_hand(planner, run):
    executor, arm, gripper = run(RuledGripper(item=0.0))
    result = executor.execute_grasp(grasp(), lift_height=0.15)
    assert result.outcome is MotionOutcome.NOTHING_GRASPED and result.stage == "close" and "0.0 mm" in result.message
    assert gripper.commands[-1] == ("move", 0.07) and not executor.holding
    assert tcp(planner, arm)[2, 3] == pytest.approx(0.19, abs=2e-3)


def test_item_that_slips_during_the_lift_is_not_held(run):
    executor, _, _ = run(RuledGripper(slips=True))
    result = executor.execute_grasp(grasp())
    assert result.outcome is MotionOutcome.NOTHING_GRASPED and result.stage == "lift" and "slipped" in result.message
    assert not executor.holding


def test_gripper_that_does_not_open_stops_before_the_arm_moves(run):
    executor, arm, _ = run(RuledGripper(fails=("move",)))
    result = executor.execute_grasp(grasp())
    assert result.outcome is MotionOutcome.GRIPPER_FAILED and result.stage == "approach" and "error mode" in result.message
    assert arm.executed == []


def test_gripper_that_does_not_close_comes_back_up(planner, run):
    executor, arm, _ = run(RuledGripper(fails=("grasp",)))
    result = executor.execute_grasp(grasp(), lift_height=0.15)
    assert result.outcome is MotionOutcome.GRIPPER_FAILED and "error mode" in result.message
    assert tcp(planner, arm)[2, 3] == pytest.approx(0.19, abs=2e-3)


def test_unreachable_grasp_moves_nothing(run):
    executor, arm, gripper = run()
    result = executor.execute_grasp(grasp(x=1.1))
    assert result.outcome is MotionOutcome.NO_PLAN and result.stage == "plan" and "unreachable" in result.message
    assert arm.executed == [] and gripper.commands == []


def test_lift_that_cannot_be_planned_forbids_the_approach(run):
    executor, arm, gripper = run()
    result = executor.execute_grasp(grasp(), lift_height=1.2)
    assert result.outcome is MotionOutcome.NO_PLAN and "line" in result.message
    assert arm.executed == [] and gripper.commands == []


@pytest.mark.parametrize(("fault", "outcome"), [("stale_after", MotionOutcome.STALE_STATE),
                                                ("stuck_after", MotionOutcome.TRACKING_ERROR)])
@pytest.mark.parametrize(("when", "stage"), [(0.5, "approach"), (2.4, "lift")])
def test_arm_that_fails_is_stopped(run, fault, outcome, when, stage):
    executor, arm, _ = run(**{fault: when})
    result = executor.execute_grasp(grasp(), lift_height=0.3)
    assert (result.outcome, result.stage) == (outcome, stage), result
    assert arm.stops >= 1 and not arm.velocities.any() and result.message


def test_no_joint_state_at_all(run):
    executor, arm, _ = run()
    arm.silent = True
    assert executor.execute_grasp(grasp()).outcome is MotionOutcome.STALE_STATE
    assert executor.move_to("look").outcome is MotionOutcome.STALE_STATE


@pytest.mark.parametrize(("when", "stage"), [(0.0, "approach"), (0.8, "approach"), (2.4, "lift")])
def test_cancel_during_a_motion_leaves_the_arm_at_rest(run, when, stage):
    executor, arm, _ = run(cancel_after=when)
    result = executor.execute_grasp(grasp(), lift_height=0.3)
    assert (result.outcome, result.stage) == (MotionOutcome.STOPPED, stage)
    assert arm.time <= when + 2 * PERIOD and not arm.velocities.any() and arm.stops >= 1


@pytest.mark.parametrize("stage", ["plan", "approach", "close", "lift"])
def test_cancel_at_the_beginning_of_every_stage(run, stage):
    cancel = threading.Event()
    executor, arm, gripper = run()
    result = executor.execute_grasp(grasp(), cancel=cancel, on_stage=lambda name: cancel.set() if name == stage else None)
    assert result.outcome is MotionOutcome.STOPPED and result.stage == stage and not arm.velocities.any()
    if stage == "plan":
        assert arm.executed == [] and gripper.commands == []


def test_cancel_while_closing_does_not_lift(run):
    cancel = threading.Event()
    executor, arm, _ = run(RuledGripper(on_grasp=cancel.set))
    result = executor.execute_grasp(grasp(), cancel=cancel)
    assert result.outcome is MotionOutcome.STOPPED and result.stage == "close" and len(arm.executed) == 2


def test_pick_and_place(planner, run):
    executor, arm, gripper = run()
    assert executor.move_to("look").outcome is MotionOutcome.SUCCEEDED
    at_look = arm.positions.copy()
    assert executor.execute_grasp(grasp()).outcome is MotionOutcome.SUCCEEDED
    stages = []
    placed = executor.move_to("place", release=True, on_stage=stages.append)
    assert placed.outcome is MotionOutcome.SUCCEEDED and stages == ["plan", "move", "release"]
    assert gripper.opening == LAYOUT.gripper.max_width and not executor.holding
    assert tcp(planner, arm)[:3, 3] == pytest.approx(LAYOUT.named_poses["place"][:3, 3], abs=2e-3)
    executor.move_to("look")
    assert arm.positions == pytest.approx(at_look, abs=3e-3), "look is the same arm position every time"


def test_long_item_is_released_from_higher_up(planner, run):
    executor, arm, _ = run()
    hanging = np.eye(4)
    hanging[2, 3] = 0.14   # 29 cm below the TCP, which is 26 cm above the table at the place pose
    executor._planning.carried = Box("carried item", hanging, (0.04, 0.04, 0.30))
    result = executor.move_to("place", release=True)
    assert result.outcome is MotionOutcome.SUCCEEDED, result.message
    height = tcp(planner, arm)[2, 3]
    assert 0.29 < height <= LAYOUT.named_poses["place"][2, 3] + 0.2
    assert tcp(planner, arm)[:2, 3] == pytest.approx(LAYOUT.named_poses["place"][:2, 3], abs=2e-3)


def test_move_from_amid_the_clutter_backs_out_first(planner, run, monkeypatch):
    executor, arm, _ = run()
    cancel = threading.Event()
    executor.execute_grasp(grasp(), cancel=cancel, on_stage=lambda name: cancel.set() if name == "close" else None)
    T_base_item = np.eye(4)
    T_base_item[:3, 3] = [0.5, 0.05, 0.03]
    monkeypatch.setattr(executor._planning, "_see",
                        lambda *_: planner.set_obstacles([Box("sensed 0", T_base_item, (0.2, 0.2, 0.06))]))
    result = executor.move_to("look")
    assert result.outcome is MotionOutcome.SUCCEEDED, result.message
    assert len(result.trajectories) == 2, "a line out, then free motion"
    line = np.array([planner.forward(q)[:3, 3] for q in result.trajectories[0].positions])
    assert np.ptp(line[:, :2], axis=0).max() < 0.002 and line[-1, 2] - line[0, 2] == pytest.approx(0.12, abs=2e-3)


def test_unknown_place_names_the_known(run):
    executor, arm, _ = run()
    result = executor.move_to("the moon")
    assert result.outcome is MotionOutcome.NO_PLAN and "'the moon'" in result.message and "look" in result.message
    assert arm.executed == []


def test_move_in_a_line(planner, run):
    executor, arm, _ = run()
    goal = planner.forward(LAYOUT.home)
    goal[2, 3] -= 0.1
    result = executor.move_to(goal, linear=True)
    assert result.outcome is MotionOutcome.SUCCEEDED and tcp(planner, arm) == pytest.approx(goal, abs=2e-3)


def test_what_is_carried_against_something_comes_up_but_not_down(planner, run):
    executor, arm, gripper = run()
    executor.execute_grasp(grasp(z=0.10))
    hanging = np.eye(4)
    hanging[2, 3] = 0.14
    executor._planning.carried = Box("carried item", hanging, (0.04, 0.04, 0.30))   # reaches through the tray's floor
    up, down = tcp(planner, arm), tcp(planner, arm)
    up[2, 3], down[2, 3] = up[2, 3] + 0.05, down[2, 3] - 0.05
    assert executor.move_to(down, linear=True).outcome is MotionOutcome.NO_PLAN
    assert executor.move_to(up, linear=True).outcome is MotionOutcome.SUCCEEDED
    assert executor.holding and tcp(planner, arm) == pytest.approx(up, abs=2e-3)


def test_refused_trajectory_is_reported(planner, run):
    executor, arm, _ = run()
    arm.execute = lambda trajectory, cancel: ExecutionResult(MotionOutcome.TRACKING_ERROR, "refused: the reflex tripped")
    result = executor.move_to("look")
    assert result.outcome is MotionOutcome.TRACKING_ERROR and "reflex" in result.message and arm.stops == 1
