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


"""The curated catalogue of pickable household items.

``items.yaml`` beside this file names the models of the ``sweethome3d-furniture`` libraries that were looked at and
kept, with what the libraries don't know: a unique title, the scale at which a Franka hand can take the item, and what
it is made of. Titles in other languages, real sizes and creators come from the libraries.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from objectcentric_ros.paths import cache_dir
from objectcentric_ros.simulation.furniture_library import FurnitureEntry, FurnitureLibrary

SPLITS = ("dev", "test", "all")
_LIBRARY_FOLDER = Path("usr/share/sweethome3d/furniture")
LICENCES = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}


@dataclass(frozen=True)
class Item:
    """One item of the catalogue.

    Args:
        id: unique name for programs, for example ``medicine-box``.
        title: unique name for people, English.
        translations: language code -> name; several items may share one.
        size: extents (x, y, z) of the simulated item [m].
        mass: estimated mass of the simulated item [kg].
        scale: simulated size / real size; 1 is the real thing.
        creator: who made the model.
        licence: SPDX identifier of the model's licence.
        category: category of the furniture library, English.
        library: path of the .sh3f archive that holds the model.
        model: path of the model inside the archive.
        rotation: (3, 3) rotation of the model file (y up) before it is scaled to size.
        checksum: fingerprint of the model's files.
    """

    id: str
    title: str
    translations: dict[str, str]
    size: tuple[float, float, float]
    mass: float
    scale: float
    creator: str
    licence: str
    category: str
    library: Path
    model: str
    rotation: NDArray[np.float64]
    checksum: str

    @property
    def real_size(self) -> tuple[float, float, float]:
        """Extents of the real thing [m]."""
        x, y, z = (extent / self.scale for extent in self.size)
        return x, y, z

    @property
    def split(self) -> str:
        """``dev`` or ``test``, by a hash of the id: adding items moves none."""
        return "dev" if hashlib.sha256(self.id.encode()).digest()[0] % 2 == 0 else "test"


class Catalogue:
    """The items that can lie in the simulated cell."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self._by_id = {item.id: item for item in self.items}

    @classmethod
    def load(cls, folder: Path | None = None) -> Catalogue:
        """Read the curated list and the furniture libraries.

        Args:
            folder: where Debian's ``sweethome3d-furniture`` was unpacked (it contains ``usr/share/sweethome3d``);
                None is ``sweethome3d-furniture`` in the cache folder.

        Raises:
            FileNotFoundError: a library is missing.
            ValueError: the curated list names a model that no library has, or a wrong key.
        """
        libraries = furniture_libraries(folder)
        try:
            document = yaml.safe_load((Path(__file__).parent / "items.yaml").read_text())
            densities = document["densities"]
            return cls(_make_item(curated, libraries, densities) for curated in document["items"])
        finally:
            for library in libraries.values():
                library.close()

    def get(self, item_id: str) -> Item:
        """The item with this id; raises KeyError with the nearest ids."""
        try:
            return self._by_id[item_id]
        except KeyError:
            near = [item.id for item in self.find(item_id.split("-")[0])][:5]
            hint = f"; near: {', '.join(near)}" if near else ""
            raise KeyError(f"the catalogue has no item with id '{item_id}'{hint}") from None

    def find(self, text: str) -> tuple[Item, ...]:
        """Items whose id or title in any language is the text; if none is, those that contain it (case and accents ignored)."""
        wanted = _fold(text)
        if not wanted:
            return ()
        exact = tuple(item for item in self.items if wanted in self._names[item.id])
        return exact or tuple(item for item in self.items if any(wanted in name for name in self._names[item.id]))

    def split(self, name: str) -> tuple[Item, ...]:
        """Items of a split: ``dev`` to tune on, ``test`` to report on, ``all``."""
        if name not in SPLITS:
            raise ValueError(f"unknown split '{name}': expected one of {', '.join(SPLITS)}")
        return tuple(item for item in self.items if name in ("all", item.split))

    @cached_property
    def _names(self) -> dict[str, set[str]]:
        return {item.id: {_fold(name) for name in (item.id, item.title, *item.translations.values())} for item in self.items}


def random_items(catalogue: Catalogue, count: int, rng: np.random.Generator, split: str = "all") -> tuple[Item, ...]:
    """Draw different items of a split.

    Raises:
        ValueError: the split has fewer items than count.
    """
    items = catalogue.split(split)
    if not 0 <= count <= len(items):
        raise ValueError(f"cannot draw {count} different items: split '{split}' has {len(items)}")
    return tuple(items[index] for index in rng.choice(len(items), size=count, replace=False))


def write_attribution(path: Path, items: Iterable[Item]) -> None:
    """Write who made the models that a rendering shows, as their licences ask; put it beside the rendering."""
    lines = ["Item models from Sweet Home 3D furniture libraries 1.8 (Debian package sweethome3d-furniture),",
             "scaled and re-lit by objectcentric_ros.",
             "Robot: Franka Robotics GmbH and Google DeepMind (MuJoCo Menagerie), Apache-2.0.", ""]
    unique = {item.id: item for item in items}
    for item in sorted(unique.values(), key=lambda item: item.title.casefold()):
        lines.append(f"{item.title}: {item.creator}, {item.licence} ({item.library.stem}, {item.model})")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def furniture_libraries(folder: Path | None = None) -> dict[str, FurnitureLibrary]:
    """The libraries by name, opened; `folder` is that of `Catalogue.load`, as is what is raised when one is missing."""
    folder = folder or cache_dir() / "sweethome3d-furniture"
    return {name: _open_library(folder / _LIBRARY_FOLDER / f"{name}.sh3f") for name in LICENCES}


def _open_library(path: Path) -> FurnitureLibrary:
    if not path.is_file():
        raise FileNotFoundError(f"item models not found: {path} is missing; run `make setup`, which unpacks Debian's "
                                "sweethome3d-furniture into the cache folder (OBJECTCENTRIC_CACHE)")
    return FurnitureLibrary(path)


def _make_item(curated: dict[str, Any], libraries: dict[str, FurnitureLibrary], densities: dict[str, float]) -> Item:
    unknown = set(curated) - {"id", "title", "model", "scale", "material"}
    if unknown:
        raise ValueError(f"items.yaml: item {curated.get('id')} has unknown keys {sorted(unknown)}")
    library_name, _, model = curated["model"].partition(":")
    entry: FurnitureEntry | None = libraries[library_name].entries.get(model)
    if entry is None:
        raise ValueError(f"items.yaml: {libraries[library_name].path} has no model {model} (item {curated['id']})")
    scale = float(curated.get("scale", 1.0))
    width, depth, height = (extent * scale for extent in entry.size)
    mass = float(np.clip(densities[curated["material"]] * width * depth * height, 0.02, 0.6))
    return Item(id=curated["id"], title=curated["title"], translations=entry.translations, size=(width, depth, height),
                mass=round(mass, 3), scale=scale, creator=entry.creator, licence=LICENCES[library_name],
                category=entry.category, library=libraries[library_name].path,
                model=model, rotation=entry.rotation, checksum=libraries[library_name].checksum(model))


def _fold(text: str) -> str:
    """Text without case, accents and punctuation differences."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).replace("’", "'").split())
