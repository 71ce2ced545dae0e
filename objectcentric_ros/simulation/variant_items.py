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

"""Variants of items as things that can lie in the cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.item_model import ItemModel, VisualPart, load_item_model
from objectcentric_ros.simulation.variants import Variant, apply_variant, warp


@dataclass(frozen=True)
class VariantItem:
    """A variant with what the cell needs: an item named after it, and its model.

    Args:
        variant: which.
        base: the catalogue's item.
        item: as the base with the variant's name as id and title, and its own extents and mass.
        model: parts in the variant's colours and proportions, and its convex pieces.
    """

    variant: Variant
    base: Item
    item: Item
    model: ItemModel

    @classmethod
    def make(cls, base: Item, variant: Variant) -> VariantItem:
        """The variant of an item; its frame is the item's."""
        if variant.item_id != base.id:
            raise ValueError(f"variant {variant.name} is one of {variant.item_id}, not of {base.id}")
        plain, height = load_item_model(base), base.size[2]
        parts = apply_variant(plain.parts, variant, height)
        pieces = tuple(warp(piece, variant, height).astype(np.float32) for piece in plain.convex_pieces)
        vertices = np.vstack([part.vertices[np.unique(part.faces)] for part in parts])
        x, y, z = (2 * np.abs(vertices).max(axis=0)).astype(float)      # about the frame's origin, as the cell takes it
        mass = base.mass * float(np.prod(variant.stretch))
        return cls(variant, base, replace(base, id=variant.name, title=variant.name, size=(x, y, z), mass=mass),
                   ItemModel(parts, pieces))

    def on_surface(self, point: ArrayLike) -> NDArray[np.float64]:
        """Where a point of the base item is on the variant's upper surface.

        Args:
            point: (3,) [m, the base item's frame].

        Returns:
            (3,) [m, the variant's frame]: the highest place of the surface straight above or below the warped point.

        Raises:
            ValueError: there is none.
        """
        target = warp(np.asarray(point, dtype=float), self.variant, self.base.size[2])
        heights = [height for part in self.model.parts for height in _heights(part, target[:2])]
        if not heights:
            raise ValueError(f"{self.variant.name} has no surface at x, y = {np.round(1000 * target[:2], 1).tolist()} mm")
        return np.array([target[0], target[1], max(heights)])


def _heights(part: VisualPart, place: NDArray[np.float64]) -> list[float]:
    """Heights at which a vertical line through (x, y) meets a part's triangles."""
    a, b, c = (part.vertices[part.faces[:, corner]].astype(float) for corner in range(3))
    first, second, offset = b[:, :2] - a[:, :2], c[:, :2] - a[:, :2], place - a[:, :2]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    usable = np.abs(area) > 1e-14
    area = np.where(usable, area, 1.0)
    s = (offset[:, 0] * second[:, 1] - offset[:, 1] * second[:, 0]) / area
    t = (first[:, 0] * offset[:, 1] - first[:, 1] * offset[:, 0]) / area
    hit = usable & (s >= 0) & (t >= 0) & (s + t <= 1)
    return list((a[:, 2] + s * (b[:, 2] - a[:, 2]) + t * (c[:, 2] - a[:, 2]))[hit])
