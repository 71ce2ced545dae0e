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

"""What is printed on a package: brand, product name, illustration, variant, size, barcode, small print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.simulation.item_model import VisualPart
from objectcentric_ros.simulation.packaged_goods.primitives import extents, turn
from objectcentric_ros.simulation.packaged_goods.typefaces import Typeface, fitted, text_mask, wrapped
from objectcentric_ros.simulation.packaged_goods.vocabulary import Colour

Image = NDArray[np.uint8]
LAYOUTS = (
    ("brand", "name", "picture", "band"),
    ("picture", "brand", "name", "band"),
    ("brand", "picture", "name", "band"),
    ("band", "brand", "picture", "name"),
    ("name", "picture", "band", "brand"),
    ("brand", "name", "band", "picture"),
)
BACKGROUNDS = 8
LOGOS = (
    "disc",
    "ring",
    "triangle",
    "diamond",
    "hexagon",
    "star",
    "sun",
    "leaf",
    "wave",
    "crescent",
    "cross",
    "bars",
    "heart",
    "mountain",
)
_SHARES = {"brand": 0.2, "name": 0.25, "picture": 0.42, "band": 0.13}


@dataclass(frozen=True)
class LabelDesign:
    """What a label says and how it looks; colours are RGB in 0..1.

    Args:
        brand: its name.
        name: of the product.
        variant: of the product.
        size: contents as printed.
        claim: boast in small letters.
        palette: ground, second colour and ink of the brand.
        band: the variant's colour.
        logo: one of `LOGOS`.
        logo_turn: rotation of the logo [deg].
        brand_face: of the brand's name.
        name_face: of the product's name.
        layout: index into `LAYOUTS`.
        background: pattern, below `BACKGROUNDS`.
        barcode: digits.
    """

    brand: str
    name: str
    variant: str
    size: str
    claim: str
    palette: tuple[Colour, Colour, Colour]
    band: Colour
    logo: str
    logo_turn: float
    brand_face: Typeface
    name_face: Typeface
    layout: int
    background: int
    barcode: int


def front(design: LabelDesign, picture: Image, width: int, height: int) -> Image:
    """The panel (height, width, 3) that faces the customer; `picture` is RGBA."""
    canvas = ground(design, width, height)
    margin = max(3, round(0.05 * min(width, height)))
    x, y, w, h = margin, margin, width - 2 * margin, height - 2 * margin
    sections: tuple[str, ...] = LAYOUTS[design.layout]
    if w > 1.25 * h:  # the picture beside the rest
        side = int(0.4 * w)
        left = design.layout % 2 == 0
        _paste(canvas, picture, x if left else x + w - side, y, side, h)
        x, w = (x + side, w - side) if left else (x, w - side)
        sections = tuple(name for name in sections if name != "picture")
    total = sum(_SHARES[name] for name in sections)
    for name in sections:
        rows = int(h * _SHARES[name] / total)
        _section(canvas, name, design, picture, x, y, w, rows)
        y += rows
    return canvas


def back(design: LabelDesign, width: int, height: int) -> Image:
    """The panel (height, width, 3) with small print and a barcode."""
    canvas = np.full((height, width, 3), _bytes(design.palette[0]), np.uint8)
    ink = _ink(design.palette[0], design)
    rng = np.random.default_rng(design.barcode)
    y = height // 16
    _write(canvas, text_mask(design.brand, design.brand_face), ink, width // 10, y, int(0.8 * width), height // 10)
    y += height // 7
    line = max(3, height // 45)
    while y < 0.66 * height:
        x = width // 10
        while x < 0.84 * width:
            word = int(rng.uniform(0.03, 0.11) * width) + 1
            cv2.rectangle(
                canvas, (x, y), (min(x + word, int(0.9 * width)), y + max(1, line // 2)), _mix(ink, design.palette[0], 0.35), -1
            )
            x += word + max(2, width // 60)
        y += 2 * line
    _write(
        canvas, text_mask(design.variant, design.name_face), ink, width // 10, int(0.68 * height), int(0.5 * width), height // 14
    )
    code = barcode(design.barcode, max(24, int(0.5 * width)), max(12, int(0.18 * height)))
    canvas[int(0.77 * height) : int(0.77 * height) + code.shape[0], width // 10 : width // 10 + code.shape[1]] = code
    return canvas


def side(design: LabelDesign, width: int, height: int) -> Image:
    """A narrow panel (height, width, 3): the product's name along it, and the variant's colour."""
    canvas = np.full((height, width, 3), _bytes(design.palette[0]), np.uint8)
    ink = _ink(design.palette[0], design)
    upright = height > width
    page = np.zeros((width, height, 3), np.uint8) if upright else canvas
    page[:] = _bytes(design.palette[0])
    h, w = page.shape[:2]
    cv2.rectangle(page, (0, 0), (w // 8, h), _bytes(design.band), -1)
    _write(page, text_mask(design.brand, design.brand_face), ink, int(0.17 * w), int(0.15 * h), int(0.3 * w), int(0.7 * h))
    _write(
        page,
        wrapped(design.name, design.name_face, 0.4 * w / (0.7 * h)),
        ink,
        int(0.52 * w),
        int(0.15 * h),
        int(0.42 * w),
        int(0.7 * h),
    )
    return np.ascontiguousarray(np.rot90(page)) if upright else page


def lid(design: LabelDesign, size: int) -> Image:
    """A square (size, size, 3) with the logo in the variant's colour, for lids and the ends of boxes."""
    canvas = np.full((size, size, 3), _bytes(design.band), np.uint8)
    _draw_logo(canvas, design, size // 4, size // 8, size // 2, _ink(design.band, design))
    _write(
        canvas,
        text_mask(design.brand, design.brand_face),
        _ink(design.band, design),
        size // 8,
        int(0.68 * size),
        int(0.75 * size),
        size // 6,
    )
    return canvas


def ground(design: LabelDesign, width: int, height: int) -> Image:
    """Background (height, width, 3) in the brand's colours."""
    first, second = (np.asarray(colour) for colour in design.palette[:2])
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    px, py = x * width / max(width, height) * 12, y * height / max(width, height) * 12
    weight = (
        np.zeros_like(x),
        y,
        (y > 0.55).astype(float),
        (x + y > 1.0).astype(float),
        (np.sin(3 * (px + py)) > 0.6).astype(float),
        (np.hypot(px % 1.5 - 0.75, py % 1.5 - 0.75) < 0.3).astype(float),
        (np.hypot(x - 0.5, y - 0.5) < 0.36).astype(float),
        (y + 0.08 * np.sin(9 * x) > 0.6).astype(float),
    )[design.background]
    return np.rint(255 * (first + weight[..., None] * (second - first) * (0.45 if design.background in (4, 5) else 1.0))).astype(
        np.uint8
    )


def barcode(digits: int, width: int, height: int) -> Image:
    """Bars (height, width, 3) on white that encode a number, not by any standard."""
    bits = np.unpackbits(np.frombuffer((digits % 2**40).to_bytes(5, "big"), np.uint8))
    bars = np.concatenate([[0, 0, 1, 0, 1], np.repeat(bits, 1 + (np.arange(40) % 3 == 0)), [1, 0, 1, 0, 0]])
    row = 255 * (1 - cv2.resize(bars[None].astype(np.uint8), (width, 1), interpolation=cv2.INTER_NEAREST))
    code = np.repeat(np.repeat(row, height, 0)[..., None], 3, 2).astype(np.uint8)
    code[: max(1, height // 10)] = code[-max(1, height // 10) :] = 255
    return code


def illustration(parts: Sequence[VisualPart], size: int = 200) -> Image:
    """A drawing (size, size, 4) RGBA of parts, seen from the front, right and above."""
    R = turn("x", -62) @ turn("z", -28)  # columns of the drawing: right, up, towards the customer
    low, high = extents(parts)
    triangles, colours = [], []
    for part in parts:
        corners = ((part.vertices - (low + high) / 2) @ R.T)[part.faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        shade = 0.62 + 0.38 * np.abs(normal @ np.array([-0.35, 0.45, 0.82]))
        triangles.append(corners[normal[:, 2] > 0])
        colours.append((255 * np.clip(part.rgba[:3] * shade[:, None], 0, 1))[normal[:, 2] > 0])
    faces, shades = np.vstack(triangles), np.vstack(colours)
    flat = faces[..., :2]
    bottom, top = flat.reshape(-1, 2).min(0), flat.reshape(-1, 2).max(0)
    pixels = (flat - (bottom + top) / 2) * [1, -1] * (0.94 * size / (top - bottom).max()) + size / 2
    image = np.zeros((size, size, 4), np.uint8)
    for index in np.argsort(faces[..., 2].mean(axis=1)):
        cv2.fillConvexPoly(image, np.rint(pixels[index] * 16).astype(np.int32), (*shades[index].tolist(), 255), cv2.LINE_8, 4)
    return image


def _section(canvas: Image, name: str, design: LabelDesign, picture: Image, x: int, y: int, w: int, h: int) -> None:
    if w < 4 or h < 4:
        return
    under = tuple(canvas[y : y + h, x : x + w].reshape(-1, 3).mean(axis=0) / 255)
    ink = _ink(under, design)
    if name == "picture":
        _paste(canvas, picture, x, y, w, h)
    elif name == "band":
        cv2.rectangle(canvas, (0, y), (canvas.shape[1] if w > 0.7 * canvas.shape[1] else x + w, y + h), _bytes(design.band), -1)
        ink = _ink(design.band, design)
        _write(canvas, text_mask(design.variant, design.name_face), ink, x, y + h // 6, int(0.62 * w), 2 * h // 3)
        _write(
            canvas,
            text_mask(design.size, Typeface("atkinson", 600, case="")),
            ink,
            x + int(0.68 * w),
            y + h // 4,
            int(0.3 * w),
            h // 2,
        )
    elif name == "brand":
        logo = min(h, w // 3)
        _draw_logo(canvas, design, x, y + (h - logo) // 2, logo, ink)
        _write(
            canvas,
            text_mask(design.brand, design.brand_face),
            ink,
            x + int(1.15 * logo),
            y + h // 8,
            w - int(1.15 * logo),
            3 * h // 4,
        )
    else:
        _write(canvas, wrapped(design.name, design.name_face, w / (0.68 * h)), ink, x, y + h // 20, w, int(0.68 * h))
        _write(
            canvas, text_mask(design.claim, Typeface("atkinson", 500, case="")), ink, x, y + int(0.8 * h), w, int(0.15 * h), 1.0
        )


def _write(
    canvas: Image, mask: NDArray[np.uint8], colour: tuple[int, int, int], x: int, y: int, w: int, h: int, stretch: float = 1.35
) -> None:
    """Text in the middle of a field."""
    if w < 3 or h < 3:
        return
    text = fitted(mask, w, h, stretch)
    left, top = x + (w - text.shape[1]) // 2, y + (h - text.shape[0]) // 2
    field = canvas[top : top + text.shape[0], left : left + text.shape[1]]
    cover = text[: field.shape[0], : field.shape[1], None] / 255.0
    field[:] = np.rint(field * (1 - cover) + np.asarray(colour) * cover)


def _paste(canvas: Image, picture: Image, x: int, y: int, w: int, h: int) -> None:
    size = max(2, min(w, h))
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    left, top = x + (w - size) // 2, y + (h - size) // 2
    field = canvas[top : top + size, left : left + size]
    cover = small[: field.shape[0], : field.shape[1], 3:] / 255.0
    field[:] = np.rint(field * (1 - cover) + small[: field.shape[0], : field.shape[1], :3] * (cover > 0) * cover)


def _draw_logo(canvas: Image, design: LabelDesign, x: int, y: int, size: int, ink: tuple[int, int, int]) -> None:
    _write(canvas, _logo(design.logo, design.logo_turn), ink, x, y, size, size, 1.0)


def _logo(shape: str, degrees: float) -> NDArray[np.uint8]:
    """Coverage (128, 128) of a logo."""
    x, y = np.meshgrid(np.linspace(-1, 1, 128), np.linspace(1, -1, 128))
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = 1.15 * (c * x + s * y), 1.15 * (c * y - s * x)
    r, a = np.hypot(x, y), np.arctan2(y, x)
    inside = {
        "disc": lambda: (r < 1) & (np.hypot(x - 0.3, y - 0.3) > 0.3),
        "ring": lambda: (r < 1) & (r > 0.55),
        "triangle": lambda: (y > -0.6) & (y < 0.95 - 1.7 * np.abs(x)),
        "diamond": lambda: (np.abs(x) + np.abs(y) < 1) & (np.abs(x) + np.abs(y) > 0.35),
        "hexagon": lambda: np.maximum(np.abs(x), 0.5 * np.abs(x) + 0.87 * np.abs(y)) < 0.9,
        "star": lambda: r < 0.55 + 0.4 * np.cos(5 * a),
        "sun": lambda: (r < 0.5) | ((r < 1) & (np.cos(9 * a) > 0.3) & (r > 0.62)),
        "leaf": lambda: (np.hypot(x - 0.45, y) < 1) & (np.hypot(x + 0.45, y) < 1) & (np.abs(x) > 0.05),
        "wave": lambda: (np.abs(y - 0.3 * np.sin(5 * x)) % 0.55 < 0.26) & (r < 1),
        "crescent": lambda: (r < 1) & (np.hypot(x - 0.4, y) > 0.75),
        "cross": lambda: (np.minimum(np.abs(x), np.abs(y)) < 0.3) & (np.maximum(np.abs(x), np.abs(y)) < 0.95),
        "bars": lambda: (np.abs(x) % 0.5 < 0.28) & (np.abs(y) < 0.45 + 0.4 * x) & (np.abs(x) < 0.95),
        "heart": lambda: (x**2 + y**2 - 0.5) ** 3 < 0.9 * x**2 * y**3,
        "mountain": lambda: (y > -0.7) & (y < 0.8 - 1.6 * np.abs(x + 0.25)) | (y > -0.7) & (y < 0.25 - 1.4 * np.abs(x - 0.4)),
    }[shape]()
    return 255 * inside.astype(np.uint8)


def _ink(under: Sequence[float], design: LabelDesign) -> tuple[int, int, int]:
    """The brand's ink where it can be read, else black or white."""
    light = float(np.dot(under, (0.299, 0.587, 0.114)))
    own = float(np.dot(design.palette[2], (0.299, 0.587, 0.114)))
    if abs(light - own) > 0.38:
        return _bytes(design.palette[2])
    return (250, 250, 248) if light < 0.55 else (25, 24, 28)


def _mix(ink: tuple[int, int, int], under: Colour, share: float) -> tuple[int, int, int]:
    r, g, b = (int(a * (1 - share) + 255 * u * share) for a, u in zip(ink, under, strict=True))
    return r, g, b


def _bytes(colour: Sequence[float]) -> tuple[int, int, int]:
    r, g, b = (int(np.clip(np.rint(255 * float(x)), 0, 255)) for x in colour)
    return r, g, b
