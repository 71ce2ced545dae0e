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


"""What may look different between two images of one object: light, colours, background, neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.views import ObjectView


@dataclass(frozen=True)
class AppearanceConfig:
    """How much is changed.

    Args:
        brightness, contrast, saturation: factors within 1 +- this.
        hue: turn of the hue by up to this, of a full circle.
        noise: standard deviation of pixel noise, of 255.
        blur: largest standard deviation of a blur [px].
        replace_background: share of images whose background is replaced; the others keep their own.
        distractors: other objects in a background at most.
    """

    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.03
    noise: float = 0.02
    blur: float = 1.0
    replace_background: float = 1.0
    distractors: int = 2


PLAIN = AppearanceConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
"""Nothing is changed."""


def background(height: int, width: int, rng: np.random.Generator, config: AppearanceConfig, others: Sequence[ObjectView]
               ) -> NDArray[np.uint8] | None:
    """A random background, (height, width, 3) uint8: smooth noise of several sizes, with objects; None: keep the image's own."""
    if rng.random() >= config.replace_background:
        return None
    ground = np.empty((height, width, 3), np.float32)
    ground[:] = rng.uniform(20, 235, 3)
    for cells in (2, 6, 24, 80)[:int(rng.integers(1, 5))]:
        coarse = rng.normal(0.0, rng.uniform(5, 40), (cells, cells, 3)).astype(np.float32)
        if rng.random() < 0.5:
            coarse[:] = coarse[..., :1]                       # grey
        ground += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST)
    image = np.clip(ground, 0, 255).astype(np.uint8)
    if others and config.distractors:
        for _ in range(int(rng.integers(config.distractors + 1))):
            _paste(image, others[int(rng.integers(len(others)))], rng)
    return image


def _paste(image: NDArray[np.uint8], view: ObjectView, rng: np.random.Generator) -> None:
    """Put another object somewhere, turned."""
    v, u = np.nonzero(view.mask)
    scale = float(rng.uniform(0.6, 1.2))
    M = cv2.getRotationMatrix2D((float(u.mean()), float(v.mean())), float(rng.uniform(-180, 180)), scale)
    height, width = image.shape[:2]
    M[:, 2] += rng.uniform(0, [width, height]) - [u.mean(), v.mean()]
    mask = cv2.warpAffine(view.mask.astype(np.uint8), M, (width, height), flags=cv2.INTER_NEAREST) > 0
    image[mask] = cv2.warpAffine(view.color, M, (width, height))[mask]


def disturb(color: NDArray[np.uint8], mask: NDArray[np.bool_], ground: NDArray[np.uint8] | None, rng: np.random.Generator,
            config: AppearanceConfig) -> NDArray[np.uint8]:
    """Put the object of an image on another background and change light and colours.

    Args:
        color: (H, W, 3) uint8, RGB.
        mask: (H, W) bool.
        ground: (H, W, 3) uint8, or None to keep what is there.
        rng: where the randomness comes from.
        config: how much.

    Returns:
        (H, W, 3) uint8.
    """
    image = color
    if ground is not None:
        alpha = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0)[..., None]
        image = (alpha * color + (1 - alpha) * ground).astype(np.uint8)
    if config.hue:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + round(180 * rng.uniform(-config.hue, config.hue))) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8)
    pixels = image.astype(np.float32)
    if config.saturation:
        grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
        pixels = grey[..., None] + (pixels - grey[..., None]) * _factor(config.saturation, rng)
    if config.contrast:
        mean = pixels.mean()
        pixels = mean + (pixels - mean) * _factor(config.contrast, rng)
    if config.brightness:
        pixels = pixels * _factor(config.brightness, rng)
    if config.blur and rng.random() < 0.5:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.2, max(0.21, config.blur)))).astype(np.float32)
    if config.noise:
        pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * np.float32(255 * config.noise * rng.random())
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _factor(spread: float, rng: np.random.Generator) -> np.float32:
    return np.float32(rng.uniform(1 - spread, 1 + spread))
