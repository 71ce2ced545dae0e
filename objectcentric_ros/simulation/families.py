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

from objectcentric_ros.paths import share_dir
from objectcentric_ros.recipe import load_recipe
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
        if not self.train or not self.test:
            raise ValueError(f"family {self.name} needs at least one instance to train on and one that is held out")
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
            mappings with the fields of `Variant`, of which only `item_id` is needed.
        catalogue: None loads the package's.

    Raises:
        ValueError: there is no such family, a key is unknown or missing, or the catalogue lacks an item.
    """
    path = Path(name) if Path(name).suffix == ".yaml" else share_dir() / "config" / "families" / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"there is no family {name}; there are {', '.join(family_names())}, or give the path of a .yaml file")
    family = load_recipe(path, Family, {"name": path.stem})
    catalogue = catalogue or Catalogue.load()
    for variant in family.split("all"):
        try:
            catalogue.get(variant.item_id)
        except KeyError as error:
            raise ValueError(f"{path}: {error.args[0]}") from error
    return family
