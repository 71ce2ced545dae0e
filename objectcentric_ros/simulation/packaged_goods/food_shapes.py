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

"""Unpacked food, for people and pets."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.simulation.packaged_goods.primitives import box, cylinder, ellipsoid, extrude, hose, loft, move, turn
from objectcentric_ros.simulation.packaged_goods.product_shapes import (
    BISCUIT,
    BLACK,
    LEAF,
    STEEL,
    WHITE,
    WOOD,
    Parts,
    Shape,
    blend,
    circle,
    dark,
    line,
    scatter,
)
from objectcentric_ros.simulation.packaged_goods.vocabulary import Colour


def _bowl(c: Colour, rng: np.random.Generator) -> Parts:
    rim = (0.2, 0.35, 0.6) if rng.random() < 0.5 else WHITE
    bits = [ellipsoid((0.2, 0.2, 0.1), LEAF, (x, y, 0.52)) for x, y in scatter(4, rng, 0.6)]
    return [
        loft([(0, 0.45, 0.45), (0.25, 0.85, 0.85), (0.6, 1.05, 1.05)], rim, closed=False),
        cylinder(1.0, 0.04, c, (0, 0, 0.5)),
        hose(circle(1.05, z=0.6), 0.05, WHITE, closed=True),
        cylinder(0.46, 0.04, rim),
        *bits,
    ]


def _beans(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        ellipsoid((0.5, 0.3, 0.3), dark(c, rng.uniform(0.75, 1.0)), (x, y, 0.05 * k))
        for k, (x, y) in enumerate(scatter(14, rng, 0.9))
    ]


def _bone(c: Colour, rng: np.random.Generator) -> Parts:
    knob = rng.uniform(0.3, 0.42)
    body = blend(BISCUIT, c, 0.4)
    return [
        box((1.6, 0.42, 0.4), body, bevel=0.08),
        *(ellipsoid((2 * knob, 2 * knob, 0.42), body, (x, y, 0)) for x in (-0.9, 0.9) for y in (-0.25, 0.25)),
    ]


def _fish(c: Colour, rng: np.random.Generator) -> Parts:
    tail = extrude(np.array([[-1.5, -0.5], [-0.8, 0.0], [-1.5, 0.5], [-1.3, 0.0]]), 0.2, c)
    return [ellipsoid((2.0, rng.uniform(0.8, 1.1), 0.4), c), tail, ellipsoid((0.15, 0.15, 0.46), BLACK, (0.6, 0.1, 0))]


def _cookies(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(scatter(4, rng, 0.75)):
        biscuit = [
            cylinder(0.65, 0.18, BISCUIT),
            cylinder(0.5, 0.2, c),
            *(ellipsoid((0.12, 0.12, 0.26), dark(c, 0.5), (*p, 0)) for p in scatter(5, rng, 0.4)),
        ]
        parts += move(biscuit, (x, y, 0.17 * k))
    return parts


def _bars(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k in range(int(rng.integers(2, 4))):
        parts += move(
            [box((2.0, 0.55, 0.35), BISCUIT, bevel=0.05), box((2.02, 0.5, 0.1), c, (0, 0, 0.16))],
            (0, 0.7 * k, 0),
            turn("z", rng.normal(0, 6)),
        )
    return parts


def _teabag(c: Colour, rng: np.random.Generator) -> Parts:
    string = hose(np.array([[0, 0.9, 0], [0.2, 1.3, 0], [0.6, 1.5, 0.05], [1.1, 1.2, 0], [1.3, 0.8, 0]]), 0.03, WHITE)
    return [
        box((1.2, 1.5, 0.18), (0.88, 0.82, 0.7), bevel=0.07),
        box((0.8, 1.0, 0.22), dark(c, 0.75), bevel=0.06),
        string,
        box((0.6, 0.6, 0.05), c, (1.3, 0.5, 0)),
    ]


def _cup(c: Colour, rng: np.random.Generator) -> Parts:
    handle = np.stack([0.75 + 0.4 * np.sin(np.linspace(0, np.pi, 12)), np.zeros(12), np.linspace(-0.35, 0.35, 12)], -1)
    ware = WHITE if rng.random() < 0.6 else (0.25, 0.45, 0.6)
    return [
        loft([(-0.6, 0.5, 0.5), (-0.3, 0.72, 0.72), (0.6, 0.8, 0.8)], ware),
        cylinder(0.72, 0.04, c, (0, 0, 0.6)),
        hose(handle, 0.09, ware),
        cylinder(1.2, 0.08, ware, (0, 0, -0.66)),
    ]


def _fruit(c: Colour, rng: np.random.Generator) -> Parts:
    flat = rng.uniform(0.85, 1.1)
    return [
        ellipsoid((1.6, 1.6, 1.6 * flat), c),
        cylinder(0.05, 0.4, WOOD, (0, 0, 0.9 * flat)),
        *move([ellipsoid((0.8, 0.35, 0.06), LEAF)], (0.4, 0, 0.95 * flat), turn("y", -20)),
    ]


def _sticks(c: Colour, rng: np.random.Generator) -> Parts:
    tone = blend((0.95, 0.82, 0.5), c, 0.3)
    lines = [hose(line((-2, x, y), (2, x + rng.normal(0, 0.15), y)), 0.05, tone) for x, y in rng.normal(0, 0.18, (30, 2))]
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
    for k, (x, y) in enumerate(scatter(9, rng, 1.1)):
        tone = blend((0.96, 0.78, 0.32), c, 0.25)
        parts += move(
            [ellipsoid((1.1, 0.8, 0.08), tone)], (x, y, 0.1 * k), turn("x", rng.uniform(-25, 25)) @ turn("z", rng.uniform(0, 180))
        )
    return parts


def _bears(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    tones = [c, dark(c), (0.9, 0.2, 0.2), (0.95, 0.8, 0.2), (0.3, 0.7, 0.3)]
    for k, (x, y) in enumerate(scatter(8, rng, 1.2)):
        tone = tones[0 if k % 2 else k % 5]
        bear = [ellipsoid((0.4, 0.3, 0.6), tone), ellipsoid((0.34, 0.3, 0.34), tone, (0, 0, 0.4))]
        parts += move(bear, (x, y, 0.05 * k), turn("z", rng.uniform(0, 360)) @ turn("x", 80))
    return parts


def _chocolate(c: Colour, rng: np.random.Generator) -> Parts:
    rows, columns = int(rng.integers(2, 4)), int(rng.integers(4, 7))
    body = blend((0.34, 0.18, 0.1), c, 0.4)
    pieces = [box((0.44, 0.44, 0.14), body, (0.5 * x, 0.5 * y, 0.12), 0.05) for x in range(columns) for y in range(rows)]
    return [box((0.5 * columns, 0.5 * rows, 0.16), dark(body, 0.85), (0.25 * columns - 0.25, 0.25 * rows - 0.25, 0)), *pieces]


def _shaker(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        loft([(-1, 0.55, 0.55), (0.2, rng.uniform(0.35, 0.5), 0.4), (0.7, 0.5, 0.5)], c),
        cylinder(0.5, 0.3, STEEL, (0, 0, 0.85), top=0.35),
        ellipsoid((0.2, 0.2, 0.2), STEEL, (0, 0, 1.08)),
    ]


SHAPES: dict[str, Shape] = {
    "bowl": _bowl,
    "beans": _beans,
    "bone": _bone,
    "fish": _fish,
    "cookies": _cookies,
    "bars": _bars,
    "teabag": _teabag,
    "cup": _cup,
    "fruit": _fruit,
    "sticks": _sticks,
    "crisps": _crisps,
    "bears": _bears,
    "chocolate": _chocolate,
    "shaker": _shaker,
}
