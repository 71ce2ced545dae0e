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


"""What the camera sees of the tray: colour, points and heights above the floor, cleaned and cropped."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout


@dataclass(frozen=True)
class TrayViewConfig:
    """How the tray is cropped and its depth cleaned.

    Args:
        rim_margin: how far outside the tray's walls the view reaches [m].
        headroom: how high above the walls items are expected; widens the crop [m].
        floor_search: the floor is looked for this far above and below where the layout puts it [m].
        floor_min_pixels: with fewer floor pixels than this the layout's floor is taken as it is.
        smoothing_range: depth differences up to about this are smoothed away, larger ones stay edges [m].
    """

    rim_margin: float = 0.012
    headroom: float = 0.06
    floor_search: float = 0.012
    floor_min_pixels: int = 2000
    smoothing_range: float = 0.006


@dataclass(frozen=True)
class TrayView:
    """A crop of the frame around the tray; h x w pixels, its pixel (0, 0) is the frame's (u0, v0).

    Args:
        u0, v0: origin of the crop in the frame [px].
        lab: (h, w, 3) float32 CIE L*a*b*, lightly smoothed.
        points: (h, w, 3) float32 [m] in the base frame, holes filled with the nearest measured depth, smoothed.
        height: (h, w) float32 [m] above the fitted floor.
        normals: (h, w, 3) float32 unit normals in the base frame.
        valid: (h, w) bool, where the depth was measured.
        inset: (h, w) float32 [m] how far inside the inner faces of the walls, negative outside.
        color_edge: (h, w) float32 gradient magnitude of the colour [L*a*b* units/px].
        height_edge: (h, w) float32 gradient magnitude of the height [m/px].
        floor_lab: (3,) float32 median colour of the floor.
    """

    u0: int
    v0: int
    lab: NDArray[np.float32]
    points: NDArray[np.float32]
    height: NDArray[np.float32]
    normals: NDArray[np.float32]
    valid: NDArray[np.bool_]
    inset: NDArray[np.float32]
    color_edge: NDArray[np.float32]
    height_edge: NDArray[np.float32]
    floor_lab: NDArray[np.float32]


def look_at_tray(frame: RgbdFrame, layout: CellLayout, config: TrayViewConfig) -> TrayView | None:
    """Crop, clean and measure; None when the tray is out of view or no depth was measured in it."""
    box = _tray_box(frame, layout, config)
    if box is None:
        return None
    u0, v0, u1, v1 = box
    depth = frame.depth[v0:v1, u0:u1]
    valid = np.isfinite(depth) & (depth > 0)
    if not valid.any():
        return None
    depth = _smooth(_fill(depth, valid), config)
    points = _points_base(frame, depth, u0, v0)
    (x, y), (length, width) = layout.tray.centre, layout.tray.inner_size
    inset = np.minimum(length / 2 - np.abs(points[..., 0] - np.float32(x)), width / 2 - np.abs(points[..., 1] - np.float32(y)))
    height, is_floor = _height_above_floor(points, valid, inset, layout.tray.floor_thickness, config)
    lab = np.asarray(cv2.cvtColor(frame.color[v0:v1, u0:u1].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), np.float32)
    lab = cv2.GaussianBlur(lab, (0, 0), 0.8).astype(np.float32, copy=False)
    floor_lab = np.median(lab[is_floor][::5], axis=0) if is_floor.any() else np.median(lab.reshape(-1, 3), axis=0)
    return TrayView(u0, v0, lab, points, height, _normals(points), valid, inset, _gradient(lab), _gradient(height),
                    floor_lab.astype(np.float32))


def _tray_box(frame: RgbdFrame, layout: CellLayout, config: TrayViewConfig) -> tuple[int, int, int, int] | None:
    """(u0, v0, u1, v1) of the tray in the image, end exclusive."""
    tray = layout.tray
    half = np.asarray(tray.inner_size) / 2 + tray.wall_thickness + config.rim_margin
    corners = np.array([[tray.centre[0] + i * half[0], tray.centre[1] + j * half[1], z]
                        for i in (-1, 1) for j in (-1, 1) for z in (0.0, tray.wall_height + config.headroom)])
    T_camera_base = np.linalg.inv(frame.T_base_camera)
    pixels = frame.camera.project(corners @ T_camera_base[:3, :3].T + T_camera_base[:3, 3])
    if not np.all(np.isfinite(pixels)):
        return None
    low = np.maximum(np.floor(pixels.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 1, [frame.camera.width, frame.camera.height]).astype(int)
    if np.any(high - low < 16):
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _fill(depth: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Depth with every hole filled by the nearest measured pixel."""
    if valid.all():
        return depth.astype(np.float32)
    _, nearest = cv2.distanceTransformWithLabels((~valid).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    by_label = np.zeros(int(nearest.max()) + 1, np.float32)
    by_label[nearest[valid]] = depth[valid]
    return by_label[nearest]


def _smooth(depth: NDArray[np.float32], config: TrayViewConfig) -> NDArray[np.float32]:
    """Edge-preserving smoothing: the sensor's noise of one or two millimetres goes, depth steps stay."""
    return np.asarray(cv2.bilateralFilter(cv2.medianBlur(depth, 5), 7, config.smoothing_range, 2.5), np.float32)


def _points_base(frame: RgbdFrame, depth: NDArray[np.float32], u0: int, v0: int) -> NDArray[np.float32]:
    camera = frame.camera
    x = (np.arange(u0, u0 + depth.shape[1], dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (np.arange(v0, v0 + depth.shape[0], dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    optical = cv2.merge([x[None, :] * depth, y[:, None] * depth, depth])
    return np.asarray(cv2.transform(optical, frame.T_base_camera[:3]), np.float32)


def _height_above_floor(points: NDArray[np.float32], valid: NDArray[np.bool_], inset: NDArray[np.float32], floor_z: float,
                        config: TrayViewConfig) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Height above a plane fitted to the floor, and which pixels are floor.

    The hand-eye calibration is a few millimetres off, as much as a thin item is high: so the floor is measured.
    """
    above = points[..., 2] - np.float32(floor_z)
    near = valid & (np.abs(above) < config.floor_search) & (inset > 0.01)
    if np.count_nonzero(near) < config.floor_min_pixels:
        return above, near & (np.abs(above) < 0.004)
    counts, edges = np.histogram(above[near], bins=48, range=(-config.floor_search, config.floor_search))
    counts = np.convolve(counts, [1, 1, 1], mode="same")
    # The lowest strong peak is the floor: a large flat item may have the highest one.
    peak = int(np.flatnonzero(counts > 0.3 * counts.max())[0])
    peak += int(np.argmax(counts[peak:peak + 6]))
    level = (edges[peak] + edges[peak + 1]) / 2
    v, u = np.nonzero(near & (np.abs(above - level) < 0.006))
    step = max(1, len(v) // 8000)
    sample = points[v[::step], u[::step]].astype(np.float64)
    centre = sample[:, :2].mean(axis=0)
    design = np.column_stack([sample[:, :2] - centre, np.ones(len(sample))])
    weights: NDArray[np.floating] = np.ones(len(sample))
    plane = np.zeros(3)
    for _ in range(4):
        plane = np.linalg.lstsq(design * weights[:, None], sample[:, 2] * weights, rcond=None)[0]
        weights = 1.0 / (1.0 + ((sample[:, 2] - design @ plane) / 0.002) ** 2)
    to_height = np.array([[-plane[0], -plane[1], 1.0, plane[:2] @ centre - plane[2]]])
    height = np.asarray(cv2.transform(points, to_height), np.float32)
    return height, near & (np.abs(height) < 0.003)


def _normals(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit normals that point up, from derivatives of the smoothed point image."""
    smooth = cv2.GaussianBlur(points, (0, 0), 1.5)
    along_u = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)
    along_v = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE)
    (ux, uy, uz), (vx, vy, vz) = cv2.split(along_u), cv2.split(along_v)
    x, y, z = vy * uz - vz * uy, vz * ux - vx * uz, vx * uy - vy * ux
    scale = np.where(z < 0, -1, 1) / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-12)
    return cv2.merge([x * scale, y * scale, z * scale]).astype(np.float32)


def _gradient(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gradient magnitude over all channels, per pixel."""
    along_u = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    along_v = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    squared = [channel * channel for derivative in (along_u, along_v) for channel in cv2.split(derivative)]
    return np.sqrt(sum(squared[1:], squared[0]))
