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

"""Transforms of /tf and /tf_static in a tree that a node can ask."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.transform_tree import TransformTree
from objectcentric_ros.nodes import require

require("rclpy", "tf2_msgs")

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from objectcentric_ros.nodes.conversions import matrix_from_transform, stamp_seconds  # noqa: E402

STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
DYNAMIC_QOS = QoSProfile(depth=100)


class TransformListener:
    """Keeps a TransformTree up to date.

    Args:
        node: the node to subscribe with.

    Attributes:
        tree: the geometry.TransformTree.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._changed = threading.Condition()
        self._warned: set[str] = set()
        self.tree = TransformTree()
        group = MutuallyExclusiveCallbackGroup()
        self._subscriptions = [
            node.create_subscription(TFMessage, "/tf", lambda message: self._insert(message, static=False), DYNAMIC_QOS,
                                     callback_group=group),
            node.create_subscription(TFMessage, "/tf_static", lambda message: self._insert(message, static=True), STATIC_QOS,
                                     callback_group=group)]

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def lookup(self, target: str, source: str, stamp: Time | float | None = None, timeout: float = 0.0) -> NDArray[np.float64]:
        """T_target_source (4, 4) float64.

        Args:
            target: frame to map into.
            source: frame to map from.
            stamp: time of the transform (message stamp or seconds); None is the newest.
            timeout: how long to wait for it [s of wall time]; needs an executor that spins in another thread.

        Raises:
            LookupError: no such transform (yet); the message names the frames and the times that there are.
        """
        seconds = stamp_seconds(stamp) if isinstance(stamp, Time) else stamp
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                try:
                    return self.tree.lookup(target, source, seconds)
                except LookupError:
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        raise
                    self._changed.wait(remaining)

    def _insert(self, message: TFMessage, static: bool) -> None:
        with self._changed:
            for transform in message.transforms:
                parent, child = transform.header.frame_id.lstrip("/"), transform.child_frame_id.lstrip("/")
                try:
                    matrix = matrix_from_transform(transform.transform)
                    self.tree.set(parent, child, matrix, None if static else stamp_seconds(transform.header.stamp))
                except ValueError as error:
                    if child not in self._warned:   # once a frame: a broken publisher repeats itself at its rate
                        self._warned.add(child)
                        self._node.get_logger().warning(f"ignored transform {parent} -> {child}: {error}")
            self._changed.notify_all()
