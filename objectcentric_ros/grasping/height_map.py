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

"""A scene as heights over a grid in the base frame: what a top-down hand may hit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout

NO_SEGMENT = 0
_SURROUNDINGS = 0.13  # the hand reaches this far beyond the tray's rim [m]


@dataclass(frozen=True)
class HeightMap:
    """Highest point and its owner on a horizontal grid; rows along the base's x, columns along its y.

    Args:
        origin: (x, y) [m, base frame] of the centre of cell (0, 0).
        resolution: side of a cell [m].
        height: (rows, columns) float32 z of the highest point [m, base frame], holes filled from around them.
        owner: (rows, columns) uint16 segment that the highest point belongs to, 0 none.
        seen: (rows, columns) bool: a depth pixel fell into the cell.
    """

    origin: tuple[float, float]
    resolution: float
    height: NDArray[np.float32]
    owner: NDArray[np.uint16]
    seen: NDArray[np.bool_]


def height_map(frame: RgbdFrame, labels: NDArray[np.uint16], layout: CellLayout, resolution: float = 0.002,
               open_hole: float = 0.012) -> HeightMap:
    """Height map of the tray and of what surrounds it within the hand's reach.

    Pixels of a segment that lack depth take the depth of the nearest valid pixel of the same segment: dark and shiny
    parts still count as item. Cells that no pixel fell into (behind edges, in the stereo shadow) take the height of the
    nearest seen cell; farther than open_hole from any, the higher surroundings, because something may hide there.
    The tray's walls are known and stand whether seen or not.

    Args:
        frame: what the camera saw.
        labels: (H, W) uint16 segments, 0 background.
        layout: where the tray is.
        resolution: side of a cell [m].
        open_hole: how far into a hole the nearest height is trusted [m].
    """
    tray = layout.tray
    half = np.asarray(tray.inner_size) / 2 + tray.wall_thickness + _SURROUNDINGS
    low = np.asarray(tray.centre) - half
    shape = tuple(np.ceil(2 * half / resolution).astype(int) + 1)
    points, owners = _labelled_points(frame, labels)
    cells = np.rint((points[:, :2] - low) / resolution).astype(np.intp)
    inside = np.all((cells >= 0) & (cells < shape), axis=1)
    flat = cells[inside, 0] * shape[1] + cells[inside, 1]
    z, owners = points[inside, 2].astype(np.float32), owners[inside]

    height = np.full(shape[0] * shape[1], -np.inf, np.float32)
    np.maximum.at(height, flat, z)
    owner = np.zeros(height.size, np.uint16)
    on_top = z >= height[flat] - 1e-6
    owner[flat[on_top]] = owners[on_top]
    height, owner = height.reshape(shape), owner.reshape(shape)
    seen = np.isfinite(height)
    if not seen.any():
        height[:] = 0.0
    else:
        height, owner = _fill_holes(height, owner, seen, max(1, round(open_hole / resolution)))
    _raise_walls(height, layout, low, resolution)
    return HeightMap((float(low[0]), float(low[1])), resolution, height, owner, seen)


def _labelled_points(frame: RgbdFrame, labels: NDArray[np.uint16]) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Points (N, 3) [m, base frame] and their segments (N,)."""
    # A median over the 8 neighbours drops flying pixels; it takes holes as zero, which no true depth is.
    depth: NDArray[np.float32] = np.asarray(cv2.medianBlur(np.nan_to_num(frame.depth, nan=0.0), 3), np.float32)
    depth = np.where(np.isfinite(frame.depth) & (depth > 0), depth, frame.depth).astype(np.float32)
    missing = (labels > 0) & ~np.isfinite(depth)
    for segment in np.unique(labels[missing]):
        rows, columns = np.nonzero(labels == segment)
        window = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        known = (labels[window] == segment) & np.isfinite(depth[window])
        if not known.any():
            continue
        _, nearest = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
        value_of = np.zeros(nearest.max() + 1, np.float32)
        value_of[nearest[known]] = depth[window][known]
        holes = (labels[window] == segment) & ~known
        depth[window][holes] = value_of[nearest[holes]]
    filled = RgbdFrame(frame.color, depth, frame.camera, frame.T_base_camera, frame.stamp)
    valid = np.isfinite(depth)
    return filled.points_base()[valid], labels[valid]


def _fill_holes(height: NDArray[np.float32], owner: NDArray[np.uint16], seen: NDArray[np.bool_],
                trust: int) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    distance, nearest = cv2.distanceTransformWithLabels((~seen).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    height_of = np.zeros(nearest.max() + 1, np.float32)
    height_of[nearest[seen]] = height[seen]
    owner_of = np.zeros(nearest.max() + 1, np.uint16)
    owner_of[nearest[seen]] = owner[seen]
    filled = height_of[nearest]
    deep = distance > trust
    if deep.any():
        # What may hide in a wide hole, or stick out of the image, is taken to be as high as what is seen near it.
        around = cv2.dilate(np.where(seen, height, np.float32(-1e3)), np.ones((6 * trust + 1,) * 2, np.uint8))
        filled[deep] = np.maximum(filled[deep], around[deep])
    return filled, np.where(seen, owner, owner_of[nearest]).astype(np.uint16)


def _raise_walls(height: NDArray[np.float32], layout: CellLayout, low: NDArray[np.float64], resolution: float) -> None:
    tray = layout.tray
    x = np.abs(low[0] + np.arange(height.shape[0]) * resolution - tray.centre[0])[:, None]
    y = np.abs(low[1] + np.arange(height.shape[1]) * resolution - tray.centre[1])[None, :]
    half_x, half_y = tray.inner_size[0] / 2, tray.inner_size[1] / 2
    outer = (x <= half_x + tray.wall_thickness) & (y <= half_y + tray.wall_thickness)
    wall = outer & ~((x < half_x) & (y < half_y))
    height[wall] = np.maximum(height[wall], tray.wall_height)
