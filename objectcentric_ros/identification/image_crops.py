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

"""Random crops for the training of the image encoder (paper B, figure 4 a): one warp and one colour matrix a crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.efficientnet_lite import PADDING_GREY
from objectcentric_ros.identification.image_recipe import ImageCropConfig

_LUMA = np.array([0.299, 0.587, 0.114])
# To brightness and two colour axes, and back: a hue turns there, without leaving RGB for HSV.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_BLUR = (2.0, 5.0)      # how many times smaller a blurred crop is made


def global_crop(image: NDArray[np.uint8], config: ImageCropConfig, source: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A crop of global_area of a (S, S, 3) uint8 RGB image: (global_side, global_side, 3) uint8 RGB."""
    return _crop(image, config, source, config.global_area, config.global_side, rng)


def local_crop(image: NDArray[np.uint8], config: ImageCropConfig, source: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A crop of local_area of a (S, S, 3) uint8 RGB image: (local_side, local_side, 3) uint8 RGB."""
    return _crop(image, config, source, config.local_area, config.local_side, rng)


def _crop(image: NDArray[np.uint8], config: ImageCropConfig, source: str, area: tuple[float, float], side: int,
          rng: np.random.Generator) -> NDArray[np.uint8]:
    matrix = crop_matrix(image.shape[0], config, source, area, side, rng)
    crop = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_CONSTANT, borderValue=(PADDING_GREY,) * 3)
    if config.blur > 0 and rng.random() < config.blur:
        small = max(4, round(side / rng.uniform(*_BLUR)))
        crop = cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    if rng.random() < config.colour_jitter:
        crop = cv2.transform(crop, colour_matrix(config, float(crop.mean()), rng))
    return np.asarray(crop, np.uint8)


def crop_matrix(image_side: int, config: ImageCropConfig, source: str, area: tuple[float, float], side: int,
                rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the pixels of a crop come from.

    The image is turned, scaled and moved about its centre (the affine change), and a box is cut out of the result.

    Args:
        image_side: S of the square image [px].
        config: how much of what.
        source: of the image; those of config.turn_sources turn freely by config.turn.
        area: smallest and largest share of the image's area.
        side: of the crop [px].
        rng: draws.

    Returns:
        (2, 3) matrix from (u, v, 1) of the crop to (u, v) of the image; pixel (0, 0) is a centre.
    """
    largest = config.turn if config.turn > 0 and source in config.turn_sources else config.rotation
    angle = np.deg2rad(rng.uniform(-largest, largest))
    zoom = rng.uniform(*config.scale)
    move = rng.uniform(-config.translation, config.translation, 2) * image_side
    stretch = np.sqrt(np.exp(rng.uniform(-1, 1) * np.log(config.aspect)))
    extent = np.minimum(np.sqrt(rng.uniform(*area)) * image_side * np.array([stretch, 1 / stretch]), image_side)   # [px], u and v
    centre = rng.uniform(extent / 2, image_side - extent / 2) - image_side / 2
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.array([[cos, sin], [-sin, cos]]) / zoom           # back from the changed image to the image
    linear = turned * (extent / side)
    offset = turned @ (centre - move - extent / 2 + extent / side / 2) + image_side / 2 - 0.5
    return np.concatenate([linear, offset[:, None]], axis=1)


def colour_matrix(config: ImageCropConfig, mean: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A (3, 4) matrix that changes brightness, contrast (about `mean`), saturation and hue of RGB columns (r, g, b, 1)."""
    brightness, contrast, saturation = (1 + rng.uniform(-amount, amount)
                                        for amount in (config.brightness, config.contrast, config.saturation))
    angle = 2 * np.pi * rng.uniform(-config.hue, config.hue)
    cos, sin = np.cos(angle), np.sin(angle)
    hue = _FROM_YIQ @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _TO_YIQ
    grey = np.tile(_LUMA, (3, 1))
    linear = brightness * contrast * (saturation * hue + (1 - saturation) * grey)
    offset = np.full((3, 1), brightness * (1 - contrast) * mean)
    return np.concatenate([linear, offset], axis=1)
