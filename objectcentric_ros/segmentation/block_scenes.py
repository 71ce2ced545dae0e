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


"""Ray-cast trays of boxes and upright cylinders, with true labels, made with numpy alone.

Training sees them beside simulated household items, which hold few plain packages: stacked, side by side, printed.
Tests need scenes whose truth is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
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
           tray_color: tuple[int, int, int] = TRAY_COLOR) -> tuple[RgbdFrame, NDArray[np.uint16]]:
    """Frame and true labels (block i is label i + 1) of blocks on the tray's floor, positions relative to its centre.

    Args:
        layout: where the tray and the camera are.
        blocks: what lies in the tray; block i gets label i + 1.
        noise: standard deviation of the depth [m].
        color_noise: standard deviation of the colour [grey levels].
        seed: of the noise.
        tray_color: RGB of the tray.
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
    furniture = [_table(layout), *_tray(layout, tray_color)]
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
        color[window][nearer] = _shade(block, hit[nearer])
    depth = depth + rng.normal(0.0, 1.0, depth.shape) * noise
    noisy = np.clip(color + rng.normal(0.0, 1.0, color.shape) * color_noise, 0, 255).astype(np.uint8)
    return RgbdFrame(noisy, depth.astype(np.float32), camera, T_base_camera), labels


def random_blocks(layout: CellLayout, count: int, rng: np.random.Generator) -> list[Block]:
    """Up to count packages that stand on the floor, lean side by side or lie on another one."""
    blocks: list[Block] = []
    for _ in range(20 * count):
        if len(blocks) >= count:
            break
        block = _random_block(layout, blocks, rng)
        if block is not None and not any(_overlap(block, other) for other in blocks):
            blocks.append(block)
    return blocks


def _random_block(layout: CellLayout, blocks: Sequence[Block], rng: np.random.Generator) -> Block | None:
    """A block on the floor, beside another one or upon it; None when it would stand in a wall."""
    size = np.append(rng.uniform(0.03, 0.14, 2), rng.choice([rng.uniform(0.010, 0.03), rng.uniform(0.03, 0.11)]))
    is_round = bool(rng.random() < 0.25)
    if is_round:
        size[:2] = size[:2].min()
    yaw, bottom = rng.uniform(0, np.pi), 0.0
    centre = rng.uniform(-0.5, 0.5, 2) * np.asarray(layout.tray.inner_size)
    place = rng.random()
    if blocks and place < 0.65:
        other = blocks[int(rng.integers(len(blocks)))]
        axis, sign = int(rng.integers(2)), rng.choice([-1.0, 1.0])
        offset = np.zeros(2)
        if place < 0.40:            # side by side: aligned or a little turned, the same height or another
            yaw = other.yaw + (0.0 if rng.random() < 0.6 else rng.normal(0.0, 0.2))
            size[2] = other.size[2] if rng.random() < 0.5 else size[2]
            offset[axis] = sign * ((other.size[axis] + size[axis]) / 2 + rng.choice([0.0005, rng.uniform(0.0, 0.008)]))
            offset[1 - axis] = rng.uniform(-0.5, 0.5) * other.size[1 - axis]
            bottom = other.bottom
        else:                       # upon it
            offset = rng.uniform(-0.3, 0.3, 2) * np.asarray(other.size[:2])
            bottom = other.bottom + other.size[2]
        cosine, sine = np.cos(other.yaw), np.sin(other.yaw)
        centre = np.asarray(other.centre) + np.array([[cosine, -sine], [sine, cosine]]) @ offset
        if bottom > 0 and place < 0.40:
            return None             # it would hang in the air
    reach = np.hypot(size[0], size[1]) / 2
    if np.any(np.abs(centre) + reach > np.asarray(layout.tray.inner_size) / 2) or bottom + size[2] > 0.16:
        return None
    return Block((float(centre[0]), float(centre[1])), (float(size[0]), float(size[1]), float(size[2])), _random_paint(size, rng),
                 float(bottom), float(yaw), is_round)


def _random_paint(size: NDArray[np.float64], rng: np.random.Generator) -> Paint:
    """One colour, two halves, a label or stripes; near-white and grey are as frequent as on real packages."""
    base, print_color = _random_color(rng), _random_color(rng)
    kind = rng.random()
    if kind < 0.45:
        return base
    axis, low, high = int(rng.integers(2)), *np.sort(rng.uniform(-0.5, 0.5, 2))
    if kind < 0.65:
        return lambda points: np.where(points[:, axis:axis + 1] > low * size[axis], base, print_color).astype(np.uint8)
    if kind < 0.85:
        def label(points: NDArray[np.float64]) -> NDArray[np.uint8]:
            inside = (points[:, 0] > low * size[0]) & (points[:, 0] < high * size[0]) & (np.abs(points[:, 1]) < 0.35 * size[1])
            return np.where(inside[:, None], print_color, base).astype(np.uint8)
        return label
    period = rng.uniform(0.006, 0.03)
    return lambda points: np.where(points[:, axis:axis + 1] % period > period / 2, base, print_color).astype(np.uint8)


def _random_color(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.3:
        grey = int(rng.integers(40, 250))
        return grey, grey, grey
    red, green, blue = (int(value) for value in rng.integers(20, 250, 3))
    return red, green, blue


def _overlap(a: Block, b: Block) -> bool:
    """Whether two blocks share space (a round one counts as its square)."""
    if a.bottom >= b.bottom + b.size[2] - 1e-6 or b.bottom >= a.bottom + a.size[2] - 1e-6:
        return False
    first, second = (((1000 * x.centre[0], 1000 * x.centre[1]), (1000 * x.size[0], 1000 * x.size[1]), np.degrees(x.yaw))
                     for x in (a, b))
    kind, corners = cv2.rotatedRectangleIntersection(first, second)
    if kind == cv2.INTERSECT_NONE or corners is None or len(corners) < 3:
        return False
    return cv2.contourArea(cv2.convexHull(corners)) > 1.0


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


def _shade(block: Block, points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour of points (N, 3) on the block's surface: its sides get less light than its top, each its own share."""
    paint = block.paint(points) if callable(block.paint) else np.broadcast_to(np.array(block.paint), points.shape)
    half = np.array(block.size) / 2
    if block.round:
        direction = np.arctan2(points[:, 1], points[:, 0]) + block.yaw
    else:
        on_x = np.abs(points[:, 0]) / half[0] > np.abs(points[:, 1]) / half[1]
        on_side = np.where(on_x, np.where(points[:, 0] > 0, 0.0, np.pi), np.where(points[:, 1] > 0, 0.5, -0.5) * np.pi)
        direction = on_side + block.yaw
    light = np.where(points[:, 2] > block.size[2] - 1e-5, 1.0, 0.62 + 0.2 * np.cos(direction - 0.7))
    return (paint * light[:, None]).astype(np.uint8)


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


def _tray(layout: CellLayout, color: tuple[int, int, int]) -> list[Block]:
    """Floor and four walls of the tray."""
    tray = layout.tray
    (x, y), (length, width), wall = tray.centre, tray.inner_size, tray.wall_thickness
    floor = Block((x, y), (length, width, tray.floor_thickness), color)
    end, side = (wall, width + 2 * wall, tray.wall_height), (length, wall, tray.wall_height)
    ends = [Block((x + sign * (length + wall) / 2, y), end, color) for sign in (-1, 1)]
    sides = [Block((x, y + sign * (width + wall) / 2), side, color) for sign in (-1, 1)]
    return [floor, *ends, *sides]
