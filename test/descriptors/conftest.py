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


"""Views of made-up objects for the tests of descriptors: a patterned disc on a table, seen by a pinhole camera."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.se3 import T_from, invert, rotation_exp, transform_points

CAMERA = PinholeCamera(160, 120, 150.0, 150.0, 80.0, 60.0)
RADIUS = 0.08


def disc_view(instance: str, name: str, yaw: float = 0.0, tilt: float = 0.0, distance: float = 0.4) -> ObjectView:
    """A flat disc in the plane z = 0 of its frame, with a pattern that the instance's name chooses; exact depth and pose."""
    T_camera_object = np.eye(4)
    T_camera_object[:3, :3] = rotation_exp([tilt, 0, 0]) @ rotation_exp([np.pi, 0, 0]) @ rotation_exp([0, 0, yaw])
    T_camera_object = T_from([0.01, -0.005, distance]) @ T_camera_object
    v, u = np.mgrid[:CAMERA.height, :CAMERA.width]
    rays = CAMERA.deproject(np.stack([u, v], axis=-1).astype(float), np.ones(u.shape))
    normal, origin = T_camera_object[:3, 2], T_camera_object[:3, 3]
    depth = (normal @ origin) / (rays @ normal)
    on_plane = transform_points(invert(T_camera_object), (rays * depth[..., None]).reshape(-1, 3)).reshape(*u.shape, 3)
    mask = np.hypot(on_plane[..., 0], on_plane[..., 1]) < RADIUS
    pattern = np.random.default_rng(sum(map(ord, instance))).integers(30, 225, (12, 12, 3)).astype(np.float32)
    at = ((on_plane[..., :2] / RADIUS + 1) * 5.5).astype(np.float32)
    color = cv2.remap(pattern, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    color[~mask] = 0
    return ObjectView(color, mask, CAMERA, np.where(mask, depth, np.nan).astype(np.float32), T_camera_object, instance, name)


@pytest.fixture(scope="session")
def views() -> list[ObjectView]:
    """Two discs, four views each."""
    poses = [(0.0, 0.0), (0.7, 0.2), (2.0, -0.3), (4.0, 0.1)]
    return [disc_view(instance, f"{index:02d}", yaw, tilt) for instance in ("red", "sun")
            for index, (yaw, tilt) in enumerate(poses)]
