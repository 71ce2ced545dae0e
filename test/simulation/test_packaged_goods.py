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

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from objectcentric_ros.simulation.packaged_goods import label
from objectcentric_ros.simulation.packaged_goods.primitives import (
    box,
    cylinder,
    ellipsoid,
    extrude,
    hose,
    loft,
    polar,
    signed_volume,
)
from objectcentric_ros.simulation.packaged_goods.products import PLAIN_FORMS, Product, draw_products
from objectcentric_ros.simulation.packaged_goods.typefaces import FONTS, Typeface, text_mask, wrapped
from objectcentric_ros.simulation.packaged_goods.unpacked import unpacked
from objectcentric_ros.simulation.packaged_goods.vocabulary import BRANDS, KINDS, VARIANTS


@pytest.fixture(scope="module")
def products() -> tuple[Product, ...]:
    return draw_products(150, 5, 6)


def test_the_vocabulary_is_rich_and_names_are_distinct() -> None:
    assert len(set(BRANDS)) == len(BRANDS) >= 60 and len({kind.name for kind in KINDS}) == len(KINDS) >= 60
    assert all(kind.variants in VARIANTS for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_can_be_unpacked_and_wears_its_variants_colour(kind) -> None:
    colours = [
        np.vstack([part.rgba for part in unpacked(kind.shape, colour, np.random.default_rng(0))])
        for colour in list(VARIANTS[kind.variants].values())[:2]
    ]
    assert colours[0].shape == colours[1].shape and not np.allclose(*colours)


def test_primitives_have_their_faces_outward() -> None:
    red = (1.0, 0.0, 0.0)
    circle = np.pad(polar(np.ones(30)), ((0, 0), (0, 1)))
    volumes = {
        "box": (signed_volume(box((1, 2, 3), red)), 6),
        "bevelled": (signed_volume(box((1, 1, 1), red, bevel=0.1)), 0.94),
        "cylinder": (signed_volume(cylinder(1, 2, red, segments=60)), 2 * np.pi),
        "ellipsoid": (signed_volume(ellipsoid((2, 2, 2), red)), 4.19),
        "disc": (signed_volume(extrude(polar(np.ones(60)), 1, red)), np.pi),
        "ring": (signed_volume(hose(circle, 0.1, red, True)), 0.2),
        "loft": (signed_volume(loft([(0, 1, 1), (1, 0.5, 0.5)], red)), 1.83),
    }
    for name, (volume, expected) in volumes.items():
        assert volume == pytest.approx(expected, rel=0.12), name


def test_labels_of_different_products_differ_and_the_same_products_are_the_same(products) -> None:
    fronts = [_texture(product) for product in products[6:26]]
    for (i, one), (k, two) in itertools.combinations(enumerate(fronts), 2):
        small = [cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(int) for image in (one, two)]
        assert np.abs(small[0] - small[1]).mean() > 2, (products[6 + i].title, products[6 + k].title)
    np.testing.assert_array_equal(_texture(draw_products(150, 5, 6)[10]), _texture(products[10]))


def test_products_of_one_family_have_one_package_in_other_colours(products) -> None:
    families = [list(group) for _, group in itertools.groupby(products[6:], lambda product: product.family)]
    pair = next(group for group in families if len(group) > 1 and group[0].upright == group[1].upright)
    assert pair[0].variant != pair[1].variant and pair[0].brand == pair[1].brand
    ours, theirs = (product.standing_parts() for product in pair[:2])
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.vertices, b.vertices, atol=1e-6)
    assert not np.array_equal(_texture(pair[0]), _texture(pair[1]))


def test_what_is_unpacked_is_no_package(products) -> None:
    shown = [product for product in products if product.shown_unpacked]
    assert {product.form for product in products[:6]} == set(PLAIN_FORMS) and set(products[:6]) <= set(shown)
    for product in shown[:12]:
        assert all(part.texture is None for part in product.catalog_parts())
        assert any(part.texture is not None for part in product.parts())


def test_a_white_bag_is_white_and_a_brown_box_brown(products) -> None:
    bag, box_ = (next(product for product in products if product.form == form) for form in PLAIN_FORMS)
    assert _texture(bag).mean() > 200
    red, green, blue = np.median(_texture(box_).reshape(-1, 3), axis=0)
    assert red > green + 15 > blue + 30


def test_text_reads_from_left_to_right_in_every_font() -> None:
    for font in FONTS:
        mask = text_mask("I......", Typeface(font, case=""))
        assert mask[:, : mask.shape[1] // 4].sum() > mask[:, -mask.shape[1] // 4 :].sum(), font
    one, two = (wrapped("lavender hand soap", Typeface(), aspect).shape for aspect in (8.0, 1.0))
    assert one[1] / one[0] > 2 * two[1] / two[0]


def test_the_front_faces_the_customer_and_is_not_mirrored(products) -> None:
    product = next(product for product in products if product.form == "box")
    front = product.standing_parts()[0]
    assert front.uv is not None and np.ptp(front.vertices[:, 1]) < 1e-6 and front.vertices[0, 1] < 0
    assert np.corrcoef(front.vertices[:, 0], front.uv[:, 0])[0, 1] > 0.99  # right is right for who looks along +y
    assert np.corrcoef(front.vertices[:, 2], front.uv[:, 1])[0, 1] < -0.99  # and a picture's rows go down


def test_barcodes_differ_and_more_products_than_there_are_is_refused() -> None:
    assert not np.array_equal(label.barcode(1, 120, 40), label.barcode(2, 120, 40))
    with pytest.raises(ValueError, match="is the most"):
        draw_products(10**6, 0)


def _texture(product: Product) -> np.ndarray:
    return next(part.texture for part in product.standing_parts() if part.texture is not None)
