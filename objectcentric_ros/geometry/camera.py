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

"""Pinhole camera: intrinsics, projection and de-projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of a rectified pinhole camera in the optical frame (z forward, x right, y down).

    Args:
        width, height: image size [px].
        fx, fy: focal lengths [px].
        cx, cy: principal point [px]; pixel (0, 0) has its centre at (0, 0).

    Raises:
        ValueError: a size is not positive, or a parameter is not finite or a focal length not positive.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"image size must be positive, got {self.width}x{self.height}")
        parameters = (self.fx, self.fy, self.cx, self.cy)
        if not np.all(np.isfinite(parameters)):
            raise ValueError(f"camera matrix must be finite, got fx, fy, cx, cy = {parameters}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"focal lengths must be positive, got fx={self.fx}, fy={self.fy}")

    @classmethod
    def from_matrix(cls, matrix: NDArray[np.floating], width: int, height: int) -> PinholeCamera:
        """Camera from a 3x3 matrix K (or its 9 values, row-major)."""
        k = np.asarray(matrix, dtype=float)
        if k.size != 9:
            raise ValueError(f"camera matrix must have 9 values, got {k.size}")
        k = k.reshape(3, 3)
        return cls(width, height, float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Camera matrix K, (3, 3) float64."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels of points in the optical frame.

        Args:
            points: (..., 3) [m], optical frame.

        Returns:
            (..., 2) float64 pixel coordinates (u, v); NaN for points at or behind the camera.
        """
        points = np.asarray(points, dtype=float)
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        u = self.fx * points[..., 0] / z + self.cx
        v = self.fy * points[..., 1] / z + self.cy
        return np.stack([u, v], axis=-1)

    def deproject(self, pixels: NDArray[np.floating], depth: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points in the optical frame of pixels with depth (paper A, eq. 5).

        Args:
            pixels: (..., 2) pixel coordinates (u, v).
            depth: (...) depth along the optical axis [m]; NaN gives NaN.

        Returns:
            (..., 3) float64 [m].
        """
        pixels = np.asarray(pixels, dtype=float)
        depth = np.asarray(depth, dtype=float)
        x = (pixels[..., 0] - self.cx) / self.fx * depth
        y = (pixels[..., 1] - self.cy) / self.fy * depth
        return np.stack([x, y, depth], axis=-1)

    def deproject_image(self, depth: NDArray[np.floating]) -> NDArray[np.float32]:
        """Point image of a depth image.

        Args:
            depth: (H, W) [m], NaN where invalid; H, W must be the camera's.

        Returns:
            (H, W, 3) float32 [m], optical frame, NaN where depth is NaN.
        """
        if depth.shape != (self.height, self.width):
            raise ValueError(f"depth image is {depth.shape[1]}x{depth.shape[0]}, camera is {self.width}x{self.height}")
        x = (np.arange(self.width, dtype=np.float32) - np.float32(self.cx)) / np.float32(self.fx)
        y = (np.arange(self.height, dtype=np.float32) - np.float32(self.cy)) / np.float32(self.fy)
        z = depth.astype(np.float32, copy=False)
        return np.stack([x[None, :] * z, y[:, None] * z, z], axis=-1)
