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

"""Where an open top-down hand fits around one segment: a search over yaw, place and depth on a height map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.height_map import HeightMap

_BELOW = np.float32(-1e3)  # height of cells that don't count
# Rasterising, turning and taking all rows under a finger widens an outline: on boxes of known width the distance between
# the middles of its outermost cells is one cell too long on average (14 boxes, 2 mm cells: -0.1 mm after this correction).
EDGE_CELLS = 1.0


@dataclass(frozen=True)
class HandFitConfig:
    """How the hand is fitted.

    The layers of the palm and the camera's box are the outline of franka_description's hand and of a D435, measured
    above the finger tips: 46 mm above them the palm begins, narrow, and gets its full depth 16 mm higher.

    Args:
        yaws: closing directions tried over half a turn.
        depths: how far the finger tips go below the top of what is between them [m].
        clearances: room between item and finger on each side while approaching, preferred first [m].
        floor_clearance: the tips stay this far above the tray's floor [m].
        min_overlap: the pads must cover at least this height of the item [m].
        height_margin: what is less than this below the tips counts as in the way [m]; the depth noise.
        palm_margin: likewise for palm and camera; negative, because their lower edges are rounded and loose items give way:
            it opens 5 of 100 segments more than a positive one.
        side_margin: fingers are taken this much thicker on each side [m]; calibration and grid.
        finger_taper: the finger's back is this much deeper taper_height above the tip [m].
        taper_height: see finger_taper [m].
        palm_narrow_depth: depth (along the hand's x) of the palm's lowest 16 mm [m].
        palm_step: height of that narrow part [m].
        camera_near: nearest edge of the camera's box along the hand's x [m].
        camera_far: farthest edge [m].
        camera_half_width: half of the box along the hand's y [m].
        camera_above_tips: lower edge of the box above the finger tips [m].
        max_reach: half side of the searched square around the segment's middle, at most [m].
    """

    yaws: int = 20
    depths: tuple[float, ...] = (0.040, 0.034, 0.028, 0.022, 0.016, 0.010)
    clearances: tuple[float, ...] = (0.011, 0.007, 0.003)
    floor_clearance: float = 0.004
    min_overlap: float = 0.006
    height_margin: float = 0.003
    palm_margin: float = -0.003
    side_margin: float = 0.001
    finger_taper: float = 0.006
    taper_height: float = 0.018
    palm_narrow_depth: float = 0.042
    palm_step: float = 0.016
    camera_near: float = 0.057
    camera_far: float = 0.083
    camera_half_width: float = 0.046
    camera_above_tips: float = 0.068
    max_reach: float = 0.20


@dataclass(frozen=True)
class TurnedPatch:
    """Height map around a segment, turned so that rows run along the TCP's x and columns along its closing direction.

    Args:
        yaw: of the TCP [rad].
        centre: (x, y) [m, base frame] of the middle cell.
        resolution: side of a cell [m].
        item: (K, K) float32 heights of the segment [m], far below where it is not.
        others: (K, K) float32 heights of everything else [m], far below under the segment.
        seen: (K, K) bool.
    """

    yaw: float
    centre: NDArray[np.float64]
    resolution: float
    item: NDArray[np.float32]
    others: NDArray[np.float32]
    seen: NDArray[np.bool_]

    def to_base(self, row: NDArray[Any], column: NDArray[Any]) -> NDArray[np.float64]:
        """(N, 2) x, y [m, base frame] of cells (fractions allowed)."""
        middle = (self.item.shape[0] - 1) / 2
        along, across = (np.asarray(row) - middle) * self.resolution, (np.asarray(column) - middle) * self.resolution
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        return self.centre + np.stack([along * cosine + across * sine, along * sine - across * cosine], axis=-1)


@dataclass(frozen=True)
class Fits:
    """Hand poses that fit at one yaw, as arrays (N,).

    Args:
        row: patch row of the TCP.
        left, right: first and last patch column of the item between the fingers.
        tip: height of the finger tips [m].
        top: highest point of the item between the fingers [m].
        clearance: room on each side [m].
        flipped: the hand must be turned by half a turn, or its camera hits something.
    """

    row: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    tip: NDArray[np.float64]
    top: NDArray[np.float64]
    clearance: NDArray[np.float64]
    flipped: NDArray[np.bool_]


@dataclass
class Obstruction:
    """Why poses were refused, over the whole search; feeds the sentence for a search without a grasp.

    Args:
        flat: no place had enough height above the floor.
        narrowest: smallest extent of the whole item across a closing direction [m].
        narrow_enough: some place fitted between the fingers.
        fingers_free: some such place had room for the fingers.
        hand_free: some such place had room for the palm and the camera.
    """

    flat: bool = True
    narrowest: float = np.inf
    narrow_enough: bool = False
    fingers_free: bool = False
    hand_free: bool = False


@dataclass(frozen=True)
class SegmentHeights:
    """The height map split into one segment and everything else; layers as in TurnedPatch."""

    origin: tuple[float, float]
    resolution: float
    item: NDArray[np.float32]
    others: NDArray[np.float32]
    seen: NDArray[np.uint8]

    @classmethod
    def split(cls, heights: HeightMap, segment_id: int) -> SegmentHeights:
        """Layers of one segment."""
        own = heights.owner == segment_id
        return cls(heights.origin, heights.resolution, np.where(own & heights.seen, heights.height, _BELOW),
                   np.where(own, _BELOW, heights.height), heights.seen.astype(np.uint8))


def turned_patch(layers: SegmentHeights, yaw: float, centre: NDArray[np.float64], half_side: float) -> TurnedPatch:
    """Cut a square out of the height map, rows along the TCP's x at this yaw."""
    resolution = layers.resolution
    middle = int(np.ceil(half_side / resolution))
    side = 2 * middle + 1
    cosine, sine = np.cos(yaw), np.sin(yaw)
    # x_tcp = (cos, sin), y_tcp = (sin, -cos); OpenCV wants source (column, row) of target (column, row, 1)
    matrix = np.array([[-cosine, sine, 0.0], [sine, cosine, 0.0]])
    matrix[:, 2] = (centre[::-1] - np.asarray(layers.origin)[::-1]) / resolution - matrix[:, :2] @ [middle, middle]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP

    def turn(image: NDArray[Any], outside: float) -> NDArray[Any]:
        return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT,
                                         borderValue=outside))

    return TurnedPatch(yaw, centre, resolution, turn(layers.item, float(_BELOW)), turn(layers.others, 0.0),
                       turn(layers.seen, 1.0) > 0)


def fit_hand(patch: TurnedPatch, layout: CellLayout, config: HandFitConfig, obstruction: Obstruction) -> Fits:
    """All poses at the patch's yaw in which the open hand fits around the item down to the finger tips."""
    gripper, resolution = layout.gripper, patch.resolution
    floor = layout.tray.floor_thickness + config.floor_clearance
    half_finger = gripper.finger_thickness / 2
    slab = _highest(patch.item, resolution, rows=(-half_finger, half_finger))
    beside = _highest(patch.others, resolution, rows=(-half_finger - config.side_margin, half_finger + config.side_margin))

    rows = np.flatnonzero(slab.max(axis=1) > floor + config.min_overlap)
    if not len(rows):
        return _no_fits()
    obstruction.flat = False
    top = slab[rows].max(axis=1).astype(float)
    tip = np.maximum(top[:, None] - np.asarray(config.depths), floor)
    distinct = np.ones(tip.shape, bool)
    distinct[:, 1:] = tip[:, 1:] > tip[:, :-1] + 1e-4
    index, level = np.nonzero(distinct & (top[:, None] - tip >= config.min_overlap))
    row, tip_height, item_top = rows[index], tip[index, level], top[index]

    # What is not surely below the tips is either held or in the way, be it the item's own.
    between = slab[row] > tip_height[:, None] - config.height_margin
    left = between.argmax(axis=1)
    right = between.shape[1] - 1 - between[:, ::-1].argmax(axis=1)
    width = (right - left - EDGE_CELLS) * resolution
    across = np.flatnonzero(slab.max(axis=0) > floor)
    obstruction.narrowest = min(obstruction.narrowest, float(across[-1] - across[0] - EDGE_CELLS) * resolution)
    clearance = _finger_clearance(beside, row, left, right, tip_height, width, gripper.max_width, gripper.finger_depth, config,
                                  resolution)
    obstruction.narrow_enough |= bool(np.any(width + 2 * config.clearances[-1] <= gripper.max_width))
    keep = clearance > 0
    obstruction.fingers_free |= bool(keep.any())
    column = (left + right) // 2
    upright, flipped = _hand_clears(patch, row, column, tip_height, layout, config)
    keep &= upright | flipped
    obstruction.hand_free |= bool(keep.any())
    return Fits(row[keep], left[keep], right[keep], tip_height[keep], item_top[keep], clearance[keep], ~upright[keep])


def _finger_clearance(beside: NDArray[np.float32], row: NDArray[np.intp], left: NDArray[np.intp], right: NDArray[np.intp],
                      tip: NDArray[np.float64], width: NDArray[np.float64], max_width: float, finger_depth: float,
                      config: HandFitConfig, resolution: float) -> NDArray[np.float64]:
    """Largest clearance (N,) [m] at which both open fingers go down free of neighbours; 0 where none does."""
    chosen = np.zeros(len(row))
    last = beside.shape[1] - 1

    def cells(clearance: float, depth: float) -> int:
        return int(np.ceil((clearance + depth + config.side_margin) / resolution))

    # Highest neighbour within 1, 2, ... cells outwards from the item's edge, on either side.
    steps = np.arange(1, cells(config.clearances[0], finger_depth + config.finger_taper) + 1)
    from_left = np.maximum.accumulate(beside[row[:, None], np.maximum(left[:, None] - steps, 0)], axis=1)
    from_right = np.maximum.accumulate(beside[row[:, None], np.minimum(right[:, None] + steps, last)], axis=1)
    highest = np.maximum(from_left, from_right)
    for clearance in reversed(config.clearances):  # smallest first: larger ones overwrite
        tip_reach, back_reach = cells(clearance, finger_depth), cells(clearance, finger_depth + config.finger_taper)
        free = (width + 2 * clearance <= max_width) & (left >= back_reach) & (right <= last - back_reach)
        free &= highest[:, tip_reach - 1] <= tip - config.height_margin
        free &= highest[:, back_reach - 1] <= tip + config.taper_height
        chosen[free] = clearance
    return chosen


def _hand_clears(patch: TurnedPatch, row: NDArray[np.intp], column: NDArray[np.intp], tip: NDArray[np.float64],
                 layout: CellLayout, config: HandFitConfig) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether palm and camera clear everything, (N,) each: with the camera on the TCP's +x side, and half a turn on."""
    gripper, resolution = layout.gripper, patch.resolution
    everything = np.maximum(patch.item, patch.others)
    half_width, half_depth = gripper.hand_width / 2, gripper.hand_depth / 2
    margin = config.palm_margin

    def highest(rows: tuple[float, float], half: float) -> NDArray[np.float32]:
        return _highest(everything, resolution, rows=rows, columns=(-half, half))[row, column]

    narrow = config.palm_narrow_depth / 2
    palm = highest((-narrow, narrow), half_width - 0.003) < tip + gripper.finger_length - margin
    palm &= highest((-half_depth, half_depth), half_width) < tip + gripper.finger_length + config.palm_step - margin
    camera_low = tip + config.camera_above_tips - margin
    ahead = highest((config.camera_near, config.camera_far), config.camera_half_width) < camera_low
    behind = highest((-config.camera_far, -config.camera_near), config.camera_half_width) < camera_low
    return palm & ahead, palm & behind


def _highest(image: NDArray[np.float32], resolution: float, rows: tuple[float, float] = (0.0, 0.0),
             columns: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
    """Maximum over a window of offsets [m] around every cell; beyond the border nothing counts."""
    r0, r1 = round(rows[0] / resolution), round(rows[1] / resolution)
    c0, c1 = round(columns[0] / resolution), round(columns[1] / resolution)
    kernel = np.ones((r1 - r0 + 1, c1 - c0 + 1), np.uint8)
    # An anchor must lie inside the kernel: centre the window, then shift the result where it belongs.
    anchor = min(max(-c0, 0), c1 - c0), min(max(-r0, 0), r1 - r0)
    anchored: NDArray[np.float32] = np.asarray(
        cv2.dilate(image, kernel, anchor=anchor, borderType=cv2.BORDER_CONSTANT, borderValue=float(_BELOW)), np.float32)
    shift_rows = r0 if r0 > 0 else min(r1, 0)
    shift_columns = c0 if c0 > 0 else min(c1, 0)
    if not shift_rows and not shift_columns:
        return anchored
    shifted = np.full_like(image, _BELOW)
    height, width = image.shape
    rows_to = slice(max(-shift_rows, 0), height - max(shift_rows, 0))
    rows_from = slice(max(shift_rows, 0), height - max(-shift_rows, 0))
    columns_to = slice(max(-shift_columns, 0), width - max(shift_columns, 0))
    columns_from = slice(max(shift_columns, 0), width - max(-shift_columns, 0))
    shifted[rows_to, columns_to] = anchored[rows_from, columns_from]
    return shifted


def _no_fits() -> Fits:
    index, number = np.zeros(0, np.intp), np.zeros(0)
    return Fits(index, index, index, number, number, number, np.zeros(0, bool))
