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


"""Ray-cast scenes of boxes and upright cylinders in the tray, with true labels, made with numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout

TRAY_COLOR = (70, 100, 160)
TABLE_COLOR = (150, 120, 85)

Paint = tuple[int, int, int] | Callable[[NDArray[np.float64]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Block:
    """A box (size x, y, z) or a cylinder (diameter, diameter, height) that stands at (x, y) with its bottom at z, yaw [rad].

    The paint is one colour or a function from points in the block's own frame (N, 3) to RGB (N, 3).
    """

    centre: tuple[float, float]
    size: tuple[float, float, float]
    paint: Paint
    bottom: float = 0.0
    yaw: float = 0.0
    round: bool = False


def camera_pose(layout: CellLayout, height: float = 0.60) -> NDArray[np.float64]:
    """T_base_camera of a camera above the tray's centre that looks straight down, image x along the base's -y."""
    T_base_camera = np.eye(4)
    T_base_camera[:3, :3] = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    T_base_camera[:3, 3] = [*layout.tray.centre, height]
    return T_base_camera


def render(layout: CellLayout, blocks: Sequence[Block], noise: float = 0.0, color_noise: float = 2.0, seed: int = 0,
           ) -> tuple[RgbdFrame, NDArray[np.uint16]]:
    """Frame and true labels (block i is label i + 1) of blocks on the tray's floor, positions relative to its centre.

    Args:
        noise: standard deviation of the depth [m].
        color_noise: standard deviation of the colour [grey levels].
    """
    rng = np.random.default_rng(seed)
    T_base_camera = camera_pose(layout)
    camera = layout.camera
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.deproject(np.stack([u, v], -1), np.ones(u.shape)) @ T_base_camera[:3, :3].T
    origin = T_base_camera[:3, 3]
    depth = np.full(u.shape, np.inf)
    labels = np.zeros(u.shape, np.uint16)
    color = np.zeros((*u.shape, 3), np.uint8)
    furniture = [_table(layout), *_tray(layout)]
    for label, block in [(0, block) for block in furniture] + [(i + 1, block) for i, block in enumerate(blocks)]:
        centre = np.array(block.centre)
        bottom = block.bottom
        if label:
            centre, bottom = centre + layout.tray.centre, bottom + layout.tray.floor_thickness
        window = _window(layout, block, centre, bottom, T_base_camera)
        distance, hit = _intersect(block, centre, bottom, origin, rays[window])
        nearer = distance < depth[window]
        depth[window][nearer] = distance[nearer]
        labels[window][nearer] = label
        color[window][nearer] = block.paint(hit[nearer]) if callable(block.paint) else block.paint
    depth = depth + rng.normal(0.0, 1.0, depth.shape) * noise
    noisy = np.clip(color + rng.normal(0.0, 1.0, color.shape) * color_noise, 0, 255).astype(np.uint8)
    return RgbdFrame(noisy, depth.astype(np.float32), camera, T_base_camera), labels


def _intersect(block: Block, centre: NDArray[np.float64], bottom: float, origin: NDArray[np.float64], rays: NDArray[np.float64]
               ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance along each ray (inf where it misses) and the hit point in the block's frame (z from its bottom)."""
    cosine, sine = np.cos(block.yaw), np.sin(block.yaw)
    R_block_base = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    start = R_block_base @ (origin - np.array([*centre, bottom]))
    direction = rays @ R_block_base.T
    direction = np.where(np.abs(direction) < 1e-12, 1e-12, direction)
    half = np.array(block.size) / 2
    low, high = np.array([-half[0], -half[1], 0.0]), np.array([half[0], half[1], block.size[2]])
    first, second = (low - start) / direction, (high - start) / direction
    enter, leave = np.minimum(first, second), np.maximum(first, second)
    if block.round:
        a = np.sum(direction[..., :2] ** 2, -1)
        b = np.sum(start[:2] * direction[..., :2], -1)
        c = start[0] ** 2 + start[1] ** 2 - half[0] ** 2
        root = np.sqrt(np.maximum(b * b - a * c, 0.0))
        miss = b * b < a * c
        near = np.maximum(np.where(miss, np.inf, (-b - root) / a), enter[..., 2])
        far = np.minimum(np.where(miss, -np.inf, (-b + root) / a), leave[..., 2])
    else:
        near, far = enter.max(-1), leave.min(-1)
    distance = np.where((near <= far) & (near > 0), near, np.inf)
    return distance, start + direction * np.where(np.isfinite(distance), distance, 0.0)[..., None]


def _window(layout: CellLayout, block: Block, centre: NDArray[np.float64], bottom: float, T_base_camera: NDArray[np.float64]
            ) -> tuple[slice, slice]:
    """Rows and columns of the image that the block may be seen in."""
    reach = np.hypot(block.size[0], block.size[1]) / 2
    corners = np.array([[centre[0] + i * reach, centre[1] + j * reach, bottom + k * block.size[2]]
                        for i in (-1, 1) for j in (-1, 1) for k in (0, 1)])
    T_camera_base = np.linalg.inv(T_base_camera)
    pixels = layout.camera.project(corners @ T_camera_base[:3, :3].T + T_camera_base[:3, 3])
    (u0, v0), (u1, v1) = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int) + 1
    return slice(max(v0, 0), max(v1, 0)), slice(max(u0, 0), max(u1, 0))


def _table(layout: CellLayout) -> Block:
    return Block(layout.table_centre, (*layout.table_size, layout.table_thickness), TABLE_COLOR, bottom=-layout.table_thickness)


def _tray(layout: CellLayout) -> list[Block]:
    """Floor and four walls of the tray."""
    tray = layout.tray
    (x, y), (length, width), wall = tray.centre, tray.inner_size, tray.wall_thickness
    floor = Block((x, y), (length, width, tray.floor_thickness), TRAY_COLOR)
    end, side = (wall, width + 2 * wall, tray.wall_height), (length, wall, tray.wall_height)
    ends = [Block((x + sign * (length + wall) / 2, y), end, TRAY_COLOR) for sign in (-1, 1)]
    sides = [Block((x, y + sign * (width + wall) / 2), side, TRAY_COLOR) for sign in (-1, 1)]
    return [floor, *ends, *sides]
