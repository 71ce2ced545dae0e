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

"""What depth says about which object it can be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.identification.size_evidence import (
    SizeTable,
    measured_sides,
    median_distance,
    read_size_table,
    size_evidence,
)


def test_a_rectangle_is_as_large_as_its_pixels_say() -> None:
    mask = np.zeros((100, 120), bool)
    mask[20:60, 30:110] = True                                    # 80 x 40 px
    assert measured_sides(mask, 0.5, 400.0) == pytest.approx((0.1, 0.05))
    assert measured_sides(mask.T, 1.0, 400.0) == pytest.approx((0.2, 0.1))


def test_a_turned_rectangle_has_the_same_sides() -> None:
    v, u = np.mgrid[:300, :300] - 150
    turned = (abs(u * math.cos(0.5) + v * math.sin(0.5)) < 80) & (abs(v * math.cos(0.5) - u * math.sin(0.5)) < 30)
    assert measured_sides(turned, 1.0, 100.0) == pytest.approx((1.6, 0.6), rel=0.02)


@pytest.mark.parametrize(("pixels", "distance"), [(0, 1.0), (50, math.nan), (50, 0.0)])
def test_without_pixels_or_distance_nothing_is_known(pixels: int, distance: float) -> None:
    mask = np.zeros((20, 20), bool)
    mask.ravel()[:pixels] = True
    assert all(math.isnan(side) for side in measured_sides(mask, distance, 300.0))


def test_the_median_distance_leaves_out_what_the_camera_did_not_see() -> None:
    depth = np.array([[0.5, np.nan, 0.0], [0.7, 0.6, 9.0]], np.float32)
    mask = np.array([[True, True, True], [True, True, False]])
    assert median_distance(mask, depth) == pytest.approx(0.6)
    assert math.isnan(median_distance(mask, np.zeros((2, 3), np.float32)))


def test_evidence_by_hand() -> None:
    sizes = np.array([[0.05, 0.2, 0.1], [0.1, 0.05, 0.4], [np.nan, 0.1, 0.1], [0.1, 0.0, 0.0]])
    evidence = size_evidence(np.array([0.2, 0.05]), sizes)
    assert evidence[0] == pytest.approx([0.0, math.log(0.5)])     # as long, half as wide: on its edge, or half hidden
    assert evidence[1] == pytest.approx([math.log(0.5), math.log(0.5)])
    assert np.isnan(evidence[2]).all() and evidence[3, 0] == pytest.approx(math.log(2)) and np.isnan(evidence[3, 1])
    assert np.isnan(size_evidence(np.array([np.nan, 0.1]), np.array([0.1, 0.1, 0.1]))[0])
    assert size_evidence(np.array([9.0, 1e-9]), np.array([0.1, 0.1, 0.1])).tolist() == [3.0, -3.0]


def test_tables_are_read_and_what_they_lack_is_unknown(tmp_path: Path) -> None:
    assert read_size_table(tmp_path) == SizeTable()
    (tmp_path / "crops.csv").write_text("path,tray,long,short\nquery/a/1.jpg,t,0.2,0.1\nquery/b/1.jpg,t,,\n")
    (tmp_path / "objects.csv").write_text("object_id,size_x,size_y,size_z\na,0.1,0.2,0.05\nb,,,\n")
    table = read_size_table(tmp_path)
    evidence = table.evidence(["query/a/1.jpg", "query/b/1.jpg", "elsewhere.jpg"], ["a", "b", "c"])
    assert evidence.shape == (3, 3, 2) and evidence[0, 0] == pytest.approx([0.0, 0.0])
    assert np.isnan(evidence).sum() == 16
    (tmp_path / "crops.csv").write_text("path,tray,visible\nquery/a/1.jpg,t,0.5\n")       # of before there were sides
    assert read_size_table(tmp_path).measured == {}
    (tmp_path / "objects.csv").write_text("object_id,size_x,size_y,size_z\na,wide,0.2,0.05\n")
    with pytest.raises(ValueError, match="size_x of a is no number: 'wide'"):
        read_size_table(tmp_path)
