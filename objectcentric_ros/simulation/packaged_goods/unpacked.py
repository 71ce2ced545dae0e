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

"""Products without their package, of simple primitives: what a shop's picture shows and what a label illustrates."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.simulation.packaged_goods import care_and_tech_shapes, food_shapes, home_shapes
from objectcentric_ros.simulation.packaged_goods.product_shapes import Parts, Shape
from objectcentric_ros.simulation.packaged_goods.vocabulary import Colour

SHAPES: dict[str, Shape] = care_and_tech_shapes.SHAPES | food_shapes.SHAPES | home_shapes.SHAPES


def unpacked(shape: str, colour: Colour, rng: np.random.Generator) -> Parts:
    """Parts of a product, of any size.

    Args:
        shape: key of `SHAPES`; raises KeyError for another.
        colour: of the variant.
        rng: gives the proportions.
    """
    return SHAPES[shape](colour, rng)
