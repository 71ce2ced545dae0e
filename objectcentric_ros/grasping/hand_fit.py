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

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.height_map import HeightMap

_BELOW = np.float32(-1e3)  # height of cells that don't count


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
        height_margin: what is this much above the tips or the palm counts as in the way [m]; the depth noise.
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
    clearances: tuple[float, ...] = (0.011, 0.008, 0.004)
    floor_clearance: float = 0.004
    min_overlap: float = 0.006
    height_margin: float = 0.003
    side_margin: float = 0.002
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

    def to_base(self, row: NDArray[np.floating], column: NDArray[np.floating]) -> NDArray[np.float64]:
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


def turned_patch(heights: HeightMap, segment_id: int, yaw: float, centre: NDArray[np.float64], half_side: float) -> TurnedPatch:
    """Cut a square out of a height map, rows along the TCP's x at this yaw."""
    resolution = heights.resolution
    middle = int(np.ceil(half_side / resolution))
    side = 2 * middle + 1
    cosine, sine = np.cos(yaw), np.sin(yaw)
    # x_tcp = (cos, sin), y_tcp = (sin, -cos); OpenCV wants source (column, row) of target (column, row, 1)
    matrix = np.array([[-cosine, sine, 0.0], [sine, cosine, 0.0]])
    matrix[:, 2] = (centre[::-1] - np.asarray(heights.origin)[::-1]) / resolution - matrix[:, :2] @ [middle, middle]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP

    def turn(image: NDArray[np.float32], outside: float) -> NDArray[np.float32]:
        return cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)

    own = heights.owner == segment_id
    item = np.where(own & heights.seen, heights.height, _BELOW)
    others = np.where(own, _BELOW, heights.height)
    seen = turn(heights.seen.astype(np.float32), 1.0) > 0.5
    return TurnedPatch(yaw, centre, resolution, turn(item, float(_BELOW)), turn(others, 0.0), seen)


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

    between = slab[row] > tip_height[:, None]
    left = between.argmax(axis=1)
    right = between.shape[1] - 1 - between[:, ::-1].argmax(axis=1)
    width = (right - left + 0.5) * resolution
    across = np.flatnonzero(slab.max(axis=0) > floor)
    obstruction.narrowest = min(obstruction.narrowest, float(across[-1] - across[0] + 0.5) * resolution)
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
    for clearance in reversed(config.clearances):  # smallest first: larger ones overwrite
        free = width + 2 * clearance <= max_width
        for depth, above in ((finger_depth, 0.0), (finger_depth + config.finger_taper, config.taper_height)):
            reach = int(np.ceil((clearance + depth + config.side_margin) / resolution))
            limit = tip + above - config.height_margin * (above == 0.0)
            from_left = _highest(beside, resolution, columns=(-reach * resolution, -resolution))
            from_right = _highest(beside, resolution, columns=(resolution, reach * resolution))
            free &= (left >= reach) & (right <= last - reach)
            free &= (from_left[row, left] <= limit) & (from_right[row, right] <= limit)
        chosen[free] = clearance
    return chosen


def _hand_clears(patch: TurnedPatch, row: NDArray[np.intp], column: NDArray[np.intp], tip: NDArray[np.float64],
                 layout: CellLayout, config: HandFitConfig) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether palm and camera clear everything, (N,) each: with the camera on the TCP's +x side, and half a turn on."""
    gripper, resolution = layout.gripper, patch.resolution
    everything = np.maximum(patch.item, patch.others)
    half_width, half_depth = gripper.hand_width / 2, gripper.hand_depth / 2
    margin = config.height_margin

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
    anchored = cv2.dilate(image, kernel, anchor=(min(max(-c0, 0), c1 - c0), min(max(-r0, 0), r1 - r0)),
                          borderType=cv2.BORDER_CONSTANT, borderValue=float(_BELOW))
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
    empty = np.zeros(0)
    return Fits(*[empty.astype(np.intp)] * 3, *[empty] * 3, empty.astype(bool))
