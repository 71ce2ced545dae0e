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

"""The objects of the generated identification benchmark: what lies in the tray and what shops show of it.

The curated items of the catalogue, the same in other colours, miniatures of the libraries' other models, and packaged goods
with printed labels, a few of them in white bags and brown boxes that tell nothing (paper B, fig. 8).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from objectcentric_ros.simulation.catalogue import LICENCES, Catalogue, Item, furniture_libraries
from objectcentric_ros.simulation.item_model import VisualPart, load_visual_parts
from objectcentric_ros.simulation.packaged_goods.products import Product, draw_products
from objectcentric_ros.simulation.variants import Variant, apply_variant

IDENTIFICATION_SPLITS = ("train", "fusion", "test")
PLAIN_SHARE = 0.04
_CATALOGUE_FUSION = 0.2  # of the families whose item is a dev item
_TEST, _FUSION = 0.17, 0.17  # of the other families; with the catalogue's test items, a quarter of all is for testing
_MINIATURE_DENSITY = 250.0  # kg per m3 of the bounding box
_SHARES = (0.15, 0.25, 0.25)  # of catalogue, recolours and miniatures, at most; packaged goods are the rest
TINTS = {
    "red": (0.8, 0.1, 0.1),
    "orange": (0.95, 0.5, 0.1),
    "yellow": (0.95, 0.85, 0.15),
    "lime green": (0.6, 0.82, 0.15),
    "dark green": (0.08, 0.38, 0.16),
    "teal": (0.05, 0.52, 0.52),
    "sky blue": (0.4, 0.7, 0.95),
    "navy blue": (0.08, 0.14, 0.45),
    "purple": (0.45, 0.15, 0.62),
    "pink": (0.98, 0.55, 0.72),
    "brown": (0.4, 0.24, 0.12),
    "cream": (0.95, 0.9, 0.75),
    "charcoal": (0.16, 0.16, 0.18),
    "mint green": (0.6, 0.92, 0.75),
}
_GREY = 0.15  # between the largest and the smallest of RGB
_FAR = 0.5  # RGB distance between a tint and the item's own mean colour, and between an item's tints


@dataclass(frozen=True)
class IdentifiableObject:
    """One object; meshes and labels are made when asked for, and always the same. Pickles are small.

    Args:
        object_id: unique; that of a curated item is the catalogue's.
        title: unique, as a shop would write it.
        kind: catalogue, recolour, miniature, box, can, bottle, pouch, tube, jar, carton, white_bag or brown_box.
        family: objects that share a mesh or a design share it: the split's unit.
        split: train, fusion or test.
        size: extents (x, y, z) as it lies in the tray [m].
        mass: [kg].
        design: what it is made from.
    """

    object_id: str
    title: str
    kind: str
    family: str
    split: str
    size: tuple[float, float, float]
    mass: float
    design: Item | Product = field(repr=False, compare=False)
    variant: Variant | None = field(default=None, repr=False, compare=False)

    def parts(self) -> tuple[VisualPart, ...]:
        """As it lies in the tray: centred, z up [m]; packaged goods lie front up or stand."""
        if isinstance(self.design, Product):
            return self.design.parts()
        parts = load_visual_parts(self.design)
        return parts if self.variant is None else apply_variant(parts, self.variant, self.design.size[2])

    def catalog_parts(self) -> tuple[VisualPart, ...]:
        """As the shop's picture shows it: upright with the front at -y, often without the package."""
        return self.design.catalog_parts() if isinstance(self.design, Product) else self.parts()

    @property
    def unpacked(self) -> bool:
        """Whether the shop's picture shows something else than what lies in the tray."""
        return isinstance(self.design, Product) and self.design.shown_unpacked


def identification_objects(count: int = 1500, seed: int = 0, split: str | None = None) -> tuple[IdentifiableObject, ...]:
    """Objects of the benchmark, the same for the same count and seed.

    Args:
        count: of all splits together.
        seed: gives other packaged goods, recolours and splits; curated items keep their ids, and those that are test items
            of the catalogue stay test items.
        split: only those of this split.

    Raises:
        ValueError: count or split is out of range.
        FileNotFoundError: a furniture library is missing.
    """
    if split is not None and split not in IDENTIFICATION_SPLITS:
        raise ValueError(f"unknown split '{split}': expected one of {', '.join(IDENTIFICATION_SPLITS)}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    return tuple(thing for thing in _all(count, seed) if split in (None, thing.split))


@lru_cache(maxsize=4)
def _all(count: int, seed: int) -> tuple[IdentifiableObject, ...]:
    most = [int(share * count) for share in _SHARES]
    things: list[IdentifiableObject] = []
    for group, limit in zip((_curated(), _recolours(seed), _miniatures(seed)), most, strict=True):
        chosen = sorted(group, key=lambda thing: _hash(seed, "chosen", thing.object_id))[:limit]
        things += sorted(chosen, key=lambda thing: thing.object_id)
    rest = count - len(things)
    return (*things, *(_packaged(product) for product in draw_products(rest, seed, min(rest, round(PLAIN_SHARE * count)))))


def base_objects(seed: int = 0) -> tuple[IdentifiableObject, ...]:
    """Every curated item and every miniature as it is, with the splits of this seed."""
    return (*_curated(), *_miniatures(seed))


def far_tints(thing: IdentifiableObject) -> list[str]:
    """Names of the colours that nobody would take for the curated item's or the miniature's own."""
    own = _own_colours()[thing.object_id]
    return [name for name, tint in TINTS.items() if np.linalg.norm(np.subtract(tint, own)) > _FAR]


def is_grey(thing: IdentifiableObject) -> bool:
    """Whether the mean colour of a curated item or miniature is about grey: another hue would hardly be seen."""
    own = _own_colours()[thing.object_id]
    return max(own) - min(own) < _GREY


def _curated() -> list[IdentifiableObject]:
    return [
        IdentifiableObject(item.id, item.title, "catalogue", item.id, _catalogue_split(item), item.size, item.mass, item)
        for item in _catalogue().items
    ]


def _recolours(seed: int) -> list[IdentifiableObject]:
    """One of each test item, two of each dev item."""
    things = []
    for item in _catalogue().items:
        for name in _tints(item.id, _models()["colours"][item.id], seed, 1 if item.split == "test" else 2):
            object_id = f"{item.id}-{name.replace(' ', '-')}-{seed}"
            styles = (
                f"{item.title}, {name}",
                f"{name.capitalize()} {item.title[0].lower()}{item.title[1:]}",
                f"{item.title} in {name}",
            )
            title = styles[int(3 * _hash(seed, "title", object_id))] if "," not in item.title else f"{item.title}, {name}"
            things.append(
                IdentifiableObject(
                    object_id,
                    title,
                    "recolour",
                    item.id,
                    _catalogue_split(item),
                    item.size,
                    item.mass,
                    item,
                    Variant(item.id, object_id, tint=TINTS[name]),
                )
            )
    return things


def _miniatures(seed: int) -> list[IdentifiableObject]:
    things = []
    for item in _miniature_items():
        family = _series(item)
        things.append(
            IdentifiableObject(item.id, item.title, "miniature", family, _split(seed, family), item.size, item.mass, item)
        )
    return things


def _packaged(product: Product) -> IdentifiableObject:
    return IdentifiableObject(
        product.product_id,
        product.title,
        product.form,
        product.family,
        _split(product.seed, product.family),
        product.size,
        product.mass,
        product,
    )


def _tints(item_id: str, own: list[float], seed: int, count: int) -> list[str]:
    """Colours that nobody would take for the item's own or for each other."""
    names: list[str] = []
    for name in sorted(TINTS, key=lambda name: _hash(seed, item_id, name)):
        others = [own, *(TINTS[chosen] for chosen in names)]
        if len(names) < count and all(np.linalg.norm(np.subtract(TINTS[name], other)) > _FAR for other in others):
            names.append(name)
    return names


def _series(item: Item) -> str:
    """Models that differ by a detail only are one family."""
    for word in ("plug", "switch", "sedan", "radiator", "cabinet", "railing", "lantern", "rock", "concept"):
        if word in item.title.lower():
            return f"miniature-series-{word}"
    return item.id


def _catalogue_split(item: Item) -> str:
    if item.split == "test":
        return "test"
    return "fusion" if _hash(0, "catalogue", item.id) < _CATALOGUE_FUSION else "train"


def _split(seed: int, family: str) -> str:
    place = _hash(seed, "split", family)
    return "test" if place < _TEST else "fusion" if place < _TEST + _FUSION else "train"


def _hash(seed: int, *words: str) -> float:
    """0..1."""
    digest = hashlib.sha256("|".join([str(seed), *words]).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    return Catalogue.load()


@lru_cache(maxsize=1)
def _models() -> dict[str, Any]:
    return yaml.load(
        (Path(__file__).parent / "identification_models.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )


@lru_cache(maxsize=1)
def _own_colours() -> dict[str, list[float]]:
    """Mean colour of each curated item and each miniature, RGB in 0..1."""
    return {**_models()["colours"], **{model["id"]: model["colour"] for model in _models()["miniatures"]}}


@lru_cache(maxsize=1)
def _miniature_items() -> tuple[Item, ...]:
    libraries = furniture_libraries()
    items = []
    try:
        for model in _models()["miniatures"]:
            library, _, path = model["model"].partition(":")
            entry = libraries[library].entries[path]
            width, depth, height = (extent * model["scale"] for extent in entry.size)
            mass = float(np.clip(_MINIATURE_DENSITY * width * depth * height, 0.02, 0.4))
            items.append(
                Item(
                    id=model["id"],
                    title=model["title"],
                    translations=entry.translations,
                    size=(width, depth, height),
                    mass=round(mass, 3),
                    scale=model["scale"],
                    creator=entry.creator,
                    licence=LICENCES[library],
                    category=entry.category,
                    library=libraries[library].path,
                    model=path,
                    rotation=entry.rotation,
                    checksum=libraries[library].checksum(path),
                )
            )
    finally:
        for opened in libraries.values():
            opened.close()
    return tuple(items)
