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


"""Photographs show one item, each time in another pose."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.photograph import photograph
from objectcentric_ros.simulation.sensor import DepthSensorConfig

LAYOUT = CellLayout.load()


def test_each_photograph_shows_exactly_one_item_in_the_tray(catalogue: Catalogue) -> None:
    frames = photograph(catalogue.get("medicine-box"), 4, 7, sensor=DepthSensorConfig.ideal())
    assert len(frames) == 4
    centres = []
    for frame in frames:
        points = frame.points_base()
        raised = LAYOUT.tray.contains(points, margin=0.005) & (points[..., 2] > LAYOUT.tray.floor_thickness + 0.01)
        _, count = ndimage.label(raised)
        assert count == 1
        centres.append(points[raised].mean(axis=0))
    distances = [np.linalg.norm(a - b) for i, a in enumerate(centres) for b in centres[:i]]
    assert min(distances) > 0.01


def test_the_seed_decides_everything(catalogue: Catalogue) -> None:
    first, again = (photograph(catalogue.get("rubiks-cube"), 2, 9) for _ in range(2))
    for frame, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(frame.color, other.color)
        np.testing.assert_array_equal(frame.depth, other.depth)


def test_no_photograph_is_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="views must be at least 1"):
        photograph(catalogue.get("rubiks-cube"), 0, 0)
