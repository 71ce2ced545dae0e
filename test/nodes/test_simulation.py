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

"""The simulated cell as a robot on real middleware."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from objectcentric_ros.motion.protocols import Trajectory
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.heart import ERROR
from objectcentric_ros.nodes.image_conversions import color_from_image, depth_from_image, labels_from_image
from objectcentric_ros.nodes.stack_conversions import message_from_trajectory
from objectcentric_ros.nodes.transforms import TransformListener

from .node_bench import COLOR_TOPIC, DEPTH_TOPIC, INFO_TOPIC, NodeBench

pytest.importorskip("mujoco")

from franka_msgs.action import Grasp, Homing, Move
from objectcentric_interfaces.srv import GetGroundTruth, ResetScene
from rosgraph_msgs.msg import Clock

from objectcentric_ros.nodes import simulation
from objectcentric_ros.nodes.simulation import SimulationNode

ARM = tuple(f"fr3_joint{number}" for number in range(1, 8))
SUCCEEDED, CANCELED, ABORTED = 4, 5, 6


class Robot:
    """A simulation on the bench, and what it publishes."""

    def __init__(self, bench: NodeBench) -> None:
        self.bench = bench
        self.states = bench.listen(JointState, "/joint_states", qos_profile_sensor_data)
        self.transforms = TransformListener(bench.client)
        self.node = bench.add(SimulationNode, item_count=2, seed=3, ground_truth=True, real_time_factor=2.0, camera_rate=2.0)
        self.trajectories = bench.client.create_publisher(JointTrajectory, "/fr3_arm_controller/joint_trajectory", 10)
        bench.wait_for(lambda: self.states and self.trajectories.get_subscription_count(), "the robot")

    def positions(self) -> np.ndarray:
        return np.array(self.states[-1].position[:7])

    def send(self, positions: np.ndarray, duration: float = 0.6, names: tuple[str, ...] = ARM,
             start: np.ndarray | None = None) -> None:
        first = self.positions() if start is None else start
        self.trajectories.publish(message_from_trajectory(Trajectory(names, np.array([0.0, duration]),
                                                                     np.stack([first, positions]),
                                                                     np.zeros((2, len(names))))))

    def wait_at(self, positions: np.ndarray) -> None:
        self.bench.wait_for(lambda: np.abs(self.positions() - positions).max() < 0.01, f"the arm at {positions}")

    @contextlib.contextmanager
    def watching(self, kind: Any, topic: str) -> Iterator[list[Any]]:
        """Messages of a topic; nothing is rendered for us afterwards."""
        received: list[Any] = []
        subscription = self.bench.client.create_subscription(kind, topic, received.append, qos_profile_sensor_data)
        try:
            yield received
        finally:
            self.bench.client.destroy_subscription(subscription)

    def act(self, kind: Any, name: str, goal: Any) -> Any:
        client = self.bench.action(kind, f"/franka_gripper/{name}")
        handle = self.bench.finish(client.send_goal_async(goal))
        return self.bench.finish(handle.get_result_async())


@pytest.fixture(scope="module")
def robot() -> Iterator[Robot]:
    """One cell for the tests that leave the scene as it is."""
    bench = NodeBench()
    try:
        yield Robot(bench)
    finally:
        bench.close()


def test_joint_states_are_those_of_franka(robot: Robot) -> None:
    state = robot.states[-1]
    assert state.name == [*ARM, "fr3_finger_joint1", "fr3_finger_joint2"]
    assert np.all(np.isfinite(state.position)) and len(state.velocity) == 9
    fingers = robot.bench.listen(JointState, "/franka_gripper/joint_states", qos_profile_sensor_data)
    assert robot.bench.wait_for(lambda: fingers)[0].name == ["fr3_finger_joint1", "fr3_finger_joint2"]


def test_clock_is_later_than_2020_and_only_goes_forward(robot: Robot) -> None:
    clock = robot.bench.listen(Clock, "/clock", qos_profile_sensor_data)
    robot.bench.wait_for(lambda: len(clock) > 20)
    times = [stamp_nanoseconds(message.clock) for message in clock]
    assert times[0] > 1_577_836_800 * 10**9
    assert np.all(np.diff(times) > 0)


def test_camera_looks_like_realsense_ros(robot: Robot) -> None:
    with (robot.watching(Image, COLOR_TOPIC) as color, robot.watching(Image, DEPTH_TOPIC) as depth,
          robot.watching(CameraInfo, INFO_TOPIC) as infos,
          robot.watching(CameraInfo, DEPTH_TOPIC.replace("image_raw", "camera_info")) as depth_infos):
        def together() -> tuple[Image, Image] | None:
            stamps = {stamp_nanoseconds(image.header.stamp): image for image in color}
            return next(((stamps[key], image) for image in depth if (key := stamp_nanoseconds(image.header.stamp)) in stamps),
                        None)

        rgb, aligned = robot.bench.wait_for(lambda: infos and depth_infos and together(), "a pair with one stamp", timeout=30.0)
    assert (rgb.encoding, rgb.width, rgb.height, rgb.step) == ("rgb8", 640, 480, 1920)
    assert (aligned.encoding, aligned.width, aligned.height, aligned.step) == ("16UC1", 640, 480, 1280)
    assert {m.header.frame_id for m in (rgb, aligned, infos[0], depth_infos[0])} == {"camera_color_optical_frame"}
    assert (infos[0].k[0], infos[0].k[2], infos[0].distortion_model) == (615.0, 320.0, "plumb_bob")
    assert color_from_image(rgb).std() > 5
    metres = depth_from_image(aligned)
    assert 0.3 < np.nanmedian(metres) < 0.7 and np.isfinite(metres).mean() > 0.7


def test_transforms_join_base_and_camera_at_the_image_stamp(robot: Robot) -> None:
    with robot.watching(Image, COLOR_TOPIC) as images:
        stamp = robot.bench.wait_for(lambda: images, timeout=30.0)[-1].header.stamp
    T_base_camera = robot.transforms.lookup("fr3_link0", "camera_color_optical_frame", stamp, timeout=3.0)
    np.testing.assert_allclose(T_base_camera[:3, 2], [0.0, 0.0, -1.0], atol=0.01)   # looks down ...
    assert 0.5 < T_base_camera[2, 3] < 0.7                                          # ... from above the tray
    # franka_description: link8 lies 0.107 m along link7's z, the TCP 0.1034 m along the hand's
    assert robot.transforms.lookup("fr3_link7", "fr3_link8")[2, 3] == pytest.approx(0.107)
    assert robot.transforms.lookup("fr3_hand", "fr3_hand_tcp")[2, 3] == pytest.approx(0.1034)


def test_arm_follows_a_trajectory_and_a_new_one_replaces_it(robot: Robot) -> None:
    start = robot.positions()
    there = start + [0.2, 0, 0, 0, 0, 0, 0.1]
    robot.send(there)
    robot.wait_at(there)
    robot.send(there + [0.6, 0, 0, 0, 0, 0, 0], duration=6.0)
    robot.bench.wait_for(lambda: robot.positions()[0] > there[0] + 0.02, "moving")
    robot.send(start, duration=1.0)   # joints in another order are the same joints
    robot.wait_at(start)


def test_joint_order_of_the_message_does_not_matter(robot: Robot) -> None:
    start = robot.positions()
    there = start + [0, 0, 0, 0, 0, 0, 0.15]
    robot.send(there[::-1], names=ARM[::-1], start=start[::-1])
    robot.wait_at(there)
    robot.send(start)
    robot.wait_at(start)


def test_gripper_moves_homes_and_tells_feedback(robot: Robot) -> None:
    client = robot.bench.action(Move, "/franka_gripper/move")
    feedback: list[float] = []
    future = client.send_goal_async(Move.Goal(width=0.02, speed=0.05),
                                    feedback_callback=lambda m: feedback.append(m.feedback.current_width))
    result = robot.bench.finish(robot.bench.finish(future).get_result_async())
    assert (result.status, result.result.success, result.result.error) == (SUCCEEDED, True, "")
    assert robot.node.gripper_width() == pytest.approx(0.02, abs=0.004)
    assert feedback and max(feedback) < 0.081
    assert robot.act(Homing, "homing", Homing.Goal()).result.success
    assert robot.node.gripper_width() == pytest.approx(0.08, abs=0.004)


def test_grasp_of_nothing_fails_by_epsilon(robot: Robot) -> None:
    goal = Grasp.Goal(width=0.03, speed=0.1, force=20.0)
    goal.epsilon.inner = goal.epsilon.outer = 0.005
    failed = robot.act(Grasp, "grasp", goal)
    assert failed.status == ABORTED and not failed.result.success and "outside 0.0250 .. 0.0350" in failed.result.error
    goal.epsilon.inner = 0.04   # now fully closed fingers are near enough
    assert robot.act(Grasp, "grasp", goal).result.success
    assert robot.act(Move, "move", Move.Goal(width=0.08, speed=0.2)).result.success


@pytest.mark.parametrize(("goal", "sentence"), [
    (Move.Goal(width=0.2, speed=0.1), "width is 0.2 m, expected 0 .. 0.08"),
    (Move.Goal(width=float("nan"), speed=0.1), "width is nan"),
    (Move.Goal(width=0.05, speed=0.0), "speed is 0.0 m/s"),
])
def test_impossible_gripper_goal_says_why(robot: Robot, goal: Move.Goal, sentence: str) -> None:
    answer = robot.act(Move, "move", goal)
    assert answer.status == ABORTED and sentence in answer.result.error


def test_cancel_and_stop_end_a_gripper_goal_where_it_is(robot: Robot) -> None:
    client = robot.bench.action(Move, "/franka_gripper/move")
    handle = robot.bench.finish(client.send_goal_async(Move.Goal(width=0.0, speed=0.02)))
    robot.bench.wait_for(lambda: robot.node.gripper_width() < 0.07, "moving")
    robot.bench.finish(handle.cancel_goal_async())
    assert robot.bench.finish(handle.get_result_async()).status == CANCELED
    width = robot.node.gripper_width()
    handle = robot.bench.finish(client.send_goal_async(Move.Goal(width=0.0, speed=0.02)))
    robot.bench.wait_for(lambda: robot.node.gripper_width() < width - 0.005, "moving again")
    assert robot.bench.call(Trigger, "/franka_gripper/stop", Trigger.Request()).success
    result = robot.bench.finish(handle.get_result_async())
    assert result.status == ABORTED and result.result.error == "stopped"
    assert robot.node.gripper_width() > 0.02
    robot.act(Move, "move", Move.Goal(width=0.08, speed=0.2))


def test_new_gripper_goal_preempts_the_old(robot: Robot) -> None:
    client = robot.bench.action(Move, "/franka_gripper/move")
    slow = robot.bench.finish(client.send_goal_async(Move.Goal(width=0.0, speed=0.01)))
    robot.bench.wait_for(lambda: robot.node.gripper_width() < 0.078, "moving")
    assert robot.act(Move, "move", Move.Goal(width=0.08, speed=0.2)).result.success
    assert robot.bench.finish(slow.get_result_async()).status == ABORTED


def test_scene_camera_publishes_while_watched(robot: Robot) -> None:
    with robot.watching(Image, "/scene/image_raw") as scene:
        image = robot.bench.wait_for(lambda: scene, timeout=30.0)[0]
    assert (image.encoding, image.width, image.height) == ("rgb8", 640, 480)


def test_ground_truth_counts_the_items(robot: Robot) -> None:
    truth = robot.bench.call(GetGroundTruth, "/simulation/ground_truth", GetGroundTruth.Request(), timeout=30.0)
    assert len(truth.object_ids) == len(truth.poses) == 2
    assert all(truth.in_tray) and not any(truth.held) and not any(truth.in_place_bin)
    assert set(np.unique(labels_from_image(truth.labels))) == {0, 1, 2}


def test_reset_brings_the_named_items_and_time_goes_on(robot: Robot) -> None:
    before = stamp_nanoseconds(robot.states[-1].header.stamp)
    names = [item.id for item in robot.node._catalogue.items[:3]]
    answer = robot.bench.call(ResetScene, "/simulation/reset_scene", ResetScene.Request(object_ids=names, seed=5), timeout=60.0)
    assert answer.success and list(answer.object_ids) == names
    count = len(robot.states)
    robot.bench.wait_for(lambda: len(robot.states) > count + 2, "joint states go on")
    assert stamp_nanoseconds(robot.states[-1].header.stamp) > before
    refused = robot.bench.call(ResetScene, "/simulation/reset_scene", ResetScene.Request(object_ids=["no-such-item"]))
    assert not refused.success and "no-such-item" in refused.message


def test_wrong_trajectories_are_refused_and_the_arm_stays(robot: Robot, capfd: pytest.CaptureFixture[str]) -> None:
    start = robot.positions()
    robot.send(start + 0.5, start=start + 0.4)                  # starts elsewhere
    robot.send(start + [9, 0, 0, 0, 0, 0, 0], duration=9.0)     # leaves the joint's range
    robot.send(start + [1, 0, 0, 0, 0, 0, 0], duration=0.1)     # too fast
    robot.send(start, names=("a", "b", "c", "d", "e", "f", "g"))
    robot.trajectories.publish(JointTrajectory(joint_names=list(ARM)))
    output = ""
    for sentence in ("starts 0.4", "its limits are -2.7437 .. 2.7437", "its limit is 2.62", "expected fr3_joint1", "no points"):
        deadline = threading.Event()
        for _ in range(200):
            output += capfd.readouterr().err
            if sentence in output:
                break
            deadline.wait(0.05)
        assert sentence in output
    assert np.abs(robot.positions() - start).max() < 0.01


def test_unknown_item_fails_configure_with_a_sentence(bench: NodeBench) -> None:
    node = bench.add(SimulationNode, start=False, items=["no-such-item"])
    assert not node.configure_and_activate()
    bench.wait_for_status("simulation", ERROR, "can't configure", "no-such-item")
    assert node.state_label == "unconfigured"


@pytest.mark.parametrize(("parameters", "told"), [({}, 5), ({"nice": 9}, 9)])
def test_its_process_steps_back_as_far_as_it_was_told(bench: NodeBench, monkeypatch: pytest.MonkeyPatch,
                                                      parameters: dict[str, int], told: int) -> None:
    steps: list[int] = []
    monkeypatch.setattr(simulation, "step_back", steps.append)      # the real one would hold for this process
    bench.add(SimulationNode, start=False, **parameters).own_process()
    assert steps == [told]


def test_ground_truth_is_off_unless_asked_for(bench: NodeBench) -> None:
    node = bench.add(SimulationNode, item_count=1)
    services = [service.srv_name.lstrip("/") for service in node.services]
    assert "simulation/reset_scene" in services and "simulation/ground_truth" not in services
