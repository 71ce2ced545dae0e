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

"""What is in the way, and where there is room."""

from types import MappingProxyType

import numpy as np
import pytest

from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.picking.clearing import blockers, free_spot, places
from objectcentric_ros.picking.ports import SeenSegment, View

LAYOUT = CellLayout.load()
T_BASE_CAMERA = LAYOUT.named_poses["look"] @ np.linalg.inv(LAYOUT.T_hand_tcp) @ LAYOUT.T_hand_camera


def view(*boxes: tuple[int, int, int, int], heights: dict[int, float] = MappingProxyType({})) -> View:
    """Segments 1, 2, ... at (u0, v0, u1, v1) [px]; heights of their middles [m], 0.02 by default."""
    labels = np.zeros((480, 640), np.uint16)
    for number, (u0, v0, u1, v1) in enumerate(boxes, start=1):
        labels[v0:v1, u0:u1] = number
    segments = tuple(SeenSegment(number, (u1 - u0) * (v1 - v0), np.array([u0 / 1000, v0 / 1000, heights.get(number, 0.02)]))
                     for number, (u0, v0, u1, v1) in enumerate(boxes, start=1))
    return View(1, "look", labels, segments)


def test_the_neighbour_with_the_longer_border_comes_first_and_far_ones_not_at_all():
    # 2 borders on 1 over 40 px, 3 over 20 px, 4 is 100 px away.
    look = view((100, 100, 140, 140), (142, 100, 180, 140), (100, 142, 120, 180), (240, 100, 260, 140))
    assert blockers(look, 1) == [2, 3]


def test_of_a_heap_the_one_with_most_neighbours_comes_first():
    look = view((100, 100, 140, 140), (141, 100, 180, 140), (60, 100, 99, 140), (400, 300, 420, 320))
    found = blockers(look, None)
    assert (found[0], found[-1]) == (1, 4)


def test_what_stands_higher_than_the_item_is_in_its_way_more_than_what_it_lies_on():
    boxes = (100, 100, 140, 140), (142, 100, 180, 140), (60, 100, 98, 140)
    assert blockers(view(*boxes, heights={2: 0.06, 3: 0.0}), 1) == [2, 3]
    assert blockers(view(*boxes, heights={2: 0.0, 3: 0.06}), 1) == [3, 2]


def test_an_unseen_item_is_looked_for_under_the_largest_when_nothing_touches():
    assert blockers(view((100, 100, 120, 120), (200, 200, 280, 280), (400, 100, 430, 130)), None) == [2, 3, 1]


def test_what_was_put_down_already_comes_last():
    look = view((100, 100, 120, 120), (200, 200, 280, 280))
    assert blockers(look, None, [np.array([0.21, 0.2])]) == [1, 2]


def test_the_middle_of_an_empty_tray_is_free():
    spot = free_spot(np.zeros((480, 640), np.uint16), LAYOUT.camera, T_BASE_CAMERA, LAYOUT.tray, 0.1)
    assert spot is not None
    assert spot[0] == pytest.approx(LAYOUT.tray.centre[0], abs=0.01)
    assert LAYOUT.tray.contains(np.array([*spot, 0.0]), margin=0.16)


def test_the_free_spot_is_on_the_other_side_of_what_lies_there():
    labels = np.zeros((480, 640), np.uint16)
    labels[:, :320] = 1          # the left half of the image is the base's +y
    spot = free_spot(labels, LAYOUT.camera, T_BASE_CAMERA, LAYOUT.tray, 0.05)
    assert spot is not None
    assert spot[1] < -0.05
    pixel = LAYOUT.camera.project((np.linalg.inv(T_BASE_CAMERA) @ [*spot, LAYOUT.tray.floor_thickness, 1.0])[:3])
    assert labels[round(pixel[1]), round(pixel[0])] == 0


def test_a_full_tray_has_no_free_spot():
    labels = np.ones((480, 640), np.uint16)
    assert free_spot(labels, LAYOUT.camera, T_BASE_CAMERA, LAYOUT.tray, 0.01) is None


def on_floor(pose: np.ndarray, label: np.ndarray, number: int, taken: np.ndarray) -> np.ndarray:
    """Pixels of the floor that the segment covers once its hand has gone from `taken` to `pose`."""
    turn, moved = pose[:3, :3] @ taken[:3, :3].T, np.eye(4)
    moved[:3, :3], moved[:3, 3] = turn, pose[:3, 3] - turn @ taken[:3, 3]
    rows, columns = np.nonzero(label == number)
    camera, height = LAYOUT.camera, taken[2, 3]
    rays = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(len(rows))]) \
        * (height - T_BASE_CAMERA[2, 3]) / T_BASE_CAMERA[2, 2]
    base = T_BASE_CAMERA @ np.vstack([rays, np.ones(len(rows))])
    return (moved @ base)[:2].T


def test_a_long_item_gets_a_place_in_which_all_of_it_is_in_the_tray():
    labels = np.zeros((480, 640), np.uint16)
    labels[200:230, 120:420] = 1   # some 25 cm long across a heap
    labels[100:400, 100:330] = np.where(labels[100:400, 100:330] == 0, 2, 1)
    taken = top_down([0.42, 0.05, 0.02], 0.3)
    found = places(labels, LAYOUT.camera, T_BASE_CAMERA, LAYOUT.tray, 1, taken)
    assert found
    points = on_floor(found[0], labels, 1, taken)
    assert LAYOUT.tray.contains(np.column_stack([points, np.zeros(len(points))]), margin=-0.005).all()
    pixels = LAYOUT.camera.project((np.linalg.inv(T_BASE_CAMERA) @ np.vstack(
        [points.T, np.full((1, len(points)), LAYOUT.tray.floor_thickness), np.ones((1, len(points)))]))[:3].T)
    u, v = np.round(pixels).astype(int).T
    assert np.mean(labels[v.clip(0, 479), u.clip(0, 639)] == 0) > 0.95
    assert all(pose[2, 3] == taken[2, 3] and pose[2, 2] == pytest.approx(-1.0) for pose in found)


def test_the_named_item_is_covered_last_of_all():
    labels = np.full((480, 640), 2, np.uint16)
    labels[:, 320:] = 3
    labels[220:260, 300:340] = 1
    taken = top_down([0.41, 0.0, 0.02], 0.0)
    for keep_clear, side in ((2, -1), (3, 1)):   # the left half of the image is the base's +y
        place = places(labels, LAYOUT.camera, T_BASE_CAMERA, LAYOUT.tray, 1, taken, keep_clear)[0]
        assert side * place[1, 3] > 0.01


def test_what_is_larger_than_the_tray_has_no_place():
    labels = np.ones((480, 640), np.uint16)
    assert places(labels, LAYOUT.camera, T_BASE_CAMERA, LAYOUT.tray, 1, top_down([0.48, 0.0, 0.02], 0.0)) == []
