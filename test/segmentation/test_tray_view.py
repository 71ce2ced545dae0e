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


"""The tray as the segmenter sees it: heights, floor, holes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectcentric_ros.segmentation.block_scenes import TRAY_COLOR, Block, render
from objectcentric_ros.segmentation.superpixels import superpixels
from objectcentric_ros.segmentation.tray_view import TrayViewConfig, look_at_tray

BOXES = [Block((0.0, 0.0), (0.08, 0.08, 0.05), (200, 40, 40)), Block((0.08, 0.12), (0.06, 0.06, 0.012), (240, 240, 240))]


def cut(image, view):
    return image[view.v0:view.v0 + view.height.shape[0], view.u0:view.u0 + view.height.shape[1]]


def tops(view, labels):
    """Median height of the upper half of each block's pixels [m]."""
    shown = cut(labels, view)
    return [float(np.percentile(view.height[shown == label], 75)) for label in (1, 2)]


def test_heights_are_above_the_floor(layout):
    frame, labels = render(layout, BOXES, noise=0.001)
    view = look_at_tray(frame, layout, TrayViewConfig())
    np.testing.assert_allclose(tops(view, labels), [0.05, 0.012], atol=0.001)
    assert abs(np.median(view.height[(cut(labels, view) == 0) & (view.inset > 0.01)])) < 0.0005


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.004), (0.003, -0.003, -0.004)])
def test_a_wrong_hand_eye_calibration_does_not_lift_the_floor(layout, shift):
    frame, labels = render(layout, BOXES, noise=0.001)
    T_base_camera = frame.T_base_camera.copy()
    T_base_camera[:3, 3] += shift
    tilt = 0.006
    T_base_camera[:3, :3] = np.array([[1, 0, tilt], [0, 1, 0], [-tilt, 0, 1]]) @ T_base_camera[:3, :3]
    view = look_at_tray(replace(frame, T_base_camera=T_base_camera), layout, TrayViewConfig())
    np.testing.assert_allclose(tops(view, labels), [0.05, 0.012], atol=0.0015)


def test_a_flat_item_that_covers_most_of_the_floor_is_not_the_floor(layout):
    frame, labels = render(layout, [Block((0.0, 0.0), (0.26, 0.40, 0.010), (220, 220, 200))], noise=0.001)
    view = look_at_tray(frame, layout, TrayViewConfig())
    assert np.median(view.height[cut(labels, view) == 1]) == pytest.approx(0.010, abs=0.001)


def test_holes_are_filled_and_known(layout):
    frame, labels = render(layout, BOXES)
    depth = frame.depth.copy()
    depth[200:230, 300:330] = np.nan
    view = look_at_tray(replace(frame, depth=depth), layout, TrayViewConfig())
    assert np.isfinite(view.height).all() and np.isfinite(view.normals).all()
    assert not cut(np.isfinite(depth), view)[~view.valid].any()
    np.testing.assert_allclose(tops(view, labels), [0.05, 0.012], atol=0.001)


def test_normals_are_unit_and_point_up_on_flat_ground(layout):
    frame, _ = render(layout, [])
    view = look_at_tray(frame, layout, TrayViewConfig())
    np.testing.assert_allclose(np.linalg.norm(view.normals, axis=-1), 1.0, atol=1e-4)
    assert np.median(view.normals[view.inset > 0.02][:, 2]) > 0.999


def test_out_of_view_or_without_depth_is_none(layout):
    frame, _ = render(layout, [])
    away = frame.T_base_camera.copy()
    away[:2, 3] += 5.0
    upward = frame.T_base_camera.copy()
    upward[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ upward[:3, :3]
    assert look_at_tray(replace(frame, T_base_camera=away), layout, TrayViewConfig()) is None
    assert look_at_tray(replace(frame, T_base_camera=upward), layout, TrayViewConfig()) is None
    assert look_at_tray(replace(frame, depth=np.full_like(frame.depth, np.nan)), layout, TrayViewConfig()) is None


def test_superpixels_follow_edges_of_colour_and_of_height(layout):
    halves = Block((0.0, 0.0), (0.10, 0.10, 0.04),
                   lambda points: np.where(points[:, :1] > 0, (210, 60, 60), (60, 60, 210)).astype(np.uint8))
    step = Block((-0.10, 0.12), (0.06, 0.06, 0.02), TRAY_COLOR)
    frame, labels = render(layout, [halves, step], noise=0.0005)
    view = look_at_tray(frame, layout, TrayViewConfig())
    patches = superpixels(view, 9)
    assert np.array_equal(np.unique(patches), np.arange(patches.max() + 1))
    red = cut(frame.color[..., 0], view) > 130
    for mask in (red & (cut(labels, view) == 1), cut(labels, view) == 2):
        size = np.bincount(patches.ravel())
        inside = np.bincount(patches[mask], minlength=len(size))
        wrong = np.minimum(inside, size - inside).sum()
        assert wrong < 0.08 * mask.sum()
