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

"""Points that a person clicked, as pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.nodes import require

require("rclpy")

from geometry_msgs.msg import PointStamped  # noqa: E402


def clicked_pixel(message: PointStamped, camera: PinholeCamera, frame_id: str,
                  locate: Callable[[str, str], NDArray[np.float64]]) -> tuple[float, float]:
    """The pixel of an image that a click means.

    A point at z = 0 of the image's own optical frame is in the image already: x = u, y = v [px] (no point of the scene lies in
    the camera's centre plane). Everything else is a point of space [m], as rviz's Publish Point sends it, and is projected.

    Args:
        message: the click.
        camera: intrinsics of the image.
        frame_id: its optical frame.
        locate: T_target_source of two frames at the image's stamp.

    Raises:
        ValueError: the point is not finite, names no frame, lies behind the camera or outside the image.
        LookupError: there is no transform.
    """
    xyz = np.array([message.point.x, message.point.y, message.point.z])
    source = message.header.frame_id.lstrip("/")
    if not np.all(np.isfinite(xyz)):
        raise ValueError(f"the clicked point is not finite: {xyz.tolist()}")
    if not source:
        raise ValueError("the clicked point has no frame_id")
    if source == frame_id and xyz[2] == 0.0:
        return inside((xyz[0], xyz[1]), camera.width, camera.height, "clicked pixel")
    T = locate(frame_id, source)
    pixel = camera.project(T[:3, :3] @ xyz + T[:3, 3])
    if not np.all(np.isfinite(pixel)):
        raise ValueError(f"the clicked point ({', '.join(f'{x:.3f}' for x in xyz)}) m of {source} lies behind the camera")
    return inside((pixel[0], pixel[1]), camera.width, camera.height, f"clicked point of {source}, seen by the camera,")


def inside(pixel: tuple[float, float], width: int, height: int, what: str) -> tuple[float, float]:
    """The pixel (u, v) as floats; raises ValueError, with what it is, when the image has no such place."""
    u, v = float(pixel[0]), float(pixel[1])
    # A pixel reaches half a pixel around its centre.
    if not (-0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5):
        raise ValueError(f"the {what} is at ({u:.1f}, {v:.1f}) px, outside the image of {width}x{height}")
    return u, v
