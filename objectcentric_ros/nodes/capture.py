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


"""Photographs for training, taken from the running graph: newest frame, its segments, one mask."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.camera_input import CameraConfig, CameraInput, Scene, SceneMemory
from objectcentric_ros.nodes.graph_client import GraphClient

require("rclpy", "objectcentric_interfaces")

CAPTURE_TIMEOUT = 10.0     # how long the camera and the segments are waited for [s]


class CaptureClient(GraphClient):
    """Takes views of the object that the wrist camera sees; close it.

    Args:
        config: camera topics; None: the stack's.
        namespace: of the graph.
    """

    def __init__(self, config: CameraConfig | None = None, namespace: str = "") -> None:
        super().__init__("capture", namespace)
        self._came = threading.Condition()
        self._scene: Scene | None = None
        config = config or CameraConfig()
        self._camera = CameraInput(self.node, config)
        self._memory = SceneMemory(self.node, config, self._camera, on_scene=self._on_scene)

    def view(self, instance: str, name: str, segment_id: int | None = None, timeout: float = CAPTURE_TIMEOUT) -> ObjectView:
        """The newest segmented frame as a view.

        Args:
            instance: the object's name.
            name: the view's.
            segment_id: its segment; None: the one nearest to the image's centre.
            timeout: [s].

        Raises:
            ValueError: nothing came, nothing was segmented, or there is no such segment.
        """
        with self._came:
            self._scene = None
            if not self._came.wait_for(lambda: self._scene is not None, timeout):
                raise ValueError(f"no segmented image came within {timeout:.0f} s ({self._camera.complaint() or 'no segments'}): "
                                 "is `objectcentric bringup perception` running?")
            scene = self._scene
        assert scene is not None
        frame, labels = scene.messages.frame(np.eye(4)), scene.labels()
        return ObjectView(frame.color, chosen_mask(labels, segment_id), frame.camera, frame.depth, None, instance, name)

    def _on_scene(self, scene: Scene) -> None:
        with self._came:
            self._scene = scene
            self._came.notify_all()


def chosen_mask(labels: NDArray[np.uint16], segment_id: int | None) -> NDArray[np.bool_]:
    """Mask of a segment.

    Args:
        labels: (H, W), 0 background.
        segment_id: its label; None: the segment nearest to the image's centre.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: there are no segments, or none of that label.
    """
    known = [int(label) for label in np.unique(labels) if label]
    if not known:
        raise ValueError("nothing is segmented: put the object into the tray, in view of the camera")
    if segment_id is None:
        v, u = np.nonzero(labels)
        centre = np.array(labels.shape[::-1]) / 2 - 0.5
        nearest = np.argmin(np.hypot(u - centre[0], v - centre[1]))
        segment_id = int(labels[v[nearest], u[nearest]])
    if segment_id not in known:
        raise ValueError(f"there is no segment {segment_id}; the segments are {', '.join(map(str, known))}")
    return np.asarray(labels == segment_id, dtype=np.bool_)
