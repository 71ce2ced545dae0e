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


"""Region adjacency graph whose statistics are sums, so that merging regions is adding rows.

A region carries sums over its pixels (colour, position, second moments, normals ...), an edge carries sums over the
pixel pairs along the common boundary (colour and depth differences, concavity ...). Region 0 is the background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.segmentation.tray_view import TrayView

# Columns of RegionGraph.regions.
COUNT, L, A, B, LL, AA, BB, X, Y, H, XX, XY, YY, XH, YH, HH, NX, NY, NZ, HOLES, COLOR_EDGE, HEIGHT_EDGE, INSET = range(23)
REGION_COLUMNS = 23

# Columns of RegionGraph.edges; SIGNED ones are measured from the lower to the higher region number.
(LENGTH, PEAK_COLOR, PEAK_COLOR_OVER_3, PEAK_COLOR_OVER_8, PEAK_HEIGHT, PEAK_HEIGHT_OVER_1, PEAK_HEIGHT_OVER_3,
 LAB_NEAR, LAB_FAR, DL_SIGNED, STEP_NEAR, STEP_FAR, STEP_FAR_OVER_3MM, STEP_FAR_OVER_10MM, STEP_SIGNED,
 VALLEY_NEAR, VALLEY_FAR, VALLEY_FAR_OVER_1MM, CONVEXITY, BEND, EDGE_HOLES) = range(21)
EDGE_COLUMNS = 21
SIGNED = (DL_SIGNED, STEP_SIGNED)


@dataclass(frozen=True)
class RegionGraph:
    """Regions 0..n-1 and the edges between touching ones.

    Args:
        regions: (n, REGION_COLUMNS) float64 sums over pixels; lengths in metres, relative to the tray's centre.
        top: (n,) float64 greatest height of a pixel [m].
        pairs: (m, 2) int64 regions that touch, lower number first, each pair once.
        edges: (m, EDGE_COLUMNS) float64 sums over the pixel pairs of the boundary.
    """

    regions: NDArray[np.float64]
    top: NDArray[np.float64]
    pairs: NDArray[np.int64]
    edges: NDArray[np.float64]

    def merged(self, target: NDArray[np.int64]) -> RegionGraph:
        """The graph after region i became part of region target[i]; targets are 0..k-1, each used, target[0] = 0."""
        count = int(target.max()) + 1
        regions = np.zeros((count, REGION_COLUMNS))
        np.add.at(regions, target, self.regions)
        top = np.full(count, -np.inf)
        np.maximum.at(top, target, self.top)
        pairs, edges = _combine(target[self.pairs], self.edges, count)
        return RegionGraph(regions, top, pairs, edges)


def build_graph(view: TrayView, labels: NDArray[np.int32]) -> RegionGraph:
    """Measure every region and boundary.

    Args:
        view: the tray.
        labels: (h, w) int32, 0 background, 1..n-1 regions without gaps.
    """
    count = int(labels.max()) + 1
    flat = labels.ravel()
    inner = np.flatnonzero(flat)
    index = flat[inner].astype(np.intp)      # once: bincount would do it each time
    lab, normal = view.lab.reshape(-1, 3)[inner], view.normals.reshape(-1, 3)[inner]
    x, y = (view.points.reshape(-1, 3)[inner, axis] for axis in (0, 1))
    h = view.height.ravel()[inner]
    columns = [np.ones(len(inner)), *lab.T, *(lab.T ** 2), x, y, h, x * x, x * y, y * y, x * h, y * h, h * h, *normal.T,
               ~view.valid.ravel()[inner], view.color_edge.ravel()[inner], view.height_edge.ravel()[inner],
               view.inset.ravel()[inner]]
    regions = np.stack([np.bincount(index, weights=column, minlength=count) for column in columns], axis=1).astype(np.float64)
    top = np.zeros(count, h.dtype)           # of another type, maximum.at is ten times slower
    np.maximum.at(top, index, h)
    pairs, samples = _boundary_samples(view, labels)
    pairs, edges = _combine(pairs, samples, count)
    return RegionGraph(regions, top.astype(np.float64), pairs, edges)


def _combine(pairs: NDArray[np.int64], rows: NDArray[np.float64], count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sum the rows of equal pairs, turning pairs low-high and dropping those within one region."""
    keep = pairs[:, 0] != pairs[:, 1]
    pairs, rows = pairs[keep].astype(np.int64), rows[keep]
    turned = pairs[:, 0] > pairs[:, 1]
    pairs[turned] = pairs[turned, ::-1]
    for column in SIGNED:
        rows[turned, column] *= -1
    keys, inverse = np.unique(pairs[:, 0] * count + pairs[:, 1], return_inverse=True)
    summed = np.stack([np.bincount(inverse, weights=rows[:, column], minlength=len(keys))
                       for column in range(rows.shape[1])], axis=1).astype(np.float64)
    return np.stack([keys // count, keys % count], axis=1), summed


def _boundary_samples(view: TrayView, labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One row for each pair of 4-neighbours in different regions: (k, 2) regions and (k, EDGE_COLUMNS) measurements."""
    smooth = np.asarray(cv2.GaussianBlur(view.height, (0, 0), 1.5), np.float32)
    pairs, samples = [], []
    for dv, du in ((0, 1), (1, 0)):
        first = labels[:labels.shape[0] - dv, :labels.shape[1] - du]
        second = labels[dv:, du:]
        v, u = np.nonzero((first != second) & ((first != 0) | (second != 0)))
        pairs.append(np.stack([first[v, u], second[v, u]], axis=1))
        background = (first[v, u] == 0) | (second[v, u] == 0)
        rows = np.zeros((len(v), EDGE_COLUMNS))
        rows[:, LENGTH] = 1
        # Only contact lengths are wanted against the background.
        inner = np.flatnonzero(~background)
        rows[inner] = _measure(view, smooth, v[inner], u[inner], dv, du)
        samples.append(rows)
    return np.concatenate(pairs).astype(np.int64), np.concatenate(samples)


def _measure(view: TrayView, smooth: NDArray[np.float32], v: NDArray[np.int64], u: NDArray[np.int64], dv: int, du: int
             ) -> NDArray[np.float64]:
    """Measurements across the boundary between pixels (v, u) and (v + dv, u + du)."""
    rows, columns = view.height.shape
    width = columns

    def at(step: int) -> NDArray[np.int64]:
        """Flat index of the pixel so many steps beyond (positive) or before the boundary, kept inside the image."""
        return np.clip(v + dv * step, 0, rows - 1) * width + np.clip(u + du * step, 0, columns - 1)

    lab, normal, points = (image.reshape(-1, 3) for image in (view.lab, view.normals, view.points))
    height, soft = view.height.ravel(), smooth.ravel()
    before, beyond = at(0), at(1)
    peak_color = np.maximum(view.color_edge.ravel()[before], view.color_edge.ravel()[beyond])
    peak_height = np.maximum(view.height_edge.ravel()[before], view.height_edge.ravel()[beyond])
    near, far = (at(-2), at(3)), (at(-4), at(5))
    d_lab_near, d_lab_far = lab[near[1]] - lab[near[0]], lab[far[1]] - lab[far[0]]
    step_near, step_far = height[near[1]] - height[near[0]], height[far[1]] - height[far[0]]
    middle = (soft[before] + soft[beyond]) / 2
    valley_near = (soft[near[0]] + soft[near[1]]) / 2 - middle
    valley_far = (soft[far[0]] + soft[far[1]]) / 2 - middle
    bend = normal[far[1]] - normal[far[0]]
    across = points[far[1]] - points[far[0]]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    holes = ~(view.valid.ravel()[before] & view.valid.ravel()[beyond])
    return np.stack([
        np.ones(len(v)), peak_color, peak_color > 3, peak_color > 8, peak_height, peak_height > 0.001, peak_height > 0.003,
        np.sqrt((d_lab_near ** 2).sum(1)), np.sqrt((d_lab_far ** 2).sum(1)), d_lab_far[:, 0],
        np.abs(step_near), np.abs(step_far), np.abs(step_far) > 0.003, np.abs(step_far) > 0.010, step_far,
        valley_near, valley_far, valley_far > 0.001, (bend * across).sum(1), np.sqrt((bend ** 2).sum(1)), holes], axis=1)
