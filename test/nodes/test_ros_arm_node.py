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

"""The arm driver and the gripper over ROS: how executions end, and that the arm is at rest afterwards."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from franka_msgs.action import Move
from numpy.typing import NDArray
from rclpy.action import ActionServer
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from objectcentric_ros.motion.monitor import MonitorConfig
from objectcentric_ros.motion.protocols import ExecutionResult, MotionOutcome, Trajectory
from objectcentric_ros.nodes.conversions import duration_seconds
from objectcentric_ros.nodes.ros_arm import RosArm, RosArmConfig
from objectcentric_ros.nodes.ros_gripper import RosGripper, RosGripperConfig
from objectcentric_ros.nodes.stack_conversions import trajectory_from_message

from .bench_robot import HOME, JOINTS, BenchRobot
from .node_bench import NodeBench


@pytest.fixture
def robot(bench: NodeBench) -> Iterator[BenchRobot]:
    """A robot at home."""
    robot = BenchRobot(bench)
    yield robot
    robot.close()


@pytest.fixture
def driver_node(bench: NodeBench) -> Node:
    """A node for the drivers, spinning."""
    return bench.spinning_node("driver")


@pytest.fixture
def arm(bench: NodeBench, robot: BenchRobot, driver_node: Node) -> RosArm:
    """A driver of the robot."""
    arm = RosArm(driver_node, RosArmConfig(first_state_timeout=5.0))
    arm.state()
    bench.wait_for(lambda: arm._publisher.get_subscription_count() > 0)
    return arm


def swing(angle: float = 0.6, duration: float = 1.0, start: NDArray[np.float64] = HOME) -> Trajectory:
    """Joint 1 swings by an angle [rad] from rest to rest."""
    times = np.linspace(0.0, duration, 21)
    s = times / duration
    positions = np.repeat(start[None], 21, axis=0)
    positions[:, 0] += angle * (3 * s**2 - 2 * s**3)
    velocities = np.zeros((21, 7))
    velocities[:, 0] = angle * (6 * s - 6 * s**2) / duration
    return Trajectory(JOINTS, times, positions, velocities)


class Run:
    """An execution in a thread."""

    def __init__(self, arm: RosArm, trajectory: Trajectory) -> None:
        self.cancel = threading.Event()
        self.results: list[ExecutionResult] = []
        self._thread = threading.Thread(target=lambda: self.results.append(arm.execute(trajectory, self.cancel)), daemon=True)
        self._thread.start()

    def result(self, timeout: float = 10.0) -> ExecutionResult:
        """How it ended."""
        self._thread.join(timeout)
        assert self.results, "the execution did not end"
        return self.results[0]


def test_a_trajectory_runs_to_its_end_and_settles(robot: BenchRobot, arm: RosArm) -> None:
    began = time.monotonic()
    result = arm.execute(swing(duration=0.5), threading.Event())
    assert result.outcome is MotionOutcome.SUCCEEDED, result.message
    assert time.monotonic() - began >= 0.5
    assert robot.positions[0] == pytest.approx(0.6, abs=1e-6) and robot.at_rest()
    assert result.positions[0] == pytest.approx(0.6, abs=0.003) and result.max_tracking_error < 0.05
    assert len(robot.trajectories) == 1, "no hold after an arrival"


def test_a_second_trajectory_goes_on_from_there(robot: BenchRobot, arm: RosArm) -> None:
    assert arm.execute(swing(0.2, 0.3), threading.Event()).outcome is MotionOutcome.SUCCEEDED
    start = HOME.copy()
    start[0] = 0.2
    assert arm.execute(swing(-0.2, 0.3, start), threading.Event()).outcome is MotionOutcome.SUCCEEDED
    assert robot.positions == pytest.approx(HOME, abs=1e-6)


def test_states_are_shown_to_the_observer(bench: NodeBench, robot: BenchRobot, driver_node: Node) -> None:
    seen: list[float] = []
    arm = RosArm(driver_node, RosArmConfig(), on_state=lambda positions: seen.append(float(positions[0])))
    arm.state()
    bench.wait_for(lambda: arm._publisher.get_subscription_count() > 0)
    arm.execute(swing(0.2, 0.3), threading.Event())
    assert len(seen) > 5 and seen[-1] == pytest.approx(0.2, abs=0.003)


def test_cancel_brakes_smoothly_and_leaves_the_arm_at_rest(bench: NodeBench, robot: BenchRobot, arm: RosArm) -> None:
    run = Run(arm, swing(1.0, 2.0))
    bench.wait_for(lambda: robot.positions[0] > 0.3)
    run.cancel.set()
    cancelled_at = robot.positions[0]
    result = run.result()
    assert result.outcome is MotionOutcome.STOPPED
    assert robot.at_rest() and cancelled_at <= robot.positions[0] < cancelled_at + 0.2
    hold = trajectory_from_message(robot.trajectories[-1])
    # At most 0.75 rad/s: the braking takes v / 5 rad/s^2, and no less than 0.1 s.
    assert 0.1 <= duration_seconds(robot.trajectories[-1].points[-1].time_from_start) < 0.2 and np.all(hold.velocities[-1] == 0)


def test_stopping_an_arm_that_rests_does_nothing(robot: BenchRobot, arm: RosArm) -> None:
    arm.stop()
    time.sleep(0.1)
    assert not robot.trajectories


def test_stop_from_another_thread_ends_the_motion(bench: NodeBench, robot: BenchRobot, arm: RosArm) -> None:
    run = Run(arm, swing(1.0, 2.0))
    bench.wait_for(lambda: robot.positions[0] > 0.3)
    arm.stop()
    bench.wait_for(robot.at_rest)
    assert robot.positions[0] < 0.6
    run.cancel.set()
    assert run.result().outcome in (MotionOutcome.STOPPED, MotionOutcome.TRACKING_ERROR)


def test_cancelled_before_it_began_nothing_moves(robot: BenchRobot, arm: RosArm) -> None:
    cancel = threading.Event()
    cancel.set()
    assert arm.execute(swing(), cancel).outcome is MotionOutcome.STOPPED
    assert not robot.trajectories


@pytest.mark.parametrize("fault", ["silent", "repeating"])
def test_joint_states_that_stop_coming_stop_the_arm(bench: NodeBench, robot: BenchRobot, arm: RosArm, fault: str) -> None:
    run = Run(arm, swing(1.0, 3.0))
    bench.wait_for(lambda: robot.positions[0] > 0.1)
    setattr(robot, fault, True)
    began = time.monotonic()
    bench.wait_for(lambda: len(robot.trajectories) == 2, "the hold")
    assert time.monotonic() - began < 1.5
    bench.wait_for(robot.at_rest)
    assert robot.positions[0] < 0.9
    result = run.result()
    assert result.outcome is MotionOutcome.STALE_STATE and "old" in result.message


def test_an_arm_that_is_held_up_is_stopped_where_it_is(bench: NodeBench, robot: BenchRobot, arm: RosArm) -> None:
    run = Run(arm, swing(1.0, 2.0))
    bench.wait_for(lambda: robot.positions[0] > 0.1)
    robot.blocked = True
    held_at = robot.positions[0]
    result = run.result()
    assert result.outcome is MotionOutcome.TRACKING_ERROR and "fr3_joint1" in result.message
    hold = trajectory_from_message(robot.trajectories[-1])
    assert hold.positions[-1, 0] < held_at + 0.15, "holding must not push on towards the trajectory"


def test_a_trajectory_that_starts_elsewhere_is_not_sent(robot: BenchRobot, arm: RosArm) -> None:
    start = HOME.copy()
    start[3] += 0.5
    result = arm.execute(swing(start=start), threading.Event())
    assert result.outcome is MotionOutcome.TRACKING_ERROR and "fr3_joint4" in result.message
    assert not robot.trajectories


def test_joint_states_of_another_clock_are_refused(bench: NodeBench, robot: BenchRobot, arm: RosArm) -> None:
    robot.stamp_offset = 1000.0
    bench.wait_for(lambda: arm._measured.stamp_ns > time.time_ns() + 500_000_000_000)
    result = arm.execute(swing(), threading.Event())
    assert result.outcome is MotionOutcome.STALE_STATE and "use_sim_time" in result.message
    assert not robot.trajectories


def test_without_a_controller_nothing_is_waited_for(bench: NodeBench, robot: BenchRobot, arm: RosArm) -> None:
    robot.unplug_controller()
    bench.wait_for(lambda: arm._publisher.get_subscription_count() == 0)
    result = arm.execute(swing(), threading.Event())
    assert result.outcome is MotionOutcome.STALE_STATE and "joint_trajectory" in result.message


def test_a_trajectory_of_another_arm_is_a_mistake(arm: RosArm) -> None:
    with pytest.raises(ValueError, match="panda_joint1"):
        arm.execute(dataclasses.replace(swing(), joint_names=tuple(f"panda_joint{i}" for i in range(1, 8))), threading.Event())


def test_without_joint_states_the_sentence_names_the_topic(driver_node: Node) -> None:
    arm = RosArm(driver_node, RosArmConfig(first_state_timeout=0.1, joint_states_topic="/nowhere"))
    assert arm.age() is None
    with pytest.raises(TimeoutError, match="/nowhere"):
        arm.state()


def test_other_joints_on_the_topic_are_passed_over(bench: NodeBench, robot: BenchRobot, arm: RosArm) -> None:
    from sensor_msgs.msg import JointState

    robot._states.publish(JointState(name=["fr3_joint1"], position=[9.9]))
    time.sleep(0.05)
    assert arm.state().positions == pytest.approx(HOME)


def test_an_unstamped_start_is_for_controllers_with_their_own_clock(
        bench: NodeBench, robot: BenchRobot, driver_node: Node) -> None:
    arm = RosArm(driver_node, RosArmConfig(start_delay=0.0, monitor=MonitorConfig(max_tracking_error=0.3)))
    arm.state()
    bench.wait_for(lambda: arm._publisher.get_subscription_count() > 0)
    assert arm.execute(swing(0.2, 0.3), threading.Event()).outcome is MotionOutcome.SUCCEEDED
    message: JointTrajectory = robot.trajectories[0]
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)


# -- gripper ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gripper(robot: BenchRobot, driver_node: Node) -> RosGripper:
    """A driver of the robot's hand."""
    return RosGripper(driver_node, RosGripperConfig(ready_timeout=5.0, command_timeout=8.0))


def test_the_fingers_move_to_a_width(robot: BenchRobot, gripper: RosGripper) -> None:
    result = gripper.move(0.03)
    assert result.success, result.message
    assert result.width == pytest.approx(0.03, abs=0.004) and gripper.width() == pytest.approx(0.03, abs=0.004)


def test_a_grasp_says_how_wide_the_item_is(robot: BenchRobot, gripper: RosGripper) -> None:
    robot.item_width = 0.042
    result = gripper.grasp(30.0)
    assert result.success and result.width == pytest.approx(0.042, abs=0.004)


def test_a_grasp_outside_its_tolerance_fails_with_the_grippers_reason(robot: BenchRobot, gripper: RosGripper) -> None:
    result = gripper.grasp(30.0, width=0.05, epsilon_inner=0.005, epsilon_outer=0.005)   # closes to 0
    assert not result.success and result.message and result.width == pytest.approx(0.0, abs=0.004)


def test_a_gripper_that_is_not_there_is_a_failure_not_a_hang(driver_node: Node) -> None:
    gripper = RosGripper(driver_node, RosGripperConfig(name="/no_gripper", ready_timeout=0.2))
    began = time.monotonic()
    result = gripper.move(0.05)
    assert not result.success and "/no_gripper/move is not there" in result.message and time.monotonic() - began < 2.0
    with pytest.raises(TimeoutError, match="fr3_finger_joint1"):
        gripper.width()


def test_a_command_that_never_ends_is_given_up(bench: NodeBench, driver_node: Node) -> None:
    released = threading.Event()

    def hang(handle: object) -> Move.Result:
        released.wait(10.0)
        handle.abort()
        return Move.Result()
    ActionServer(bench.client, Move, "/stuck_gripper/move", hang, callback_group=bench.group)
    gripper = RosGripper(driver_node, RosGripperConfig(name="/stuck_gripper", command_timeout=0.5))
    result = gripper.move(0.05)
    released.set()
    assert not result.success and "did not end" in result.message
