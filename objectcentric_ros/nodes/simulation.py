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

"""The simulated cell as a robot: publishes and serves what realsense-ros and franka_ros2 do on a real one."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.heart import OK, WARN
from objectcentric_ros.nodes.stack_node import StackConfig, StackNode, parameter, run
from objectcentric_ros.simulation.catalogue import Catalogue, Item, random_items
from objectcentric_ros.simulation.cell import Cell
from objectcentric_ros.simulation.trajectory_controller import TrajectoryController, TrajectoryRefused

require("tf2_msgs", "franka_msgs")

from objectcentric_interfaces.srv import GetGroundTruth, ResetScene  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from objectcentric_ros.nodes.camera_subscription import IMAGE_QOS  # noqa: E402
from objectcentric_ros.nodes.conversions import (  # noqa: E402
    pose_from_matrix,
    stamp_from_nanoseconds,
    stamp_nanoseconds,
    transform_from_matrix,
)
from objectcentric_ros.nodes.image_conversions import (  # noqa: E402
    image_from_color,
    image_from_depth,
    image_from_labels,
    info_from_camera,
)
from objectcentric_ros.nodes.priority import step_back  # noqa: E402
from objectcentric_ros.nodes.simulated_gripper import SimulatedGripper  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import trajectory_from_message  # noqa: E402
from objectcentric_ros.nodes.transforms import STATIC_QOS  # noqa: E402

CONTROL_PERIOD = 0.004   # [s] of simulated time between two joint commands
MAX_LAG = 0.1            # when the physics falls further behind than this, it goes on slower than real time [s]


@dataclasses.dataclass(frozen=True)
class SimulationConfig(StackConfig):
    """Parameters of the simulated cell."""

    items: tuple[str, ...] = parameter((), "catalogue ids of the items in the tray; empty: item_count random ones")
    item_count: int = parameter(10, "number of random items when no ids are given", minimum=0, maximum=30)
    seed: int = parameter(0, "seed of the random items, of how they fall and of the sensor noise", minimum=0)
    real_time_factor: float = parameter(1.0, "simulated seconds per second", minimum=0.05, maximum=20.0)
    state_rate: float = parameter(30.0, "/clock, /joint_states and /tf [Hz of simulated time]; 30 as franka_bringup starts it",
                                  minimum=1.0, maximum=250.0)
    camera_rate: float = parameter(5.0, "wrist camera [Hz]", minimum=0.1, maximum=30.0)
    scene_rate: float = parameter(1.0, "front overview camera, while somebody subscribes [Hz]", minimum=0.1, maximum=10.0)
    ground_truth: bool = parameter(False, "serve simulation/ground_truth, for evaluation; no node of the pipeline asks for it")
    cell_file: str = parameter("", "layout of the cell; empty: config/cell.yaml of the package")
    camera_namespace: str = parameter("/camera/camera", "prefix of the camera topics, as realsense-ros is started")
    scene_topic: str = parameter("/scene/image_raw", "topic of the front overview camera")
    joint_states_topic: str = parameter("/joint_states", "joint states of arm and fingers together")
    trajectory_topic: str = parameter("/fr3_arm_controller/joint_trajectory", "topic of the joint trajectory controller")
    gripper: str = parameter("/franka_gripper", "prefix of the gripper's actions, service and joint states")
    nice: int = parameter(5, "how far the process steps back for others, as nice(1): a real cell would take no time of"
                          " this machine", minimum=0, maximum=19)


class SimulationNode(StackNode):
    """Steps the physics in real time and speaks for camera, arm controller, gripper and robot_state_publisher."""

    NODE_NAME = "simulation"
    Config = SimulationConfig

    def own_process(self) -> None:
        """Leave the cores to the nodes that a real cell has too."""
        step_back(self.config.nice)

    def setup(self) -> None:
        """Build the cell and let the clutter settle."""
        config = self.config
        self._layout = CellLayout.load(Path(config.cell_file) if config.cell_file else None)
        self._catalogue = Catalogue.load()
        self._cell_lock = threading.RLock()      # the cell that physics steps, its controller and its place on the clock
        self._render_lock = threading.Lock()     # the cell that cameras render
        self._ticked = threading.Condition()
        self._ended = threading.Event()
        self._cell: Cell | None = None
        self._zero_ns = time.time_ns()           # the clock starts at the date, so that a restart doesn't turn it back
        self._install(self._items(config.items, config.item_count, config.seed), config.seed)
        sensor, state = IMAGE_QOS, QoSProfile(depth=10)
        camera = config.camera_namespace
        aligned = f"{camera}/aligned_depth_to_color"
        self._color = self.create_publisher(Image, f"{camera}/color/image_raw", sensor)
        self._color_info = self.create_publisher(CameraInfo, f"{camera}/color/camera_info", sensor)
        self._depth = self.create_publisher(Image, f"{aligned}/image_raw", sensor)
        self._depth_info = self.create_publisher(CameraInfo, f"{aligned}/camera_info", sensor)
        self._scene = self.create_publisher(Image, config.scene_topic, sensor)
        self._clock_publisher = self.create_publisher(Clock, "/clock",
                                                      QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
        self._joint_states = self.create_publisher(JointState, config.joint_states_topic, state)
        self._finger_states = self.create_publisher(JointState, f"{config.gripper}/joint_states", state)
        self._tf = self.create_publisher(TFMessage, "/tf", QoSProfile(depth=100))
        self._tf_static = self.create_publisher(TFMessage, "/tf_static", STATIC_QOS)

    def start(self) -> None:
        """Run the physics, the cameras and the robot's interfaces."""
        config = self.config
        self._ended.clear()
        self._publish_static_transforms()
        group = MutuallyExclusiveCallbackGroup()
        self.create_subscription(JointTrajectory, config.trajectory_topic, self._on_trajectory, 10, callback_group=group)
        self._gripper = SimulatedGripper(self, self, config.gripper)
        scene_group = MutuallyExclusiveCallbackGroup()
        self.create_service(ResetScene, "simulation/reset_scene", self._on_reset, callback_group=scene_group)
        if config.ground_truth:
            self.create_service(GetGroundTruth, "simulation/ground_truth", self._on_ground_truth, callback_group=scene_group)
        loops: tuple[Callable[[], None], ...] = (self._run_physics, self._run_wrist_camera, self._run_front_camera)
        self._threads = [threading.Thread(target=self._guarded, args=(loop,), name=loop.__name__, daemon=True) for loop in loops]
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """Stop time."""
        self._ended.set()
        if hasattr(self, "_gripper"):
            self._gripper.interrupt()
        for thread in getattr(self, "_threads", []):
            thread.join(timeout=3.0)

    def teardown(self) -> None:
        """Release the renderer."""
        cell, self._cell = getattr(self, "_cell", None), None
        if cell is not None:
            with self._render_lock:
                cell.close()

    # -- the hand, for SimulatedGripper ---------------------------------------------------------------------------------

    def set_gripper(self, width: float, force: float, speed: float) -> None:
        """Command the fingers of the present cell."""
        with self._cell_lock:
            self._present().set_gripper(width, force, speed)

    def gripper_width(self) -> float:
        """Opening now [m]."""
        with self._cell_lock:
            return self._present().gripper_width()

    def finger_speed(self) -> float:
        """Speed of the opening [m/s]."""
        with self._cell_lock:
            return float(abs(self._present().joint_state()[1][7:].sum()))

    def wait(self, seconds: float) -> float:
        """Wait for simulated time; returns at once when time is stopped."""
        with self._ticked:
            wanted = self._now_ns() + round(seconds * 1e9)
            while self._now_ns() < wanted and not self._ended.is_set():
                self._ticked.wait(0.1)
            return self._now_ns() * 1e-9

    # -- the scene ------------------------------------------------------------------------------------------------------

    def _items(self, ids: tuple[str, ...], count: int, seed: int) -> tuple[Item, ...]:
        if ids:
            try:
                return tuple(self._catalogue.get(item_id) for item_id in ids)
            except KeyError as error:
                raise ValueError(str(error.args[0])) from error
        return random_items(self._catalogue, count, np.random.default_rng(seed))

    def _install(self, items: tuple[Item, ...], seed: int) -> None:
        """Build a new cell beside the present one, then let it take over at the present time."""
        # The cameras pause: rendering holds the GIL for so long at a time that settling the clutter would take a minute.
        with self._render_lock:
            cell = Cell(items, seed, self._layout)
            controller = TrajectoryController(cell.joint_names, cell.joint_state()[0][:7])
            with self._cell_lock:
                old = self._cell
                if old is not None:
                    self._zero_ns = self._now_ns() - round(cell.time * 1e9)
                self._cell, self._controller = cell, controller
            if old is not None:
                old.close()

    def _present(self) -> Cell:
        if self._cell is None:
            raise RuntimeError("the simulation is not configured")
        return self._cell

    def _now_ns(self) -> int:
        return self._zero_ns + round(self._present().time * 1e9)

    def _on_reset(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        try:
            self._install(self._items(tuple(request.object_ids), int(request.count), int(request.seed)), int(request.seed))
        except (ValueError, RuntimeError) as error:   # unknown items, or more than the tray takes
            response.success, response.message = False, str(error)
            return response
        if hasattr(self, "_gripper"):
            self._gripper.interrupt()
        response.success, response.message = True, f"seed {request.seed}"
        response.object_ids = [item.id for item in self._present().scene_items]
        return response

    def _on_ground_truth(self, request: GetGroundTruth.Request, response: GetGroundTruth.Response) -> GetGroundTruth.Response:
        with self._render_lock:
            truth = self._present().ground_truth()
        response.object_ids = list(truth.object_ids)
        response.poses = [pose_from_matrix(T) for T in truth.T_base_item]
        response.in_tray, response.in_place_bin, response.held = list(truth.in_tray), list(truth.in_place_bin), list(truth.held)
        response.labels = image_from_labels(truth.labels, Header(frame_id=self._layout.camera_frame))
        return response

    # -- the arm ----------------------------------------------------------------------------------------------------------

    def _on_trajectory(self, message: JointTrajectory) -> None:
        with self._cell_lock:
            now = self._now_ns()
            stamp = stamp_nanoseconds(message.header.stamp)
            # Seconds since the scene began: nanoseconds of a date don't fit into a float.
            start, present = ((ns - self._zero_ns) * 1e-9 for ns in (stamp or now, now))
            positions = self._present().joint_state()[0][:7]
            try:
                self._controller.accept(trajectory_from_message(message), start, present, positions)
            except TrajectoryRefused as error:
                self.get_logger().error(f"refused a trajectory{', the arm holds' if error.reflex else ''}: {error}")
            except ValueError as error:
                self.get_logger().error(f"refused a trajectory: {error}")

    def _run_physics(self) -> None:
        period_ns = round(1e9 / self.config.state_rate)
        factor = self.config.real_time_factor
        simulated, began, next_state = 0.0, time.monotonic(), 0
        told, told_simulated = began, 0.0
        while not self._ended.is_set():
            with self._cell_lock:
                cell = self._present()
                before = cell.time
                cell.set_joint_targets(*self._controller.command(before))
                cell.step(CONTROL_PERIOD)
                simulated += cell.time - before
                now_ns = self._now_ns()
            with self._ticked:
                self._ticked.notify_all()
            if now_ns >= next_state:
                next_state = max(next_state + period_ns, now_ns + period_ns // 2)
                self._publish_state(cell, now_ns)
            now = time.monotonic()
            ahead = simulated / factor - (now - began)
            if ahead > 0:
                self._ended.wait(ahead)
            elif ahead < -MAX_LAG:
                began -= ahead + MAX_LAG / 2
            if now - told > 2.0:
                self._tell((simulated - told_simulated) / (now - told) / factor)
                told, told_simulated = now, simulated

    def _tell(self, share: float) -> None:
        items = len(self._present().scene_items)
        values = {"items": items, "real_time_share": f"{share:.2f}", "camera_ms": f"{getattr(self, '_camera_ms', 0.0):.0f}"}
        if share < 0.8:
            self.report(WARN, f"the machine reaches {share:.0%} of the wanted speed: lower camera_rate or real_time_factor",
                        **values)
        else:
            self.report(OK, "simulating", **values)

    def _publish_state(self, cell: Cell, now_ns: int) -> None:
        stamp = stamp_from_nanoseconds(now_ns)
        positions, velocities = cell.joint_state()
        names = [*cell.joint_names, *cell.finger_joint_names]
        header = Header(stamp=stamp)
        self._clock_publisher.publish(Clock(clock=stamp))
        self._joint_states.publish(JointState(header=header, name=names, position=positions.tolist(),
                                              velocity=velocities.tolist()))
        self._finger_states.publish(JointState(header=header, name=names[7:], position=positions[7:].tolist(),
                                               velocity=velocities[7:].tolist()))
        self._tf.publish(TFMessage(transforms=[transform_from_matrix(T, parent, child, stamp)
                                               for (parent, child), T in cell.link_transforms().items()
                                               if child in self._moving_frames]))

    def _publish_static_transforms(self) -> None:
        """What robot_state_publisher and realsense-ros latch: everything that no joint moves."""
        cell, layout = self._present(), self._layout
        transforms = cell.link_transforms()
        last_link = f"{cell.joint_names[-1].replace('joint', 'link')}"
        self._moving_frames = {child for parent, child in transforms
                               if child.removeprefix("fr3_link").isdigit() or child.endswith("finger")}
        T_flange = np.eye(4)                     # fr3_link8, which the physics model has no body for
        T_flange[2, 3] = 0.107
        static: dict[tuple[str, str], NDArray[np.float64]] = {("base", layout.base_frame): np.eye(4),
                                                              (last_link, "fr3_link8"): T_flange}
        for (parent, child), T in transforms.items():
            if child == layout.hand_frame and parent == last_link:
                static["fr3_link8", child] = np.linalg.inv(T_flange) @ T
            elif child not in self._moving_frames:
                static[parent, child] = T
        # The simulated depth is aligned as it comes: both sensors of the D435 are in one place.
        static["camera_link", "camera_depth_frame"] = np.eye(4)
        static["camera_depth_frame", "camera_depth_optical_frame"] = transforms["camera_color_frame", layout.camera_frame]
        stamp = stamp_from_nanoseconds(self._now_ns())
        self._tf_static.publish(TFMessage(transforms=[transform_from_matrix(T, parent, child, stamp)
                                                      for (parent, child), T in static.items()]))

    # -- the cameras --------------------------------------------------------------------------------------------------------

    def _run_wrist_camera(self) -> None:
        publishers = (self._color, self._color_info, self._depth, self._depth_info)

        def look() -> None:
            if not any(publisher.get_subscription_count() for publisher in publishers):
                return
            began = time.monotonic()
            with self._render_lock:
                frame = self._present().render()
                stamp = stamp_from_nanoseconds(self._zero_ns + round(frame.stamp * 1e9))
            header = Header(stamp=stamp, frame_id=self._layout.camera_frame)
            info = info_from_camera(frame.camera, header)
            self._color_info.publish(info)
            self._depth_info.publish(info)
            self._color.publish(image_from_color(frame.color, header))
            self._depth.publish(image_from_depth(frame.depth, header))
            self._camera_ms = 1e3 * (time.monotonic() - began)
        self._repeat(look, self.config.camera_rate)

    def _run_front_camera(self) -> None:
        def look() -> None:
            if not self._scene.get_subscription_count():
                return
            with self._render_lock:
                stamp = stamp_from_nanoseconds(self._now_ns())
                image = self._present().render_view("front", 640, 480)
            self._scene.publish(image_from_color(image, Header(stamp=stamp, frame_id="scene_camera")))
        self._repeat(look, self.config.scene_rate)

    def _repeat(self, look: Callable[[], None], rate: float) -> None:
        """Call at a rate of simulated time, so that a slow machine sees the same images a motion."""
        period = 1.0 / rate / self.config.real_time_factor
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + period, time.monotonic())
            look()

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:
            if self._ended.is_set():
                return
            # Half a robot is worse than none: a supervisor restarts the process.
            self.get_logger().fatal(f"{loop.__name__} failed: {type(error).__name__}: {error}")
            self.exit(1)


def main() -> int:
    """Run the node."""
    return run(SimulationNode)


if __name__ == "__main__":
    sys.exit(main())
