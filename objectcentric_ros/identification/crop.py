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

"""One recipe that turns a segment into the picture that is encoded: the same for queries and for references."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CropConfig:
    """How a segment is cut out.

    Args:
        margin: border around the mask's bounding box, as a fraction of its longer side.
        background: brightness outside the mask: 0 = grey only, 1 = the picture as it is.
        grey: the grey of the background.
        side: crops are scaled down to at most this side [px].
    """

    margin: float = 0.06
    background: float = 0.0
    grey: int = 128
    side: int = 224

    def __post_init__(self) -> None:
        if self.margin < 0 or not 0 <= self.background <= 1 or not 0 <= self.grey <= 255 or self.side < 16:
            raise ValueError(f"margin >= 0, background 0..1, grey 0..255 and side >= 16 expected, got {self}")


def crop_segment(color: NDArray[np.uint8], labels: NDArray[np.integer], segment_id: int,
                 config: CropConfig | None = None) -> NDArray[np.uint8]:
    """Cut a segment out: a square around its mask, everything else replaced by grey.

    Args:
        color: (H, W, 3) uint8 RGB image.
        labels: (H, W) integer label image of the same size.
        segment_id: label of the segment, not 0.
        config: recipe; gallery and queries must use the same.

    Returns:
        (S, S, 3) uint8 RGB crop, S <= config.side; where the square leaves the image it is grey.

    Raises:
        ValueError: the sizes differ, or no pixel has this label.
    """
    if color.ndim != 3 or color.shape[2] != 3 or color.dtype != np.uint8 or labels.shape != color.shape[:2]:
        raise ValueError(f"a colour image (H, W, 3) uint8 and labels (H, W) of the same size are needed, "
                         f"got {color.shape} {color.dtype} and {labels.shape}")
    if segment_id == 0:
        raise ValueError("segment 0 is the background")
    mask = labels == segment_id
    if not mask.any():
        raise ValueError(f"no pixel has the label {segment_id}; the segments are {np.unique(labels[labels > 0])[:20].tolist()}")
    return crop_mask(color, mask, config or CropConfig())


def crop_mask(color: NDArray[np.uint8], mask: NDArray[np.bool_], config: CropConfig) -> NDArray[np.uint8]:
    """Cut a mask out; see crop_segment. The mask must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(int(np.ceil(max(bottom - top, right - left) * (1 + 2 * config.margin))), 8)
    first_row, first_column = (top + bottom - side) // 2, (left + right - side) // 2
    crop = np.full((side, side, 3), config.grey, np.uint8)
    v0, v1 = max(first_row, 0), min(first_row + side, mask.shape[0])
    u0, u1 = max(first_column, 0), min(first_column + side, mask.shape[1])
    picture = color[v0:v1, u0:u1]
    outside = np.full_like(picture, config.grey)
    if config.background > 0:
        outside = np.asarray(cv2.addWeighted(picture, config.background, outside, 1 - config.background, 0), np.uint8)
    inside = np.where(mask[v0:v1, u0:u1, None], picture, outside)
    crop[v0 - first_row:v1 - first_row, u0 - first_column:u1 - first_column] = inside
    if side > config.side:
        return np.asarray(cv2.resize(crop, (config.side, config.side), interpolation=cv2.INTER_AREA), np.uint8)
    return crop
