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

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.layout import Container
from objectcentric_ros.picking.ports import View

NEAR_TARGET = 25   # what lies within so many pixels of the item may block the hand [px]
IN_HEAP = 8        # segments this close lie on or against each other [px]


def blockers(view: View, target_id: int | None) -> list[int]:
    """Labels of the segments that may be in the way, the worst first.

    Args:
        view: the look.
        target_id: the item's label: its neighbours are in the way, longest border first. None when it is not seen: then it
            is under something, and what has the most neighbours is in the way.
    """
    ids = [segment.id for segment in view.segments]
    if target_id is not None:
        contact = _contact(view.labels, target_id, NEAR_TARGET)
        return sorted((i for i in ids if i != target_id and contact.get(i)), key=lambda i: -contact[i])
    crowd = {i: sum(_contact(view.labels, i, IN_HEAP).values()) for i in ids}
    return sorted((i for i in ids if crowd[i]), key=lambda i: -crowd[i])


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
    (x, y), (length, width) = tray.centre, tray.inner_size
    step = 0.005
    xs = np.arange(x - length / 2, x + length / 2, step)
    ys = np.arange(y - width / 2, y + width / 2, step)
    grid = np.stack([*np.meshgrid(xs, ys, indexing="ij"), np.full((len(xs), len(ys)), tray.floor_thickness)], axis=-1)
    T_camera_base = np.linalg.inv(T_base_camera)
    pixels = np.round(camera.project(grid @ T_camera_base[:3, :3].T + T_camera_base[:3, 3]))
    seen = np.all((pixels >= 0) & (pixels < [camera.width, camera.height]), axis=-1)
    u, v = np.where(seen, pixels[..., 0], 0).astype(int), np.where(seen, pixels[..., 1], 0).astype(int)
    free = np.zeros((len(xs) + 2, len(ys) + 2), np.uint8)   # the tray's walls are not free
    free[1:-1, 1:-1] = seen & (labels[v, u] == 0)
    room = cv2.distanceTransform(free, cv2.DIST_L2, 5)[1:-1, 1:-1] * step
    row, column = np.unravel_index(int(np.argmax(room)), room.shape)
    return (float(xs[row]), float(ys[column])) if room[row, column] >= radius else None


def _contact(labels: NDArray[np.uint16], label: int, reach: int) -> dict[int, int]:
    """Pixels of every other label within reach [px] of a label."""
    mask = (labels == label).astype(np.uint8)
    near = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    found, counts = np.unique(labels[(near > 0) & (labels > 0) & (labels != label)], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
