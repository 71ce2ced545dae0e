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


"""Pictures of pairs: what corresponds (paper A, figure 1), and what a method found."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.descriptors.pairs import Pair

GAP = 8                          # white pixels between the two images
CONTOUR = (255, 255, 255)
RIGHT, WRONG = (40, 200, 60), (230, 50, 40)
SHIFT = 3                        # OpenCV draws at fractions of 1 / 2^SHIFT pixels


def draw_pair(pair: Pair, count: int = 24) -> NDArray[np.uint8]:
    """The two images side by side with the object's outline, and lines between matches spread evenly over the object.

    Args:
        pair: the pair.
        count: matches to draw at most.

    Returns:
        (H, W_a + 8 + W_b, 3) uint8 RGB.
    """
    picture, shift = _side_by_side(pair)
    chosen = _spread(pair.matches_a, count)
    colours = _hues(len(chosen))
    for colour, a, b in zip(colours, pair.matches_a[chosen], pair.matches_b[chosen] + [shift, 0], strict=True):
        _line(picture, a, b, colour)
    return picture


def draw_matches(pair: Pair, found: ArrayLike, count: int = 24, threshold: float = 10.0) -> NDArray[np.uint8]:
    """What a method found for the matches: green lines to what lies within the threshold of the truth, red lines to the rest.

    Args:
        pair: the pair.
        found: (M, 2) pixels (u, v) of the second image, for the pair's M matches.
        count: matches to draw at most.
        threshold: [px] of the pair's images.

    Returns:
        (H, W_a + 8 + W_b, 3) uint8 RGB; a red line's end is tied to the true pixel by a thin white one.

    Raises:
        ValueError: there are not as many found pixels as matches.
    """
    found = np.asarray(found, dtype=np.float64)
    if found.shape != pair.matches_b.shape:
        raise ValueError(f"found pixels must be {pair.matches_b.shape} like the matches, got {found.shape}")
    picture, shift = _side_by_side(pair)
    for index in _spread(pair.matches_a, count):
        near = np.linalg.norm(found[index] - pair.matches_b[index]) <= threshold
        _line(picture, pair.matches_a[index], found[index] + [shift, 0], RIGHT if near else WRONG)
        if not near:
            _line(picture, found[index] + [shift, 0], pair.matches_b[index] + [shift, 0], CONTOUR)
    return picture


def _side_by_side(pair: Pair) -> tuple[NDArray[np.uint8], int]:
    """Both images with outlines, and the column where the second begins."""
    height = max(len(pair.color_a), len(pair.color_b))
    shift = pair.color_a.shape[1] + GAP
    picture = np.full((height, shift + pair.color_b.shape[1], 3), 255, np.uint8)
    for color, mask, start in ((pair.color_a, pair.mask_a, 0), (pair.color_b, pair.mask_b, shift)):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        place = picture[:len(color), start:start + color.shape[1]]
        place[:] = cv2.drawContours(color.copy(), outlines, -1, CONTOUR, 1)
    return picture, shift


def _spread(points: NDArray[np.float64], count: int) -> list[int]:
    """Indices of points far from each other: each next one is the farthest from those before."""
    if not len(points) or count < 1:
        return []
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())]
    nearest = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return chosen


def _hues(count: int) -> list[tuple[int, int, int]]:
    hues = np.zeros((1, max(count, 1), 3), np.uint8)
    hues[0, :, 0] = np.arange(max(count, 1)) * 180 // max(count, 1)
    hues[..., 1:] = (200, 255)
    red_green_blue = cv2.cvtColor(hues, cv2.COLOR_HSV2RGB)[0]
    return [(int(r), int(g), int(b)) for r, g, b in red_green_blue[:count]]


def _line(picture: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    (x0, y0), (x1, y1) = ([round(float(value) * 2 ** SHIFT) for value in point] for point in (start, end))
    cv2.line(picture, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA, SHIFT)
    for center in ((x0, y0), (x1, y1)):
        cv2.circle(picture, center, 3 << SHIFT, colour, 1, cv2.LINE_AA, SHIFT)
