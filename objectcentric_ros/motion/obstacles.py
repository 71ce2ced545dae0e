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


"""Obstacles as boxes: the known cell from its layout, and what lies in it from a depth image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.franka_hand import HAND_TCP_DISTANCE
from objectcentric_ros.geometry.layout import CellLayout, Container
from objectcentric_ros.geometry.se3 import invert, transform_points
from objectcentric_ros.motion.protocols import Box

# A camera body behind the optical centre: the D435's 90 x 25 x 25 mm with 5 mm to spare on every side [m].
_CAMERA_SIZE = (0.10, 0.035, 0.037)
_CAMERA_CENTRE_BEHIND = 0.0145
_FINGER_BEYOND_TCP = 0.01
_WRIST_ABOVE_HAND = 0.2


@dataclass(frozen=True)
class ObstacleConfig:
    """How obstacles are read from a depth image.

    Args:
        cell: edge of a height-map cell [m]; boxes end on multiples of it.
        noise: heights up to this above the table, tray or bin floor are floor [m].
        min_pixels: a cell with fewer measured points above the floor is noise.
        height_step: neighbouring columns whose heights differ less than this become one box [m].
        max_height: points higher above the table are not in the clutter [m].
        workspace_margin: what lies this far beyond the containers' walls is looked at too [m].
        wall_clearance: points this near to a container's wall, and not above it, are the wall itself [m].
        hand_margin: points this near to the hand are the hand itself [m].
        pixel_step: every n-th row and column of the image is read.
    """

    cell: float = 0.015
    noise: float = 0.008
    min_pixels: int = 2
    height_step: float = 0.012
    max_height: float = 0.5
    workspace_margin: float = 0.10
    wall_clearance: float = 0.008
    hand_margin: float = 0.015
    pixel_step: int = 2


def known_boxes(layout: CellLayout) -> list[Box]:
    """Table, and floor and walls of the tray and the place bin, in the base frame."""
    x, y = layout.table_centre
    length, width = layout.table_size
    table = _box("table", (x, y, -layout.table_thickness / 2), (length, width, layout.table_thickness))
    return [table, *_container_boxes("tray", layout.tray), *_container_boxes("place bin", layout.place_bin)]


def camera_box(layout: CellLayout) -> Box:
    """The wrist camera's body with 5 mm to spare, in the frame of the hand (its T_base_box is T_hand_box)."""
    T_hand_box = layout.T_hand_camera.copy()
    T_hand_box[:3, 3] -= T_hand_box[:3, 2] * _CAMERA_CENTRE_BEHIND
    return Box("wrist camera", T_hand_box, _CAMERA_SIZE)


def boxes_from_depth(frame: RgbdFrame, layout: CellLayout, ignore_mask: NDArray[np.bool_] | None = None,
                     config: ObstacleConfig | None = None, carried: Box | None = None) -> list[Box]:
    """What stands on the table and in the containers, as upright boxes from the floor to the highest point seen.

    Space under a seen surface counts as filled, unseen space as free: the tray is looked at from above.

    Args:
        frame: RGB-D frame with its camera pose.
        layout: the known cell; its own surfaces give no boxes.
        ignore_mask: (H, W) bool, pixels that are no obstacle (the item to be grasped).
        config: grid and thresholds.
        carried: what the hand holds, T_base_box read as T_tcp_box: its points are no obstacle either.

    Returns:
        Boxes named "sensed 0", "sensed 1", …; none for an empty cell.

    Raises:
        ValueError: ignore_mask has another size than the image.
    """
    config = config or ObstacleConfig()
    if ignore_mask is not None and ignore_mask.shape != frame.depth.shape:
        raise ValueError(f"ignore_mask is {ignore_mask.shape}, the depth image is {frame.depth.shape}")
    points = _seen(frame, ignore_mask, config.pixel_step)
    points = _above_floors(points, layout, config)
    points = points[~_on_hand(points, frame, layout, config, carried)]
    heights, floors, origin = _height_map(points, layout, config)
    return _merged_columns(heights, floors, origin, config)


def carried_box(points_base: NDArray[np.floating], T_base_tcp: NDArray[np.float64], width: float, floor: float,
                margin: float = 0.005, reach: float = 0.06, palm: float = 0.045) -> Box:
    """The box that a grasped item will fill, in the TCP frame (T_base_box is T_tcp_box).

    Args:
        points_base: (N, 3) points seen of the item [m]; may be none. Its hidden lower side is taken to reach the floor.
        T_base_tcp: the grasp.
        width: of the item between the fingers [m].
        floor: height of what it stands on [m].
        margin: added on every side but the lower [m].
        reach: taken for the item's half length along the TCP's x where nothing was seen [m].
        palm: distance of the palm from the TCP [m]; the item ends there.
    """
    T_tcp_base = invert(T_base_tcp)
    seen = transform_points(T_tcp_base, points_base) if len(points_base) else np.zeros((0, 3))
    # How far the floor is below the TCP, along its z; an item reaches no lower than that.
    down = float(T_base_tcp[2, 3] - floor) / max(-float(T_base_tcp[2, 2]), 0.2)
    low = np.array([-reach, -width / 2, -0.01])
    high = np.array([reach, width / 2, max(down, 0.01)])
    if len(seen):
        # Stray points at a segment's edge lie on neighbours: the outermost percent is left out.
        low, high = np.percentile(seen, 1.0, axis=0), np.percentile(seen, 99.0, axis=0)
        low[1], high[1] = min(low[1], -width / 2), max(high[1], width / 2)
        high[2] = max(down, 0.01)
    low = low - margin
    low[2] = max(low[2], -palm)
    high = high + [margin, margin, -0.002]
    T_tcp_box = np.eye(4)
    T_tcp_box[:3, 3] = (low + high) / 2
    size = np.maximum(high - low, 0.005)
    return Box("carried item", T_tcp_box, (float(size[0]), float(size[1]), float(size[2])))


def _box(name: str, centre: Sequence[float], size: Sequence[float]) -> Box:
    T_base_box = np.eye(4)
    T_base_box[:3, 3] = centre
    return Box(name, T_base_box, (float(size[0]), float(size[1]), float(size[2])))


def _container_boxes(name: str, container: Container) -> list[Box]:
    (x, y), (length, width) = container.centre, container.inner_size
    wall, height, floor = container.wall_thickness, container.wall_height, container.floor_thickness
    outer_length, outer_width = length + 2 * wall, width + 2 * wall
    boxes = [_box(f"{name} floor", (x, y, floor / 2), (outer_length, outer_width, floor))]
    for sign, side in ((1, "+"), (-1, "-")):
        boxes.append(_box(f"{name} wall {side}x", (x + sign * (length + wall) / 2, y, height / 2), (wall, outer_width, height)))
        boxes.append(_box(f"{name} wall {side}y", (x, y + sign * (width + wall) / 2, height / 2), (outer_length, wall, height)))
    return boxes


def _seen(frame: RgbdFrame, ignore_mask: NDArray[np.bool_] | None, step: int) -> NDArray[np.float32]:
    """Points (N, 3) [m] in the base frame of every step-th pixel with a depth."""
    depth = frame.depth[::step, ::step]
    if ignore_mask is not None:
        depth = np.where(ignore_mask[::step, ::step], np.float32(np.nan), depth)
    camera = frame.camera
    coarse = PinholeCamera(depth.shape[1], depth.shape[0], camera.fx / step, camera.fy / step, camera.cx / step, camera.cy / step)
    points = coarse.deproject_image(depth)[np.isfinite(depth)]
    return points @ frame.T_base_camera[:3, :3].T.astype(np.float32) + frame.T_base_camera[:3, 3].astype(np.float32)


def _above_floors(points: NDArray[np.float32], layout: CellLayout, config: ObstacleConfig) -> NDArray[np.float32]:
    """Those points that are in the workspace and neither table, floor nor wall."""
    low, high = _workspace(layout, config)
    x, y, z = points.T
    points = points[(z > config.noise) & (z < config.max_height) & (x >= low[0]) & (x < high[0]) & (y >= low[1]) & (y < high[1])]
    for container in (layout.tray, layout.place_bin):
        x, y, z = points.T
        # Distance outside the inner rectangle; negative inside.
        beyond = np.maximum(np.abs(x - container.centre[0]) - container.inner_size[0] / 2,
                            np.abs(y - container.centre[1]) - container.inner_size[1] / 2)
        floor = (beyond <= 0) & (z <= container.floor_thickness + config.noise)
        rim = (beyond >= -config.wall_clearance) & (beyond <= container.wall_thickness + config.wall_clearance)
        points = points[~(floor | (rim & (z <= container.wall_height + config.noise)))]
    return points


def _on_hand(points: NDArray[np.float32], frame: RgbdFrame, layout: CellLayout, config: ObstacleConfig,
             carried: Box | None) -> NDArray[np.bool_]:
    """Which points (N, 3) belong to the hand, or to what it carries."""
    margin = config.hand_margin
    in_hand = transform_points(layout.T_hand_camera @ invert(frame.T_base_camera), points)
    gripper = layout.gripper
    half = np.array([max(gripper.hand_depth / 2, gripper.finger_thickness), gripper.hand_width / 2]) + margin
    along = (in_hand[:, 2] >= -_WRIST_ABOVE_HAND) & (in_hand[:, 2] <= HAND_TCP_DISTANCE + _FINGER_BEYOND_TCP + margin)
    own = np.all(np.abs(in_hand[:, :2]) <= half, axis=1) & along
    if carried is not None:
        in_box = transform_points(invert(carried.T_base_box), in_hand - [0.0, 0.0, HAND_TCP_DISTANCE])
        own |= np.all(np.abs(in_box) <= np.asarray(carried.size) / 2 + margin, axis=1)
    return np.asarray(own)


def _workspace(layout: CellLayout, config: ObstacleConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners (2,) of the rectangle around both containers, on the table, on the grid [m]."""
    corners = []
    for container in (layout.tray, layout.place_bin):
        half = np.asarray(container.inner_size) / 2 + container.wall_thickness + config.workspace_margin
        corners += [np.asarray(container.centre) - half, np.asarray(container.centre) + half]
    table = np.asarray(layout.table_centre), np.asarray(layout.table_size) / 2
    low = np.maximum(np.min(corners, axis=0), table[0] - table[1])
    high = np.minimum(np.max(corners, axis=0), table[0] + table[1])
    return np.floor(low / config.cell) * config.cell, np.ceil(high / config.cell) * config.cell


def _height_map(points: NDArray[np.float32], layout: CellLayout, config: ObstacleConfig,
                ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Highest point (X, Y) of every cell, 0 where nothing stands, the floor under it, and the corner (2,) of cell 0, 0."""
    low, high = _workspace(layout, config)
    shape = np.round((high - low) / config.cell).astype(int)
    index = np.minimum(((points[:, :2] - low) / config.cell).astype(int), shape - 1)
    flat = index[:, 0] * shape[1] + index[:, 1]
    heights = np.zeros(shape[0] * shape[1])
    np.maximum.at(heights, flat, points[:, 2])
    heights[np.bincount(flat, minlength=heights.size) < config.min_pixels] = 0.0
    centres = np.stack(np.meshgrid(low[0] + (np.arange(shape[0]) + 0.5) * config.cell,
                                   low[1] + (np.arange(shape[1]) + 0.5) * config.cell, indexing="ij"), axis=-1)
    floors = np.zeros(shape)
    for container in (layout.tray, layout.place_bin):
        floors[container.contains(centres)] = container.floor_thickness
    return heights.reshape(shape), floors, low


def _merged_columns(heights: NDArray[np.float64], floors: NDArray[np.float64], origin: NDArray[np.float64],
                    config: ObstacleConfig) -> list[Box]:
    """Rectangles of columns of about the same height, grown greedily from the highest free column down."""
    free = heights > 0.0
    boxes: list[Box] = []
    order = np.column_stack(np.unravel_index(np.argsort(-heights, axis=None, kind="stable"), heights.shape))
    for i, j in order[:int(np.count_nonzero(free))]:
        if not free[i, j]:
            continue
        fits = free & (heights <= heights[i, j]) & (heights > heights[i, j] - config.height_step)
        i0, i1, j0, j1 = _grow(fits, int(i), int(j))
        free[i0:i1, j0:j1] = False
        floor = float(floors[i0:i1, j0:j1].min())
        top = float(heights[i, j])
        centre = origin + np.array([(i0 + i1) / 2, (j0 + j1) / 2]) * config.cell
        boxes.append(_box(f"sensed {len(boxes)}", (centre[0], centre[1], (floor + top) / 2),
                          ((i1 - i0) * config.cell, (j1 - j0) * config.cell, top - floor)))
    return boxes


def _grow(fits: NDArray[np.bool_], i: int, j: int) -> tuple[int, int, int, int]:
    """Half-open cell rectangle i0, i1, j0, j1 around (i, j) whose cells all fit, grown a row at a time on each side."""
    i0, i1, j0, j1 = i, i + 1, j, j + 1
    grown = True
    while grown:
        grown = False
        if i0 > 0 and fits[i0 - 1, j0:j1].all():
            i0, grown = i0 - 1, True
        if i1 < fits.shape[0] and fits[i1, j0:j1].all():
            i1, grown = i1 + 1, True
        if j0 > 0 and fits[i0:i1, j0 - 1].all():
            j0, grown = j0 - 1, True
        if j1 < fits.shape[1] and fits[i0:i1, j1].all():
            j1, grown = j1 + 1, True
    return i0, i1, j0, j1
