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

"""The second look."""

import numpy as np
import pytest

from objectcentric_ros.picking.ports import Naming, SeenSegment, View
from objectcentric_ros.picking.verification import came_along, named_there, seen_elsewhere, still_there


def view(column: int, z: float = 0.02, pose: str = "look", width: int = 20) -> View:
    labels = np.zeros((40, 100), np.uint16)
    labels[10:30, column:column + width] = 3
    return View(1, pose, labels, (SeenSegment(3, 20 * width, np.array([column / 1000, 0.0, z])),))


def test_the_same_segment_is_still_there():
    assert still_there(view(20), 3, view(20), min_iou=0.99)


def test_iou_decides_at_its_threshold():
    # Two 20 px wide bars, 5 px apart: overlap 15, union 25, IoU 0.6.
    assert still_there(view(20), 3, view(25), min_iou=0.59)
    assert not still_there(view(20), 3, view(25), min_iou=0.61)


def test_what_was_below_is_not_what_was_there():
    assert not still_there(view(20, z=0.06), 3, view(20, z=0.02))


def test_an_empty_tray_has_nothing_there():
    assert not still_there(view(20), 3, View(2, "look", np.zeros((40, 100), np.uint16), ()))


def test_views_from_two_poses_do_not_compare():
    with pytest.raises(ValueError, match="look_left"):
        still_there(view(20), 3, view(20, pose="look_left"))


def test_an_unknown_segment_is_named():
    with pytest.raises(ValueError, match="no segment 9"):
        still_there(view(20), 9, view(20))


def test_only_a_better_match_is_a_rival():
    namings = [Naming(1, {"a": 0.5, "b": 0.1}, False), Naming(2, {"a": 0.8, "b": 0.1}, False), Naming(3, {"a": 0.99}, True)]
    assert seen_elsewhere("a", 0.7, namings, 0.3) is namings[1]
    assert seen_elsewhere("a", 0.85, namings, 0.3) is None
    assert seen_elsewhere("b", 0.0, namings, 0.3) is None


def test_an_item_that_only_moved_a_little_is_seen_where_it_was():
    before, moved, away = view(20), view(32), view(60)
    assert not still_there(before, 3, moved)
    named = [Naming(3, {"cube": 0.8}, False)]
    assert named_there("cube", before, 3, moved, named, 0.5)
    assert not named_there("cube", before, 3, away, named, 0.5)
    assert not named_there("cup", before, 3, moved, named, 0.5)
    assert not named_there("cube", before, 3, moved, named, 0.9)


FLOOR, RED, GREEN, GREY = (70, 85, 107), (200, 30, 30), (30, 160, 40), (75, 75, 75)


def tray(*blocks: tuple[int, int, tuple[int, int, int]], hidden: bool = False) -> View:
    """Blocks (label, column, colour) of 20 px on the floor; something grey in the hand hides the right half."""
    labels, color = np.zeros((60, 160), np.uint16), np.full((60, 160, 3), FLOOR, np.uint8)
    for label, column, paint in blocks:
        labels[20:40, column:column + 20] = label
        color[20:40, column:column + 20] = paint
    if hidden:
        labels[:, 80:], color[:, 80:] = 0, GREY
    segments = tuple(SeenSegment(label, 400, np.array([column / 1000, 0.0, 0.02])) for label, column, _ in blocks)
    return View(1, "look", labels, segments, color)


def names(**labels: int) -> list[Naming]:
    return [Naming(label, {name: 0.9}, False) for name, label in labels.items()]


BEFORE, NAMES = tray((1, 20, RED), (2, 100, GREEN)), names(cup=1, cap=2)


def test_a_second_item_that_left_bare_floor_came_along():
    assert came_along(BEFORE, NAMES, tray(), [], 1, 0.5) == "cap"


def test_a_second_item_that_left_what_lay_under_it_came_along():
    before, found = tray((1, 20, RED), (3, 95, RED), (2, 100, GREEN)), names(cup=1, box=3, cap=2)
    assert came_along(before, found, tray((3, 95, RED)), names(box=3), 1, 0.5) == "cap"


def test_what_is_still_named_somewhere_did_not_come_along():
    assert came_along(BEFORE, NAMES, tray((1, 60, GREEN)), names(cap=1), 1, 0.5) is None


def test_what_lies_where_it_lay_under_no_name_did_not_come_along():
    turned_over = tray((1, 100, RED))
    assert came_along(BEFORE, NAMES, turned_over, [Naming(1, {"cap": 0.4}, True)], 1, 0.5) is None


def test_what_the_hand_hides_is_not_said_to_be_gone():
    # The grey is nearer to the floor's colour than two shades of an item often are.
    assert came_along(BEFORE, NAMES, tray(hidden=True), [], 1, 0.5) is None


def test_a_doubtful_name_or_a_view_without_colour_says_nothing():
    assert came_along(BEFORE, NAMES, tray(), [], 1, 0.95) is None
    assert came_along(View(1, "look", BEFORE.labels, BEFORE.segments), NAMES, tray(), [], 1, 0.5) is None
