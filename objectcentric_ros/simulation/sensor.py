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


"""What a RealSense D435 makes of the true depth: noise, quantisation and the places where stereo finds no match.

Every effect can be switched off. All of it is a simple model of an active stereo pair: depth from disparity
z = f * b / d, so that a disparity error of s pixels is a depth error of s * z^2 / (f * b).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera


@dataclass(frozen=True)
class DepthSensorConfig:
    """Effects of the depth sensor, each switchable.

    Args:
        noise: Gaussian disparity noise, correlated over a few pixels like block matching.
        subpixel: standard deviation of the disparity [px]; 0.08 is what a calibrated D435 reaches on texture.
        noise_grain: side of the patches that share noise [px].
        quantise: depth comes in whole steps.
        quantum: depth step [m].
        edge_holes: no match where the depth jumps by more than edge_jump [m] within edge_width [px].
        edge_jump, edge_width: see edge_holes.
        edge_dropout: share of such pixels that have no depth.
        grazing_holes: no match on surfaces seen under more than grazing_angle [rad] from their normal.
        grazing_angle: see grazing_holes.
        stereo_shadow: no depth where only one of the two imagers sees the surface: a band left of near things.
        baseline: distance of the imagers [m].
        limit_range: no depth nearer than min_range or farther than max_range [m].
        min_range, max_range: see limit_range.
    """

    noise: bool = True
    subpixel: float = 0.08
    noise_grain: int = 3
    quantise: bool = True
    quantum: float = 0.001
    edge_holes: bool = True
    edge_jump: float = 0.015
    edge_width: int = 2
    edge_dropout: float = 0.5
    grazing_holes: bool = True
    grazing_angle: float = 1.31
    stereo_shadow: bool = True
    baseline: float = 0.050
    limit_range: bool = True
    min_range: float = 0.17
    max_range: float = 3.0

    @classmethod
    def ideal(cls) -> DepthSensorConfig:
        """A sensor without any effect: true depth."""
        return cls(noise=False, quantise=False, edge_holes=False, grazing_holes=False, stereo_shadow=False, limit_range=False)


class D435Model:
    """Turns true depth into D435 depth."""

    def __init__(self, config: DepthSensorConfig | None = None) -> None:
        self.config = config or DepthSensorConfig()

    def observe(self, depth: NDArray[np.float32], color: NDArray[np.uint8], camera: PinholeCamera,
                rng: np.random.Generator) -> NDArray[np.float32]:
        """Depth that the sensor would give.

        Args:
            depth: (H, W) float32 true depth [m], NaN where nothing is.
            color: (H, W, 3) uint8 RGB registered to it.
            camera: intrinsics.
            rng: of the noise and the holes.

        Returns:
            (H, W) float32 [m], NaN where the sensor has none.
        """
        config = self.config
        if depth.shape != (camera.height, camera.width) or color.shape[:2] != depth.shape:
            raise ValueError(f"depth {depth.shape} and colour {color.shape} must be of the camera's size "
                             f"({camera.height}, {camera.width})")
        true = np.nan_to_num(depth.astype(np.float32, copy=False), nan=0.0)
        lost = true <= 0
        if config.edge_holes:
            lost |= self._edges(true) & (rng.random(true.shape, dtype=np.float32) < config.edge_dropout)
        if config.grazing_holes:
            lost |= self._grazing(true, camera)
        if config.stereo_shadow:
            lost |= self._shadow(true, camera)
        observed = true
        if config.noise:
            observed = true + self._noise(true, camera, rng)
        if config.quantise:
            observed = np.rint(observed / np.float32(config.quantum)) * np.float32(config.quantum)
        if config.limit_range:
            lost |= (observed < config.min_range) | (observed > config.max_range)
        return np.where(lost, np.float32(np.nan), observed).astype(np.float32)

    def _edges(self, depth: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Pixels within edge_width of a jump."""
        kernel = np.ones((2 * self.config.edge_width + 1,) * 2, np.uint8)
        return (cv2.dilate(depth, kernel) - cv2.erode(depth, kernel)) > self.config.edge_jump

    def _grazing(self, depth: NDArray[np.float32], camera: PinholeCamera) -> NDArray[np.bool_]:
        """Surfaces that the ray meets under more than the grazing angle, from the depth gradient.

        For z(u, v) the normal is n ~ (-f_x z_u, -f_y z_v, z + (u - c_x) z_u + (v - c_y) z_v); the ray is
        r = ((u - c_x)/f_x, (v - c_y)/f_y, 1), and n . r = z.
        """
        z_u = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
        z_v = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
        u = np.arange(camera.width, dtype=np.float32) - np.float32(camera.cx)
        v = (np.arange(camera.height, dtype=np.float32) - np.float32(camera.cy))[:, None]
        n_x, n_y = np.float32(camera.fx) * z_u, np.float32(camera.fy) * z_v
        n_z = depth + u * z_u + v * z_v
        ray = 1 + (u / np.float32(camera.fx)) ** 2 + (v / np.float32(camera.fy)) ** 2
        limit = np.float32(np.cos(self.config.grazing_angle) ** 2)
        return depth * depth < limit * ray * (n_x * n_x + n_y * n_y + n_z * n_z)

    def _shadow(self, depth: NDArray[np.float32], camera: PinholeCamera) -> NDArray[np.bool_]:
        """Surfaces that the right imager, baseline to the right, does not see.

        Pixel u falls on column u - d(u) of the right image, d = f b / z. It is hidden if a pixel to its right, nearer,
        falls on the same column or left of it: u - d(u) >= min over u' > u of u' - d(u').
        """
        with np.errstate(divide="ignore"):
            disparity = np.where(depth > 0, np.float32(camera.fx * self.config.baseline) / depth, 0).astype(np.float32)
        column = np.arange(camera.width, dtype=np.float32) - disparity
        nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
        hidden = np.zeros(depth.shape, dtype=bool)
        hidden[:, :-1] = column[:, :-1] > nearest[:, 1:] + 0.5
        return hidden

    def _noise(self, depth: NDArray[np.float32], camera: PinholeCamera, rng: np.random.Generator) -> NDArray[np.float32]:
        """Depth error of a disparity error that neighbouring pixels share."""
        config = self.config
        grain = max(1, config.noise_grain)
        coarse = rng.standard_normal((-(-camera.height // grain), -(-camera.width // grain)), dtype=np.float32)
        disparity = cv2.resize(coarse, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
        disparity = (disparity / disparity.std()).astype(np.float32)     # interpolation has averaged
        return disparity * depth * depth * np.float32(config.subpixel / (camera.fx * config.baseline))
