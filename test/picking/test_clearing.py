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

import numpy as np
import pytest

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.picking.clearing import blockers, free_spot
from objectcentric_ros.picking.ports import SeenSegment, View

LAYOUT = CellLayout.load()
T_BASE_CAMERA = LAYOUT.named_poses["look"] @ np.linalg.inv(LAYOUT.T_hand_tcp) @ LAYOUT.T_hand_camera


def view(*boxes: tuple[int, int, int, int]) -> View:
    labels = np.zeros((480, 640), np.uint16)
    for number, (u0, v0, u1, v1) in enumerate(boxes, start=1):
        labels[v0:v1, u0:u1] = number
    segments = tuple(SeenSegment(number, 1, np.zeros(3)) for number in range(1, len(boxes) + 1))
    return View(1, "look", labels, segments)


def test_the_neighbour_with_the_longer_border_comes_first_and_far_ones_not_at_all():
    # 2 borders on 1 over 40 px, 3 over 20 px, 4 is 100 px away.
    look = view((100, 100, 140, 140), (142, 100, 180, 140), (100, 142, 120, 180), (240, 100, 260, 140))
    assert blockers(look, 1) == [2, 3]


def test_of_a_heap_the_one_with_most_neighbours_comes_first():
    look = view((100, 100, 140, 140), (141, 100, 180, 140), (60, 100, 99, 140), (400, 300, 420, 320))
    assert blockers(look, None) == [1, 2, 3] or blockers(look, None) == [1, 3, 2]


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
