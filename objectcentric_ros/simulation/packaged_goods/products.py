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

"""Products drawn from the vocabulary: brand x kind x variant x size, with a title, a package and what is in it."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.packaged_goods import label, packages
from objectcentric_ros.simulation.packaged_goods.primitives import centred, extents, move, turn
from objectcentric_ros.simulation.packaged_goods.titles import product_title
from objectcentric_ros.simulation.packaged_goods.typefaces import FONTS, Typeface
from objectcentric_ros.simulation.packaged_goods.unpacked import unpacked
from objectcentric_ros.simulation.packaged_goods.vocabulary import BRANDS, KINDS, SIZES, VARIANTS, Colour, ProductKind

PLAIN_FORMS = ("white_bag", "brown_box")
_STANDING = {"can": 0.4, "jar": 0.45, "box": 0.2, "carton": 0.25, "bottle": 0.15, "brown_box": 0.2}
_SHOWN = 0.76  # share of products without package in the shop's picture, of those that can be shown so


@dataclass(frozen=True)
class Product:
    """A packaged product: names and numbers; meshes and labels are made when asked for, always the same.

    Args:
        product_id: unique, contains the seed.
        title: unique within a drawing.
        form: package.
        family: products of one brand and kind share the label's design.
        size: of the package as it lies in the tray [m].
        upright: of the package as it stands [m].
        mass: [kg].
        seed: of all products.
        brand: index into `BRANDS`.
        kind: index into `KINDS`.
        variant: key of the kind's variants.
        contents: size as printed.
    """

    product_id: str
    title: str
    form: str
    family: str
    size: tuple[float, float, float]
    upright: tuple[float, float, float]
    mass: float
    seed: int
    brand: int
    kind: int
    variant: str
    contents: str

    def parts(self) -> tuple[VisualPart, ...]:
        """The package as it lies in the tray, front up or standing."""
        parts = self.standing_parts()
        return parts if self._stands() else centred(move(parts, rotation=turn("x", -90)))

    def standing_parts(self) -> tuple[VisualPart, ...]:
        """The package upright, front at -y."""
        rng = self._rng("package")
        code = zlib.crc32(self.product_id.encode())
        if self.form in PLAIN_FORMS:
            make = packages.white_bag if self.form == "white_bag" else packages.brown_box
            return self._filling(make(self.upright, code, rng))
        picture = label.illustration(self.unpacked_parts())
        shape = _rng(self.seed, "shape", self.brand, self.kind, zlib.crc32(self.form.encode()))  # variants share the package
        return self._filling(packages.package(self.form, self.upright, self._design(code), picture, shape))

    def unpacked_parts(self) -> tuple[VisualPart, ...]:
        """What is in the package, in the variant's colour, as large as the package."""
        kind = KINDS[self.kind]
        colour = VARIANTS[kind.variants][self.variant]
        return centred(unpacked(kind.shape, colour, _rng(self.seed, "unpacked", self.brand, self.kind)), 0.8 * max(self.upright))

    def catalog_parts(self) -> tuple[VisualPart, ...]:
        """As the shop's picture shows it: without the package, or the package upright."""
        shown = self.form in PLAIN_FORMS or self.shown_unpacked
        return self.unpacked_parts() if shown else self.standing_parts()

    @property
    def shown_unpacked(self) -> bool:
        """Whether the shop's picture shows the product without its package."""
        plain = self.form in PLAIN_FORMS
        return plain or (KINDS[self.kind].shown and _rng(self.seed, "shown", self.brand, self.kind).random() < _SHOWN)

    def _filling(self, parts: list[VisualPart]) -> tuple[VisualPart, ...]:
        """Parts stretched a little, so that they are as large as said."""
        low, high = extents(parts)
        return tuple(move(centred(parts), rotation=np.diag(np.asarray(self.upright) / (high - low))))

    def _stands(self) -> bool:
        return _stands(self.seed, self.product_id, self.form)

    def _rng(self, purpose: str) -> np.random.Generator:
        return _rng(self.seed, purpose, zlib.crc32(self.product_id.encode()))

    def _design(self, code: int) -> label.LabelDesign:
        kind = KINDS[self.kind]
        style = brand_style(self.seed, self.brand)
        rng = _rng(self.seed, "design", self.brand, self.kind)
        face = _typeface(rng)
        own = _palette(rng)
        palette = own if rng.random() < 0.35 else style.palette  # some lines of a brand have colours of their own
        return label.LabelDesign(
            brand=BRANDS[self.brand],
            name=kind.name.title() if kind.name[0].islower() else kind.name,
            variant=self.variant.title(),
            size=self.contents,
            claim=str(rng.choice(kind.claims)),
            palette=palette,
            band=VARIANTS[kind.variants][self.variant],
            logo=style.logo,
            logo_turn=style.logo_turn,
            brand_face=style.face,
            name_face=face,
            layout=int(rng.integers(len(label.LAYOUTS))),
            background=int(rng.integers(label.BACKGROUNDS)),
            barcode=code,
        )


@dataclass(frozen=True)
class BrandStyle:
    """What all products of a brand share."""

    palette: tuple[Colour, Colour, Colour]
    logo: str
    logo_turn: float
    face: Typeface


def brand_style(seed: int, brand: int) -> BrandStyle:
    """Colours, logo and typeface of a brand."""
    rng = _rng(seed, "brand", brand)
    return BrandStyle(
        _palette(rng), label.LOGOS[brand % len(label.LOGOS)], float(rng.choice([0, 15, -15, 90, 180])), _typeface(rng)
    )


def draw_products(count: int, seed: int, plain: int = 0) -> tuple[Product, ...]:
    """Different products with different titles.

    Args:
        count: number of products.
        seed: of everything.
        plain: how many of them come in a white bag or a brown box.

    Raises:
        ValueError: more products than there are combinations.
    """
    families = len(BRANDS) * len(KINDS)
    if count > families or not 0 <= plain <= count:
        raise ValueError(f"cannot draw {count} products, {plain} of them in plain packages: {families} is the most")
    rng = _rng(seed, "products")
    pairs = iter(rng.permutation(families))
    products: list[Product] = []
    titles: set[str] = set()
    while len(products) < count:
        brand, kind = divmod(int(next(pairs)), len(KINDS))
        if len(products) < plain:
            if KINDS[kind].shown:
                products += _family(seed, brand, kind, PLAIN_FORMS[len(products) % 2], 1, rng, titles)
        else:
            form = str(rng.choice(KINDS[kind].forms))
            members = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
            products += _family(seed, brand, kind, form, min(members, count - len(products)), rng, titles)
    return tuple(products)


def _family(
    seed: int, brand: int, kind_index: int, form: str, count: int, rng: np.random.Generator, titles: set[str]
) -> Iterator[Product]:
    """Products of one brand and kind: the same design in other colours, sometimes in another size."""
    kind = KINDS[kind_index]
    upright = _draw_size(form, rng)
    names = rng.permutation(list(VARIANTS[kind.variants]))[:count]
    contents = _contents(kind, rng)
    family = f"goods-{seed}-{BRANDS[brand].lower()}-{kind.name.replace(' ', '-').lower()}"
    for number, variant in enumerate(names):
        if number and rng.random() < 0.3:
            contents, upright = _contents(kind, rng), _draw_size(form, rng)
        product_id = f"{family}-{str(variant).replace(' ', '-')}"
        title = product_title(BRANDS[brand], kind, str(variant), contents, rng, titles)
        titles.add(title)
        width, depth, height = upright
        size = upright if _stands(seed, product_id, form) else (width, height, depth)
        mass = float(np.clip(packages.DENSITIES[form] * width * depth * height, 0.02, 0.6))
        yield Product(
            product_id, title, form, family, size, upright, round(mass, 3), seed, brand, kind_index, str(variant), contents
        )


def _draw_size(form: str, rng: np.random.Generator) -> tuple[float, float, float]:
    width, depth, height = (round(float(rng.uniform(*limits)) / 1000, 4) for limits in packages.RANGES[form])
    if form in ("can", "jar"):
        depth = width
    return width, min(depth, width) if form != "carton" else depth, height


def _contents(kind: ProductKind, rng: np.random.Generator) -> str:
    amount = int(rng.choice(SIZES[kind.unit]))
    return f"{amount} {kind.unit}"


def _stands(seed: int, product_id: str, form: str) -> bool:
    return bool(_rng(seed, "stands", zlib.crc32(product_id.encode())).random() < _STANDING.get(form, 0.0))


def _palette(rng: np.random.Generator) -> tuple[Colour, Colour, Colour]:
    """Ground, second colour, ink."""
    hue, other = rng.random(), rng.random()
    white: Colour = (0.96, 0.96, 0.95)
    style = int(rng.integers(6))
    if style == 0:  # white with coloured ink
        return white, colorsys.hsv_to_rgb(hue, 0.25, 1.0), colorsys.hsv_to_rgb(hue, 0.9, 0.5)
    if style == 1:  # strong colour, white ink
        return colorsys.hsv_to_rgb(hue, 0.85, 0.65), colorsys.hsv_to_rgb(other, 0.8, 0.55), white
    if style == 2:  # pastel
        return colorsys.hsv_to_rgb(hue, 0.3, 0.97), colorsys.hsv_to_rgb(other, 0.3, 0.95), colorsys.hsv_to_rgb(hue, 0.7, 0.3)
    if style == 3:  # dark with gold
        return colorsys.hsv_to_rgb(hue, 0.6, 0.22), colorsys.hsv_to_rgb(hue, 0.6, 0.36), (0.92, 0.78, 0.42)
    if style == 4:  # two strong colours
        return (
            colorsys.hsv_to_rgb(hue, 0.9, 0.9),
            colorsys.hsv_to_rgb(hue + rng.choice([0.33, 0.5, 0.67]), 0.85, 0.85),
            (0.08, 0.08, 0.12),
        )
    return (0.9, 0.84, 0.72), colorsys.hsv_to_rgb(hue, 0.5, 0.75), colorsys.hsv_to_rgb(hue, 0.8, 0.35)  # kraft paper


def _typeface(rng: np.random.Generator) -> Typeface:
    return Typeface(
        str(rng.choice(FONTS)),
        int(rng.choice([300, 500, 650, 800])),
        float(rng.choice([0, 0, 0, 0.2, -0.12])),
        str(rng.choice(["upper", "title", "title", "lower"])),
        float(rng.choice([0, 0, 0, 0.12])),
        bool(rng.random() < 0.1),
    )


def _rng(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])
