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


"""What a classifier is told about a region (is it background?) and about two touching regions (are they one item?)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.segmentation import region_graph as g
from objectcentric_ros.segmentation.region_graph import RegionGraph

PAIR_FEATURES = (
    "log_small", "log_large", "boundary", "boundary_over_sqrt_small", "boundary_share_small", "boundary_share_large",
    "background_share_small", "background_share_large",
    "peak_color", "peak_color_over_3", "peak_color_over_8", "peak_height", "peak_height_over_1", "peak_height_over_3",
    "lab_near", "lab_far", "dl_signed", "step_near", "step_far", "step_far_over_3mm", "step_far_over_10mm", "step_signed",
    "valley_near", "valley_far", "valley_far_over_1mm", "convexity", "bend", "edge_holes",
    "delta_e", "delta_l", "delta_chroma", "color_spread_small", "color_spread_large", "delta_e_over_spread",
    "height_difference", "top_difference", "height_small", "height_large", "top_small", "top_large",
    "plane_residual_small", "plane_residual_large", "plane_residual_union", "plane_residual_growth",
    "plane_offset_small", "plane_offset_large", "normals_agree", "upright_small", "upright_large",
    "compactness_small", "compactness_large", "compactness_union", "compactness_loss", "union_length", "union_width",
    "aspect_small", "aspect_large", "holes_small", "holes_large", "texture_small", "texture_large",
    "relief_small", "relief_large", "peak_color_over_texture")


class Shape:
    """Shape of regions from their sums: footprint ellipse, plane fit, mean colour and normal; arrays of n rows."""

    def __init__(self, sums: NDArray[np.float64]) -> None:
        n = np.maximum(sums[:, g.COUNT], 1.0)
        mean = sums / n[:, None]
        self.n = n
        self.mean = mean
        x, y, h = mean[:, g.X], mean[:, g.Y], mean[:, g.H]
        # A pixel has an extent: without this floor a line of pixels has no area.
        self.xx = np.maximum(mean[:, g.XX] - x * x, 0) + 1e-7
        self.yy = np.maximum(mean[:, g.YY] - y * y, 0) + 1e-7
        self.xy = mean[:, g.XY] - x * y
        xh, yh = mean[:, g.XH] - x * h, mean[:, g.YH] - y * h
        hh = np.maximum(mean[:, g.HH] - h * h, 0)
        determinant = np.maximum(self.xx * self.yy - self.xy ** 2, 1e-14)
        self.slope_x = (self.yy * xh - self.xy * yh) / determinant
        self.slope_y = (self.xx * yh - self.xy * xh) / determinant
        self.residual = np.sqrt(np.maximum(hh - self.slope_x * xh - self.slope_y * yh, 0))
        spread = np.sqrt(np.maximum((self.xx - self.yy) ** 2 / 4 + self.xy ** 2, 0))
        self.length = 4 * np.sqrt((self.xx + self.yy) / 2 + spread)
        self.width = 4 * np.sqrt(np.maximum((self.xx + self.yy) / 2 - spread, 1e-8))
        # A pixel's footprint shrinks towards the camera; 1 mm/px on the floor is near enough for a ratio.
        self.compactness = n * 1e-6 / (4 * np.pi * np.sqrt(determinant))
        variance = np.maximum(mean[:, g.LL:g.BB + 1] - mean[:, g.L:g.B + 1] ** 2, 0)
        self.color_spread = np.sqrt(variance.sum(axis=1))
        normal = mean[:, g.NX:g.NZ + 1]
        self.normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)

    def plane_at(self, x: NDArray[np.float64], y: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Height of the planes of regions rows at (x, y)."""
        mean = self.mean[rows]
        return mean[:, g.H] + self.slope_x[rows] * (x - mean[:, g.X]) + self.slope_y[rows] * (y - mean[:, g.Y])


def contact_lengths(graph: RegionGraph) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) length of every region's boundary with anything, and with the background [px]."""
    n = len(graph.regions)
    length = graph.edges[:, g.LENGTH]
    total = (np.bincount(graph.pairs[:, 0], length, n) + np.bincount(graph.pairs[:, 1], length, n)).astype(float)
    with_background = graph.pairs[:, 0] == 0
    background = np.bincount(graph.pairs[with_background, 1], length[with_background], n)
    return np.maximum(total, 1.0), background.astype(float)


def pair_features(graph: RegionGraph, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Features of the edges rows (none of them with the background), (len(rows), len(PAIR_FEATURES)) float32."""
    shape = Shape(graph.regions)
    total, background = contact_lengths(graph)
    pairs = graph.pairs[rows]
    first_smaller = graph.regions[pairs[:, 0], g.COUNT] <= graph.regions[pairs[:, 1], g.COUNT]
    s = np.where(first_smaller, pairs[:, 0], pairs[:, 1])
    b = np.where(first_smaller, pairs[:, 1], pairs[:, 0])
    union = Shape(graph.regions[s] + graph.regions[b])
    boundary = graph.edges[rows, g.LENGTH]
    across = graph.edges[rows, 1:] / boundary[:, None]
    mean_s, mean_b = shape.mean[s], shape.mean[b]
    d_lab = mean_b[:, g.L:g.B + 1] - mean_s[:, g.L:g.B + 1]
    delta_e = np.linalg.norm(d_lab, axis=1)
    spread_s, spread_b = shape.color_spread[s], shape.color_spread[b]
    residual_s, residual_b = shape.residual[s], shape.residual[b]
    parts = np.sqrt((residual_s ** 2 * shape.n[s] + residual_b ** 2 * shape.n[b]) / union.n)
    off_s = np.abs(shape.plane_at(mean_s[:, g.X], mean_s[:, g.Y], b) - mean_s[:, g.H])
    off_b = np.abs(shape.plane_at(mean_b[:, g.X], mean_b[:, g.Y], s) - mean_b[:, g.H])
    compact_parts = (shape.compactness[s] * shape.n[s] + shape.compactness[b] * shape.n[b]) / union.n
    columns = [
        np.log(shape.n[s]), np.log(shape.n[b]), boundary, boundary / np.sqrt(shape.n[s]),
        boundary / total[s], boundary / total[b], background[s] / total[s], background[b] / total[b],
        *across[:, :g.DL_SIGNED - 1].T, np.abs(across[:, g.DL_SIGNED - 1]),
        *across[:, g.STEP_NEAR - 1:g.STEP_SIGNED - 1].T, np.abs(across[:, g.STEP_SIGNED - 1]), *across[:, g.VALLEY_NEAR - 1:].T,
        delta_e, np.abs(d_lab[:, 0]), np.hypot(d_lab[:, 1], d_lab[:, 2]), spread_s, spread_b, delta_e / (3 + spread_s + spread_b),
        np.abs(mean_s[:, g.H] - mean_b[:, g.H]), np.abs(graph.top[s] - graph.top[b]), mean_s[:, g.H], mean_b[:, g.H],
        graph.top[s], graph.top[b],
        residual_s, residual_b, union.residual, union.residual - parts, np.minimum(off_s, 0.2), np.minimum(off_b, 0.2),
        (shape.normal[s] * shape.normal[b]).sum(axis=1), shape.normal[s, 2], shape.normal[b, 2],
        shape.compactness[s], shape.compactness[b], union.compactness, compact_parts - union.compactness,
        union.length, union.width,
        shape.length[s] / shape.width[s], shape.length[b] / shape.width[b], mean_s[:, g.HOLES], mean_b[:, g.HOLES],
        mean_s[:, g.COLOR_EDGE], mean_b[:, g.COLOR_EDGE], mean_s[:, g.HEIGHT_EDGE], mean_b[:, g.HEIGHT_EDGE],
        across[:, g.PEAK_COLOR - 1] / (1 + np.maximum(mean_s[:, g.COLOR_EDGE], mean_b[:, g.COLOR_EDGE]))]
    return np.stack(columns, axis=1).astype(np.float32)


FOREGROUND_FEATURES = (
    "height", "top", "height_spread", "floor_delta_e", "floor_delta_l", "floor_delta_chroma", "inset", "holes", "upright",
    "texture", "relief", "residual", "color_spread", "log_count", "neighbour_height", "neighbour_floor_delta_e")


def foreground_features(graph: RegionGraph, floor_lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of every region, (n, len(FOREGROUND_FEATURES)) float32; the mean of the neighbours gives context."""
    shape = Shape(graph.regions)
    mean = shape.mean
    d_lab = mean[:, g.L:g.B + 1] - floor_lab
    delta_e = np.linalg.norm(d_lab, axis=1)
    n = len(mean)
    length = graph.edges[:, g.LENGTH]
    (a, b), weight = graph.pairs.T, np.maximum(contact_lengths(graph)[0], 1.0)
    around = [(np.bincount(a, length * value[b], n) + np.bincount(b, length * value[a], n)) / weight
              for value in (mean[:, g.H], delta_e)]
    columns = [mean[:, g.H], graph.top, np.sqrt(np.maximum(mean[:, g.HH] - mean[:, g.H] ** 2, 0)), delta_e, d_lab[:, 0],
               np.hypot(d_lab[:, 1], d_lab[:, 2]), mean[:, g.INSET], mean[:, g.HOLES], shape.normal[:, 2], mean[:, g.COLOR_EDGE],
               mean[:, g.HEIGHT_EDGE], shape.residual, shape.color_spread, np.log(shape.n), *around]
    return np.stack(columns, axis=1).astype(np.float32)
