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

"""Subscribing to camera topics so that every image arrives.

An image of 640 x 480 is 0.9 MB: more than Fast DDS' shared memory segment holds, so a best-effort reader loses most of them
(29 of 30, measured with four readers), while a reliable one gets them all. realsense-ros publishes images reliably by
default; for a camera that doesn't, the subscription becomes best effort as soon as the middleware says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402

IMAGE_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraSubscription:
    """A reliable subscription that turns best effort when a publisher is.

    Args:
        node: the node to subscribe with.
        kind: message type.
        topic: topic name.
        callback: called with each message.
        group: callback group; None makes one.
    """

    def __init__(self, node: Node, kind: Any, topic: str, callback: Callable[[Any], None],
                 group: CallbackGroup | None = None) -> None:
        self._node, self._kind, self._topic, self._callback = node, kind, topic, callback
        self._group = group or MutuallyExclusiveCallbackGroup()
        self._lock = threading.Lock()
        self._destroyed = False
        events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible)
        self._reliable: Any = node.create_subscription(kind, topic, callback, IMAGE_QOS, callback_group=self._group,
                                                       event_callbacks=events)
        self._best_effort: Any = None

    def destroy(self) -> None:
        """Unsubscribe."""
        with self._lock:
            self._destroyed = True
            for subscription in (self._reliable, self._best_effort):
                if subscription is not None:
                    self._node.destroy_subscription(subscription)
            self._reliable = self._best_effort = None

    def _on_incompatible(self, info: QoSRequestedIncompatibleQoSInfo) -> None:
        with self._lock:
            if self._destroyed or self._best_effort is not None:
                return
            self._node.get_logger().warning(f"{self._topic} is published as best effort: large images may get lost on the way"
                                            " (realsense2_camera: set the stream's qos to SYSTEM_DEFAULT)")
            self._best_effort = self._node.create_subscription(self._kind, self._topic, self._callback, BEST_EFFORT_QOS,
                                                               callback_group=self._group)
            self._node.destroy_subscription(self._reliable)
            self._reliable = None
