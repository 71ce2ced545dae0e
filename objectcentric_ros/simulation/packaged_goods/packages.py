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

"""Packages: meshes with a label around them, standing upright with the front at -y [m]."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.packaged_goods import label
from objectcentric_ros.simulation.packaged_goods.label import Image, LabelDesign
from objectcentric_ros.simulation.packaged_goods.primitives import Colour, cylinder, grid_faces, loft, make_part, move
from objectcentric_ros.simulation.packaged_goods.product_shapes import blend

Parts = list[VisualPart]
Size = tuple[float, float, float]
LONGEST = 320  # px of the longest side of a panel
# ranges of width, depth and height [mm]; the middle one stays below 75, the largest below 200
RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "box": ((52, 74), (22, 60), (60, 165)),
    "carton": ((50, 72), (48, 72), (110, 185)),
    "can": ((50, 72), (50, 72), (58, 125)),
    "bottle": ((40, 70), (36, 66), (105, 188)),
    "pouch": ((55, 74), (12, 26), (85, 165)),
    "tube": ((36, 56), (24, 36), (95, 165)),
    "jar": ((46, 72), (46, 72), (45, 105)),
    "white_bag": ((58, 74), (20, 40), (85, 160)),
    "brown_box": ((52, 74), (32, 66), (80, 175)),
}
DENSITIES = {
    "box": 300.0,
    "carton": 700.0,
    "can": 700.0,
    "bottle": 650.0,
    "pouch": 400.0,
    "tube": 600.0,
    "jar": 600.0,
    "white_bag": 200.0,
    "brown_box": 250.0,
}  # kg per m3 of the bounding box


def package(form: str, size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    """Parts of a package of this form and size [m]; `picture` (RGBA) is the label's illustration."""
    return _FORMS[form](size, design, picture, rng)


def _pixels(width: float, height: float, longest: int = LONGEST) -> tuple[int, int]:
    scale = longest / max(width, height)
    return max(24, int(width * scale)), max(24, int(height * scale))


def panel(
    corner: tuple[float, float, float], right: tuple[float, float, float], up: tuple[float, float, float], texture: Image
) -> VisualPart:
    """A flat picture from its lower left corner along two edges [m]."""
    a, r, u = (np.asarray(x, float) for x in (corner, right, up))
    return make_part(
        np.stack([a, a + r, a + r + u, a + u]),
        np.array([[0, 1, 2], [0, 2, 3]]),
        uv=np.array([[0, 1], [1, 1], [1, 0], [0, 0]]),
        texture=texture,
    )


def box_panels(size: Size, front: Image, back: Image, side: Image, end: Image) -> Parts:
    """Six panels around a box."""
    w, d, h = size
    x, y, z = w / 2, d / 2, h / 2
    return [
        panel((-x, -y, -z), (w, 0, 0), (0, 0, h), front),
        panel((x, y, -z), (-w, 0, 0), (0, 0, h), back),
        panel((x, -y, -z), (0, d, 0), (0, 0, h), side),
        panel((-x, y, -z), (0, -d, 0), (0, 0, h), side),
        panel((-x, -y, z), (w, 0, 0), (0, d, 0), end),
        panel((-x, y, -z), (w, 0, 0), (0, -d, 0), end),
    ]


def _box(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    w, d, h = size
    return box_panels(
        size,
        label.front(design, picture, *_pixels(w, h)),
        label.back(design, *_pixels(w, h, 256)),
        label.side(design, *_pixels(d, h, 256)),
        label.lid(design, 128),
    )


def _carton(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    w, d, h = size
    if rng.random() < 0.4:
        return _box(size, design, picture, rng)
    wall, x, y = 0.8 * h, w / 2, d / 2
    front, back = label.front(design, picture, *_pixels(w, wall)), label.back(design, *_pixels(w, wall, 256))
    parts = box_panels((w, d, wall), front, back, label.side(design, *_pixels(d, wall, 256)), label.lid(design, 96))[:4]
    ridge, eave = h - wall / 2 - 0.1 * h, wall / 2  # the gable over walls about the origin
    roof = label.lid(design, 128)
    slopes = [
        panel((-x, -y, eave), (w, 0, 0), (0, y, ridge - eave), roof),
        panel((x, y, eave), (-w, 0, 0), (0, -y, ridge - eave), roof),
    ]
    tips = np.array([[x, -y, eave], [x, y, eave], [x, 0, ridge], [-x, y, eave], [-x, -y, eave], [-x, 0, ridge]])
    fin = np.array(
        [
            [-x, -0.001, ridge],
            [x, -0.001, ridge],
            [x, 0, ridge + 0.1 * h],
            [-x, 0, ridge + 0.1 * h],
            [-x, 0.001, ridge],
            [x, 0.001, ridge],
        ]
    )
    floor = np.array([[-x, -y, -eave], [x, -y, -eave], [x, y, -eave], [-x, y, -eave]])
    return [
        *parts,
        *slopes,
        make_part(tips, np.array([[0, 1, 2], [3, 4, 5]]), design.palette[0]),
        make_part(fin, np.array([[0, 1, 2], [0, 2, 3], [5, 4, 3], [5, 3, 2]]), design.band),
        make_part(floor, np.array([[0, 2, 1], [0, 3, 2]]), design.palette[0]),
    ]


def _wrap(design: LabelDesign, picture: Image, width: float, height: float) -> Image:
    """Front and back side by side, for something round of this circumference."""
    w, h = _pixels(width / 2, height)
    front = label.front(design, picture, max(24, int(0.56 * w)), h)  # what is seen of something round from one side
    margin = w - front.shape[1]
    ground = label.ground(design, w, h)
    ground[:, margin // 2 : margin // 2 + front.shape[1]] = front
    return np.hstack([ground, label.back(design, w, h)])


def _can(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    r, h = size[0] / 2, size[2]
    steel = (0.78, 0.79, 0.8)
    rim = 0.03 * h
    body = loft([(-h / 2 + rim, r, r), (h / 2 - rim, r, r)], texture=_wrap(design, picture, 2 * np.pi * r, h), closed=False)
    end = [
        loft(
            [
                (-rim / 2, 0.96 * r, 0.96 * r),
                (0, r, r),
                (rim, 0.94 * r, 0.94 * r),
                (rim, 0.85 * r, 0.85 * r),
                (0.6 * rim, 0.84 * r, 0.84 * r),
            ],
            steel,
        )
    ]
    top, bottom = h / 2 - rim, -h / 2
    parts = [body, *move(end, (0, 0, top)), cylinder(0.97 * r, rim, steel, (0, 0, bottom + rim / 2), top=r)]
    if rng.random() < 0.4:  # a plastic lid in the variant's colour
        parts.append(cylinder(1.0 * r, 0.05 * h, design.band, (0, 0, top + rim - 0.02 * h)))
    return parts


def _bottle(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    w, d, h = size
    x, y = w / 2, d / 2
    power = float(rng.choice([1.0, 0.8, 0.6]))
    shoulder, neck = rng.uniform(0.58, 0.72), rng.uniform(0.8, 0.86)
    cap = rng.uniform(0.25, 0.55)
    bottle: Colour = design.palette[0] if rng.random() < 0.6 else design.band
    waist = rng.uniform(0.86, 1.0)
    z = [-0.5, -0.48, shoulder - 0.5]
    body = loft([(z[0] * h, 0.9 * x, 0.9 * y), (z[1] * h, x, y), (-0.45 * h, x, y)], bottle, power=power)
    wrap = loft(
        [(-0.45 * h, x, y), ((z[2] - 0.45) / 2 * h, waist * x, waist * y), (z[2] * h, x, y)],
        texture=_wrap(design, picture, np.pi * (x + y), (z[2] + 0.45) * h),
        power=power,
        closed=False,
    )
    top = loft(
        [(z[2] * h, x, y), ((neck - 0.56) * h, 0.75 * x, 0.75 * y), ((neck - 0.5) * h, cap * x, cap * x)], bottle, power=power
    )
    lid: Colour = design.palette[1] if rng.random() < 0.6 else (0.93, 0.93, 0.93)
    return [
        body,
        wrap,
        top,
        cylinder(1.1 * cap * x, (1 - neck) * h, lid, (0, 0, (neck / 2) * h), top=rng.uniform(0.8, 1.1) * cap * x),
    ]


def _jar(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    r, h = size[0] / 2, size[2]
    lid = rng.uniform(0.14, 0.28)
    glass = blend((0.8, 0.8, 0.8), design.band, 0.75)
    body = loft(
        [
            (-0.5 * h, 0.85 * r, 0.85 * r),
            (-0.46 * h, 0.97 * r, 0.97 * r),
            ((0.45 - lid) * h, 0.97 * r, 0.97 * r),
            ((0.5 - lid) * h, 0.85 * r, 0.85 * r),
        ],
        glass,
    )
    low, high = -0.42 * h, (0.42 - lid) * h
    paper = loft([(low, r, r), (high, r, r)], texture=_wrap(design, picture, 2 * np.pi * r, high - low), closed=False)
    cap = (design.palette[1], (0.85, 0.72, 0.35), (0.9, 0.9, 0.9))[int(rng.integers(3))]
    top = panel((-0.62 * r, -0.62 * r, 0.5 * h), (1.24 * r, 0, 0), (0, 1.24 * r, 0), label.lid(design, 96))
    return [body, paper, cylinder(0.92 * r, lid * h - 0.0004, cap, (0, 0, (0.5 - lid / 2) * h - 0.0004)), top]


def _tube(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    w, d, h = size
    cap = rng.uniform(0.14, 0.22)
    t = np.linspace(0, 1, 9)
    rings = [((cap - 0.5 + (1 - cap) * a) * h, (0.42 + 0.08 * a) * w, max(0.0012, 0.5 * d * (1 - a**1.6))) for a in t]
    body = loft(rings, texture=_wrap(design, picture, 1.9 * w, (1 - cap) * h), closed=False)
    colour: Colour = design.band if rng.random() < 0.5 else (0.94, 0.94, 0.94)
    return [
        body,
        cylinder(0.36 * d + 0.03 * w, cap * h, colour, (0, 0, (cap / 2 - 0.5) * h), top=0.4 * d + 0.04 * w),
        loft([((cap - 0.51) * h, 0.3 * w, 0.4 * d), ((cap - 0.5) * h, 0.42 * w, 0.5 * d)], colour),
    ]


def pillow(size: Size, front: Image, back: Image, lumps: NDArray, edge: float = 0.06) -> Parts:
    """A bag, flat at its rims and swollen between them.

    Args:
        size: width, thickness and height [m].
        front: picture.
        back: picture.
        lumps: (16, 16) added to the thickness, as a share of it.
        edge: height of the flat seams at the top and bottom, as a share of the height.
    """
    w, t, h = size
    u, v = np.meshgrid(np.linspace(-1, 1, 17), np.linspace(-1, 1, 21))
    rise = np.clip(1 - (np.abs(v) / (1 - edge)) ** 4, 0, 1) ** 0.5 * np.clip(1 - u**4, 0, 1) ** 0.6
    bumps = cv2.resize(lumps.astype(np.float32), (17, 21), interpolation=cv2.INTER_CUBIC)
    swell = rise * np.clip(1 + bumps - bumps.max(), 0.2, 1.0)
    swell /= swell.max()
    waist = 1 - 0.06 * rise.mean(axis=1, keepdims=True)
    uv = np.stack([(u + 1) / 2, (1 - v) / 2], -1).reshape(-1, 2)
    parts = []
    for sign, image in ((-1, front), (1, back)):
        vertices = np.stack([-sign * u * waist * w / 2, sign * swell * t / 2 + sign * 0.0003, v * h / 2], -1).reshape(-1, 3)
        parts.append(make_part(vertices, grid_faces(*u.shape), uv=uv, texture=image))
    return parts


def _pouch(size: Size, design: LabelDesign, picture: Image, rng: np.random.Generator) -> Parts:
    w, _, h = size
    front = np.ascontiguousarray(label.front(design, picture, *_pixels(w, h)))
    for seam in (slice(0, max(2, front.shape[0] // 22)), slice(-max(2, front.shape[0] // 22), None)):
        front[seam, ::4] = front[seam, ::4] // 2 + 90
    return pillow(size, front, label.back(design, *_pixels(w, h, 256)), rng.normal(0, 0.12, (6, 6)))


def white_bag(size: Size, code: int, rng: np.random.Generator) -> Parts:
    """A poly bag that tells little of what is in it: creases, and perhaps a barcode."""
    w, _, h = size
    lumps = rng.normal(0, 0.22, (7, 7))
    tone = rng.uniform(222, 243) + rng.normal(0, 2.5, 3)
    images = []
    for number in range(2):
        width, height = _pixels(w, h, 256)
        creases = cv2.resize(rng.normal(0, 1, (18, 12)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        creases = creases + 0.7 * cv2.resize(
            rng.normal(0, 1, (40, 26)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        image = np.clip(tone + 9 * np.abs(creases)[..., None] - 9, 0, 255).astype(np.uint8)
        if number == 0 and rng.random() < 0.8:
            _stick(image, code, rng)
        images.append(image)
    return pillow(size, images[0], images[1], lumps, edge=float(rng.uniform(0.04, 0.1)))


def brown_box(size: Size, code: int, rng: np.random.Generator) -> Parts:
    """A cardboard box with tape, and perhaps a barcode."""
    w, d, h = size
    tone = np.array([178, 138, 96]) * rng.uniform(0.9, 1.08)
    images = []
    for width, height in (_pixels(w, h, 256), _pixels(w, h, 256), _pixels(d, h, 192), _pixels(w, d, 192)):
        grain = rng.normal(0, 3, (1, width, 1)) + rng.normal(0, 2, (height, width, 1))
        image = np.clip(tone + grain, 0, 255).astype(np.uint8)
        images.append(image)
    strip = slice(int(0.42 * images[3].shape[0]), int(0.58 * images[3].shape[0]))
    images[3][strip] = np.clip(0.55 * images[3][strip] + 0.45 * np.array([214, 186, 140]), 0, 255)
    if rng.random() < 0.8:
        _stick(images[0], code, rng)
    return box_panels(size, *images)


def _stick(image: Image, code: int, rng: np.random.Generator) -> None:
    """Put a small barcode somewhere on the picture."""
    height, width = image.shape[:2]
    w, h = int(rng.uniform(0.28, 0.4) * width), int(rng.uniform(0.1, 0.15) * height)
    x, y = int(rng.uniform(0.1, 0.88) * (width - w)), int(rng.uniform(0.12, 0.8) * (height - h))
    image[y : y + h, x : x + w] = label.barcode(code, w, h)


_FORMS: dict[str, Callable[[Size, LabelDesign, Image, np.random.Generator], Parts]] = {
    "box": _box,
    "carton": _carton,
    "can": _can,
    "bottle": _bottle,
    "jar": _jar,
    "tube": _tube,
    "pouch": _pouch,
}
