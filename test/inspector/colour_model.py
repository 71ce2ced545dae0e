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


"""A descriptor model whose answers are known: a pixel's descriptor is its colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, Keypoints


class ColourModel:
    """Colours as descriptors, 0..1."""

    key = "colour:1"
    dimension = 3

    def __init__(self, stride: int = 1) -> None:
        self._stride = stride
        self.described = 0

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        self.described += 1
        features = color[::self._stride, ::self._stride].astype(np.float32) / 255
        return DescriptorImage(features, self._stride, *color.shape[:2])

    def keypoints(self, color: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Keypoints:
        height, width = color.shape[:2]
        points = np.array([[width / 4, height / 4], [width / 2, height / 2]])
        return Keypoints(points, np.array([1.0, 0.3]), np.full(2, np.nan))


def ramp(width: int = 200, height: int = 120) -> NDArray[np.uint8]:
    """An image without two equal colours: red counts columns, green rows."""
    image = np.full((height, width, 3), 128, np.uint8)
    image[..., 0], image[..., 1] = np.meshgrid(np.arange(width), np.arange(height))
    return image


def patches(*places: tuple[int, int], width: int = 200, height: int = 120) -> NDArray[np.uint8]:
    """A grey image with orange squares of 5 x 5 pixels centred on (u, v)."""
    image = np.full((height, width, 3), 90, np.uint8)
    for u, v in places:
        image[v - 2:v + 3, u - 2:u + 3] = (240, 140, 20)
    return image
