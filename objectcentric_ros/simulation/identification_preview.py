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

"""One picture that shows what an identification dataset holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.manifest import ManifestRow
from objectcentric_ros.simulation.identification_objects import IdentifiableObject

PREVIEW = "preview.png"
_CELL = 120                                          # [px]
_SHOWN = {"query": 3, "tray": 2, "bin": 3, "catalog": 1}
_OBJECTS = 10


def write_preview(folder: Path, objects: Sequence[IdentifiableObject], rows: Sequence[ManifestRow], seed: int = 0) -> None:
    """Draw ten objects of different kinds, a row each: queries, tray references, bins, catalog, title."""
    of_object: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        of_object.setdefault(row.object_id, {}).setdefault(row.source, []).append(row.path)
    there = [thing for thing in objects if thing.object_id in of_object]
    lines = [_line(folder, thing, of_object[thing.object_id]) for thing in _varied(there, np.random.default_rng(seed))]
    if lines:
        picture = np.vstack([_heading(lines[0].shape[1]), *lines])
        if not cv2.imwrite(str(folder / PREVIEW), picture):
            raise OSError(f"can't write {folder / PREVIEW}")


def _varied(objects: Sequence[IdentifiableObject], rng: np.random.Generator) -> list[IdentifiableObject]:
    """Objects of as many kinds as there are."""
    by_kind: dict[str, list[IdentifiableObject]] = {}
    for index in rng.permutation(len(objects)):
        by_kind.setdefault(objects[index].kind, []).append(objects[index])
    chosen: list[IdentifiableObject] = []
    while len(chosen) < min(_OBJECTS, len(objects)):
        for kind in sorted(by_kind):
            if by_kind[kind] and len(chosen) < _OBJECTS:
                chosen.append(by_kind[kind].pop())
    return chosen


def _line(folder: Path, thing: IdentifiableObject, paths: dict[str, list[str]]) -> NDArray[np.uint8]:
    cells = []
    for source, count in _SHOWN.items():
        listed = paths.get(source, [])
        chosen = [listed[index] for index in np.linspace(0, len(listed) - 1, min(count, len(listed))).round().astype(int)]
        cells += [_fit(folder / path) for path in chosen]
        cells += [np.full((_CELL, _CELL, 3), 255, np.uint8)] * (count - len(chosen))
    title = np.full((_CELL, 3 * _CELL, 3), 255, np.uint8)
    text = f"{thing.title} [{thing.kind}, {thing.split}]"
    for number, start in enumerate(range(0, min(len(text), 300), 60)):
        cv2.putText(title, text[start:start + 60].encode("ascii", "replace").decode(), (6, 20 + 18 * number),
                    cv2.FONT_HERSHEY_SIMPLEX, 0.33, (0, 0, 0), 1, cv2.LINE_AA)
    return np.hstack([*cells, title])


def _heading(width: int) -> NDArray[np.uint8]:
    line = np.full((24, width, 3), 255, np.uint8)
    column = 0
    for source, count in (*_SHOWN.items(), ("text", 3)):
        cv2.putText(line, source, (column * _CELL + 6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        column += count
    return line


def _fit(path: Path) -> NDArray[np.uint8]:
    """A picture in a square cell, on grey."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise OSError(f"can't read {path}")
    scale = (_CELL - 4) / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    cell = np.full((_CELL, _CELL, 3), 200, np.uint8)
    top, left = (_CELL - small.shape[0]) // 2, (_CELL - small.shape[1]) // 2
    cell[top:top + small.shape[0], left:left + small.shape[1]] = small
    return cell
