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

"""ARMBench Object ID (armbench-object-id-0.1 and -tiny), with what may be added to it.

    Picks/<pick>/{PickRGB,ToteWallRGB,OnArmLowRGB,FarTrayRGB}.jpg     query; some may be absent
    Picks/<pick>/container.json                                       candidate product ids with their texts
    Picks/<pick>/annotation.json                                      GT_ID
    Reference_Images/<product>/{1..6}.jpg                             tray
    train-test-split.pickle                                           trainset, testset, trainset-objects, testset-objects
    Bin_Images/<product>/, Catalog_Images/<product>/, titles.{json,csv}      optional

Query pictures are taken as they are. Splits are by object here: a product of the test set is in no other split, so picks of
the training set that took one are left out. A fifth of the training products is kept for the fusion.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectcentric_ros.identification.importers.found import DatasetError, Found, FoundObject, FoundRow, images_in, split_of
from objectcentric_ros.identification.importers.plain_pickle import load_plain_pickle

VIEWS = ("PickRGB", "ToteWallRGB", "OnArmLowRGB", "FarTrayRGB")
TITLE_KEYS = ("title", "item_name", "name", "text", "description", "text_description", "product_description")
_SPLIT_KEYS = ("trainset", "testset", "trainset-objects", "testset-objects")
_FUSION = (("fusion", 0.2), ("train", 1.0))
_SEEN_IN = 50      # containers that are looked through for the keys that an error names


@dataclass(frozen=True)
class ArmBenchConfig:
    """What is read.

    Args:
        title_key: key of the text in container.json; empty = the first of TITLE_KEYS that is there.
        views: query pictures; the first one that a pick has comes first.
        seed: of the draw between train and fusion.
    """

    title_key: str = ""
    views: tuple[str, ...] = ("PickRGB",)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.views or set(self.views) - set(VIEWS):
            raise DatasetError(f"the views are {', '.join(VIEWS)}, got {', '.join(self.views) or 'none'}")


def read_armbench(folder: Path, config: ArmBenchConfig | None = None) -> Found:
    """Everything in a folder of ARMBench Object ID.

    Raises:
        DatasetError: a folder or the split is missing, a file is damaged, the pickle holds code, or no container has the key.
    """
    config = config or ArmBenchConfig()
    for name in ("Picks", "Reference_Images"):
        if not (folder / name).is_dir():
            raise DatasetError(f"{folder} has no folder {name}: expected ARMBench Object ID with Picks, Reference_Images and "
                               "train-test-split.pickle")
    picks = _splits(folder / "train-test-split.pickle")
    test_objects = set(picks["testset-objects"])
    found = Found()
    titles: dict[str, str] = {}
    keys_seen: set[str] = set()
    wanted: set[str] = set()
    # The test set first: what it picks is in no other split.
    for split, pick in [("test", pick) for pick in picks["testset"]] + [("train", pick) for pick in picks["trainset"]]:
        home = folder / "Picks" / _name(pick)
        truth = _load(home / "annotation.json").get("GT_ID")
        container = _load(home / "container.json")
        if len(keys_seen) < _SEEN_IN:
            keys_seen.update(key for entry in container.values() if isinstance(entry, Mapping) for key in entry)
        titles.update({product: title for product, entry in container.items() if (title := _title(entry, config.title_key))})
        if not truth:
            found.left_out["picks without a true product"] += 1
            continue
        if split == "train" and truth in test_objects:
            found.left_out["training picks of products of the test set"] += 1
            continue
        if split == "test":
            test_objects.add(str(truth))
        views = [home / f"{view}.jpg" for view in config.views if (home / f"{view}.jpg").is_file()]
        if not views:
            found.left_out["picks without a picture"] += 1
            continue
        found.candidate_sets[pick] = [*container]
        wanted.update((str(truth), *container))
        found.rows += [FoundRow(str(truth), "query", view, candidate_set=pick)
                       for view in views]
    wanted.update(picks["trainset-objects"], picks["testset-objects"])
    titles |= _title_files(folder)
    if not titles:
        raise DatasetError(f"no container.json in {folder} has a text under {config.title_key or ' or '.join(TITLE_KEYS)}; "
                           f"the keys seen are {', '.join(sorted(keys_seen)) or 'none'}: give --title-key")
    for product in sorted(wanted):
        for source, name in (("tray", "Reference_Images"), ("bin", "Bin_Images"), ("catalog", "Catalog_Images")):
            found.rows += [FoundRow(product, source, path) for path in images_in(folder / name / _name(product))]
        if product in titles:
            found.rows.append(FoundRow(product, "text", text=titles[product]))
            found.objects[product] = FoundObject(titles[product])
    found.rows = [_with_split(row, test_objects, config.seed) for row in found.rows]
    return found


def _with_split(row: FoundRow, test_objects: set[str], seed: int) -> FoundRow:
    split = "test" if row.object_id in test_objects else split_of(row.object_id, seed, _FUSION)
    return FoundRow(row.object_id, row.source, row.file, row.text, split, row.candidate_set)


def _splits(path: Path) -> dict[str, list[str]]:
    content = load_plain_pickle(path)
    if not isinstance(content, Mapping) or any(key not in content for key in _SPLIT_KEYS):
        shown = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise DatasetError(f"{path} must hold lists {', '.join(_SPLIT_KEYS)}; it has {shown[:200]}")
    lists = {key: list(content[key]) for key in _SPLIT_KEYS}
    for key, names in lists.items():
        if not all(isinstance(name, str) for name in names):
            raise DatasetError(f"{path}: {key} must be a list of names")
    return lists


def _name(name: str) -> str:
    """A name that is used as a folder's: it must not lead anywhere else."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise DatasetError(f"{name[:60]!r} is no name of a pick or product")
    return name


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} must hold a JSON object, it holds a {type(content).__name__}")
    return content


def _title(entry: Any, key: str) -> str:
    """The text of a product in container.json; empty where it has none."""
    if isinstance(entry, str):
        return entry if not key else ""
    if not isinstance(entry, Mapping):
        return ""
    return next((entry[name] for name in ((key,) if key else TITLE_KEYS) if isinstance(entry.get(name), str)), "")


def _title_files(folder: Path) -> dict[str, str]:
    titles = {}
    if (folder / "titles.json").is_file():
        titles = {product: title for product, title in _load(folder / "titles.json").items() if isinstance(title, str)}
    if (folder / "titles.csv").is_file():
        with (folder / "titles.csv").open(newline="", encoding="utf-8-sig") as file:
            rows: Sequence[Sequence[str]] = list(csv.reader(file))
        titles |= {row[0]: row[1] for row in rows[1:] if len(row) > 1}
    return titles
