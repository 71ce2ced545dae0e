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


"""What a network says about an image: a descriptor for every pixel, kept at the network's own resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class DescriptorImage:
    """Descriptors of an image.

    Cell (i, j) (column, row) of the features is centred on pixel (stride * i, stride * j), where symmetric padding puts a
    convolution's receptive field; between the cells they are interpolated bilinearly, beyond them clamped.

    Args:
        features: (h, w, D) float32.
        stride: pixels from cell to cell.
        height, width: size of the image [px].
        unit: descriptors are scaled to length 1 after interpolation.
    """

    features: NDArray[np.float32]
    stride: int
    height: int
    width: int
    unit: bool = False

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.features.shape[2])

    def at(self, points: ArrayLike) -> NDArray[np.float32]:
        """Descriptors at pixels, (M, D) float32.

        Args:
            points: (M, 2) pixels (u, v).
        """
        points = np.asarray(points, dtype=np.float32).reshape(-1, 2)
        h, w = self.features.shape[:2]
        x, y = np.clip(points[:, 0] / self.stride, 0, w - 1), np.clip(points[:, 1] / self.stride, 0, h - 1)
        x0, y0 = np.minimum(x.astype(int), max(w - 2, 0)), np.minimum(y.astype(int), max(h - 2, 0))
        x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
        a, b = (x - x0)[:, None], (y - y0)[:, None]
        f = self.features
        found = (1 - b) * ((1 - a) * f[y0, x0] + a * f[y0, x1]) + b * ((1 - a) * f[y1, x0] + a * f[y1, x1])
        return normalised(found) if self.unit else found.astype(np.float32)

    def dense(self) -> NDArray[np.float32]:
        """Descriptors of all pixels, (H, W, D) float32: large (79 MB for 640x480x64)."""
        v, u = np.mgrid[:self.height, :self.width]
        return self.at(np.stack([u.ravel(), v.ravel()], axis=1)).reshape(self.height, self.width, -1)


def normalised(descriptors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scaled to length 1 along the last axis; zeros stay zeros."""
    length = np.linalg.norm(descriptors, axis=-1, keepdims=True)
    return (descriptors / np.maximum(length, 1e-12)).astype(np.float32)


@dataclass(frozen=True)
class Keypoints:
    """Where a network sees its keypoints.

    Args:
        points: (N, 2) float64 expectations (u, v) [px].
        peaks: (N,) share of the probability within a few pixels of the expectation, 0..1.
        depths: (N,) expected depth [m]; NaN where the network has no depth head.
    """

    points: NDArray[np.float64]
    peaks: NDArray[np.float64]
    depths: NDArray[np.float64]


class DescriptorModel(Protocol):
    """Describes every pixel of an image."""

    @property
    def key(self) -> str:
        """Name and hash of the weights: descriptors of two keys are never compared."""
        ...

    @property
    def dimension(self) -> int:
        """D."""
        ...

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """Describe an (H, W, 3) uint8 RGB image."""
        ...


class KeypointModel(DescriptorModel, Protocol):
    """A descriptor model that was trained with keypoints (paper A)."""

    def keypoints(self, color: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Keypoints:
        """Keypoints of an (H, W, 3) uint8 RGB image, their probability restricted to an (H, W) mask where one is given."""
        ...
