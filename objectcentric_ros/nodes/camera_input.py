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

"""Colour, depth and camera_info of a camera, matched by stamp, and the last scenes that were segmented.

A node keeps every matched image for a moment and those that a Segments message refers to for longer: a service call that
names a stamp comes seconds after the image.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.nodes import require

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.msg import Segments  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from objectcentric_ros.nodes.camera_subscription import CameraSubscription  # noqa: E402
from objectcentric_ros.nodes.conversions import stamp_nanoseconds, stamp_seconds  # noqa: E402
from objectcentric_ros.nodes.image_conversions import (  # noqa: E402
    camera_from_info,
    depth_from_image,
    frame_from_messages,
    labels_from_image,
)
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackConfig  # noqa: E402

LATCHED_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CLOCK_SET_BACK_NS = 1_000_000_000   # a stamp that is older by more [ns] means that the clock was set back
FEWEST_FRAMES = 6    # kept however old: on a slow machine an image's segments come late
SILENT_AFTER = 2.5   # a camera topic without a message for so long is reported [s]


@dataclass(frozen=True)
class CameraConfig(StackConfig):
    """Where the images of a wrist camera come from; inherited by the Config of nodes that look."""

    color_topic: str = parameter("/camera/camera/color/image_raw", "colour image, rgb8 or bgr8")
    depth_topic: str = parameter("/camera/camera/aligned_depth_to_color/image_raw",
                                 "depth image aligned to colour, 16UC1 [mm] or 32FC1 [m]")
    camera_info_topic: str = parameter("/camera/camera/color/camera_info", "intrinsics of the colour image")
    max_stamp_difference: float = parameter(
        0.02, "colour and depth belong together when their stamps differ by at most this [s]", minimum=0.0, maximum=1.0)
    history: float = parameter(1.5, "how long images are kept that no Segments message refers to [s]", minimum=0.0, maximum=30.0)
    scenes: int = parameter(40, "how many segmented scenes are remembered, for requests by stamp (1.2 to 2 MB each)", minimum=1,
                            maximum=1000)


@dataclass(frozen=True)
class CameraMessages:
    """What belongs to one moment; an image that the node did not ask for is None. The stamp is colour's, or else depth's."""

    stamp_ns: int
    color: Image | None
    depth: Image | None
    info: CameraInfo
    received: float

    @property
    def frame_id(self) -> str:
        """Optical frame of the images."""
        image = self.color if self.color is not None else self.depth
        return str(image.header.frame_id) if image is not None else str(self.info.header.frame_id)

    def frame(self, T_base_camera: NDArray[np.float64]) -> RgbdFrame:
        """RGB-D frame; black where the node takes no colour image.

        Raises:
            ValueError: a message is broken or sizes differ.
        """
        assert self.depth is not None
        if self.color is not None:
            return frame_from_messages(self.color, self.depth, self.info, T_base_camera)
        camera = camera_from_info(self.info)
        depth = depth_from_image(self.depth)
        black = np.broadcast_to(np.zeros(3, np.uint8), (camera.height, camera.width, 3))
        return RgbdFrame(black, depth, camera, T_base_camera, self.stamp_ns * 1e-9)


class FrameMatcher:
    """Pairs colour and depth messages by stamp. Not locked, no clock: the owner serialises.

    Args:
        max_difference: stamps of a pair differ by at most this [s].
        depth_of_queue: how many messages without a partner are kept of each kind.
    """

    def __init__(self, max_difference: float, depth_of_queue: int = 10) -> None:
        self._max_difference_ns = round(max_difference * 1e9)
        self._waiting: dict[str, deque[tuple[int, Image]]] = {kind: deque(maxlen=depth_of_queue) for kind in ("color", "depth")}

    def add(self, kind: str, image: Image) -> tuple[Image, Image] | None:
        """Add a "color" or "depth" image; (colour, depth) when its partner was waiting, the nearest if there are several."""
        stamp = stamp_nanoseconds(image.header.stamp)
        partners = self._waiting["depth" if kind == "color" else "color"]
        nearest = min(partners, key=lambda entry: abs(entry[0] - stamp), default=None)
        if nearest is None or abs(nearest[0] - stamp) > self._max_difference_ns:
            self._waiting[kind].append((stamp, image))
            return None
        partners.remove(nearest)
        return (image, nearest[1]) if kind == "color" else (nearest[1], image)

    def smallest_difference(self) -> float | None:
        """Smallest difference between stamps of waiting colour and depth images [s]; None when one kind has none."""
        pairs = [abs(a - b) for a, _ in self._waiting["color"] for b, _ in self._waiting["depth"]]
        return min(pairs) * 1e-9 if pairs else None


@dataclass(frozen=True)
class Scene:
    """A segmented image: camera messages, their Segments, and T_base_camera where it was known when the Segments came."""

    messages: CameraMessages
    segments: Segments
    T_base_camera: NDArray[np.float64] | None = None

    def labels(self) -> NDArray[np.uint16]:
        """(H, W) label image; raises ValueError when the message is broken."""
        return labels_from_image(self.segments.labels)


class CameraInput:
    """Subscribes to a camera and matches its messages.

    Args:
        node: the node to subscribe with.
        config: topics and limits.
        color, depth: which images the node needs.
        on_frame: called with each CameraMessages, in an executor thread: must return at once.
    """

    def __init__(self, node: Node, config: CameraConfig, *, color: bool = True, depth: bool = True,
                 on_frame: Callable[[CameraMessages], None] | None = None) -> None:
        self._node, self._config, self._on_frame = node, config, on_frame
        self._lock = threading.Lock()
        self._matcher = FrameMatcher(config.max_stamp_difference)
        self._pairs = color and depth
        self._info: CameraInfo | None = None
        self._waiting_for_info: tuple[Image | None, Image | None] | None = None
        self._recent: deque[CameraMessages] = deque()
        self._began = time.monotonic()
        self._heard: dict[str, float | None] = {}
        self.frames_received = 0
        group = MutuallyExclusiveCallbackGroup()
        # First of the group: an executor takes what is ready in this order, and an image needs the intrinsics of its time.
        self._subscriptions = [CameraSubscription(node, CameraInfo, config.camera_info_topic, self._on_info, group)]
        for kind, topic, wanted in (("color", config.color_topic, color), ("depth", config.depth_topic, depth)):
            if wanted:
                self._heard[topic] = None
                self._subscriptions.append(CameraSubscription(
                    node, Image, topic, lambda image, kind=kind: self._on_image(kind, image), group))
        self._heard[config.camera_info_topic] = None

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            subscription.destroy()

    def newest(self) -> CameraMessages | None:
        """The newest matched images."""
        with self._lock:
            return self._recent[-1] if self._recent else None

    def at(self, stamp_ns: int) -> CameraMessages | None:
        """The images of a stamp [ns], as near as colour and depth of one moment are."""
        with self._lock:
            nearest = min(self._recent, key=lambda messages: abs(messages.stamp_ns - stamp_ns), default=None)
        if nearest is None or abs(nearest.stamp_ns - stamp_ns) > self._config.max_stamp_difference * 1e9:
            return None
        return nearest

    def complaint(self) -> str:
        """One sentence on why no images come, empty when they do."""
        now = time.monotonic()
        with self._lock:
            silent = [topic for topic, heard in self._heard.items() if now - (heard or self._began) > SILENT_AFTER]
            if silent:
                heard = [topic for topic in self._heard if topic not in silent]
                return (f"no messages on {' and '.join(silent)}" + (f", while {' and '.join(heard)} come" if heard else "")
                        + ": is the camera running, with align_depth.enable?")
            newest = self._recent[-1].received if self._recent else self._began
            if now - newest <= SILENT_AFTER:
                return ""
            difference = self._matcher.smallest_difference()
        gap = f"at least {difference:.3f} s" if difference is not None else "too much"
        return f"colour and depth images come, but their stamps differ by {gap}: are they of one camera (max_stamp_difference)?"

    def _on_info(self, info: CameraInfo) -> None:
        with self._lock:
            self._info = info
            self._heard[self._config.camera_info_topic] = time.monotonic()
            images, self._waiting_for_info = self._waiting_for_info, None
        if images is not None:
            self._accept(*images)

    def _on_image(self, kind: str, image: Image) -> None:
        with self._lock:
            self._heard[self._config.color_topic if kind == "color" else self._config.depth_topic] = time.monotonic()
            if self._pairs:
                pair = self._matcher.add(kind, image)
                if pair is None:
                    return
                color, depth = pair
            else:
                color, depth = (image, None) if kind == "color" else (None, image)
            if self._info is None:   # of the very first frame, camera_info may come last
                self._waiting_for_info = (color, depth)
                return
        self._accept(color, depth)

    def _accept(self, color: Image | None, depth: Image | None) -> None:
        now = time.monotonic()
        image = color if color is not None else depth
        assert image is not None and self._info is not None
        messages = CameraMessages(stamp_nanoseconds(image.header.stamp), color, depth, self._info, now)
        with self._lock:
            if self._recent and messages.stamp_ns < self._recent[-1].stamp_ns - CLOCK_SET_BACK_NS:
                self._recent.clear()   # a simulation reset, a bag that loops
            self._recent.append(messages)
            while len(self._recent) > FEWEST_FRAMES and now - self._recent[0].received > self._config.history:
                self._recent.popleft()
            self.frames_received += 1
        if self._on_frame is not None:
            self._on_frame(messages)


class SceneMemory:
    """Remembers the images that were segmented, by stamp.

    Args:
        node: the node to subscribe with.
        config: how many scenes.
        camera: where the images come from.
        locate: T_base_camera of a frame id at a time [s], None when unknown; or None where the node needs no pose.
        on_scene: called with each new scene, in an executor thread: must return at once.
    """

    def __init__(self, node: Node, config: CameraConfig, camera: CameraInput, *,
                 locate: Callable[[str, float], NDArray[np.float64] | None] | None = None,
                 on_scene: Callable[[Scene], None] | None = None) -> None:
        self._node, self._config, self._camera, self._locate, self._on_scene = node, config, camera, locate, on_scene
        self._lock = threading.Lock()
        self._scenes: OrderedDict[int, Scene] = OrderedDict()
        self._unseen: int | None = None
        self._subscription = node.create_subscription(Segments, "segments", self._on_segments, LATCHED_QOS,
                                                      callback_group=MutuallyExclusiveCallbackGroup())

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def newest(self) -> Scene | None:
        """The scene of the newest Segments."""
        with self._lock:
            return next(reversed(self._scenes.values()), None)

    def scene(self, stamp_ns: int) -> Scene:
        """The scene of a stamp [ns].

        Raises:
            LookupError: the stamp isn't remembered; the message says which are.
        """
        with self._lock:
            found = self._scenes.get(stamp_ns)
            known = [f"{stamp * 1e-9:.3f}" for stamp in self._scenes]
            unseen = self._unseen
        if found is not None:
            return found
        if stamp_ns == unseen:
            raise LookupError(f"the segments of {stamp_ns * 1e-9:.3f} s came, but not their image: the camera's messages are lost"
                              " on the way, or this node started later; ask for the next segments")
        raise LookupError(f"no segments of {stamp_ns * 1e-9:.3f} s are remembered; known stamps [s]: "
                          f"{', '.join(known) or 'none yet'}")

    def _on_segments(self, segments: Segments) -> None:
        stamp_ns = stamp_nanoseconds(segments.header.stamp)
        messages = self._camera.at(stamp_ns)
        if messages is None:
            with self._lock:
                self._unseen = stamp_ns
            self._node.get_logger().warning(f"no image for the segments of {stamp_ns * 1e-9:.3f} s", throttle_duration_sec=5.0)
            return
        T_base_camera = None
        if self._locate is not None:
            T_base_camera = self._locate(segments.header.frame_id, stamp_seconds(segments.header.stamp))
        scene = Scene(messages, segments, T_base_camera)
        with self._lock:
            self._scenes[stamp_ns] = scene
            self._scenes.move_to_end(stamp_ns)
            while len(self._scenes) > self._config.scenes:
                self._scenes.popitem(last=False)
        if self._on_scene is not None:
            self._on_scene(scene)
