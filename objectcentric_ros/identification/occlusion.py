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

"""Occlusion that was not rendered: part of a segment's picture hidden by something else, or taken for a part of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.crop import CropConfig, crop_mask

_GREY = CropConfig().grey
_NOISE = 6              # how far JPEG moves the grey around a segment
_FEWEST = 64            # a segment of fewer pixels is left as it is [px]


def segment_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W) truth values: where a (H, W, 3) uint8 crop of a segment is not the grey that crop_mask puts around it."""
    return np.asarray((np.abs(picture.astype(np.int16) - _GREY) > _NOISE).any(axis=2))


def occlude(picture: NDArray[np.uint8], kept: tuple[float, float], rng: np.random.Generator,
            other: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Hide part of a segment as a neighbour would: from one side, or by a strip across it.

    Args:
        picture: (S, S, 3) uint8 RGB crop of a segment, grey around it.
        kept: least and largest share of the segment that stays visible.
        rng: draws.
        other: (S, S, 3) picture of another object, that shows in place of what is hidden: a mask that takes in a neighbour.
            None: a mask that ends where the neighbour begins; the rest is cut out anew, as crop_mask does.

    Returns:
        (S, S, 3) uint8 RGB; a segment of fewer than 64 pixels stays as it is.
    """
    rows, columns = np.nonzero(segment_mask(picture))
    if len(rows) < _FEWEST:
        return picture
    angle = rng.uniform(0, 2 * np.pi)
    along = columns * np.cos(angle) + rows * np.sin(angle)
    share = rng.uniform(*kept)
    first = rng.uniform(0, share) if rng.random() < 0.5 else 0.0      # what is left before the strip; 0: nothing, one side
    low, high = np.quantile(along, [first, first + 1 - share])
    hidden = (along >= low) & (along <= high)
    if other is not None:
        mixed = picture.copy()
        mixed[rows[hidden], columns[hidden]] = other[rows[hidden], columns[hidden]]
        return mixed
    left = np.zeros(picture.shape[:2], bool)
    left[rows[~hidden], columns[~hidden]] = True
    if not left.any():
        return picture
    side = picture.shape[0]
    crop = crop_mask(picture, left, CropConfig(side=side))
    return crop if crop.shape[0] == side else np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
