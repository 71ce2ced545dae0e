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

"""One RGB-D frame with its camera and where the camera was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera


@dataclass(frozen=True)
class RgbdFrame:
    """A registered colour and depth image (depth aligned to colour).

    Args:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32 [m], NaN where invalid.
        camera: intrinsics of both images.
        T_base_camera: (4, 4) float64, maps the optical frame into the robot's base frame.
        stamp: time of the image [s].

    Raises:
        ValueError: a shape or dtype does not fit, or the transform is not finite.
    """

    color: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: PinholeCamera
    T_base_camera: NDArray[np.float64]
    stamp: float = 0.0

    def __post_init__(self) -> None:
        height, width = self.camera.height, self.camera.width
        if self.color.shape != (height, width, 3) or self.color.dtype != np.uint8:
            raise ValueError(f"colour image must be ({height}, {width}, 3) uint8, got {self.color.shape} {self.color.dtype}")
        if self.depth.shape != (height, width):
            raise ValueError(f"depth image must be ({height}, {width}) like the colour image, got {self.depth.shape}")
        if self.T_base_camera.shape != (4, 4) or not np.all(np.isfinite(self.T_base_camera)):
            raise ValueError("T_base_camera must be a finite (4, 4) matrix")

    def points_base(self) -> NDArray[np.float32]:
        """Point image in the base frame, (H, W, 3) float32 [m], NaN where depth is invalid."""
        points = self.camera.deproject_image(self.depth)
        rotation = self.T_base_camera[:3, :3].astype(np.float32)
        return points @ rotation.T + self.T_base_camera[:3, 3].astype(np.float32)
