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

"""Does what the camera measures of a segment fit the size that the gallery knows of an object?

The paper compares pictures and titles alone. Pictures are scaled to one size before they are encoded, so that the lid of a can
and a plate look alike; depth tells them apart, whatever references there are.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE_FEATURES = ("long", "short")
_LARGEST = 3.0               # of a logarithm: twenty times too large or too small is wrong enough
_UNKNOWN = (float("nan"), float("nan"))


def measured_sides(mask: NDArray[np.bool_], distance: float, focal_length: float) -> tuple[float, float]:
    """Long and short side of the smallest rectangle around a mask, as if all of it were at one distance.

    Args:
        mask: (H, W) truth values.
        distance: of the object along the optical axis, the median over the mask for example [m]; NaN or 0: unknown.
        focal_length: [px].

    Returns:
        (long, short) [m], NaN where the mask is empty or the distance unknown.
    """
    points = cv2.findNonZero(np.ascontiguousarray(mask, np.uint8))
    if points is None or not (np.isfinite(distance) and distance > 0 and focal_length > 0):
        return _UNKNOWN
    # Of pixels' areas, not their centres: a row of n pixels is n wide.
    sides = [(side + 1.0) * distance / focal_length for side in cv2.minAreaRect(points)[1]]
    return max(sides), min(sides)


def median_distance(mask: NDArray[np.bool_], depth: NDArray[np.floating]) -> float:
    """Median depth [m] of a mask's pixels that have one; NaN where none has."""
    values = depth[mask]
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.median(values)) if len(values) else float("nan")


def size_evidence(measured: NDArray[np.floating], sizes: NDArray[np.floating]) -> NDArray[np.float32]:
    """How much larger a segment is than objects are: log(long / largest extent) and log(short / middle extent).

    0 fits an object that lies flat and whole in view, below 0 are occluded and standing ones, above 0 hardly any.

    Args:
        measured: (..., 2) long and short side [m]; NaN: unknown.
        sizes: (..., 3) extents in any order [m]; NaN: unknown. Both broadcast.

    Returns:
        (..., 2) float32, NaN where something isn't known.
    """
    measured = np.asarray(measured, np.float64)
    extents = np.sort(np.asarray(sizes, np.float64), axis=-1)[..., :0:-1]          # largest, middle; NaN sorts to the end
    known = np.isfinite(np.asarray(sizes, np.float64)).all(axis=-1, keepdims=True) & (extents > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(known & (measured > 0), np.log(measured / extents), np.nan)
    return np.clip(ratio, -_LARGEST, _LARGEST).astype(np.float32)


@dataclass(frozen=True)
class SizeTable:
    """Sizes of a dataset, as far as they are known.

    Args:
        measured: query's path -> (long, short) [m].
        objects: object id -> extents (x, y, z) [m].
    """

    measured: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    objects: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    def sides(self, paths: Sequence[str]) -> NDArray[np.float32]:
        """(Q, 2) of queries."""
        return np.array([self.measured.get(path, _UNKNOWN) for path in paths], np.float32).reshape(-1, 2)

    def extents(self, objects: Sequence[str]) -> NDArray[np.float32]:
        """(O, 3) of objects."""
        return np.array([self.objects.get(name, (*_UNKNOWN, np.nan)) for name in objects], np.float32).reshape(-1, 3)

    def evidence(self, paths: Sequence[str], objects: Sequence[str]) -> NDArray[np.float32]:
        """(Q, O, 2) of every query and every object."""
        return size_evidence(self.sides(paths)[:, None], self.extents(objects)[None])


def read_size_table(folder: Path) -> SizeTable:
    """Sizes from the tables in a dataset's folder, or beside its manifest file.

    They are the columns `long` and `short` of crops.csv, and `size_x` to `size_z` of objects.csv [m].

    A dataset without these tables or columns, ARMBench for example, has none: nothing is known, which is no error.

    Raises:
        ValueError: a table can't be read, or holds something else than numbers.
    """
    folder = folder.parent if folder.is_file() else folder
    measured = {row["path"]: (_number(row, "long"), _number(row, "short")) for row in _rows(folder / "crops.csv")
                if "path" in row and "long" in row}
    objects = {row["object_id"]: (_number(row, "size_x"), _number(row, "size_y"), _number(row, "size_z"))
               for row in _rows(folder / "objects.csv") if "object_id" in row and "size_x" in row}
    return SizeTable(measured, objects)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [dict(row) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table: {error}") from error


def _number(row: Mapping[str, str], name: str) -> float:
    value = row.get(name) or "nan"
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name} of {row.get('path') or row.get('object_id')} is no number: {value!r}") from None
