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


"""Over-segmentation of the tray into small patches whose borders follow colour and depth edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.segmentation.tray_view import TrayView


def superpixels(view: TrayView, spacing: int, millimetres_per_lab: float = 0.5) -> NDArray[np.int32]:
    """Patches about spacing pixels across, by a watershed flooded over colour and height differences.

    Args:
        view: the tray.
        spacing: distance of the seeds [px].
        millimetres_per_lab: a height step of so many millimetres counts as much as one unit of L*a*b*.

    Returns:
        (h, w) int32, labels 0..n-1 without gaps.
    """
    markers = _seeds(view.color_edge + view.height_edge * np.float32(1000.0 / millimetres_per_lab), spacing)
    # cv2.watershed floods 8-bit images of three channels: two principal colours and the height.
    level = np.clip(view.height * np.float32(1000.0 / millimetres_per_lab), -40, 215) + 40
    cv2.watershed(np.dstack([_principal_colors(view.lab), level]).astype(np.uint8), markers)
    return _compact(_close_lines(markers))


def _seeds(gradient: NDArray[np.float32], spacing: int) -> NDArray[np.int32]:
    """One numbered pixel in each cell of a grid, where the gradient is least."""
    rows, columns = gradient.shape[0] // spacing, gradient.shape[1] // spacing
    cells = gradient[:rows * spacing, :columns * spacing].reshape(rows, spacing, columns, spacing).swapaxes(1, 2)
    inner = cells[:, :, 1:-1, 1:-1].reshape(rows, columns, -1)
    best = inner.argmin(axis=-1)
    width = spacing - 2
    v = np.arange(rows)[:, None] * spacing + 1 + best // width
    u = np.arange(columns)[None, :] * spacing + 1 + best % width
    markers = np.zeros(gradient.shape, np.int32)
    markers[v, u] = np.arange(1, rows * columns + 1).reshape(rows, columns)
    return markers


def _principal_colors(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """The two directions of colour in which this image varies most, (h, w, 2), in 0..255 at twice the L*a*b* scale."""
    sample = lab[::3, ::3].reshape(-1, 3).astype(np.float64)
    centre = sample.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(sample.T))
    projection = axes[:, :0:-1].T
    return np.clip(cv2.transform(lab, np.column_stack([projection, 128.0 - projection @ centre])), 0, 255)


def _close_lines(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the watershed's lines (-1) to a neighbour."""
    labels = labels.copy()
    labels[[0, -1]] = labels[[1, -2]]
    labels[:, [0, -1]] = labels[:, [1, -2]]
    for _ in range(4):
        if not (labels <= 0).any():
            break
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            shifted = np.roll(labels, step, axis)
            np.moveaxis(shifted, axis, 0)[0 if step > 0 else -1] = 0        # what came around from the other side
            np.copyto(labels, shifted, where=(labels <= 0) & (shifted > 0))
    return labels


def _compact(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels 0..n-1 without gaps."""
    present = np.zeros(int(labels.max()) + 1, bool)
    present[labels.ravel()] = True
    return (np.cumsum(present) - 1).astype(np.int32)[labels]
