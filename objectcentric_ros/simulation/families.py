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

"""Families of objects to train and test descriptors on: config/families/NAME.yaml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from objectcentric_ros.paths import share_dir
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.variants import Variant

FAMILY_SPLITS = ("train", "test", "all")


@dataclass(frozen=True)
class Family:
    """Instances to train on and instances that are held out; their names are unique.

    Raises:
        ValueError: a name occurs twice, or an instance of both splits looks the same.
    """

    name: str
    train: tuple[Variant, ...]
    test: tuple[Variant, ...]

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.split("all")]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"family {self.name}: {', '.join(twice)} occurs twice: give every instance a name of its own")
        known = {replace(variant, name="-"): variant.name for variant in self.train}
        for variant in self.test:
            if same := known.get(replace(variant, name="-")):
                raise ValueError(f"family {self.name}: held-out {variant.name} is trained on as {same}")

    def split(self, name: str) -> tuple[Variant, ...]:
        """Instances of ``train``, ``test`` or ``all``."""
        if name not in FAMILY_SPLITS:
            raise ValueError(f"unknown split '{name}': expected one of {', '.join(FAMILY_SPLITS)}")
        return {"train": self.train, "test": self.test, "all": self.train + self.test}[name]


def family_names() -> list[str]:
    """Families that the package brings."""
    return sorted(path.stem for path in (share_dir() / "config" / "families").glob("*.yaml"))


def load_family(name: str | Path, catalogue: Catalogue | None = None) -> Family:
    """Read a family.

    Args:
        name: of a file of config/families, or the path of a YAML file with the keys ``train`` and ``test``: lists of
            mappings with `item` (an id of the catalogue), and if wanted `name`, `hue`, `tint`, `stretch`, `taper` of
            `Variant`.
        catalogue: None loads the package's.

    Raises:
        ValueError: there is no such family, a key is unknown or missing, or the catalogue lacks an item.
    """
    path = Path(name) if Path(name).suffix == ".yaml" else share_dir() / "config" / "families" / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"there is no family {name}; there are {', '.join(family_names())}, or give the path of a .yaml file")
    catalogue = catalogue or Catalogue.load()
    try:
        document = yaml.safe_load(path.read_text())
        _check_keys(document, {"train", "test"}, {"train", "test"}, "the family")
        splits = {split: tuple(_variant(entry, catalogue) for entry in document[split]) for split in ("train", "test")}
        return Family(path.stem, splits["train"], splits["test"])
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _variant(entry: Any, catalogue: Catalogue) -> Variant:
    _check_keys(entry, {"item"}, {"item", "name", "hue", "tint", "stretch", "taper"}, f"entry {entry}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    item = values.pop("item")
    try:
        catalogue.get(item)
    except KeyError as error:
        raise ValueError(error.args[0]) from error
    return Variant(item, values.pop("name", item), **values)


def _check_keys(entry: Any, required: set[str], allowed: set[str], what: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{what} must be a mapping with {', '.join(sorted(required))}")
    if unknown := set(entry) - allowed:
        raise ValueError(f"{what} has unknown keys {sorted(unknown)}; known are {', '.join(sorted(allowed))}")
    if missing := required - set(entry):
        raise ValueError(f"{what} lacks {', '.join(sorted(missing))}")
