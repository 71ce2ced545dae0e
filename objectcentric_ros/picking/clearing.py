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

"""What stands in the way of an item, and where in the tray there is room for it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.layout import Container
from objectcentric_ros.picking.ports import View

NEAR_TARGET = 25   # what lies within so many pixels of the item may block the hand [px]
IN_HEAP = 8        # segments this close lie on or against each other [px]
HIDES = 0.1        # a segment may hide something wholly: its area counts so much against a pixel of contact
HIGHER = 0.01      # a difference of the middles' heights that means something [m]
MOVED_THERE = 0.05  # what lies so near to where something was put down is that [m]
CELL = 0.005       # of the grid of the tray's floor [m]
TURNS = 12         # ways to put something down, over a whole turn
MOST_PLACES = 8    # that are offered


def blockers(view: View, target_id: int | None, moved: Sequence[NDArray[np.float64]] = ()) -> list[int]:
    """Labels of the segments that may be in the way, the worst first.

    What stands higher than its neighbour covers it: contact along the border counts by how much higher it is.

    Args:
        view: the look.
        target_id: the item's label: its neighbours are in the way. None when it is not seen: then it is under something, or
            part of another's segment: what covers most of its neighbours, and what is large, is in the way.
        moved: places (2,) [m, base frame] where something was put down already: what lies there comes last.
    """
    segments = {segment.id: segment for segment in view.segments}

    def covers(i: int, j: int, pixels: int) -> float:
        higher = float(segments[i].centroid[2] - segments[j].centroid[2])
        return pixels * (0.25 + 0.75 / (1.0 + float(np.exp(-higher / HIGHER))))

    if target_id is not None:
        contact = _contact(view.labels, target_id, NEAR_TARGET)
        weight = {i: covers(i, target_id, pixels) for i, pixels in contact.items() if i in segments}
    else:
        weight = {i: segments[i].area * HIDES + sum(
            covers(i, j, pixels) for j, pixels in _contact(view.labels, i, IN_HEAP).items() if j in segments) for i in segments}

    def was_moved(i: int) -> bool:
        return any(float(np.linalg.norm(segments[i].centroid[:2] - place)) < MOVED_THERE for place in moved)

    return sorted((i for i in weight if weight[i] > 0), key=lambda i: (was_moved(i), -weight[i]))


def free_spot(labels: NDArray[np.uint16], camera: PinholeCamera, T_base_camera: NDArray[np.float64], tray: Container,
              radius: float) -> tuple[float, float] | None:
    """Centre of the largest circle of bare tray floor.

    Args:
        labels: (H, W) label image.
        camera: its intrinsics.
        T_base_camera: (4, 4) pose of the optical frame.
        tray: where the floor is.
        radius: the least room [m].

    Returns:
        (x, y) in the base frame [m], None when no circle of that radius is free.
    """
    xs, ys, owner = _floor(labels, camera, T_base_camera, tray)
    room = _room(owner == 0)
    row, column = np.unravel_index(int(np.argmax(room)), room.shape)
    return (float(xs[row]), float(ys[column])) if room[row, column] >= radius else None


def places(labels: NDArray[np.uint16], camera: PinholeCamera, T_base_camera: NDArray[np.float64], tray: Container,
           segment_id: int, T_base_tcp: NDArray[np.float64], keep_clear: int | None = None) -> list[NDArray[np.float64]]:
    """Where an item fits on the tray's floor, as it hangs in the hand or turned about the vertical.

    The item's outline is moved over a grid of the floor. Where it fits nowhere, the places come at which it covers least.

    Args:
        labels: (H, W) label image of before it was taken.
        camera: its intrinsics.
        T_base_camera: (4, 4) pose of the optical frame.
        tray: where the floor is.
        segment_id: the item's label.
        T_base_tcp: (4, 4) pose of the hand in which it was grasped.
        keep_clear: label of what must not be covered.

    Returns:
        Poses (4, 4) of the TCP at its old height, one for each turn, the roomiest first; none when the item is too large.
    """
    xs, ys, owner = _floor(labels, camera, T_base_camera, tray)
    # A cell of the item's own place is not free: there may be something under it.
    cost = np.where(owner == 0, 0.0, 1.0).astype(np.float32)
    if keep_clear is not None:
        cost[owner == keep_clear] = 10.0
    outline = _outline(labels == segment_id, camera, T_base_camera, float(T_base_tcp[2, 3])) - T_base_tcp[:2, 3]
    if not len(outline):
        return []
    room = _room(owner == 0)
    found = []
    for turn in np.arange(TURNS) * 2 * np.pi / TURNS:
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        cells = np.round(outline @ rotation.T / CELL).astype(int)
        reach = int(np.abs(cells).max()) + 1
        drawn = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        drawn[cells[:, 0] + reach, cells[:, 1] + reach] = 1.0
        item = np.asarray(cv2.dilate(drawn, np.ones((3, 3), np.uint8)), np.float32)
        covered = cv2.filter2D(cost, -1, item, borderType=cv2.BORDER_CONSTANT)
        outside = cv2.filter2D(np.pad(np.zeros_like(cost), reach, constant_values=1.0), -1, item)[reach:-reach, reach:-reach]
        share = covered / item.sum()
        value = np.where(outside > 0.5, -np.inf, -np.round(share, 2) * 10 + np.minimum(room, 0.1))
        row, column = np.unravel_index(int(np.argmax(value)), value.shape)
        if np.isfinite(value[row, column]):
            pose = T_base_tcp.copy()
            pose[:2, :2] = rotation @ T_base_tcp[:2, :2]
            pose[:2, 2] = rotation @ T_base_tcp[:2, 2]
            pose[:2, 3] = xs[row], ys[column]
            found.append((float(value[row, column]), pose))
    return [pose for _, pose in sorted(found, key=lambda entry: -entry[0])[:MOST_PLACES]]


def _floor(labels: NDArray[np.uint16], camera: PinholeCamera, T_base_camera: NDArray[np.float64],
           tray: Container) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Grid of the tray's floor: x (R,), y (C,) [m, base frame] and the label seen at each cell, -1 outside the image."""
    (x, y), (length, width) = tray.centre, tray.inner_size
    xs = np.arange(x - length / 2, x + length / 2, CELL)
    ys = np.arange(y - width / 2, y + width / 2, CELL)
    grid = np.stack([*np.meshgrid(xs, ys, indexing="ij"), np.full((len(xs), len(ys)), tray.floor_thickness)], axis=-1)
    T_camera_base = np.linalg.inv(T_base_camera)
    pixels = np.round(camera.project(grid @ T_camera_base[:3, :3].T + T_camera_base[:3, 3]))
    seen = np.all((pixels >= 0) & (pixels < [camera.width, camera.height]), axis=-1)
    u, v = np.where(seen, pixels[..., 0], 0).astype(int), np.where(seen, pixels[..., 1], 0).astype(int)
    return xs, ys, np.where(seen, labels[v, u].astype(np.int64), -1)


def _room(free: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance of every cell to the nearest that is not free [m]; the tray's walls are not."""
    return cv2.distanceTransform(np.pad(free.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1] * np.float32(CELL)


def _outline(mask: NDArray[np.bool_], camera: PinholeCamera, T_base_camera: NDArray[np.float64],
             height: float) -> NDArray[np.float64]:
    """(N, 2) x, y [m, base frame] of the pixels' rays at a height."""
    rows, columns = np.nonzero(mask)
    in_camera = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(len(rows))], axis=1)
    rays = in_camera @ T_base_camera[:3, :3].T
    distance = (height - T_base_camera[2, 3]) / rays[:, 2]
    return T_base_camera[:2, 3] + rays[:, :2] * distance[:, None]


def _contact(labels: NDArray[np.uint16], label: int, reach: int) -> dict[int, int]:
    """Pixels of every other label within reach [px] of a label."""
    mask = (labels == label).astype(np.uint8)
    near = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    found, counts = np.unique(labels[(near > 0) & (labels > 0) & (labels != label)], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
