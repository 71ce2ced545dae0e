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

"""Colours and arrangements that unpacked products have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.packaged_goods.vocabulary import Colour

Parts = list[VisualPart]
Shape = Callable[[Colour, np.random.Generator], Parts]
WHITE, BLACK, STEEL, WOOD = (0.94, 0.94, 0.93), (0.12, 0.12, 0.13), (0.72, 0.73, 0.76), (0.75, 0.56, 0.35)
BISCUIT, LEAF = (0.85, 0.64, 0.36), (0.25, 0.5, 0.2)


def dark(colour: Colour, factor: float = 0.7) -> Colour:
    """The colour with less light."""
    r, g, b = (factor * x for x in colour)
    return r, g, b


def blend(under: Colour, over: Colour, share: float) -> Colour:
    """A share of the second colour in the first."""
    r, g, b = ((1 - share) * x + share * y for x, y in zip(under, over, strict=True))
    return r, g, b


def circle(radius: float, count: int = 40, z: float = 0.0) -> NDArray:
    """Corners (count, 3) of a circle."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)], -1)


def line(a: tuple[float, float, float], b: tuple[float, float, float]) -> NDArray:
    """Points (6, 3) from one end to the other."""
    return np.linspace(a, b, 6)


def scatter(count: int, rng: np.random.Generator, radius: float) -> NDArray:
    """Places (count, 2) in a heap that don't quite cover each other."""
    angle = np.arange(count) * 2.4 + rng.uniform(0, 6)
    return (radius * np.sqrt((np.arange(count) + 0.4) / count))[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
