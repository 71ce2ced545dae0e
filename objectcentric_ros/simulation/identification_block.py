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

"""One block of an identification dataset: some objects of one split, in trays together, in bins and in the studio.

A block is made of units (a tray, a dozen objects in bins, a dozen in the studio). A finished unit is recorded, so that a killed
run repeats no more than the units that it was in. Nothing depends on other blocks: any number of workers makes the same data.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.segmentation import Segmenter
from objectcentric_ros.simulation.identification_bins import BinShelf
from objectcentric_ros.simulation.identification_catalog import Studio
from objectcentric_ros.simulation.identification_crops import MatchConfig, cut_crops
from objectcentric_ros.simulation.identification_scenes import LookConfig, Pictured, TrayScene

RECORDS = ".units"                                   # folder of the finished units' records
_BATCH = 12                                          # objects in bins or in the studio that share a model


@dataclass(frozen=True)
class DatasetConfig:
    """How much is made of each object.

    Args:
        block: objects that share trays, more or less.
        together: objects in a tray, about; it varies by two.
        query_trays, tray_trays: trays that each object lies in for queries, and others for references.
        query_images, tray_images: of each tray; two images of a tray differ little, and references of an object that were seen at
            four times show more of its sides than two pairs.
        bins: pictures in bins.
        least: an object with fewer queries or fewer tray references comes into further trays.
        further: further trays at most with the segmenter's masks; in the last one the true masks are taken.
        look, match: of the camera, and which segments count.
    """

    block: int = 36
    together: int = 12
    query_trays: int = 3
    tray_trays: int = 4
    query_images: int = 2
    tray_images: int = 1
    bins: int = 5
    least: int = 2
    further: int = 4
    look: LookConfig = field(default_factory=LookConfig)
    match: MatchConfig = field(default_factory=MatchConfig)

    @property
    def trays(self) -> dict[str, int]:
        """Trays that each object lies in, by the source of the crops."""
        return {"query": self.query_trays, "tray": self.tray_trays}

    @property
    def images(self) -> dict[str, int]:
        """Images of a tray, by the source of the crops."""
        return {"query": self.query_images, "tray": self.tray_images}


LIGHT = DatasetConfig(query_trays=2, tray_trays=2, tray_images=2)     # more objects for training in the same time


@dataclass(frozen=True)
class Block:
    """Objects that share trays; all are of one split.

    Args:
        name: unique in the dataset, for example ``test-003``.
        objects: what is pictured.
    """

    name: str
    objects: tuple[Pictured, ...]

    def planned(self, config: DatasetConfig) -> int:
        """Units without further trays."""
        batches = -(-len(self.objects) // _BATCH)
        return sum(config.trays.values()) * _groups(len(self.objects), config) + 2 * batches


class _Kept:
    """An object whose parts are made once."""

    def __init__(self, thing: Pictured) -> None:
        self.object_id, self.title, self.size, self.mass = thing.object_id, thing.title, thing.size, thing.mass
        self.catalog_parts = thing.catalog_parts
        self.parts = functools.cache(thing.parts)


class BlockMaker:
    """Makes blocks in a folder.

    Args:
        folder: of the dataset.
        seed: of everything random, with the unit's name.
        config: how much.
        segmenter: finds the objects in the trays.
        layout: of the cell.
        stop: asked between units; True ends the work.
    """

    def __init__(self, folder: Path, seed: int, config: DatasetConfig, segmenter: Segmenter, layout: CellLayout,
                 stop: Callable[[], bool] = lambda: False) -> None:
        self._folder, self._seed, self._config = folder, seed, config
        self._segmenter, self._layout, self._stop = segmenter, layout, stop

    def make(self, block: Block) -> dict[str, Any]:
        """Make what is missing of a block, and record that it is finished.

        Returns:
            The block's record: ``pictures``, a list of what `_picture` gives, and ``seconds`` by kind of unit.

        Raises:
            InterruptedError: `stop` asked for it; what is finished is recorded.
        """
        known = read_record(self._folder, block.name)
        if known is not None:
            return known
        block = Block(block.name, tuple(_Kept(thing) for thing in block.objects))
        records = []
        for role, rounds in self._config.trays.items():
            for number in range(rounds):
                for group, members in enumerate(self._draw_groups(block, role, number)):
                    make = functools.partial(self._tray, role=role, members=members, wanted=members, truth=False)
                    records.append(self._unit(f"{block.name}-{role}{number}-{group}", make))
        for role in self._config.trays:
            records += self._further_trays(block, role, records)
        for start in range(0, len(block.objects), _BATCH):
            batch = block.objects[start:start + _BATCH]
            records.append(self._unit(f"{block.name}-bin-{start // _BATCH}", functools.partial(self._bins, batch=batch)))
            records.append(self._unit(f"{block.name}-catalog-{start // _BATCH}", functools.partial(self._studio, batch=batch)))
        seconds: Counter[str] = Counter()
        for record in records:
            seconds[record["kind"]] += record["seconds"]
        pictures = [picture for record in records for picture in record["pictures"]]
        return self._record(block.name, {"kind": "block", "pictures": pictures, "seconds": dict(seconds)})

    def _draw_groups(self, block: Block, role: str, number: int) -> list[list[Pictured]]:
        rng = self._rng(f"{block.name}-{role}{number}")
        order = rng.permutation(len(block.objects))
        count = _groups(len(order), self._config)
        cuts = np.linspace(0, len(order), count + 1)[1:-1] + rng.integers(-1, 2, count - 1)
        return [[block.objects[index] for index in part] for part in np.split(order, cuts.round().astype(int))]

    def _further_trays(self, block: Block, role: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Trays for the objects that came short, with others of the block."""
        config = self._config
        counts = Counter(picture["object_id"] for record in records if record["kind"] == role for picture in record["pictures"])
        made = []
        for number in range(config.further + 1):
            short = [thing for thing in block.objects if counts[thing.object_id] < config.least][:config.together]
            if not short:
                break
            others = [thing for thing in block.objects if thing not in short]
            fill = min(max(0, config.together // 2 - len(short)), len(others))
            rng = self._rng(f"{block.name}-{role}-further{number}")
            members = [*short, *(others[index] for index in rng.choice(len(others), fill, replace=False))]
            make = functools.partial(self._tray, role=role, members=members, wanted=short, truth=number == config.further)
            record = self._unit(f"{block.name}-{role}-further{number}", make)
            counts.update(picture["object_id"] for picture in record["pictures"])
            made.append(record)
        return made

    def _tray(self, name: str, role: str, members: Sequence[Pictured], wanted: Sequence[Pictured], truth: bool) -> dict[str, Any]:
        """Crops of the wanted objects of one tray; with the true masks those that are hardly in view are taken too."""
        match = self._config.match
        if truth:
            match = MatchConfig(match.iou, match.visible / 2, match.pixels // 3)
        keep = {thing.object_id for thing in wanted}
        pictures = []
        with TrayScene(members, self._rng(name), self._layout, self._config.look) as tray:
            for number in range(self._config.images[role]):
                image = tray.image(number)
                labels: NDArray[np.integer] = image.labels if truth else self._segmenter.segment(image.frame).labels
                for crop in cut_crops(image, labels, match):
                    thing = members[crop.index]
                    if thing.object_id in keep:
                        path = f"{role}/{thing.object_id}/{name}-{number}.jpg"
                        self._write(path, crop.color, 95)
                        pictures.append(_picture(thing, role, path, tray=name, visible=round(crop.visible, 3),
                                                 iou=round(crop.iou, 3), mask="true" if truth else "segmenter",
                                                 long=round(crop.sides[0], 4), short=round(crop.sides[1], 4)))
        return {"kind": role, "pictures": pictures}

    def _bins(self, name: str, batch: Sequence[Pictured]) -> dict[str, Any]:
        pictures = []
        with BinShelf(batch) as shelf:
            for index, thing in enumerate(batch):
                rng = self._rng(f"{name}-{thing.object_id}")
                for number in range(self._config.bins):
                    path = f"bin/{thing.object_id}/{number}.jpg"
                    self._write(path, shelf.picture(index, rng), 85)
                    pictures.append(_picture(thing, "bin", path))
        return {"kind": "bin", "pictures": pictures}

    def _studio(self, name: str, batch: Sequence[Pictured]) -> dict[str, Any]:
        pictures = []
        with Studio(batch) as studio:
            for index, thing in enumerate(batch):
                path = f"catalog/{thing.object_id}.jpg"
                self._write(path, studio.picture(index, self._rng(f"{name}-{thing.object_id}")), 95)
                pictures.append(_picture(thing, "catalog", path))
        return {"kind": "catalog", "pictures": pictures}

    def _unit(self, name: str, make: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        known = read_record(self._folder, name)
        if known is not None:
            return known
        if self._stop():
            raise InterruptedError(name)
        began = time.perf_counter()
        record = make(name)
        return self._record(name, {**record, "seconds": round(time.perf_counter() - began, 3)})

    def _record(self, name: str, record: dict[str, Any]) -> dict[str, Any]:
        write_atomically(self._folder / RECORDS / f"{name}.json", json.dumps(record))
        return record

    def _write(self, path: str, color: NDArray[np.uint8], quality: int) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(file), color[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]):
            raise OSError(f"can't write {file}")

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *name.encode()])


def read_record(folder: Path, name: str) -> dict[str, Any] | None:
    """What was recorded of a unit or block; None: it is not finished."""
    path = folder / RECORDS / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.is_file() else None


def write_atomically(path: Path, text: str) -> None:
    """Write a file; whoever reads meanwhile has the old one or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def _groups(objects: int, config: DatasetConfig) -> int:
    """Trays that hold so many objects."""
    return max(1, round(objects / config.together))


def _picture(thing: Pictured, source: str, path: str, **more: Any) -> dict[str, Any]:
    return {"object_id": thing.object_id, "source": source, "path": path, **more}
