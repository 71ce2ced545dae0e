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


"""A picture of a segmentation: tinted items, outlines and captions that stay readable on any background."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

TINT = 0.35
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def label_color(label: int) -> tuple[int, int, int]:
    """RGB colour of a label: hues by the golden ratio, so that neighbouring labels differ."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.61803398875 % 1.0, 0.85, 1.0)
    return int(255 * red), int(255 * green), int(255 * blue)


def draw_overlay(color: NDArray[np.uint8], labels: NDArray[np.uint16], captions: Mapping[int, str] | None = None,
                 ) -> NDArray[np.uint8]:
    """Tint every segment, draw its outline and write its caption beside its centre.

    Args:
        color: (H, W, 3) uint8, RGB.
        labels: (H, W) label image, 0 is background.
        captions: text of a label; labels without one get none. Non-ASCII text is written as far as the font goes.

    Returns:
        (H, W, 3) uint8, RGB; the inputs stay as they are.

    Raises:
        ValueError: the images differ in size.
    """
    if color.shape[:2] != labels.shape:
        raise ValueError(f"colour image is {color.shape[:2]}, label image {labels.shape}: they must have one size")
    picture = color.copy()
    present = [int(label) for label in np.unique(labels) if label]
    for label in present:
        mask = labels == label
        tint = np.array(label_color(label), dtype=float)
        picture[mask] = ((1 - TINT) * picture[mask] + TINT * tint).astype(np.uint8)
    for label in present:
        contours, _ = cv2.findContours((labels == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.drawContours(picture, contours, -1, label_color(label), 1, cv2.LINE_AA)
    taken: list[tuple[int, int, int, int]] = []
    for label in present:
        text = (captions or {}).get(label, "")
        if text:
            _write(picture, text, _anchor(labels == label), taken)
    return picture


def _anchor(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """(u, v) of the pixel of the mask that is farthest from its border: it lies inside even a bent item."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    v, u = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return int(u) - 1, int(v) - 1


def _write(picture: NDArray[np.uint8], text: str, centre: tuple[int, int], taken: list[tuple[int, int, int, int]]) -> None:
    """White text on a dark plate around the centre, moved down where it would cover an earlier caption."""
    height, width = picture.shape[:2]
    scale = 0.4
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, 1)
    plate_height = text_height + baseline + 2
    u = int(np.clip(centre[0] - text_width // 2, 2, max(2, width - text_width - 2)))
    v = int(np.clip(centre[1] - plate_height // 2, 0, max(0, height - plate_height)))
    while any(u < right and left < u + text_width and v < bottom and top < v + plate_height
              for left, top, right, bottom in taken):
        v += plate_height
        if v + plate_height > height:
            v = max(0, height - plate_height)
            break
    box = (u - 2, v, u + text_width + 2, v + plate_height)
    taken.append(box)
    left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    picture[top:bottom, left:right] = (0.3 * picture[top:bottom, left:right]).astype(np.uint8)
    cv2.putText(picture, text, (u, v + text_height + 1), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
