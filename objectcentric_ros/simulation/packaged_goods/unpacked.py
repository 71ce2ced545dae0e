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

"""Products without their package, of simple primitives: what a shop's picture shows and what a label illustrates.

Every function takes the variant's colour and a generator for proportions, and returns parts of any size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.packaged_goods.primitives import (
    Colour,
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

Parts = list[VisualPart]
_WHITE, _BLACK, _STEEL, _WOOD = (0.94, 0.94, 0.93), (0.12, 0.12, 0.13), (0.72, 0.73, 0.76), (0.75, 0.56, 0.35)
_BISCUIT, _LEAF = (0.85, 0.64, 0.36), (0.25, 0.5, 0.2)


def unpacked(shape: str, colour: Colour, rng: np.random.Generator) -> Parts:
    """Parts of a product; raises KeyError for an unknown shape."""
    return _SHAPES[shape](colour, rng)


def _dark(colour: Colour, factor: float = 0.7) -> Colour:
    r, g, b = (factor * x for x in colour)
    return r, g, b


def _circle(radius: float, count: int = 40, z: float = 0.0) -> NDArray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, z)], -1)


def _line(a: tuple[float, float, float], b: tuple[float, float, float]) -> NDArray:
    return np.linspace(a, b, 6)


def _scatter(count: int, rng: np.random.Generator, radius: float) -> NDArray:
    """Places (count, 2) in a heap that don't quite cover each other."""
    angle = np.arange(count) * 2.4 + rng.uniform(0, 6)
    return (radius * np.sqrt((np.arange(count) + 0.4) / count))[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


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
    return [box((1.6, 1.0, 0.5), c, bevel=0.12), box((rng.uniform(0.7, 1.1), 0.4, 0.04), _dark(c, 0.85), (0, 0, 0.26))]


def _brush(c: Colour, rng: np.random.Generator) -> Parts:
    n = int(rng.integers(3, 6))
    bristles = [box((0.1, 0.22, 0.28), _WHITE if k % 2 else c, (1.35 + 0.12 * (k - n / 2), 0, 0.2)) for k in range(n)]
    return [box((3.4, 0.22, 0.14), c, (0, 0, 0), 0.04), box((1.3, 0.3, 0.2), _dark(c), (-0.9, 0, 0), 0.06), *bristles]


def _lipstick(c: Colour, rng: np.random.Generator) -> Parts:
    body = _BLACK if rng.random() < 0.5 else _WHITE
    return [cylinder(0.42, 1.2, body), cylinder(0.36, 0.3, _STEEL, (0, 0, 0.7)), cylinder(0.29, 0.5, c, (0, 0, 1.05), top=0.22)]


def _crystals(c: Colour, rng: np.random.Generator) -> Parts:
    stones = []
    for (x, y), size in zip(_scatter(16, rng, 1.1), rng.uniform(0.2, 0.45, 16), strict=True):
        R = turn("x", rng.uniform(0, 90)) @ turn("y", rng.uniform(0, 90))
        stones += move([box((size, size, size), _dark(c, rng.uniform(0.8, 1.0)))], (x, y, size / 2), R)
    return stones


def _discs(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        cylinder(0.9, 0.16, _WHITE if k % 3 else c, (*rng.normal(0, 0.05, 2), 0.18 * k)) for k in range(int(rng.integers(4, 8)))
    ]


def _rings(c: Colour, rng: np.random.Generator) -> Parts:
    places = _scatter(5, rng, 1.1)
    return [
        move([hose(_circle(0.55), 0.09, c if k % 2 else _dark(c), closed=True)], (*place, 0.08 * k))[0]
        for k, place in enumerate(places)
    ]


def _nailpolish(c: Colour, rng: np.random.Generator) -> Parts:
    cap = _BLACK if rng.random() < 0.6 else _WHITE
    return [
        loft([(0, 0.5, 0.5), (0.1, 0.55, 0.55), (0.8, 0.5, 0.5), (1.0, 0.2, 0.2)], c, power=rng.uniform(0.5, 1.0)),
        cylinder(0.24, 1.2, cap, (0, 0, 1.6), top=0.17),
    ]


def _mask(c: Colour, rng: np.random.Generator) -> Parts:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    face = extrude(polar(1 + 0.15 * np.cos(2 * angle + np.pi)), 0.06, c)
    return [
        face,
        *(ellipsoid((0.36, 0.18, 0.1), _WHITE, (x, 0.25, 0.03)) for x in (-0.38, 0.38)),
        ellipsoid((0.5, 0.16, 0.1), _WHITE, (0, -0.5, 0.03)),
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
    thread = [hose(_circle(0.38, z=-0.15 - 0.14 * k), 0.06, _STEEL, closed=True) for k in range(4)]
    return [loft(glass, c), cylinder(0.36, 0.7, _STEEL, (0, 0, -0.35)), *thread, cylinder(0.15, 0.15, _BLACK, (0, 0, -0.75))]


def _batteries(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k in range(int(rng.integers(2, 5))):
        cell = [
            cylinder(0.4, 1.5, c, (0, 0, -0.3)),
            cylinder(0.4, 0.75, _BLACK, (0, 0, 0.8)),
            cylinder(0.14, 0.15, _STEEL, (0, 0, 1.24)),
        ]
        parts += move(cell, (0.85 * k, 0, 0))
    return parts


def _cable(c: Colour, rng: np.random.Generator) -> Parts:
    angle = np.linspace(0, 2 * np.pi * int(rng.integers(3, 6)) + 1.2, 110)
    coil = np.stack([np.cos(angle), 0.8 * np.sin(angle), 0.012 * angle], -1)
    x, y, z = coil[-1]
    plugs = [
        box((0.5, 0.28, 0.18), c, (1.25, -0.1, 0)),
        box((0.3, 0.2, 0.1), _STEEL, (1.6, -0.1, 0)),
        box((0.28, 0.45, 0.18), c, (x, y + 0.2, z)),
        box((0.18, 0.3, 0.08), _STEEL, (x, y + 0.5, z)),
    ]
    return [hose(coil, 0.06, c), *plugs]


def _charger(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        box((1.0, 0.8, 1.2), c, bevel=0.12),
        *(cylinder(0.08, 0.6, _STEEL, (x, 0, 0.85)) for x in (-0.25, 0.25)),
        box((0.35, 0.1, 0.14), _BLACK, (0, -0.4, rng.uniform(-0.4, 0))),
    ]


def _earphones(c: Colour, rng: np.random.Generator) -> Parts:
    t = np.linspace(0, np.pi, 30)
    wires = [
        hose(np.stack([s * (0.7 - 0.7 * t / np.pi), 0.15 * np.sin(3 * t), 1.6 - 2.6 * t / np.pi], -1), 0.045, c) for s in (-1, 1)
    ]
    buds = [
        ellipsoid((0.42, 0.42, 0.42), c if k else _dark(c), (s * (0.7 + 0.1 * k), -0.2 * k, 1.7)) for s in (-1, 1) for k in (0, 1)
    ]
    return [*wires, *buds, cylinder(0.09, 0.6, _STEEL, (0, 0, -1.2))]


def _mouse(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        ellipsoid((1.1, 1.8, 0.75), c),
        box((0.02, 0.8, 0.5), _BLACK, (0, 0.45, 0.15)),
        cylinder(0.14, 0.2, _STEEL, (0, 0.45, 0.3)),
    ]


def _torch(c: Colour, rng: np.random.Generator) -> Parts:
    n = int(rng.integers(2, 5))
    bands = [cylinder(0.32, 0.08, _BLACK, (0, 0, -0.8 + 0.3 * k)) for k in range(n)]
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
        box((0.5, 0.46, 0.18), _STEEL, (1.0, 0, 0)),
        box((0.3, 0.3, 0.32), _dark(c), (-0.5, 0, 0)),
    ]


def _lamp(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        cylinder(0.5, 0.12, _WOOD),
        cylinder(0.08, 1.0, _STEEL, (0, 0, 0.5)),
        cylinder(0.8, 0.8, c, (0, 0, 1.2), top=rng.uniform(0.3, 0.6)),
    ]


def _bowl(c: Colour, rng: np.random.Generator) -> Parts:
    rim = (0.2, 0.35, 0.6) if rng.random() < 0.5 else _WHITE
    bits = [ellipsoid((0.2, 0.2, 0.1), _LEAF, (x, y, 0.52)) for x, y in _scatter(4, rng, 0.6)]
    return [
        loft([(0, 0.45, 0.45), (0.25, 0.85, 0.85), (0.6, 1.05, 1.05)], rim, closed=False),
        cylinder(1.0, 0.04, c, (0, 0, 0.5)),
        hose(_circle(1.05, z=0.6), 0.05, _WHITE, closed=True),
        cylinder(0.46, 0.04, rim),
        *bits,
    ]


def _beans(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        ellipsoid((0.5, 0.3, 0.3), _dark(c, rng.uniform(0.75, 1.0)), (x, y, 0.05 * k))
        for k, (x, y) in enumerate(_scatter(14, rng, 0.9))
    ]


def _bone(c: Colour, rng: np.random.Generator) -> Parts:
    knob = rng.uniform(0.3, 0.42)
    body = tuple(0.6 * b + 0.4 * x for b, x in zip(_BISCUIT, c, strict=True))
    return [
        box((1.6, 0.42, 0.4), body, bevel=0.08),
        *(ellipsoid((2 * knob, 2 * knob, 0.42), body, (x, y, 0)) for x in (-0.9, 0.9) for y in (-0.25, 0.25)),
    ]


def _fish(c: Colour, rng: np.random.Generator) -> Parts:
    tail = extrude(np.array([[-1.5, -0.5], [-0.8, 0.0], [-1.5, 0.5], [-1.3, 0.0]]), 0.2, c)
    return [ellipsoid((2.0, rng.uniform(0.8, 1.1), 0.4), c), tail, ellipsoid((0.15, 0.15, 0.46), _BLACK, (0.6, 0.1, 0))]


def _ball(c: Colour, rng: np.random.Generator) -> Parts:
    stripe = _WHITE if sum(c) < 2.2 else _BLACK
    return [
        ellipsoid((2, 2, 2), c),
        hose(_circle(0.99), 0.06, stripe, closed=True),
        *move([hose(_circle(0.99), 0.06, stripe, closed=True)], rotation=turn("x", rng.uniform(50, 90))),
    ]


def _toymouse(c: Colour, rng: np.random.Generator) -> Parts:
    ears = [ellipsoid((0.15, 0.4, 0.4), (0.95, 0.7, 0.7), (0.6, y, 0.45)) for y in (-0.3, 0.3)]
    t = np.linspace(0, 2.5, 20)
    return [
        ellipsoid((2.0, 1.0, 0.9), c),
        *ears,
        hose(np.stack([-0.9 - 0.5 * t, 0.25 * np.sin(3 * t), 0 * t], -1), 0.05, _dark(c)),
        ellipsoid((0.16, 0.16, 0.16), _BLACK, (1.0, 0, 0.05)),
    ]


def _cookies(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(_scatter(4, rng, 0.75)):
        biscuit = [
            cylinder(0.65, 0.18, _BISCUIT),
            cylinder(0.5, 0.2, c),
            *(ellipsoid((0.12, 0.12, 0.26), _dark(c, 0.5), (*p, 0)) for p in _scatter(5, rng, 0.4)),
        ]
        parts += move(biscuit, (x, y, 0.17 * k))
    return parts


def _bars(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k in range(int(rng.integers(2, 4))):
        parts += move(
            [box((2.0, 0.55, 0.35), _BISCUIT, bevel=0.05), box((2.02, 0.5, 0.1), c, (0, 0, 0.16))],
            (0, 0.7 * k, 0),
            turn("z", rng.normal(0, 6)),
        )
    return parts


def _teabag(c: Colour, rng: np.random.Generator) -> Parts:
    string = hose(np.array([[0, 0.9, 0], [0.2, 1.3, 0], [0.6, 1.5, 0.05], [1.1, 1.2, 0], [1.3, 0.8, 0]]), 0.03, _WHITE)
    return [
        box((1.2, 1.5, 0.18), (0.88, 0.82, 0.7), bevel=0.07),
        box((0.8, 1.0, 0.22), _dark(c, 0.75), bevel=0.06),
        string,
        box((0.6, 0.6, 0.05), c, (1.3, 0.5, 0)),
    ]


def _cup(c: Colour, rng: np.random.Generator) -> Parts:
    handle = np.stack([0.75 + 0.4 * np.sin(np.linspace(0, np.pi, 12)), np.zeros(12), np.linspace(-0.35, 0.35, 12)], -1)
    ware = _WHITE if rng.random() < 0.6 else (0.25, 0.45, 0.6)
    return [
        loft([(-0.6, 0.5, 0.5), (-0.3, 0.72, 0.72), (0.6, 0.8, 0.8)], ware),
        cylinder(0.72, 0.04, c, (0, 0, 0.6)),
        hose(handle, 0.09, ware),
        cylinder(1.2, 0.08, ware, (0, 0, -0.66)),
    ]


def _mug(c: Colour, rng: np.random.Generator) -> Parts:
    t = np.linspace(0, np.pi, 14)
    handle = np.stack([0.68 + 0.45 * np.sin(t), np.zeros(14), 0.45 * np.cos(t)], -1)
    w = rng.uniform(0.62, 0.78)
    return [
        loft([(-0.8, w, w), (0.8, 0.72, 0.72)], c),
        cylinder(0.66, 0.03, _dark(c, 0.4), (0, 0, 0.8)),
        hose(handle, 0.1, c),
        cylinder(0.74, 0.12, _WHITE, (0, 0, rng.uniform(-0.3, 0.4))),
    ]


def _fruit(c: Colour, rng: np.random.Generator) -> Parts:
    flat = rng.uniform(0.85, 1.1)
    return [
        ellipsoid((1.6, 1.6, 1.6 * flat), c),
        cylinder(0.05, 0.4, _WOOD, (0, 0, 0.9 * flat)),
        *move([ellipsoid((0.8, 0.35, 0.06), _LEAF)], (0.4, 0, 0.95 * flat), turn("y", -20)),
    ]


def _sticks(c: Colour, rng: np.random.Generator) -> Parts:
    tone = tuple(0.3 * x + 0.7 * y for x, y in zip(c, (0.95, 0.82, 0.5), strict=True))
    lines = [hose(_line((-2, x, y), (2, x + rng.normal(0, 0.15), y)), 0.05, tone) for x, y in rng.normal(0, 0.18, (30, 2))]
    return [
        *lines,
        hose(
            np.stack([np.zeros(24), *(0.5 * f(np.linspace(0, 2 * np.pi, 24, endpoint=False)) for f in (np.cos, np.sin))], -1),
            0.09,
            c,
            closed=True,
        ),
    ]


def _crisps(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(_scatter(9, rng, 1.1)):
        tone = tuple(0.75 * a + 0.25 * b for a, b in zip((0.96, 0.78, 0.32), c, strict=True))
        parts += move(
            [ellipsoid((1.1, 0.8, 0.08), tone)], (x, y, 0.1 * k), turn("x", rng.uniform(-25, 25)) @ turn("z", rng.uniform(0, 180))
        )
    return parts


def _bears(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    tones = [c, _dark(c), (0.9, 0.2, 0.2), (0.95, 0.8, 0.2), (0.3, 0.7, 0.3)]
    for k, (x, y) in enumerate(_scatter(8, rng, 1.2)):
        tone = tones[0 if k % 2 else k % 5]
        bear = [ellipsoid((0.4, 0.3, 0.6), tone), ellipsoid((0.34, 0.3, 0.34), tone, (0, 0, 0.4))]
        parts += move(bear, (x, y, 0.05 * k), turn("z", rng.uniform(0, 360)) @ turn("x", 80))
    return parts


def _chocolate(c: Colour, rng: np.random.Generator) -> Parts:
    rows, columns = int(rng.integers(2, 4)), int(rng.integers(4, 7))
    body = tuple(0.6 * a + 0.4 * b for a, b in zip((0.34, 0.18, 0.1), c, strict=True))
    pieces = [box((0.44, 0.44, 0.14), body, (0.5 * x, 0.5 * y, 0.12), 0.05) for x in range(columns) for y in range(rows)]
    return [box((0.5 * columns, 0.5 * rows, 0.16), _dark(body, 0.85), (0.25 * columns - 0.25, 0.25 * rows - 0.25, 0)), *pieces]


def _shaker(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        loft([(-1, 0.55, 0.55), (0.2, rng.uniform(0.35, 0.5), 0.4), (0.7, 0.5, 0.5)], c),
        cylinder(0.5, 0.3, _STEEL, (0, 0, 0.85), top=0.35),
        ellipsoid((0.2, 0.2, 0.2), _STEEL, (0, 0, 1.08)),
    ]


def _candles(c: Colour, rng: np.random.Generator) -> Parts:
    tones = [c, _dark(c), _WHITE, c]
    return [
        part
        for k in range(int(rng.integers(4, 7)))
        for part in (
            cylinder(0.12, 2.2, tones[k % 4], (0.4 * k, 0, 0)),
            cylinder(0.12, 0.3, _dark(tones[k % 4]), (0.4 * k, 0, 1.25), top=0.03),
        )
    ]


def _candle(c: Colour, rng: np.random.Generator) -> Parts:
    w = rng.uniform(0.6, 0.9)
    return [
        cylinder(w, 1.2, c),
        cylinder(w - 0.08, 0.05, _dark(c, 0.9), (0, 0, 0.6)),
        cylinder(0.04, 0.3, _BLACK, (0, 0, 0.75)),
        ellipsoid((0.16, 0.16, 0.4), (1.0, 0.75, 0.2), (0, 0, 1.05)),
    ]


def _sponge(c: Colour, rng: np.random.Generator) -> Parts:
    pad = _LEAF if rng.random() < 0.5 else (0.2, 0.3, 0.5)
    return [
        box((1.7, 1.1, 0.5), c, bevel=0.08),
        box((1.7, 1.1, 0.12), pad, (0, 0, -0.3)),
        *(ellipsoid((0.12, 0.12, 0.06), _dark(c, 0.6), (x, 0.8 * y, 0.25)) for x, y in _scatter(14, rng, 0.6)),
    ]


def _shirt(c: Colour, rng: np.random.Generator) -> Parts:
    s = rng.uniform(0.45, 0.6)
    return [
        box((1.3, 1.6, 0.12), c),
        *(move([box((0.9, s, 0.12), c)], (0.8 * k, 0.45, 0), turn("z", -35 * k))[0] for k in (-1, 1)),
        ellipsoid((0.5, 0.35, 0.16), _WHITE, (0, 0.8, 0)),
    ]


def _roll(c: Colour, rng: np.random.Generator) -> Parts:
    lie = turn("y", 90)
    return move(
        [cylinder(0.6, 2.2, c), cylinder(0.25, 2.24, (0.8, 0.7, 0.55)), cylinder(0.61, rng.uniform(0.3, 0.7), _WHITE)],
        rotation=lie,
    )


def _tape(c: Colour, rng: np.random.Generator) -> Parts:
    w = rng.uniform(0.25, 0.5)
    outer = loft([(-w, 1, 1), (w, 1, 1), (w, 0.65, 0.65), (-w, 0.65, 0.65), (-w, 1, 1)], c, closed=False)
    inner = loft([(-w, 0.66, 0.66), (w, 0.66, 0.66), (w, 0.58, 0.58), (-w, 0.58, 0.58), (-w, 0.66, 0.66)], _BISCUIT, closed=False)
    return [outer, inner]


def _cards(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k in range(5):
        mark = (0.8, 0.1, 0.1) if k % 2 else _BLACK
        card = [
            box((1.0, 1.5, 0.03), _WHITE if k else c, (0, 0.8, 0)),
            ellipsoid((0.35, 0.45, 0.05), mark if k else _WHITE, (0, 0.8, 0)),
        ]
        parts += move(card, (0.15 * k, 0, 0.04 * (5 - k)), turn("z", 28 - 14 * k))
    return parts


def _car(c: Colour, rng: np.random.Generator) -> Parts:
    wheels = [move([cylinder(0.26, 0.18, _BLACK)], (x, y, -0.25), turn("x", 90))[0] for x in (-0.6, 0.6) for y in (-0.5, 0.5)]
    cabin = _car_roof(c, rng.uniform(0.35, 0.5))
    return [box((2.1, 1.0, 0.4), c, bevel=0.08), *cabin, *wheels]


def _car_roof(c: Colour, height: float) -> list[VisualPart]:
    """A car's cabin: windows and a roof."""
    return [
        box((1.0, 0.88, height), (0.5, 0.65, 0.75), (-0.1, 0, 0.2 + height / 2), 0.1),
        box((0.8, 0.8, 0.06), c, (-0.1, 0, 0.2 + height)),
    ]


def _bricks(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, tone in enumerate([c, (0.95, 0.8, 0.1), c, (0.2, 0.4, 0.8)]):
        n = int(rng.integers(1, 4))
        brick = [
            box((0.5 * n, 1.0, 0.5), tone),
            *(cylinder(0.15, 0.12, tone, (0.5 * i - 0.25 * (n - 1), y, 0.3)) for i in range(n) for y in (-0.25, 0.25)),
        ]
        parts += move(brick, (rng.uniform(-0.3, 0.3), 0, 0.5 * k))
    return parts


def _top(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        loft([(-0.9, 0.03, 0.03), (-0.1, 0.8, 0.8), (0.1, 0.85, 0.85), (0.4, 0.3, 0.3)], c),
        cylinder(0.08, 0.8, _WOOD, (0, 0, 0.7)),
        cylinder(0.87, 0.08, _WHITE, (0, 0, rng.uniform(-0.05, 0.05))),
    ]


def _key(c: Colour, rng: np.random.Generator) -> Parts:
    teeth = [box((0.14, rng.uniform(0.2, 0.45), 0.1), c, (0.9 + 0.2 * k, -0.2, 0)) for k in range(4)]
    return [hose(0.9 * _circle(0.5) - [0.6, 0, 0], 0.13, c, closed=True), box((1.8, 0.2, 0.12), c, (0.75, 0, 0)), *teeth]


def _pegs(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(_scatter(5, rng, 1.0)):
        peg = [box((1.5, 0.14, 0.2), c, (0, s * 0.1, 0)) for s in (-1, 1)] + [cylinder(0.16, 0.3, _STEEL)]
        parts += move(peg, (x, y, 0.2 * k), turn("z", rng.uniform(0, 180)))
    return parts


def _screws(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(_scatter(7, rng, 0.9)):
        screw = [
            cylinder(0.1, 1.2, c, top=0.13),
            cylinder(0.13, 0.12, c, (0, 0, 0.64), top=0.28),
            *(hose(_circle(0.12, 14, z), 0.03, _dark(c), True) for z in (-0.4, -0.1, 0.2)),
        ]
        parts += move(screw, (x, y, 0.05 * k), turn("z", rng.uniform(0, 360)) @ turn("y", 80))
    return parts


def _spoon(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        part
        for k in range(int(rng.integers(1, 4)))
        for part in move(
            [
                ellipsoid((0.55, 0.85, 0.14), c, (0, 1.2, 0)),
                box((0.14, 2.0, 0.08), c, (0, 0, 0), 0.02),
                ellipsoid((0.24, 0.5, 0.1), _dark(c, 0.85), (0, -1.0, 0)),
            ],
            (0.65 * k, 0, 0),
        )
    ]


_SHAPES: dict[str, Callable[[Colour, np.random.Generator], Parts]] = {
    name[1:]: function
    for name, function in list(globals().items())
    if name.startswith("_") and callable(function) and getattr(function, "__annotations__", {}).get("return") == "Parts"
}
