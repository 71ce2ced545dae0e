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

"""Unpacked care products and small electric things."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.simulation.packaged_goods.primitives import (
    box,
    cylinder,
    ellipsoid,
    extrude,
    hose,
    loft,
    move,
    polar,
    turn,
)
from objectcentric_ros.simulation.packaged_goods.product_shapes import BLACK, STEEL, WHITE, Parts, Shape, circle, dark, scatter
from objectcentric_ros.simulation.packaged_goods.vocabulary import Colour


def _drop(c: Colour, rng: np.random.Generator) -> Parts:
    t = np.linspace(0, np.pi, 14)
    w = rng.uniform(0.5, 0.7)
    return [
        loft(
            [(-np.cos(a) * 1.0 + 0.5 * (a / np.pi) ** 3, *(w * np.sin(a) * (1 - a / np.pi) ** 0.5 * 1.5,) * 2) for a in t],
            c,
            closed=False,
        )
    ]


def _soap(c: Colour, rng: np.random.Generator) -> Parts:
    return [box((1.6, 1.0, 0.5), c, bevel=0.12), box((rng.uniform(0.7, 1.1), 0.4, 0.04), dark(c, 0.85), (0, 0, 0.26))]


def _brush(c: Colour, rng: np.random.Generator) -> Parts:
    n = int(rng.integers(3, 6))
    bristles = [box((0.1, 0.22, 0.28), WHITE if k % 2 else c, (1.35 + 0.12 * (k - n / 2), 0, 0.2)) for k in range(n)]
    return [box((3.4, 0.22, 0.14), c, (0, 0, 0), 0.04), box((1.3, 0.3, 0.2), dark(c), (-0.9, 0, 0), 0.06), *bristles]


def _lipstick(c: Colour, rng: np.random.Generator) -> Parts:
    body = BLACK if rng.random() < 0.5 else WHITE
    return [cylinder(0.42, 1.2, body), cylinder(0.36, 0.3, STEEL, (0, 0, 0.7)), cylinder(0.29, 0.5, c, (0, 0, 1.05), top=0.22)]


def _crystals(c: Colour, rng: np.random.Generator) -> Parts:
    stones = []
    for (x, y), size in zip(scatter(16, rng, 1.1), rng.uniform(0.2, 0.45, 16), strict=True):
        R = turn("x", rng.uniform(0, 90)) @ turn("y", rng.uniform(0, 90))
        stones += move([box((size, size, size), dark(c, rng.uniform(0.8, 1.0)))], (x, y, size / 2), R)
    return stones


def _discs(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        cylinder(0.9, 0.16, WHITE if k % 3 else c, (*rng.normal(0, 0.05, 2), 0.18 * k)) for k in range(int(rng.integers(4, 8)))
    ]


def _rings(c: Colour, rng: np.random.Generator) -> Parts:
    places = scatter(5, rng, 1.1)
    return [
        move([hose(circle(0.55), 0.09, c if k % 2 else dark(c), closed=True)], (*place, 0.08 * k))[0]
        for k, place in enumerate(places)
    ]


def _nailpolish(c: Colour, rng: np.random.Generator) -> Parts:
    cap = BLACK if rng.random() < 0.6 else WHITE
    return [
        loft([(0, 0.5, 0.5), (0.1, 0.55, 0.55), (0.8, 0.5, 0.5), (1.0, 0.2, 0.2)], c, power=rng.uniform(0.5, 1.0)),
        cylinder(0.24, 1.2, cap, (0, 0, 1.6), top=0.17),
    ]


def _mask(c: Colour, rng: np.random.Generator) -> Parts:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    face = extrude(polar(1 + 0.15 * np.cos(2 * angle + np.pi)), 0.06, c)
    return [
        face,
        *(ellipsoid((0.36, 0.18, 0.1), WHITE, (x, 0.25, 0.03)) for x in (-0.38, 0.38)),
        ellipsoid((0.5, 0.16, 0.1), WHITE, (0, -0.5, 0.03)),
    ]


def _comb(c: Colour, rng: np.random.Generator) -> Parts:
    n = int(rng.integers(9, 15))
    return [box((2.4, 0.3, 0.14), c, (0, 0.35, 0)), *(box((0.08, 0.7, 0.1), c, (x, -0.1, 0)) for x in np.linspace(-1.1, 1.1, n))]


def _bulb(c: Colour, rng: np.random.Generator) -> Parts:
    w = rng.uniform(0.75, 1.1)
    glass = [
        (0.0, 0.4, 0.4),
        (0.4, 0.55 * w + 0.1, 0.55 * w + 0.1),
        (0.9, w, w),
        (1.3, 0.95 * w, 0.95 * w),
        (1.6, 0.65 * w, 0.65 * w),
        (1.75, 0.2, 0.2),
    ]
    thread = [hose(circle(0.38, z=-0.15 - 0.14 * k), 0.06, STEEL, closed=True) for k in range(4)]
    return [loft(glass, c), cylinder(0.36, 0.7, STEEL, (0, 0, -0.35)), *thread, cylinder(0.15, 0.15, BLACK, (0, 0, -0.75))]


def _batteries(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k in range(int(rng.integers(2, 5))):
        cell = [
            cylinder(0.4, 1.5, c, (0, 0, -0.3)),
            cylinder(0.4, 0.75, BLACK, (0, 0, 0.8)),
            cylinder(0.14, 0.15, STEEL, (0, 0, 1.24)),
        ]
        parts += move(cell, (0.85 * k, 0, 0))
    return parts


def _cable(c: Colour, rng: np.random.Generator) -> Parts:
    angle = np.linspace(0, 2 * np.pi * int(rng.integers(3, 6)) + 1.2, 110)
    coil = np.stack([np.cos(angle), 0.8 * np.sin(angle), 0.012 * angle], -1)
    x, y, z = coil[-1]
    plugs = [
        box((0.5, 0.28, 0.18), c, (1.25, -0.1, 0)),
        box((0.3, 0.2, 0.1), STEEL, (1.6, -0.1, 0)),
        box((0.28, 0.45, 0.18), c, (x, y + 0.2, z)),
        box((0.18, 0.3, 0.08), STEEL, (x, y + 0.5, z)),
    ]
    return [hose(coil, 0.06, c), *plugs]


def _charger(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        box((1.0, 0.8, 1.2), c, bevel=0.12),
        *(cylinder(0.08, 0.6, STEEL, (x, 0, 0.85)) for x in (-0.25, 0.25)),
        box((0.35, 0.1, 0.14), BLACK, (0, -0.4, rng.uniform(-0.4, 0))),
    ]


def _earphones(c: Colour, rng: np.random.Generator) -> Parts:
    t = np.linspace(0, np.pi, 30)
    wires = [
        hose(np.stack([s * (0.7 - 0.7 * t / np.pi), 0.15 * np.sin(3 * t), 1.6 - 2.6 * t / np.pi], -1), 0.045, c) for s in (-1, 1)
    ]
    buds = [
        ellipsoid((0.42, 0.42, 0.42), c if k else dark(c), (s * (0.7 + 0.1 * k), -0.2 * k, 1.7)) for s in (-1, 1) for k in (0, 1)
    ]
    return [*wires, *buds, cylinder(0.09, 0.6, STEEL, (0, 0, -1.2))]


def _mouse(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        ellipsoid((1.1, 1.8, 0.75), c),
        box((0.02, 0.8, 0.5), BLACK, (0, 0.45, 0.15)),
        cylinder(0.14, 0.2, STEEL, (0, 0.45, 0.3)),
    ]


def _torch(c: Colour, rng: np.random.Generator) -> Parts:
    n = int(rng.integers(2, 5))
    bands = [cylinder(0.32, 0.08, BLACK, (0, 0, -0.8 + 0.3 * k)) for k in range(n)]
    return [
        cylinder(0.3, 1.9, c, (0, 0, -0.1)),
        *bands,
        cylinder(0.3, 0.35, c, (0, 0, 1.0), top=0.5),
        cylinder(0.5, 0.3, c, (0, 0, 1.3)),
        cylinder(0.43, 0.03, (1.0, 0.95, 0.6), (0, 0, 1.47)),
    ]


def _stick(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        box((1.6, 0.62, 0.3), c, bevel=0.06),
        box((0.5, 0.46, 0.18), STEEL, (1.0, 0, 0)),
        box((0.3, 0.3, 0.32), dark(c), (-0.5, 0, 0)),
    ]


SHAPES: dict[str, Shape] = {
    "drop": _drop,
    "soap": _soap,
    "brush": _brush,
    "lipstick": _lipstick,
    "crystals": _crystals,
    "discs": _discs,
    "rings": _rings,
    "nailpolish": _nailpolish,
    "mask": _mask,
    "comb": _comb,
    "bulb": _bulb,
    "batteries": _batteries,
    "cable": _cable,
    "charger": _charger,
    "earphones": _earphones,
    "mouse": _mouse,
    "torch": _torch,
    "stick": _stick,
}
