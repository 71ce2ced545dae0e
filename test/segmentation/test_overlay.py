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


"""The overlay picture."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.segmentation.overlay import draw_overlay, label_color


@pytest.fixture()
def scene():
    color = np.full((120, 160, 3), 128, np.uint8)
    labels = np.zeros((120, 160), np.uint16)
    labels[20:80, 30:100] = 3
    return color, labels


def test_background_and_inputs_stay(scene):
    color, labels = scene
    before = color.copy()
    picture = draw_overlay(color, labels)
    assert picture.dtype == np.uint8 and picture.shape == color.shape
    np.testing.assert_array_equal(color, before)
    assert np.all(picture[100:, 120:] == 128)


def test_items_are_tinted_with_their_colour(scene):
    tint = draw_overlay(*scene)[50, 60].astype(int) - 128
    wanted = np.array(label_color(3)) - 128
    assert np.all(np.sign(tint) == np.sign(wanted))


def test_caption_is_white_on_dark_inside_the_item(scene):
    plain, written = draw_overlay(*scene), draw_overlay(*scene, {3: "cup"})
    changed = np.argwhere((plain != written).any(axis=2))
    assert len(changed) and written.max() == 255
    assert 20 <= changed[:, 0].min() and changed[:, 0].max() < 80


def test_captions_at_the_edge_and_of_absent_labels_do_no_harm(scene):
    color, labels = scene
    labels[:3, -3:] = 8
    labels[-2:, :2] = 9
    picture = draw_overlay(color, labels, {8: "a very long caption at the corner", 9: "Größe", 77: "absent"})
    assert picture.shape == color.shape


def test_neighbouring_labels_differ_in_colour():
    distances = [np.abs(np.subtract(label_color(k), label_color(k + 1))).sum() for k in range(1, 60)]
    assert min(distances) > 150


def test_other_size_is_refused(scene):
    with pytest.raises(ValueError, match="one size"):
        draw_overlay(scene[0], scene[1][:-1])
