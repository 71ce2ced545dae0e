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

"""The arm over a trajectory topic and /joint_states: what ros2_control's joint_trajectory_controller offers on any robot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.monitor import ExecutionMonitor, MonitorConfig, Progress, Verdict
from objectcentric_ros.motion.protocols import ArmState, ExecutionResult, MotionOutcome, Trajectory
from objectcentric_ros.motion.trajectory import sample
from objectcentric_ros.nodes import require

require("rclpy")

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from objectcentric_ros.nodes.conversions import stamp_from_nanoseconds, stamp_nanoseconds  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import message_from_trajectory  # noqa: E402

JOINT_STATES_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)   # only the newest state means anything
POLL = 0.02            # how often the cancel event is looked at when no joint state comes [s]
REST_VELOCITY = 0.02   # an arm that is slower has come to rest [rad/s]
REST_TIMEOUT = 2.0     # longest wait for it [s]
SHORTEST_STOP = 0.1    # [s]
MAX_CLOCK_OFFSET = 1.0   # between stamps of joint states and the node's clock [s]


@dataclass(frozen=True)
class RosArmConfig:
    """Topics and limits of an arm."""

    joint_names: tuple[str, ...] = parameter(tuple(f"fr3_joint{i}" for i in range(1, 8)), "arm joints, base to wrist")
    trajectory_topic: str = parameter("/fr3_arm_controller/joint_trajectory", "trajectory topic of the arm's controller")
    joint_states_topic: str = parameter("/joint_states", "joint states of the arm")
    first_state_timeout: float = parameter(5.0, "how long to wait for the first joint state [s]", minimum=0.0, maximum=60.0)
    start_delay: float = parameter(
        0.1, "a trajectory is stamped this far in the future, so that both sides start together however late the message is [s];"
        " 0 = unstamped, for controllers on a machine with another clock", minimum=0.0, maximum=2.0)
    stop_deceleration: float = parameter(5.0, "joint deceleration of a stop [rad/s^2]", minimum=0.1, maximum=20.0)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)


@dataclass(frozen=True)
class _Measured:
    """One joint state: when it was measured (ROS clock) [ns] and received (steady clock) [s]."""

    stamp_ns: int
    received: float
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]


class RosArm:
    """ArmDriver over topics; execute() blocks the calling thread, so joint states need another thread of the executor.

    Args:
        node: the node to publish and subscribe with.
        config: topics and limits.
        on_state: called with the joint positions (N,) [rad] at every state during an execution, in the executing thread.
    """

    def __init__(self, node: Node, config: RosArmConfig, on_state: Callable[[NDArray[np.float64]], None] | None = None) -> None:
        self.joint_names = tuple(config.joint_names)
        self._node, self._config, self._on_state = node, config, on_state
        self._arrived = threading.Condition()
        self._measured: _Measured | None = None
        self._running: tuple[Trajectory, int] | None = None   # the trajectory and its start on the ROS clock [ns]
        self._publisher = node.create_publisher(JointTrajectory, config.trajectory_topic, 10)
        self._subscription = node.create_subscription(JointState, config.joint_states_topic, self._on_joint_state,
                                                      JOINT_STATES_QOS, callback_group=MutuallyExclusiveCallbackGroup())

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def state(self) -> ArmState:
        """See ArmDriver; waits for the first joint state."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._measured is not None, timeout=self._config.first_state_timeout)
            measured = self._measured
        if measured is None:
            raise TimeoutError(f"no joint state of {self.joint_names[0]} .. {self.joint_names[-1]} came on "
                               f"{self._subscription.topic_name} within {self._config.first_state_timeout:.1f} s: "
                               "is the robot running?")
        return ArmState(measured.positions, measured.velocities, time.monotonic() - measured.received)

    def age(self) -> float | None:
        """How long ago the newest joint state came [s]; None when none ever came."""
        with self._arrived:
            return None if self._measured is None else time.monotonic() - self._measured.received

    def execute(self, trajectory: Trajectory, cancel: threading.Event) -> ExecutionResult:
        """See ArmDriver. Times of the trajectory run on the ROS clock, staleness on the steady clock."""
        if trajectory.joint_names != self.joint_names:
            raise ValueError(f"the trajectory is for {', '.join(trajectory.joint_names)}, "
                             f"the arm has {', '.join(self.joint_names)}")
        monitor = ExecutionMonitor(trajectory, self._config.monitor)
        verdict = monitor.check_start(self.state())
        if verdict.progress in (Progress.STALE_STATE, Progress.TRACKING_ERROR):
            return monitor.result(verdict)
        if cancel.is_set():
            return monitor.stopped()
        refusal = self._refusal()
        if refusal:
            return ExecutionResult(MotionOutcome.STALE_STATE, refusal, positions=self.state().positions)
        start_ns = self._node.get_clock().now().nanoseconds + round(self._config.start_delay * 1e9)
        stamp = stamp_from_nanoseconds(start_ns) if self._config.start_delay > 0 else None
        self._running = (trajectory, start_ns)
        try:
            self._publisher.publish(message_from_trajectory(trajectory, stamp))
            ended = self._watch(monitor, start_ns, cancel)
            if ended is None:
                self._wait_for_rest(self._brake())
                return monitor.stopped()
            if ended.progress is not Progress.SETTLED:
                braking = self._brake()
                if ended.progress is not Progress.STALE_STATE:   # stale states wouldn't tell
                    self._wait_for_rest(braking)
            return monitor.result(ended)
        finally:
            self._running = None

    def stop(self) -> None:
        """See ArmDriver: brake along the present velocity, then hold. Returns at once; safe from any thread."""
        self._brake()

    def _brake(self) -> float:
        """Send the stop; how long it takes [s]."""
        with self._arrived:
            measured = self._measured
        running = self._running
        if measured is None:
            return 0.0
        positions, velocities = measured.positions, measured.velocities
        fresh = time.monotonic() - measured.received <= self._config.monitor.max_state_age
        if running is None and fresh and np.max(np.abs(velocities)) < REST_VELOCITY:
            return 0.0   # a hold would pull an arm that rests to where it was measured
        if running is not None:
            trajectory, start_ns = running
            desired = sample(trajectory, (self._node.get_clock().now().nanoseconds - start_ns) * 1e-9)
            # The controller goes on from its own set point, which the arm lags; an arm that is held up stays where it is.
            if np.max(np.abs(desired[0] - positions)) < self._config.monitor.max_tracking_error / 2:
                positions, velocities = desired
        duration = max(SHORTEST_STOP, float(np.max(np.abs(velocities))) / self._config.stop_deceleration)
        end = positions + velocities * duration / 2   # where a constant deceleration ends
        hold = Trajectory(self.joint_names, np.array([duration]), end[None], np.zeros((1, len(end))))
        self._publisher.publish(message_from_trajectory(hold))
        return duration

    def _refusal(self) -> str:
        """Why nothing can be executed, empty when it can."""
        if self._publisher.get_subscription_count() == 0:
            return f"nobody listens on {self._publisher.topic_name}: is the arm's controller running?"
        assert self._measured is not None   # execute() has a state
        offset = (self._node.get_clock().now().nanoseconds - self._measured.stamp_ns) * 1e-9
        if abs(offset) > MAX_CLOCK_OFFSET:
            return (f"joint states are stamped {offset:.1f} s before this node's clock: is use_sim_time the same everywhere, "
                    "and do the machines' clocks agree?")
        return ""

    def _watch(self, monitor: ExecutionMonitor, start_ns: int, cancel: threading.Event) -> Verdict | None:
        """Verdict that ended the execution; None when it was cancelled."""
        seen: _Measured | None = None
        while not cancel.is_set():
            with self._arrived:
                if self._measured is seen:
                    self._arrived.wait(POLL)
                measured = self._measured
            assert measured is not None   # execute() saw one
            age = time.monotonic() - measured.received
            state = ArmState(measured.positions, measured.velocities, age)
            # The monitor takes the state's age off the elapsed time: what remains is the ROS time of the measurement.
            verdict = monitor.update((measured.stamp_ns - start_ns) * 1e-9 + age, state)
            if measured is not seen and self._on_state is not None:
                self._on_state(measured.positions)
            seen = measured
            if verdict.progress is not Progress.RUNNING:
                return verdict
        return None

    def _wait_for_rest(self, braking: float) -> None:
        """Wait for a joint state at rest; only one after the braking time counts, as a slow start looks like rest too."""
        began = time.monotonic()
        with self._arrived:
            while time.monotonic() < began + braking + REST_TIMEOUT:
                measured = self._measured
                assert measured is not None   # execute() saw one
                if measured.received > began + braking and np.max(np.abs(measured.velocities)) < REST_VELOCITY:
                    return
                self._arrived.wait(POLL)

    def _on_joint_state(self, message: JointState) -> None:
        places = {name: index for index, name in enumerate(message.name)}
        try:
            indices = [places[name] for name in self.joint_names]
            positions = np.array([message.position[i] for i in indices])
            velocities = np.array([message.velocity[i] for i in indices]) if len(message.velocity) else np.zeros(len(indices))
        except (KeyError, IndexError):
            return   # another publisher's joints: the gripper's, say
        stamped = message.header.stamp != Time()
        stamp_ns = stamp_nanoseconds(message.header.stamp) if stamped else self._node.get_clock().now().nanoseconds
        with self._arrived:
            if self._measured is not None and stamp_ns == self._measured.stamp_ns:
                return   # a driver that repeats its last state is as dead as a silent one
            self._measured = _Measured(stamp_ns, time.monotonic(), positions, velocities)
            self._arrived.notify_all()
