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

"""Folders of rendered views of a family: what is missing is rendered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from objectcentric_ros.descriptors.views import write_view
from objectcentric_ros.paths import cache_dir
from objectcentric_ros.simulation.catalogue import Catalogue, Item, write_attribution
from objectcentric_ros.simulation.families import Family, load_family
from objectcentric_ros.simulation.object_views import RECIPE, render_views
from objectcentric_ros.simulation.variants import Variant

MANIFEST = "dataset.yaml"

Progress = Callable[[str, int, int], None]


def default_folder(family: str, seed: int) -> Path:
    """Where views of a family are kept: they can be made again, so in the cache."""
    return cache_dir() / "views" / f"{family}-{seed}"


def ensure_views(family: Family | str | Path, split: str, views: int, seed: int, folder: Path | None = None,
                 progress: Progress | None = None) -> Path:
    """Render what is missing of a family's views: `folder/INSTANCE/0000.color.png`, ...

    Args:
        family: or its name.
        split: ``train``, ``test`` or ``all``: instances wanted.
        views: number of views an instance; more that are there stay.
        seed: of the views; the same seed gives the same views, whatever is there already.
        folder: None: one for the family and the seed in the cache.
        progress: called with the instance's name, the views done of all instances, and their number.

    Returns:
        The folder. It may hold instances of the other split: read those of `family.split(split)`.

    Raises:
        ValueError: the family is not known or at fault, or the folder holds views of other things.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1, got {views}")
    catalogue = Catalogue.load()
    if not isinstance(family, Family):
        family = load_family(family, catalogue)
    wanted = family.split(split)
    folder = folder or default_folder(family.name, seed)
    items = {variant.name: catalogue.get(variant.item_id) for variant in wanted}
    _claim(folder, seed, {variant.name: _fingerprint(variant, items[variant.name]) for variant in wanted})
    write_attribution(folder / "ATTRIBUTION.md", [catalogue.get(variant.item_id) for variant in family.split("all")])
    done = 0
    for variant in wanted:
        missing = [index for index in range(views) if not (folder / variant.name / f"{index:04d}.color.png").exists()]
        done += views - len(missing)
        if progress:
            progress(variant.name, done, views * len(wanted))
        if not missing:
            continue                                # no OpenGL for what is there
        for view in render_views(items[variant.name], missing, seed, variant):
            write_view(folder, view)
            done += 1
            if progress:
                progress(variant.name, done, views * len(wanted))
    return folder


def _fingerprint(variant: Variant, item: Item) -> dict[str, Any]:
    values = asdict(variant) | {"size": item.size, "model": item.checksum}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items() if key != "name"}


def _claim(folder: Path, seed: int, instances: dict[str, dict[str, Any]]) -> None:
    """Note what the folder's views are of; refuse to mix them with others."""
    path = folder / MANIFEST
    known: dict[str, Any] = {"recipe": RECIPE, "seed": seed, "instances": {}}
    if path.is_file():
        known = yaml.safe_load(path.read_text())
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds other things: name a new folder")
    if (known["recipe"], known["seed"]) != (RECIPE, seed):
        raise ValueError(f"{folder} holds views of seed {known['seed']}, recipe {known['recipe']}, not of seed {seed}, recipe "
                         f"{RECIPE}: name another folder or remove it")
    for name, fingerprint in instances.items():
        if known["instances"].setdefault(name, fingerprint) != fingerprint:
            raise ValueError(f"{folder} holds views of another {name}: its item or its entry in the family has changed; name "
                             "another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(known, sort_keys=False))
