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

"""A robot without physics: follows trajectories exactly, as joint_trajectory_controller and franka_gripper look from outside."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from objectcentric_ros.nodes.conversions import stamp_from_nanoseconds, stamp_nanoseconds
from objectcentric_ros.nodes.ros_arm import REST_VELOCITY
from objectcentric_ros.nodes.simulated_gripper import SimulatedGripper
from objectcentric_ros.nodes.stack_conversions import trajectory_from_message
from objectcentric_ros.simulation.trajectory_controller import TrajectoryController, TrajectoryRefused

from .node_bench import NodeBench

JOINTS = tuple(f"fr3_joint{i}" for i in range(1, 8))
FINGERS = ("fr3_finger_joint1", "fr3_finger_joint2")
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
PERIOD = 0.01
FINGER_SPEED = 0.4


class BenchRobot:
    """Arm and hand on the bench's client node; faults are switched on by its attributes.

    Attributes:
        silent: publishes no joint states.
        repeating: publishes the last joint state again and again.
        blocked: the arm doesn't move.
        stamp_offset: added to the stamps of joint states [s].
        item_width: the fingers can't close further [m].
        trajectories: every message that came.
    """

    def __init__(self, bench: NodeBench, positions: NDArray[np.float64] = HOME, gripper: bool = True) -> None:
        self._bench = bench
        node = bench.client
        self.silent = self.repeating = self.blocked = False
        self.stamp_offset = 0.0
        self.item_width = 0.0
        self.trajectories: list[JointTrajectory] = []
        self.positions = np.array(positions)
        self.velocities = np.zeros(7)
        self._lock = threading.Lock()
        self._controller = TrajectoryController(JOINTS, self.positions)
        self._width, self._commanded_width = 0.08, 0.08
        self._states = node.create_publisher(JointState, "/joint_states", 10)
        self._finger_states = node.create_publisher(JointState, "/franka_gripper/joint_states", 10)
        self._subscription = node.create_subscription(JointTrajectory, "/fr3_arm_controller/joint_trajectory",
                                                      self._on_trajectory, 10, callback_group=bench.group)
        self._gripper = SimulatedGripper(node, self, "/franka_gripper") if gripper else None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        if self._gripper is not None:
            self._gripper.interrupt()
        self._ended.set()
        self._thread.join(timeout=2.0)

    def at_rest(self) -> bool:
        """Whether the arm stands still, as the driver takes it."""
        return bool(np.max(np.abs(self.velocities)) < REST_VELOCITY)

    def unplug_controller(self) -> None:
        """Nobody listens to trajectories any more."""
        self._bench.client.destroy_subscription(self._subscription)

    # -- Hand -------------------------------------------------------------------------------------------------------------

    def set_gripper(self, width: float, force: float, speed: float) -> None:
        """See Hand."""
        self._commanded_width = width

    def gripper_width(self) -> float:
        """See Hand."""
        return self._width

    def finger_speed(self) -> float:
        """See Hand."""
        return 0.0 if self._width == max(self._commanded_width, self.item_width) else FINGER_SPEED

    def wait(self, seconds: float) -> float:
        """See Hand."""
        self._ended.wait(seconds)
        return time.monotonic()

    # -- arm --------------------------------------------------------------------------------------------------------------

    def _on_trajectory(self, message: JointTrajectory) -> None:
        self.trajectories.append(message)
        now = time.time()
        stamp = stamp_nanoseconds(message.header.stamp) * 1e-9
        with self._lock:
            try:
                self._controller.accept(trajectory_from_message(message), stamp or now, now, self.positions)
            except TrajectoryRefused as error:
                self._bench.client.get_logger().error(str(error))

    def _run(self) -> None:
        message = None
        while not self._ended.wait(PERIOD):
            now_ns = time.time_ns()   # of the position and of its stamp, however long this thread is held up in between
            with self._lock:
                positions, velocities = self._controller.command(now_ns * 1e-9)
            if not self.blocked:
                self.positions, self.velocities = positions, velocities
            step = FINGER_SPEED * PERIOD
            self._width += float(np.clip(max(self._commanded_width, self.item_width) - self._width, -step, step))
            if self.silent:
                continue
            if message is None or not self.repeating:
                message = JointState(name=[*JOINTS, *FINGERS], position=[*self.positions, self._width / 2, self._width / 2],
                                     velocity=[*self.velocities, 0.0, 0.0])
                message.header.stamp = stamp_from_nanoseconds(now_ns + round(self.stamp_offset * 1e9))
            self._states.publish(message)
            self._finger_states.publish(message)
