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

"""Amazon Berkeley Objects: the studio pictures and names of its listings, as catalog and text references.

    listings/metadata/listings_*.json.gz      a JSON object a line: item_id, main_image_id, other_image_id, item_name, ...
    images/metadata/images.csv.gz             image_id, height, width, path
    images/small/<path> or images/original/<path>

Sizes and masses are taken where a listing has them in inches and pounds.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectcentric_ros.identification.importers.found import INCH, POUND, DatasetError, Found, FoundObject, FoundRow

_MOST_LINE = 8 * 1024 * 1024       # characters of one listing


@dataclass(frozen=True)
class BerkeleyConfig:
    """What is read.

    Args:
        images: catalog pictures an object at most: the main one, then others.
        language: of the names that are preferred, such as en.
    """

    images: int = 1
    language: str = "en"


def read_berkeley(folder: Path, config: BerkeleyConfig | None = None) -> Found:
    """The listings of a folder of Amazon Berkeley Objects that have a main picture.

    Raises:
        DatasetError: a file is missing or damaged; names the file and line.
    """
    config = config or BerkeleyConfig()
    listings = sorted((folder / "listings" / "metadata").glob("listings_*.json.gz"))
    if not listings:
        raise DatasetError(f"{folder} has no listings/metadata/listings_*.json.gz: expected Amazon Berkeley Objects")
    sizes = [home for home in (folder / "images" / "original", folder / "images" / "small") if home.is_dir()]
    if not sizes:
        raise DatasetError(f"{folder} has neither images/original nor images/small")
    paths = _image_paths(folder / "images" / "metadata" / "images.csv.gz")
    found = Found()
    for listing in (entry for path in listings for entry in _listings(path)):
        item = str(listing.get("item_id") or "")
        if not item or not listing.get("main_image_id"):
            found.left_out["listings without an id or a main picture"] += 1
            continue
        if item in found.objects:
            found.left_out["listings of an item that was listed before"] += 1
            continue
        others = listing.get("other_image_id")
        wanted = [listing["main_image_id"], *(others if isinstance(others, list) else [])][:max(config.images, 1)]
        for image in wanted:
            if image not in paths:
                raise DatasetError(f"images.csv.gz has no image {str(image)[:60]!r}, which listing {item} names")
            found.rows.append(FoundRow(item, "catalog", _file(sizes, paths[image])))
        title = _name(listing.get("item_name"), config.language)
        if title:
            found.rows.append(FoundRow(item, "text", text=title))
        found.objects[item] = FoundObject(title, _size(listing.get("item_dimensions")), _mass(listing.get("item_weight")))
    return found


def _image_paths(path: Path) -> dict[str, str]:
    try:
        with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in ("image_id", "path") if name not in (reader.fieldnames or [])]:
                columns = ", ".join(reader.fieldnames or [])
                raise DatasetError(f"{path} lacks the column {' and '.join(missing)}; it has {columns[:200]}")
            return {row["image_id"]: row["path"] for row in reader}
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} can't be read: {error}") from error


def _listings(path: Path) -> Iterator[dict[str, Any]]:
    line = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            while text := file.readline(_MOST_LINE):
                line += 1
                if text.strip():
                    entry = json.loads(text)
                    if not isinstance(entry, dict):
                        raise ValueError(f"a {type(entry).__name__} instead of an object")
                    yield entry
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}, line {line}: {error}") from error


def _file(sizes: list[Path], path: str) -> Path:
    """The picture in its best size; a path that leads out of the folder is refused."""
    if path.startswith("/") or ".." in Path(path).parts:
        raise DatasetError(f"images.csv.gz names {path[:80]!r}, which is outside of the dataset")
    return next((home / path for home in sizes if (home / path).is_file()), sizes[0] / path)


def _name(names: Any, language: str) -> str:
    """The name in a language (en_US for en), else the first one."""
    if not isinstance(names, list):
        return ""
    values = [(str(entry.get("language_tag", "")), entry["value"]) for entry in names
              if isinstance(entry, Mapping) and isinstance(entry.get("value"), str) and entry["value"].strip()]
    return next((value for tag, value in values if tag.split("_")[0] == language), values[0][1] if values else "")


def _size(dimensions: Any) -> tuple[float, float, float] | None:
    if not isinstance(dimensions, Mapping):
        return None
    edges = [_normalised(dimensions.get(name), "inches", INCH) for name in ("length", "width", "height")]
    return None if None in edges else (edges[0] or 0.0, edges[1] or 0.0, edges[2] or 0.0)


def _mass(weights: Any) -> float | None:
    return _normalised(weights[0], "pounds", POUND) if isinstance(weights, list) and weights else None


def _normalised(entry: Any, unit: str, factor: float) -> float | None:
    value = entry.get("normalized_value") if isinstance(entry, Mapping) else None
    if not isinstance(value, Mapping) or value.get("unit") != unit or not isinstance(value.get("value"), int | float):
        return None
    return factor * value["value"] if math.isfinite(value["value"]) and value["value"] > 0 else None
