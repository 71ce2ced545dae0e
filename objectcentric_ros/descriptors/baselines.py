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


"""Descriptors that nobody trained, and answers without descriptors: what a trained network must beat."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage


class RawPatch:
    """The colours around a pixel as its descriptor; the L2 distance is the sum of squared differences.

    Args:
        size: side of the square patch [px], odd.
        stride: pixels from patch to patch.

    Raises:
        ValueError: size is even, or one of them isn't positive.
    """

    def __init__(self, size: int = 7, stride: int = 2) -> None:
        if size < 1 or size % 2 == 0 or stride < 1:
            raise ValueError(f"a patch needs an odd size and a positive stride, got size={size}, stride={stride}")
        self._size, self._stride = size, stride
        self.key = f"raw-patch-{size}-stride-{stride}"
        self.dimension = 3 * size ** 2

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """Patches of an (H, W, 3) uint8 RGB image, colours 0..1; the border's pixels are repeated outward."""
        reach = self._size // 2
        wide = cv2.copyMakeBorder(color, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        patches = np.lib.stride_tricks.sliding_window_view(wide, (self._size, self._size), axis=(0, 1))
        patches = patches[::self._stride, ::self._stride]
        features = patches.reshape(*patches.shape[:2], -1).astype(np.float32)
        features /= 255
        return DescriptorImage(features, self._stride, *color.shape[:2])


class DenseSift:
    """SIFT at the points of a grid, of one size and upright (OpenCV).

    Args:
        size: diameter of the keypoints [px]; the descriptor looks at several times as much.
        stride: pixels from point to point.

    Raises:
        ValueError: one of them isn't positive.
    """

    dimension = 128

    def __init__(self, size: float = 12.0, stride: int = 4) -> None:
        if size <= 0 or stride < 1:
            raise ValueError(f"dense SIFT needs a positive size and stride, got size={size}, stride={stride}")
        self._size, self._stride = size, stride
        self._sift = cv2.SIFT.create()
        self.key = f"dense-sift-{size:g}-stride-{stride}"

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """SIFT of an (H, W, 3) uint8 RGB image, scaled to length 1."""
        height, width = color.shape[:2]
        rows, columns = range(0, height, self._stride), range(0, width, self._stride)
        points = [cv2.KeyPoint(float(u), float(v), self._size, 0.0) for v in rows for u in columns]
        kept, features = self._sift.compute(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY), points)
        if len(kept) != len(points):
            raise ValueError(f"OpenCV described {len(kept)} of {len(points)} points: this version drops given keypoints")
        grid = np.asarray(features, dtype=np.float32).reshape(len(rows), len(columns), self.dimension)
        return DescriptorImage(grid, self._stride, height, width, unit=True)


def chance_in_image(count: int, width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random pixels of an image, (count, 2) float64 (u, v)."""
    return rng.integers(0, [width, height], size=(count, 2)).astype(np.float64)


def chance_in_mask(count: int, mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Random pixels of a mask (H, W), (count, 2) float64 (u, v).

    Raises:
        ValueError: the mask is empty.
    """
    v, u = np.nonzero(mask)
    if not len(u):
        raise ValueError("the mask is empty: there is no pixel to answer")
    chosen = rng.integers(len(u), size=count)
    return np.stack([u[chosen], v[chosen]], axis=1).astype(np.float64)


def image_centre(count: int, width: int, height: int) -> NDArray[np.float64]:
    """The image's centre, (count, 2) float64 (u, v)."""
    return np.tile([(width - 1) / 2, (height - 1) / 2], (count, 1))
