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

"""Amazon Bin Images: bins that hold one item, whose picture is a bin reference.

    bin-images/N.jpg
    metadata/N.json      BIN_FCSKU_DATA.{key}.{asin, name, normalizedName, quantity, height, width, length, weight},
                         EXPECTED_QUANTITY

The pictures have no boxes, so only bins with a single item say which pixels are whose; the rest is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from objectcentric_ros.identification.importers.found import INCH, POUND, DatasetError, Found, FoundObject, FoundRow

_LENGTHS = {"IN": INCH, "INCHES": INCH, "CM": 0.01, "CENTIMETERS": 0.01, "MM": 0.001, "M": 1.0}
_WEIGHTS = {"POUNDS": POUND, "LB": POUND, "OUNCES": POUND / 16, "KILOGRAMS": 1.0, "KG": 1.0, "GRAMS": 0.001}


def read_amazon_bin(folder: Path) -> Found:
    """Every bin with a single item in a folder of Amazon Bin Images.

    Raises:
        DatasetError: a folder is missing, or a file of metadata is damaged.
    """
    images, metadata = folder / "bin-images", folder / "metadata"
    for home in (images, metadata):
        if not home.is_dir():
            raise DatasetError(f"{folder} has no folder {home.name}: expected Amazon Bin Images with bin-images and metadata")
    found = Found()
    for path in sorted(metadata.glob("*.json"), key=lambda file: (len(file.stem), file.stem)):
        item = _single_item(path)
        if item is None:
            found.left_out["bins that don't hold exactly one item"] += 1
            continue
        image = images / f"{path.stem}.jpg"
        if not image.is_file():
            found.left_out["bins without a picture"] += 1
            continue
        asin = str(item["asin"])
        title = str(item.get("normalizedName") or item.get("name") or "")
        found.rows.append(FoundRow(asin, "bin", image))
        if title.strip() and asin not in found.objects:
            found.rows.append(FoundRow(asin, "text", text=title))
        if asin not in found.objects:
            size = [_measure(item.get(name), _LENGTHS) for name in ("length", "width", "height")]
            known = None if None in size else (size[0] or 0.0, size[1] or 0.0, size[2] or 0.0)
            found.objects[asin] = FoundObject(title, known, _measure(item.get("weight"), _WEIGHTS))
    return found


def _single_item(path: Path) -> Mapping[str, Any] | None:
    """The one item of a bin; None for an empty bin, several items or one item several times."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        items = content["BIN_FCSKU_DATA"]
        expected = content["EXPECTED_QUANTITY"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path} must be JSON with BIN_FCSKU_DATA and EXPECTED_QUANTITY: {error!r}") from error
    if not isinstance(items, Mapping) or expected != 1 or len(items) != 1:
        return None
    item = next(iter(items.values()))
    if not isinstance(item, Mapping) or not item.get("asin") or item.get("quantity", 1) != 1:
        return None
    return item


def _measure(entry: Any, units: Mapping[str, float]) -> float | None:
    """A length [m] or a mass [kg] of {"unit": ..., "value": ...}; None where it is not known."""
    if not isinstance(entry, Mapping):
        return None
    unit = units.get(str(entry.get("unit")).upper())
    try:
        value = float(entry["value"])
    except (KeyError, TypeError, ValueError):
        return None
    return unit * value if unit is not None and math.isfinite(value) and value > 0 else None
