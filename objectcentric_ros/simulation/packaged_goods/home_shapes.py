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

"""Unpacked things for home, play and pets."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.simulation.packaged_goods.primitives import box, cylinder, ellipsoid, hose, loft, move, turn
from objectcentric_ros.simulation.packaged_goods.product_shapes import (
    BISCUIT,
    BLACK,
    LEAF,
    STEEL,
    WHITE,
    WOOD,
    Parts,
    Shape,
    circle,
    dark,
    scatter,
)
from objectcentric_ros.simulation.packaged_goods.vocabulary import Colour


def _car_roof(c: Colour, height: float) -> Parts:
    """A car's cabin: windows and a roof."""
    return [
        box((1.0, 0.88, height), (0.5, 0.65, 0.75), (-0.1, 0, 0.2 + height / 2), 0.1),
        box((0.8, 0.8, 0.06), c, (-0.1, 0, 0.2 + height)),
    ]


def _ball(c: Colour, rng: np.random.Generator) -> Parts:
    stripe = WHITE if sum(c) < 2.2 else BLACK
    return [
        ellipsoid((2, 2, 2), c),
        hose(circle(0.99), 0.06, stripe, closed=True),
        *move([hose(circle(0.99), 0.06, stripe, closed=True)], rotation=turn("x", rng.uniform(50, 90))),
    ]


def _toymouse(c: Colour, rng: np.random.Generator) -> Parts:
    ears = [ellipsoid((0.15, 0.4, 0.4), (0.95, 0.7, 0.7), (0.6, y, 0.45)) for y in (-0.3, 0.3)]
    t = np.linspace(0, 2.5, 20)
    return [
        ellipsoid((2.0, 1.0, 0.9), c),
        *ears,
        hose(np.stack([-0.9 - 0.5 * t, 0.25 * np.sin(3 * t), 0 * t], -1), 0.05, dark(c)),
        ellipsoid((0.16, 0.16, 0.16), BLACK, (1.0, 0, 0.05)),
    ]


def _candles(c: Colour, rng: np.random.Generator) -> Parts:
    tones = [c, dark(c), WHITE, c]
    return [
        part
        for k in range(int(rng.integers(4, 7)))
        for part in (
            cylinder(0.12, 2.2, tones[k % 4], (0.4 * k, 0, 0)),
            cylinder(0.12, 0.3, dark(tones[k % 4]), (0.4 * k, 0, 1.25), top=0.03),
        )
    ]


def _candle(c: Colour, rng: np.random.Generator) -> Parts:
    w = rng.uniform(0.6, 0.9)
    return [
        cylinder(w, 1.2, c),
        cylinder(w - 0.08, 0.05, dark(c, 0.9), (0, 0, 0.6)),
        cylinder(0.04, 0.3, BLACK, (0, 0, 0.75)),
        ellipsoid((0.16, 0.16, 0.4), (1.0, 0.75, 0.2), (0, 0, 1.05)),
    ]


def _sponge(c: Colour, rng: np.random.Generator) -> Parts:
    pad = LEAF if rng.random() < 0.5 else (0.2, 0.3, 0.5)
    return [
        box((1.7, 1.1, 0.5), c, bevel=0.08),
        box((1.7, 1.1, 0.12), pad, (0, 0, -0.3)),
        *(ellipsoid((0.12, 0.12, 0.06), dark(c, 0.6), (x, 0.8 * y, 0.25)) for x, y in scatter(14, rng, 0.6)),
    ]


def _shirt(c: Colour, rng: np.random.Generator) -> Parts:
    s = rng.uniform(0.45, 0.6)
    return [
        box((1.3, 1.6, 0.12), c),
        *(move([box((0.9, s, 0.12), c)], (0.8 * k, 0.45, 0), turn("z", -35 * k))[0] for k in (-1, 1)),
        ellipsoid((0.5, 0.35, 0.16), WHITE, (0, 0.8, 0)),
    ]


def _roll(c: Colour, rng: np.random.Generator) -> Parts:
    lie = turn("y", 90)
    return move(
        [cylinder(0.6, 2.2, c), cylinder(0.25, 2.24, (0.8, 0.7, 0.55)), cylinder(0.61, rng.uniform(0.3, 0.7), WHITE)],
        rotation=lie,
    )


def _tape(c: Colour, rng: np.random.Generator) -> Parts:
    w = rng.uniform(0.25, 0.5)
    outer = loft([(-w, 1, 1), (w, 1, 1), (w, 0.65, 0.65), (-w, 0.65, 0.65), (-w, 1, 1)], c, closed=False)
    inner = loft([(-w, 0.66, 0.66), (w, 0.66, 0.66), (w, 0.58, 0.58), (-w, 0.58, 0.58), (-w, 0.66, 0.66)], BISCUIT, closed=False)
    return [outer, inner]


def _cards(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k in range(5):
        mark = (0.8, 0.1, 0.1) if k % 2 else BLACK
        card = [
            box((1.0, 1.5, 0.03), WHITE if k else c, (0, 0.8, 0)),
            ellipsoid((0.35, 0.45, 0.05), mark if k else WHITE, (0, 0.8, 0)),
        ]
        parts += move(card, (0.15 * k, 0, 0.04 * (5 - k)), turn("z", 28 - 14 * k))
    return parts


def _car(c: Colour, rng: np.random.Generator) -> Parts:
    wheels = [move([cylinder(0.26, 0.18, BLACK)], (x, y, -0.25), turn("x", 90))[0] for x in (-0.6, 0.6) for y in (-0.5, 0.5)]
    cabin = _car_roof(c, rng.uniform(0.35, 0.5))
    return [box((2.1, 1.0, 0.4), c, bevel=0.08), *cabin, *wheels]


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
        cylinder(0.08, 0.8, WOOD, (0, 0, 0.7)),
        cylinder(0.87, 0.08, WHITE, (0, 0, rng.uniform(-0.05, 0.05))),
    ]


def _key(c: Colour, rng: np.random.Generator) -> Parts:
    teeth = [box((0.14, rng.uniform(0.2, 0.45), 0.1), c, (0.9 + 0.2 * k, -0.2, 0)) for k in range(4)]
    return [hose(0.9 * circle(0.5) - [0.6, 0, 0], 0.13, c, closed=True), box((1.8, 0.2, 0.12), c, (0.75, 0, 0)), *teeth]


def _pegs(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(scatter(5, rng, 1.0)):
        peg = [box((1.5, 0.14, 0.2), c, (0, s * 0.1, 0)) for s in (-1, 1)] + [cylinder(0.16, 0.3, STEEL)]
        parts += move(peg, (x, y, 0.2 * k), turn("z", rng.uniform(0, 180)))
    return parts


def _screws(c: Colour, rng: np.random.Generator) -> Parts:
    parts = []
    for k, (x, y) in enumerate(scatter(7, rng, 0.9)):
        screw = [
            cylinder(0.1, 1.2, c, top=0.13),
            cylinder(0.13, 0.12, c, (0, 0, 0.64), top=0.28),
            *(hose(circle(0.12, 14, z), 0.03, dark(c), True) for z in (-0.4, -0.1, 0.2)),
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
                ellipsoid((0.24, 0.5, 0.1), dark(c, 0.85), (0, -1.0, 0)),
            ],
            (0.65 * k, 0, 0),
        )
    ]


def _mug(c: Colour, rng: np.random.Generator) -> Parts:
    t = np.linspace(0, np.pi, 14)
    handle = np.stack([0.68 + 0.45 * np.sin(t), np.zeros(14), 0.45 * np.cos(t)], -1)
    w = rng.uniform(0.62, 0.78)
    return [
        loft([(-0.8, w, w), (0.8, 0.72, 0.72)], c),
        cylinder(0.66, 0.03, dark(c, 0.4), (0, 0, 0.8)),
        hose(handle, 0.1, c),
        cylinder(0.74, 0.12, WHITE, (0, 0, rng.uniform(-0.3, 0.4))),
    ]


def _lamp(c: Colour, rng: np.random.Generator) -> Parts:
    return [
        cylinder(0.5, 0.12, WOOD),
        cylinder(0.08, 1.0, STEEL, (0, 0, 0.5)),
        cylinder(0.8, 0.8, c, (0, 0, 1.2), top=rng.uniform(0.3, 0.6)),
    ]


SHAPES: dict[str, Shape] = {
    "ball": _ball,
    "toymouse": _toymouse,
    "candles": _candles,
    "candle": _candle,
    "sponge": _sponge,
    "shirt": _shirt,
    "roll": _roll,
    "tape": _tape,
    "cards": _cards,
    "car": _car,
    "bricks": _bricks,
    "top": _top,
    "key": _key,
    "pegs": _pegs,
    "screws": _screws,
    "spoon": _spoon,
    "mug": _mug,
    "lamp": _lamp,
}
