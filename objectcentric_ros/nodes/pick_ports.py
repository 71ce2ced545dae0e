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

"""The pick procedure's ports over DDS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from objectcentric_ros.gallery.records import PickRecord
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.drawing import draw_grasp
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.action_client import PatientActionClient
from objectcentric_ros.nodes.calls import POLL, call, run_action
from objectcentric_ros.nodes.camera_subscription import CameraSubscription
from objectcentric_ros.nodes.conversions import pose_from_matrix, stamp_from_nanoseconds, stamp_from_seconds, stamp_nanoseconds
from objectcentric_ros.nodes.image_conversions import (
    color_from_image,
    compressed_from_bytes,
    compressed_from_color,
    labels_from_image,
)
from objectcentric_ros.nodes.stack_conversions import grasp_from_message, message_from_grasp
from objectcentric_ros.picking.clearing import free_spot, places
from objectcentric_ros.picking.outcome import AbortSwitch, PickEnded, PickOutcome
from objectcentric_ros.picking.ports import GraspOutcome, KnownObject, LookAgain, Naming, SeenSegment, View
from objectcentric_ros.picking.put_down import put_down

require("rclpy", "objectcentric_interfaces")

from geometry_msgs.msg import PoseStamped  # noqa: E402
from objectcentric_interfaces.action import ExecuteGrasp, MoveTo  # noqa: E402
from objectcentric_interfaces.msg import PickAttempt, Segments  # noqa: E402
from objectcentric_interfaces.srv import GetObject, IdentifyObject, ListObjects, PlanGrasp, RecordPick  # noqa: E402
from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

JPEG_QUALITY = 85
LIST_PAGE = 1000
OVERLAY_TIMEOUT = 1.0   # [s]


class RosPorts:
    """PickPorts over the services, actions and topics of the graph.

    Args:
        node: the pick node; its executor must run callbacks in other threads than the one that picks.
        layout: for the base frame's name.
        color_topic, scene_topic: pictures for the evidence.
        service_timeout: longest wait for a service [s].
        motion_timeout: longest wait for a motion [s].
        image_timeout: longest wait for an image to be segmented [s].
        lift_height: straight up after closing [m].
    """

    def __init__(self, node: Node, layout: CellLayout, color_topic: str, scene_topic: str, service_timeout: float = 20.0,
                 motion_timeout: float = 60.0, image_timeout: float = 10.0, lift_height: float = 0.15) -> None:
        self._node, self._layout, self._lift_height = node, layout, lift_height
        self._service_timeout, self._motion_timeout, self._image_timeout = service_timeout, motion_timeout, image_timeout
        group = ReentrantCallbackGroup()

        def service(kind: Any, name: str) -> Any:
            return node.create_client(kind, name, callback_group=group)

        self._get_object = service(GetObject, "gallery/get_object")
        self._list_objects = service(ListObjects, "gallery/list_objects")
        self._record_pick = service(RecordPick, "gallery/record_pick")
        self._identify, self._plan_grasp = service(IdentifyObject, "identify_object"), service(PlanGrasp, "plan_grasp")
        self._execute_grasp = PatientActionClient(node, ExecuteGrasp, "execute_grasp", callback_group=group)
        self._move_to = PatientActionClient(node, MoveTo, "move_to", callback_group=group)
        self._width = float("nan")
        self._arrived = threading.Condition()
        self._segments: Segments | None = None
        self._pictures: dict[str, Image] = {}
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(Segments, "segments", self._on_segments, latched, callback_group=group)
        for name, topic in (("color", color_topic), ("scene", scene_topic), ("overlay", "identification/overlay")):
            CameraSubscription(node, Image, topic, lambda image, name=name: self._pictures.__setitem__(name, image), group)

    def clock(self) -> float:
        """See PickPorts."""
        return time.monotonic()

    def resolve(self, text: str) -> KnownObject:
        """See PickPorts."""
        answer = call(self._get_object, GetObject.Request(object=text), AbortSwitch(), self._service_timeout)
        if not answer.success:
            raise PickEnded(PickOutcome.NOT_FOUND, answer.message)
        known = answer.object
        return KnownObject(known.object_id, known.title, None if np.isnan(known.mass) else float(known.mass))

    def all_objects(self) -> list[str]:
        """See PickPorts."""
        ids: list[str] = []
        while True:
            request = ListObjects.Request(limit=LIST_PAGE, offset=len(ids))
            answer = call(self._list_objects, request, AbortSwitch(), self._service_timeout)
            if not answer.success:
                raise PickEnded(PickOutcome.ABORTED, answer.message)
            ids += [known.object_id for known in answer.objects]
            if not answer.objects or len(ids) >= answer.total:
                return ids

    def move_to(self, pose: str, abort: AbortSwitch, release: bool = False) -> GraspOutcome:
        """See PickPorts."""
        return self._move(MoveTo.Goal(named=pose, release=release), abort)

    def put_down(self, T_base_tcp: np.ndarray, abort: AbortSwitch) -> GraspOutcome:
        """See PickPorts."""
        return put_down(lambda goal, linear, release: self._move(self._goal_at(goal, linear, release), abort), T_base_tcp,
                        self._lift_height)

    def free_spot(self, view: View, radius: float) -> tuple[float, float] | None:
        """See PickPorts; with the nominal camera of the cell, since centimetres are enough here."""
        T_base_camera, camera = self._nominal_camera(view.pose), self._layout.camera
        if T_base_camera is None or view.labels.shape != (camera.height, camera.width):
            return None
        return free_spot(view.labels, camera, T_base_camera, self._layout.tray, radius)

    def places(self, view: View, segment_id: int, grasp: Grasp, keep_clear: int | None) -> list[np.ndarray]:
        """See PickPorts; likewise."""
        T_base_camera, camera = self._nominal_camera(view.pose), self._layout.camera
        if T_base_camera is None or view.labels.shape != (camera.height, camera.width):
            return []
        return places(view.labels, camera, T_base_camera, self._layout.tray, segment_id, grasp.T_base_tcp, keep_clear)

    def segment(self, pose: str, abort: AbortSwitch) -> View:
        """See PickPorts."""
        asked = self._node.get_clock().now().nanoseconds
        deadline = time.monotonic() + self._image_timeout
        with self._arrived:
            while self._segments is None or stamp_nanoseconds(self._segments.header.stamp) <= asked:
                abort.check()
                if time.monotonic() > deadline:
                    raise PickEnded(PickOutcome.NODE_LOST, f"No new image was segmented within {self._image_timeout:.0f} s: "
                                    "look at /diagnostics of segmentation and of the camera.")
                self._arrived.wait(POLL)
            message = self._segments
        T_base_camera = self._nominal_camera(pose)
        T_base_camera = np.eye(4) if T_base_camera is None else T_base_camera
        seen = tuple(SeenSegment(s.id, s.area, (T_base_camera @ [s.centroid.x, s.centroid.y, s.centroid.z, 1.0])[:3])
                     for s in message.segments)
        labels = labels_from_image(message.labels)
        return View(stamp_nanoseconds(message.header.stamp), pose, labels, seen, self._color_like(labels))

    def identify(self, view: View, candidates: Sequence[str], abort: AbortSwitch) -> tuple[Naming, ...]:
        """See PickPorts."""
        request = IdentifyObject.Request(stamp=stamp_from_nanoseconds(view.stamp_ns), candidates=list(candidates))
        answer = call(self._identify, request, abort, self._service_timeout)
        if not answer.success:
            raise LookAgain(answer.message)
        self._wait_for_overlay(view.stamp_ns, abort)
        return tuple(Naming(i.segment_id, {c.object_id: float(c.probability) for c in i.ranking}, i.none_of_these, i.reason)
                     for i in answer.identifications)

    def plan_grasps(self, view: View, segment_id: int, object_id: str, abort: AbortSwitch) -> tuple[list[Grasp], str]:
        """See PickPorts."""
        request = PlanGrasp.Request(stamp=stamp_from_nanoseconds(view.stamp_ns), segment_id=segment_id, object_id=object_id)
        answer = call(self._plan_grasp, request, abort, self._service_timeout)
        return [grasp_from_message(grasp) for grasp in answer.grasps], answer.message

    def execute_grasp(self, grasp: Grasp, view: View, segment_id: int, force: float, abort: AbortSwitch,
                      on_stage: Callable[[str], None]) -> GraspOutcome:
        """See PickPorts."""
        stamp = stamp_from_nanoseconds(view.stamp_ns)
        goal = ExecuteGrasp.Goal(
            grasp=message_from_grasp(grasp, Header(stamp=stamp, frame_id=self._layout.base_frame)), lift_height=self._lift_height,
            force=force, scene_stamp=stamp, segment_id=segment_id, client=self._node.get_fully_qualified_name())
        result = run_action(self._execute_grasp, goal, abort, self._motion_timeout, lambda feedback: on_stage(feedback.stage))
        self._width = float(result.gripper_width)
        seconds = dict(zip(("plan", "approach", "close", "lift"), map(float, result.stage_seconds), strict=False))
        return GraspOutcome(MotionOutcome(result.outcome), result.message, result.stage, self._width, float(result.planning_ms),
                            seconds)

    def gripper_width(self) -> float:
        """See PickPorts."""
        return self._width

    def stop(self) -> None:
        """See PickPorts; a cancelled or lost motion has stopped the arm already, so nothing is left to do here."""

    def snapshot(self, name: str) -> bytes | None:
        """See PickPorts."""
        image = self._pictures.get(name)
        if image is None:
            return None
        try:
            return bytes(compressed_from_color(color_from_image(image), kind="jpeg", quality=JPEG_QUALITY).data)
        except ValueError:
            return None   # evidence is no reason to end a pick

    def picture_grasp(self, view: View, grasp: Grasp) -> bytes | None:
        """See PickPorts; drawn with the nominal camera pose of the look, which is good enough for a picture."""
        image = self._pictures.get("color")
        T_base_camera, camera = self._nominal_camera(view.pose), self._layout.camera
        if image is None or T_base_camera is None or (image.width, image.height) != (camera.width, camera.height):
            return None
        picture = draw_grasp(color_from_image(image), grasp, camera, T_base_camera, self._layout.gripper)
        return bytes(compressed_from_color(picture, kind="jpeg", quality=JPEG_QUALITY).data)

    def record(self, record: PickRecord) -> None:
        """See PickPorts."""
        request = RecordPick.Request(
            pick_id=record.pick_id, object_id=record.object_id, request=record.request, outcome=record.outcome,
            started=stamp_from_seconds(record.started), finished=stamp_from_seconds(record.finished),
            image_names=list(record.images),
            images=[compressed_from_bytes(image, "png" if image.startswith(b"\x89PNG") else "jpeg")
                    for image in record.images.values()])
        for attempt in record.attempts:
            message = PickAttempt(
                outcome=attempt.outcome, message=attempt.message, confidence=float(attempt.confidence or 0.0),
                gripper_width=float("nan") if attempt.gripper_width is None else attempt.gripper_width,
                phases=[name for name, _ in attempt.phases], seconds=[seconds for _, seconds in attempt.phases])
            if attempt.grasp is not None:
                message.grasp = message_from_grasp(Grasp.from_mapping(attempt.grasp), Header(frame_id=self._layout.base_frame))
            request.attempts.append(message)
        answer = call(self._record_pick, request, AbortSwitch(), timeout=3.0)
        if not answer.success:
            raise PickEnded(PickOutcome.ABORTED, answer.message)

    def _nominal_camera(self, pose: str) -> np.ndarray | None:
        """T_base_camera (4, 4) of a named pose by the cell's description; None for an unknown one."""
        T_base_tcp = self._layout.named_poses.get(pose)
        return None if T_base_tcp is None else T_base_tcp @ np.linalg.inv(self._layout.T_hand_tcp) @ self._layout.T_hand_camera

    def _color_like(self, labels: np.ndarray) -> np.ndarray | None:
        """The newest colour image, when it has the size of the labels; the arm rests, so it shows what they show."""
        image = self._pictures.get("color")
        if image is None or (image.height, image.width) != labels.shape:
            return None
        try:
            return color_from_image(image)
        except ValueError:
            return None

    def _goal_at(self, T_base_tcp: np.ndarray, linear: bool, release: bool) -> MoveTo.Goal:
        pose = PoseStamped(header=Header(frame_id=self._layout.base_frame), pose=pose_from_matrix(T_base_tcp))
        return MoveTo.Goal(pose=pose, linear=linear, release=release)

    def _move(self, goal: MoveTo.Goal, abort: AbortSwitch) -> GraspOutcome:
        goal.client = self._node.get_fully_qualified_name()
        goal.ignore_scene = True   # the way between look, tray and bin is high above the clutter and clear of the known cell
        result = run_action(self._move_to, goal, abort, self._motion_timeout)
        self._width = float(result.gripper_width)
        return GraspOutcome(MotionOutcome(result.outcome), result.message, "move", self._width, float(result.planning_ms))

    def _wait_for_overlay(self, stamp_ns: int, abort: AbortSwitch) -> None:
        """The picture with the names comes after the answer; the evidence shall show this view, not the one before."""
        deadline = time.monotonic() + OVERLAY_TIMEOUT
        while time.monotonic() < deadline:
            overlay = self._pictures.get("overlay")
            if overlay is not None and stamp_nanoseconds(overlay.header.stamp) == stamp_ns:
                return
            abort.check()
            time.sleep(POLL / 5)
        self._pictures.pop("overlay", None)

    def _on_segments(self, message: Segments) -> None:
        with self._arrived:
            self._segments = message
            self._arrived.notify_all()
