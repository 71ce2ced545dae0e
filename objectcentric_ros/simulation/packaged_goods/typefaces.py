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

"""Text on labels, in typefaces that the packages of the environment bring.

Aileron (CC0) is inside Pillow, Atkinson Hyperlegible (OFL 1.1) beside MuJoCo's viewer, Hershey's strokes inside OpenCV.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_HEIGHT = 64  # px; text is drawn once at this size and then fitted
_HERSHEY = {
    "triplex": cv2.FONT_HERSHEY_TRIPLEX,
    "complex": cv2.FONT_HERSHEY_COMPLEX,
    "script": cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    "duplex": cv2.FONT_HERSHEY_DUPLEX,
}
FONTS = ("aileron", "atkinson", "mono", *_HERSHEY)


@dataclass(frozen=True)
class Typeface:
    """A font and what a brand does to it.

    Args:
        font: one of `FONTS`.
        weight: 200..800, of those that have weights.
        slant: shift per height.
        case: upper, title or lower.
        spacing: between letters, of the height.
        outlined: letters have a rim only.
    """

    font: str = "aileron"
    weight: int = 500
    slant: float = 0.0
    case: str = "title"
    spacing: float = 0.0
    outlined: bool = False


@lru_cache(maxsize=64)
def _font(name: str, weight: int) -> ImageFont.FreeTypeFont:
    spec = importlib.util.find_spec("mujoco") if name != "aileron" else None
    if spec is not None and spec.origin is not None:
        file = {"atkinson": "AtkinsonHyperlegibleNext[wght].ttf", "mono": "AtkinsonHyperlegibleMono-Regular.ttf"}[name]
        font = ImageFont.truetype(Path(spec.origin).parent / "studio" / "assets" / file, _HEIGHT)
        if name == "atkinson":
            font.set_variation_by_axes([weight])
        return font
    aileron = ImageFont.load_default(_HEIGHT)
    assert isinstance(aileron, ImageFont.FreeTypeFont)
    return aileron


@lru_cache(maxsize=4096)
def text_mask(text: str, face: Typeface) -> NDArray[np.uint8]:
    """Coverage (h, w) of the text, cropped to it; 64 px a line before cropping."""
    text = {"upper": text.upper(), "lower": text.lower()}.get(face.case, text)
    mask: NDArray[Any] = _hershey(text, face) if face.font in _HERSHEY else _outlines(text, face)
    if face.outlined:
        mask = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    if face.slant:
        height, width = mask.shape
        shift = abs(face.slant) * height
        transform = np.array([[1, -face.slant, max(face.slant, 0) * height], [0, 1, 0]], np.float32)
        mask = cv2.warpAffine(mask, transform, (int(width + shift) + 1, height))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros((8, 8), np.uint8)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _outlines(text: str, face: Typeface) -> NDArray[np.uint8]:
    font = _font(face.font, face.weight)
    stroke = 0 if face.font == "atkinson" else max(0, (face.weight - 400) // 130)
    gap = face.spacing * _HEIGHT
    pieces = list(text) if gap else [text]
    widths = [font.getlength(piece) + gap for piece in pieces]
    image = Image.new("L", (int(sum(widths)) + 24, 2 * _HEIGHT))
    draw = ImageDraw.Draw(image)
    x = 8.0
    for piece, width in zip(pieces, widths, strict=True):
        draw.text((x, _HEIGHT // 3), piece, fill=255, font=font, stroke_width=stroke)
        x += width
    return np.asarray(image)


def _hershey(text: str, face: Typeface) -> NDArray[np.uint8]:
    font, thickness = _HERSHEY[face.font], 2 + face.weight // 250
    (width, _), _ = cv2.getTextSize(text, font, 2.0, thickness)
    image = np.zeros((2 * _HEIGHT, width + 24), np.uint8)
    cv2.putText(image, text, (8, 92), font, 2.0, (255,), thickness, cv2.LINE_AA)
    return image


def fitted(mask: NDArray[np.uint8], width: int, height: int, stretch: float = 1.35) -> NDArray[np.uint8]:
    """The mask as large as fits into (width, height) px; it may be stretched by this factor to fill it."""
    h, w = mask.shape
    x, y = width / w, height / h
    if x > y:
        x = min(x, stretch * y)
    else:
        y = min(y, stretch * x)
    return np.asarray(cv2.resize(mask, (max(1, int(w * x)), max(1, int(h * y))), interpolation=cv2.INTER_AREA), np.uint8)


def wrapped(text: str, face: Typeface, aspect: float) -> NDArray[np.uint8]:
    """The text in one to three lines, whichever fills a field of this width / height best."""
    words = text.split()
    best: NDArray[np.uint8] | None = None
    best_size = -1.0
    for count in range(1, min(3, len(words)) + 1):
        lines = [" ".join(line) for line in np.array_split(np.asarray(words, object), count)]
        masks = [text_mask(line, face) for line in lines]
        width, gap = max(mask.shape[1] for mask in masks), 14
        pages = [
            np.pad(mask, ((0, gap), ((width - mask.shape[1]) // 2, width - mask.shape[1] - (width - mask.shape[1]) // 2)))
            for mask in masks
        ]
        page = np.vstack(pages)[:-gap]
        scale = min(aspect / page.shape[1], 1.0 / page.shape[0])
        if scale > best_size:
            best, best_size = page, scale
    assert best is not None
    return best
