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

"""A grasp drawn into the image that it was planned on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.layout import GripperShape
from objectcentric_ros.grasping.grasp import Grasp

PAD_COLOR, AXIS_COLOR, EDGE_COLOR = (255, 210, 0), (255, 60, 60), (20, 20, 20)


def draw_grasp(color: NDArray[np.uint8], grasp: Grasp, camera: PinholeCamera, T_base_camera: NDArray[np.float64],
               gripper: GripperShape) -> NDArray[np.uint8]:
    """Picture of a grasp: the two finger pads at their opening, the closing axis, the score.

    Args:
        color: (H, W, 3) uint8 RGB; not changed.
        grasp: in the base frame.
        camera: intrinsics of the image.
        T_base_camera: (4, 4) pose of the optical frame.
        gripper: shape of the fingers.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = color.copy()
    half, thick, deep = grasp.opening / 2, gripper.finger_thickness / 2, gripper.finger_depth
    pads = [[(s * thick, side * (half + t * deep), 0.0) for s, t in ((-1, 0), (1, 0), (1, 1), (-1, 1))] for side in (-1, 1)]
    T_camera_tcp = np.linalg.inv(T_base_camera) @ grasp.T_base_tcp

    def pixels(points: list[tuple[float, float, float]]) -> NDArray[np.int32]:
        in_camera = np.asarray(points) @ T_camera_tcp[:3, :3].T + T_camera_tcp[:3, 3]
        return np.round(camera.project(in_camera)).astype(np.int32)

    axis = pixels([(0.0, -half, 0.0), (0.0, half, 0.0)])
    cv2.line(picture, axis[0].tolist(), axis[1].tolist(), EDGE_COLOR, 5, cv2.LINE_AA)
    cv2.line(picture, axis[0].tolist(), axis[1].tolist(), AXIS_COLOR, 2, cv2.LINE_AA)
    for pad in pads:
        corners = pixels(pad)
        cv2.fillConvexPoly(picture, corners, PAD_COLOR, cv2.LINE_AA)
        cv2.polylines(picture, [corners], True, EDGE_COLOR, 1, cv2.LINE_AA)
    text = f"{grasp.method} {grasp.score:.2f}, {grasp.width * 1000:.0f} mm wide"
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    bottom = picture.shape[0] - 6
    cv2.rectangle(picture, (4, bottom - height - below - 4), (12 + width, bottom), EDGE_COLOR, cv2.FILLED)
    cv2.putText(picture, text, (8, bottom - below), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return picture
