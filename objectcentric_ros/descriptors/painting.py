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


"""Pictures of descriptors for people: principal components as colours, and heat over a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, normalised
from objectcentric_ros.descriptors.interpolation import upsampled

SAMPLES = 8192               # descriptors that a basis is fitted to, at most
RANGE = (2.0, 98.0)          # percentiles that become the darkest and the brightest value


@dataclass(frozen=True)
class PcaBasis:
    """Three directions in descriptor space that become red, green and blue; kept, a video doesn't flicker.

    Args:
        mean: (D,) float32.
        directions: (D, 3) float32.
        low: (3,) float32, the coordinate that becomes 0.
        high: (3,) float32, the coordinate that becomes 255.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def fit(cls, images: Sequence[DescriptorImage], masks: Sequence[NDArray[np.bool_] | None] | None = None) -> PcaBasis:
        """The principal components of some images' descriptors; the same images always give the same colours.

        Args:
            images: one or more of the same dimension.
            masks: (H, W) bool for each, the pixels that count; None: all.

        Raises:
            ValueError: there are no images, or no pixel that counts.
        """
        if not images:
            raise ValueError("a basis needs at least one image")
        chosen = zip(images, masks or [None] * len(images), strict=True)
        samples = np.concatenate([_samples(image, mask) for image, mask in chosen])
        if not len(samples):
            raise ValueError("the masks are empty: there is no pixel to fit a basis to")
        samples = samples[::-(-len(samples) // SAMPLES)].astype(np.float64)
        mean = samples.mean(axis=0)
        _, vectors = np.linalg.eigh(np.cov(samples - mean, rowvar=False, bias=True).reshape(len(mean), len(mean)))
        directions = np.zeros((len(mean), 3))
        count = min(3, len(mean))
        directions[:, :count] = vectors[:, ::-1][:, :count]
        largest = directions[np.abs(directions).argmax(axis=0), np.arange(3)]
        directions *= np.where(largest < 0, -1, 1)    # a component's sign is arbitrary: fix it
        low, high = np.percentile((samples - mean) @ directions, RANGE, axis=0)
        return cls(*(part.astype(np.float32) for part in (mean, directions, low, high)))

    def paint(self, image: DescriptorImage, mask: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        """Colours of an image, (H, W, 3) uint8 RGB, black outside the mask.

        Raises:
            ValueError: the image's descriptors have another dimension than the basis.
        """
        if image.dimension != len(self.mean):
            raise ValueError(f"the basis is for {len(self.mean)} dimensions, the image has {image.dimension}: fit a new one")
        features = normalised(image.features) if image.unit else image.features
        span = self.high - self.low
        wide = span > 1e-9
        values = ((features - self.mean) @ self.directions - self.low) / np.where(wide, span, 1)
        cells = np.where(wide, values, 0.5).astype(np.float32)
        painted = np.clip(upsampled(cells, image.stride, image.height, image.width), 0, 1) * 255
        if mask is not None:
            painted[~mask] = 0
        return painted.astype(np.uint8)


def pca_image(image: DescriptorImage, mask: NDArray[np.bool_] | None = None, basis: PcaBasis | None = None) -> NDArray[np.uint8]:
    """Principal components of an image's descriptors as colours.

    Args:
        image: the descriptors.
        mask: (H, W) bool; the rest is black and, without a basis, doesn't take part in choosing the colours; None: all.
        basis: fitted before; None: fit one to this image.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return (basis or PcaBasis.fit([image], [mask])).paint(image, mask)


def heat_overlay(color: NDArray[np.uint8], heat: NDArray[np.floating], strength: float = 0.7) -> NDArray[np.uint8]:
    """A heatmap laid over a photograph: cold pixels show the photograph, hot ones the colour of their heat.

    Args:
        color: (H, W, 3) uint8 RGB.
        heat: (H, W), 0..1.
        strength: opacity of a heat of 1, 0..1.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the sizes differ.
    """
    if heat.shape != color.shape[:2]:
        raise ValueError(f"heat and image must have the same size, got {heat.shape} and {color.shape[:2]}")
    heat = np.clip(heat, 0, 1).astype(np.float32)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    opacity = np.float32(strength) * heat
    return cv2.blendLinear(np.ascontiguousarray(colours), color, opacity, 1 - opacity).astype(np.uint8)


def _samples(image: DescriptorImage, mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    if mask is None:
        cells = image.features.reshape(-1, image.dimension)
        return normalised(cells) if image.unit else cells
    v, u = np.nonzero(mask)
    step = max(1, -(-len(u) // SAMPLES))
    return image.at(np.stack([u, v], axis=1)[::step])
