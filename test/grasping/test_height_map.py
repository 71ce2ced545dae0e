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

"""Height map: where heights come from, what holes become, and what is known without seeing it."""

import numpy as np
import pytest

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.grasping.height_map import height_map
from objectcentric_ros.segmentation.block_scenes import Block, render

RED = (200, 40, 40)


@pytest.fixture(scope="module")
def scene(layout):
    """A 80 x 40 x 50 mm block at (+20, -30) mm of the tray's middle."""
    return render(layout, [Block((0.02, -0.03), (0.08, 0.04, 0.05), RED)])


def at(heights, layout, x, y):
    """Row and column of a place relative to the tray's middle [m]."""
    return tuple(np.rint((np.asarray(layout.tray.centre) + [x, y] - heights.origin) / heights.resolution).astype(int))


def spoiled(frame, depth):
    return RgbdFrame(frame.color, depth.astype(np.float32), frame.camera, frame.T_base_camera)


def test_heights_are_metres_above_the_table(layout, scene):
    heights = height_map(*scene, layout)
    assert heights.height[at(heights, layout, 0.02, -0.03)] == pytest.approx(0.054, abs=1e-3)
    assert heights.height[at(heights, layout, -0.10, 0.10)] == pytest.approx(0.004, abs=1e-3)


def test_the_segment_owns_its_footprint(layout, scene):
    heights = height_map(*scene, layout)
    rows, columns = np.nonzero((heights.owner == 1) & heights.seen & (heights.height > 0.05))
    low = np.asarray(heights.origin) + np.array([rows.min(), columns.min()]) * heights.resolution - layout.tray.centre
    high = np.asarray(heights.origin) + np.array([rows.max(), columns.max()]) * heights.resolution - layout.tray.centre
    np.testing.assert_allclose(low, [-0.02, -0.05], atol=0.003)
    np.testing.assert_allclose(high, [0.06, -0.01], atol=0.003)


def test_segment_pixels_without_depth_count_as_item(layout, scene):
    frame, labels = scene
    whole = height_map(frame, labels, layout)
    v, u = np.nonzero(labels == 1)
    depth = frame.depth.copy()
    depth[v.min():(v.min() + v.max()) // 2, u.min():u.max()] = np.nan  # half of the item is dark
    holed = height_map(spoiled(frame, depth), labels, layout)
    own, was_own = ((heights.owner == 1) & heights.seen for heights in (holed, whole))
    assert np.count_nonzero(own & was_own) > 0.9 * np.count_nonzero(was_own)


def test_small_holes_take_the_height_around_them(layout, scene):
    frame, labels = scene
    depth = frame.depth.copy()
    depth[200:206, 100:106] = np.nan
    heights, whole = height_map(spoiled(frame, depth), labels, layout), height_map(frame, labels, layout)
    np.testing.assert_allclose(heights.height, whole.height, atol=2e-3)


def test_a_wide_hole_beside_something_tall_may_hide_as_tall_a_thing(layout, scene):
    frame, labels = scene
    depth = np.where(labels == 0, np.nan, frame.depth)
    heights = height_map(spoiled(frame, depth), labels, layout)
    assert heights.height[at(heights, layout, 0.02, 0.018)] == pytest.approx(0.054, abs=2e-3)


def test_walls_stand_without_being_seen(layout, scene):
    frame, labels = scene
    for depth in (frame.depth, np.where(labels == 0, np.nan, frame.depth)):
        heights = height_map(spoiled(frame, depth), labels, layout)
        for x, y in [(0.173, 0.0), (-0.173, 0.05), (0.0, 0.243), (0.1, -0.243)]:
            assert heights.height[at(heights, layout, x, y)] >= layout.tray.wall_height - 1e-6


def test_a_blind_camera_gives_a_map_of_what_is_known(layout, scene):
    frame, labels = scene
    heights = height_map(spoiled(frame, np.full(frame.depth.shape, np.nan)), labels, layout)
    assert not heights.seen.any() and np.isfinite(heights.height).all()


def test_single_flying_pixels_are_dropped(layout, scene):
    frame, labels = scene
    depth = frame.depth.copy()
    depth[150, 150] = 0.30
    heights = height_map(spoiled(frame, depth), labels, layout)
    inside = heights.height[at(heights, layout, -0.1, -0.1)[0]:at(heights, layout, 0.1, 0.1)[0]]
    assert inside.max() < 0.07
