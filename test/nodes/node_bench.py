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

"""A bench for one node: it runs in this process on real middleware, and a client node talks to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from objectcentric_interfaces.msg import Segments
from rclpy.action import ActionClient
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.layout import top_down
from objectcentric_ros.nodes.conversions import stamp_from_nanoseconds, transform_from_matrix
from objectcentric_ros.nodes.executor import PoolExecutor
from objectcentric_ros.nodes.image_conversions import image_from_color, image_from_depth, info_from_camera
from objectcentric_ros.nodes.stack_conversions import segments_from_segmentation
from objectcentric_ros.nodes.stack_node import StackNode, spin, stop_executor
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CAMERA_QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
TIMEOUT = 10.0
COLOR_TOPIC = "/camera/camera/color/image_raw"
DEPTH_TOPIC = "/camera/camera/aligned_depth_to_color/image_raw"
INFO_TOPIC = "/camera/camera/color/camera_info"
OPTICAL_FRAME = "camera_color_optical_frame"
CAMERA = PinholeCamera(64, 48, 60.0, 60.0, 32.0, 24.0)
T_BASE_CAMERA = top_down([0.48, 0.0, 0.6], 0.0)


class NodeBench:
    """Context with a client node; nodes under test are added to it."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.client = Node("bench", context=self.context)
        self.group = ReentrantCallbackGroup()
        self.nodes: list[StackNode] = []
        self._plain: list[Node] = []
        self.diagnostics: dict[str, list[DiagnosticStatus]] = {}
        self._executors: list[tuple[PoolExecutor, threading.Event, threading.Thread]] = []
        self._received: dict[str, list[Any]] = {}
        self.changed = threading.Condition()
        self.client.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50, callback_group=self.group)
        self._spin(self.client)

    def close(self) -> None:
        """Bring everything down."""
        for node in self.nodes:
            node.bring_down()
        for executor, ended, thread in self._executors:
            ended.set()
            stop_executor(executor, thread, timeout=5.0)
        for node in [*self.nodes, *self._plain, self.client]:
            node.destroy_node()
        self.context.try_shutdown()

    def add(self, node_class: type[StackNode], threads: int = 4, start: bool = True, **parameters: Any) -> StackNode:
        """Make, spin, configure and activate a node; "__" in a parameter's name is a dot."""
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()]
        node = node_class(context=self.context, parameter_overrides=overrides)
        self.nodes.append(node)
        self._spin(node, threads)
        if start:
            assert node.configure_and_activate(), self.status(node.get_name())
        return node

    def spinning_node(self, name: str) -> Node:
        """A plain node in an executor of its own."""
        node = Node(name, context=self.context)
        self._plain.append(node)
        self._spin(node)
        return node

    def listen(self, kind: Any, topic: str, qos: QoSProfile = LATCHED) -> list[Any]:
        """Messages of a topic from now on, in a list that grows."""
        received: list[Any] = []

        def on_message(message: Any) -> None:
            with self.changed:
                received.append(message)
                self.changed.notify_all()
        # Its own group: in the reentrant one two messages of a topic could overtake each other.
        self.client.create_subscription(kind, topic, on_message, qos, callback_group=MutuallyExclusiveCallbackGroup())
        return received

    def wait_for(self, condition: Callable[[], Any], what: str = "", timeout: float = TIMEOUT) -> Any:
        """Wait until the condition is true; its value."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"timed out waiting for {what or condition}"
            with self.changed:
                self.changed.wait(0.02)
        return value

    def call(self, kind: Any, name: str, request: Any, timeout: float = TIMEOUT) -> Any:
        """Call a service."""
        client = self.client.create_client(kind, name, callback_group=self.group)
        try:
            assert client.wait_for_service(timeout), f"no service {name}"
            return self.finish(client.call_async(request), timeout)
        finally:
            self.client.destroy_client(client)

    def action(self, kind: Any, name: str) -> ActionClient:
        """Client of an action, ready."""
        client = ActionClient(self.client, kind, name, callback_group=ReentrantCallbackGroup())
        assert client.wait_for_server(TIMEOUT), f"no action {name}"
        return client

    def finish(self, future: Any, timeout: float = TIMEOUT) -> Any:
        """Result of a future that the executor completes."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        assert done.wait(timeout), "no answer in time"
        return future.result()

    def status(self, name: str) -> DiagnosticStatus | None:
        """Newest status of a node."""
        statuses = self.diagnostics.get(name)
        return statuses[-1] if statuses else None

    def wait_for_status(self, name: str, level: bytes, *texts: str, timeout: float = TIMEOUT) -> DiagnosticStatus:
        """Wait for a status of a level whose message has the texts."""
        def found() -> DiagnosticStatus | None:
            status = self.status(name)
            fits = status is not None and status.level == level and all(text in status.message for text in texts)
            return status if fits else None
        try:
            return self.wait_for(found, timeout=timeout)
        except AssertionError:
            raise AssertionError(f"wanted level {level!r} with {texts}, last is {self.status(name)}") from None

    def _spin(self, node: Node, threads: int = 4) -> None:
        executor = PoolExecutor(threads, context=self.context)
        executor.add_node(node)
        ended = threading.Event()
        if isinstance(node, StackNode):
            ended = node.ended
            thread = threading.Thread(target=spin, args=(executor, node), daemon=True)
        else:
            thread = threading.Thread(target=_spin_client, args=(executor, ended), daemon=True)
        self._executors.append((executor, ended, thread))
        thread.start()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self.changed:
            for status in message.status:
                self.diagnostics.setdefault(status.name, []).append(status)
            self.changed.notify_all()


def _spin_client(executor: PoolExecutor, ended: threading.Event) -> None:
    while not ended.is_set():
        executor.spin_once(timeout_sec=0.2)


class BenchCamera:
    """Publishes the topics of a wrist camera that looks straight down at T_BASE_CAMERA."""

    def __init__(self, bench: NodeBench) -> None:
        self._bench = bench
        node = bench.client
        self.color = node.create_publisher(Image, COLOR_TOPIC, CAMERA_QOS)
        self.depth = node.create_publisher(Image, DEPTH_TOPIC, CAMERA_QOS)
        self.info = node.create_publisher(CameraInfo, INFO_TOPIC, CAMERA_QOS)
        self._static = node.create_publisher(TFMessage, "/tf_static", LATCHED)
        self._segments = node.create_publisher(Segments, "segments", LATCHED)
        self._static.publish(TFMessage(transforms=[
            transform_from_matrix(T_BASE_CAMERA, "fr3_link0", OPTICAL_FRAME, stamp_from_nanoseconds(0))]))

    def header(self) -> Header:
        """Header of now."""
        return Header(stamp=self._bench.client.get_clock().now().to_msg(), frame_id=OPTICAL_FRAME)

    def connect(self, node: Any) -> None:
        """Send frames until the node receives them: a best-effort reader that is just being discovered misses some."""
        deadline = time.monotonic() + TIMEOUT
        while node._camera.frames_received == 0:
            assert time.monotonic() < deadline, f"{node.get_name()} receives no images"
            self.look()
            with self._bench.changed:
                self._bench.changed.wait(0.05)
        received = -1
        while received != node._camera.frames_received:   # let the last of them arrive
            received = node._camera.frames_received
            time.sleep(0.05)

    def look(self, color: NDArray[np.uint8] | None = None, depth: NDArray[np.float32] | None = None,
             change: Callable[[Image, Image, CameraInfo], None] | None = None) -> Header:
        """Publish one frame (a block 5 cm high in the middle unless given), after `change` has spoilt it; its header."""
        header = self.header()
        messages = (image_from_color(scene_color() if color is None else color, header),
                    image_from_depth(scene_depth() if depth is None else depth, header), info_from_camera(CAMERA, header))
        if change is not None:
            change(*messages)
        self.info.publish(messages[2])
        self.color.publish(messages[0])
        self.depth.publish(messages[1])
        return header

    def segment(self, header: Header, segmentation: Segmentation) -> None:
        """Publish Segments for a header."""
        self._segments.publish(segments_from_segmentation(segmentation, T_BASE_CAMERA, header))


BLOCK = (slice(18, 30), slice(24, 40))   # rows and columns of the block in the scene


def scene_color() -> NDArray[np.uint8]:
    """(48, 64, 3): a red block on grey."""
    color = np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8)
    color[BLOCK] = (200, 30, 30)
    return color


def scene_depth() -> NDArray[np.float32]:
    """(48, 64) [m]: a block 5 cm high on the tray's floor."""
    depth = np.full((CAMERA.height, CAMERA.width), 0.596, np.float32)
    depth[BLOCK] = 0.55
    return depth


def block_segmentation(extra: int = 0) -> Segmentation:
    """The block as segment 1, and `extra` further segments beside it."""
    labels = np.zeros((CAMERA.height, CAMERA.width), np.uint16)
    labels[BLOCK] = 1
    segments = [Segment(1, (24, 18, 40, 30), 192, np.array([0.48, 0.0, 0.05]), 0.9)]
    for index in range(extra):
        u = 2 + 10 * index
        labels[2:10, u:u + 8] = index + 2
        segments.append(Segment(index + 2, (u, 2, u + 8, 10), 64, np.array([0.5, 0.1, 0.05]), 0.5))
    return Segmentation(labels, tuple(segments))
