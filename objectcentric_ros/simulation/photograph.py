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


"""Photographs of one item alone in the tray, in the poses in which it comes to rest: what a person would show a gallery."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.cell import Cell
from objectcentric_ros.simulation.sensor import DepthSensorConfig


def photograph(item: Item, views: int, seed: int, layout: CellLayout | None = None,
               sensor: DepthSensorConfig | None = None) -> list[RgbdFrame]:
    """Drop an item into the empty tray again and again and look at it from the look pose.

    Args:
        item: what to photograph.
        views: number of images.
        seed: of the drops and of the sensor noise; the same seed gives the same images.
        layout: the cell; None reads config/cell.yaml.
        sensor: depth effects; None is the default D435.

    Returns:
        `views` frames, each with the item in another place and orientation.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1, got {views}")
    with Cell([item], seed, layout, sensor) as cell:
        frames = [cell.render()]
        # A stream of its own: the cell's first drop uses the seed's.
        for child in np.random.default_rng([seed, 1]).spawn(views - 1):
            cell.drop(child)
            frames.append(cell.render())
    return frames
