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

"""Variants of catalogue items: the same item in other colours and proportions, so that a family has enough members."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.item_model import VisualPart

_LUMINANCE = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Variant:
    """One instance of a family: an item, perhaps in another colour and shape.

    Args:
        item_id: id of the catalogue's item.
        name: unique name of the instance, also its folder's; empty: the item's id.
        hue: shift of the hue [deg]; greys stay grey.
        tint: (r, g, b) in 0..1: everything takes this hue and saturation and keeps its own light and dark, which lies
            around the tint's; None: the item's own colours.
        stretch: factors of the item's extents (x, y, z).
        taper: how much wider the item becomes from its middle to its top; below 0: narrower.

    Raises:
        ValueError: a value is out of range, or the name can't be a folder's.
    """

    item_id: str
    name: str = ""
    hue: float = 0.0
    tint: tuple[float, float, float] | None = None
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
    taper: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.item_id)
        if self.name != Path(self.name).name or self.name.startswith("."):
            raise ValueError(f"variant {self.name!r}: the name must be a folder's: use letters, digits, - and _")
        if not np.isfinite(self.hue):
            raise ValueError(f"variant {self.name}: hue must be finite, got {self.hue}")
        if self.tint is not None and (len(self.tint) != 3 or not all(0 <= x <= 1 for x in self.tint)):
            raise ValueError(f"variant {self.name}: tint must be three values in 0..1, got {self.tint}")
        if len(self.stretch) != 3 or not all(0.5 <= x <= 2 for x in self.stretch):
            raise ValueError(f"variant {self.name}: stretch must be three factors in 0.5..2, got {self.stretch}")
        if not -0.8 <= self.taper <= 0.8:
            raise ValueError(f"variant {self.name}: taper must be in -0.8..0.8, got {self.taper}")


def warp(points: NDArray[np.floating], variant: Variant, height: float) -> NDArray[np.float64]:
    """Where points of the item are on the variant: the true correspondence of all variants of one item.

    Args:
        points: (..., 3) [m], the item's frame.
        variant: gives the proportions.
        height: of the item as it is, `item.size[2]` [m].

    Returns:
        (..., 3) float64 [m], the variant's frame.
    """
    points = np.asarray(points, dtype=float)
    width = 1 + variant.taper * points[..., 2:] / (height / 2)
    return points * np.asarray(variant.stretch) * np.concatenate([width, width, np.ones_like(width)], axis=-1)


def unwarp(points: NDArray[np.floating], variant: Variant, height: float) -> NDArray[np.float64]:
    """The inverse of `warp`: from the variant's frame to the item's."""
    points = np.asarray(points, dtype=float) / np.asarray(variant.stretch)
    width = 1 + variant.taper * points[..., 2:] / (height / 2)
    return points / np.concatenate([width, width, np.ones_like(width)], axis=-1)


def apply_variant(parts: tuple[VisualPart, ...], variant: Variant, height: float) -> tuple[VisualPart, ...]:
    """The parts of the variant's item, of this height [m], in the variant's colours and proportions."""
    light = _lightness(parts)
    return tuple(replace(_recoloured(part, variant, light),
                         vertices=warp(part.vertices, variant, height).astype(np.float32)) for part in parts)


def _recoloured(part: VisualPart, variant: Variant, light: float) -> VisualPart:
    if part.texture is not None:
        return replace(part, texture=np.rint(255 * _recolour(part.texture / 255.0, variant, light)).astype(np.uint8))
    color = _recolour(part.rgba[None, None, :3].astype(float), variant, light)[0, 0]
    return replace(part, rgba=np.append(color, part.rgba[3]).astype(np.float32))


def _recolour(rgb: NDArray[np.float64], variant: Variant, light: float) -> NDArray[np.float64]:
    """RGB (h, w, 3) in 0..1 of the variant."""
    if variant.tint is not None:
        own = (rgb @ _LUMINANCE)[..., None]
        # The common lightness becomes the tint's own; what is darker or lighter keeps half of its contrast, so that a dark
        # item's details are still seen on a light tint.
        shade = np.clip(0.5 + 0.5 * (own + 0.05) / (light + 0.05), 0.3, 2.5)
        rgb = np.clip(np.asarray(variant.tint) * shade + 0.25 * np.clip(own - light, 0, 1), 0, 1)
    if variant.hue:
        hsv = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + variant.hue) % 360
        rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(float)
    return rgb


def _lightness(parts: tuple[VisualPart, ...]) -> float:
    """Mean luminance, each part by its area."""
    areas, values = [], []
    for part in parts:
        a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
        areas.append(float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2)
        rgb = part.rgba[:3] if part.texture is None else part.texture.reshape(-1, 3).mean(axis=0) / 255
        values.append(float(rgb @ _LUMINANCE))
    return float(np.average(values, weights=areas))
