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

"""The generated identification benchmark as a folder of pictures with a manifest; what is missing of it is made."""

from __future__ import annotations

import csv
import hashlib
import io
import multiprocessing
import os
import re
import shutil
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.identification.manifest import SPLITS, ManifestRow, write_manifest
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.simulation.catalogue import Item, write_attribution
from objectcentric_ros.simulation.identification_block import (
    RECORDS,
    Block,
    BlockMaker,
    DatasetConfig,
    read_record,
    write_atomically,
)
from objectcentric_ros.simulation.identification_objects import IdentifiableObject, identification_objects
from objectcentric_ros.simulation.identification_preview import write_preview
from objectcentric_ros.simulation.identification_variants import variant_objects

RECIPE = 2                                           # count up when the same seed gives other pictures
DESCRIPTION = "dataset.yaml"
_BYTES = 200_000                                     # of an object's pictures, rounded up
_MANIFEST_EVERY = 60.0                               # seconds between two manifests of what is finished
_POLL = 0.5

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Result:
    """What a run has made.

    Args:
        folder: of the dataset.
        pictures: number of pictures and titles in the manifest, by split and source.
        seconds: work by kind of unit, of all runs.
        failures: what went wrong, by block; empty when all is there.
    """

    folder: Path
    pictures: dict[tuple[str, str], int]
    seconds: dict[str, float]
    failures: dict[str, str]


def make_dataset(folder: Path, count: int = 1500, seed: int = 0, split: str | None = None, workers: int = 2,
                 config: DatasetConfig | None = None, progress: Progress | None = None,
                 apart_from: Sequence[Path] = (), variants: bool = False) -> Result:
    """Make what is missing of a dataset.

    Args:
        folder: new, or what an interrupted run with the same count, seed, split and config has left.
        count: objects of all splits together.
        seed: of the objects and of all pictures; the same seed gives the same data, however many workers there are.
        split: only the objects of this split.
        workers: processes; 0 works in this one.
        config: how much is made of each object.
        progress: called with the units that are done and their number.
        apart_from: folders of other datasets; see `new_objects`.
        variants: instead of the benchmark's objects, see `variant_objects`.

    Raises:
        ValueError: the folder holds something else, or a value is out of range.
        OSError: the disk is too small.
        KeyboardInterrupt: passed on after the manifest of what is finished has been written.
    """
    config = config or DatasetConfig()
    if workers < 0:
        raise ValueError(f"workers must be 0 or more, got {workers}")
    objects = (variant_objects if variants else identification_objects)(count, seed, split)
    for other in apart_from:
        objects = new_objects(objects, other)
    blocks = plan_blocks(objects, seed, config)
    _claim(folder, objects, {"recipe": RECIPE, "objects": count, "seed": seed, "split": split or "all",
                             "settings": asdict(config)})
    open_blocks = [block for block in blocks if read_record(folder, block.name) is None]
    _check_disk(folder, sum(len(block.objects) for block in open_blocks))
    write_attribution(folder / "ATTRIBUTION.md", [thing.design for thing in objects if isinstance(thing.design, Item)])
    write_atomically(folder / "README.md", _README)
    report = _Reporter(folder, blocks, objects, config, progress)
    failures: dict[str, str] = {}
    try:
        run = _run_here if workers == 0 else _run_in_processes
        run(folder, seed, config, open_blocks, workers, failures, report)
    finally:
        report.write()
    result = _result(folder, blocks, report.rows(), failures)
    if not failures:
        write_preview(folder, objects, report.rows())
    return result


def new_objects(objects: Sequence[IdentifiableObject], folder: Path) -> tuple[IdentifiableObject, ...]:
    """Those that can be added to another dataset: nothing that it has, and nothing akin to what it has in another split.

    Raises:
        ValueError: the folder is no dataset, or has all of them.
    """
    path = folder / "objects.csv"
    if not path.is_file():
        raise ValueError(f"{folder} is no identification dataset: it has no objects.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    same = {name for row in rows for name in (row["object_id"], row["title"], _colour_of(row["object_id"]))}
    splits = {row["family"]: row["split"] for row in rows}
    kept = tuple(thing for thing in objects if not {thing.object_id, thing.title, _colour_of(thing.object_id)} & same
                 and splits.get(thing.family, thing.split) == thing.split)
    if not kept:
        raise ValueError(f"{folder} has all of these {len(objects)} objects, or some that are akin to them in another split")
    return kept


def _colour_of(object_id: str) -> str:
    """A recolour's id without its seed: the same item in the same colour."""
    return re.sub(r"-\d+$", "", object_id)


def plan_blocks(objects: Sequence[IdentifiableObject], seed: int, config: DatasetConfig) -> list[Block]:
    """Blocks of about equal size, each of objects of one split; all splits come early."""
    planned = []
    for split in SPLITS:
        members = [thing for thing in objects if thing.split == split]
        if not members:
            continue
        order = np.random.default_rng([seed, *split.encode()]).permutation(len(members))
        parts = np.array_split(order, max(1, round(len(members) / config.block)))
        planned += [((number + 0.5) / len(parts), Block(f"{split}-{number:03d}", tuple(members[index] for index in part)))
                    for number, part in enumerate(parts)]
    return [block for _, block in sorted(planned, key=lambda entry: entry[0])]


class _Reporter:
    """Shows the progress and keeps the manifest up to date."""

    def __init__(self, folder: Path, blocks: Sequence[Block], objects: Sequence[IdentifiableObject], config: DatasetConfig,
                 progress: Progress | None) -> None:
        self._folder, self._blocks, self._config, self._progress = folder, blocks, config, progress
        self._objects = {thing.object_id: thing for thing in objects}
        self._total = sum(block.planned(config) for block in blocks)
        self._written = time.monotonic()
        self._finished = -1

    def __call__(self) -> None:
        done = {path.stem for path in (self._folder / RECORDS).glob("*.json")}
        if self._progress is not None:
            further = sum("-further" in name for name in done)
            finished = sum(block.name in done for block in self._blocks)
            self._progress(len(done) - finished, self._total + further)
        if time.monotonic() - self._written > _MANIFEST_EVERY:
            self._written = time.monotonic()
            finished = sum(block.name in done for block in self._blocks)
            if finished != self._finished:
                self._finished = finished
                self.write()

    def rows(self) -> list[ManifestRow]:
        """Of the finished blocks, in their order."""
        rows = []
        for block in self._blocks:
            record = read_record(self._folder, block.name)
            if record is None:
                continue
            for picture in record["pictures"]:
                thing = self._objects[picture["object_id"]]
                rows.append(ManifestRow(thing.object_id, picture["source"], picture["path"], split=thing.split))
            rows += [ManifestRow(thing.object_id, "text", text=thing.title, split=self._objects[thing.object_id].split)
                     for thing in block.objects]
        return rows

    def write(self) -> None:
        """Write the manifest, objects.csv and crops.csv of the finished blocks."""
        rows = self.rows()
        write_manifest(self._folder, rows)
        present = dict.fromkeys(row.object_id for row in rows)
        table = [["object_id", "title", "kind", "family", "size_x", "size_y", "size_z", "mass", "split", "unpacked"]]
        for name in present:
            thing = self._objects[name]
            table.append([name, thing.title, thing.kind, thing.family, *(f"{extent:.4f}" for extent in thing.size),
                          f"{thing.mass:.3f}", thing.split, str(int(thing.unpacked))])
        _write_table(self._folder / "objects.csv", table)
        crops = [["path", "tray", "visible", "iou", "mask", "long", "short"]]
        for block in self._blocks:
            record = read_record(self._folder, block.name)
            crops += [[str(picture.get(name, "")) for name in crops[0]] for picture in (record or {"pictures": []})["pictures"]
                      if "visible" in picture]
        _write_table(self._folder / "crops.csv", crops)


def _run_here(folder: Path, seed: int, config: DatasetConfig, blocks: Sequence[Block], workers: int,
              failures: dict[str, str], report: _Reporter) -> None:
    def never() -> bool:
        report()                                     # between two units
        return False

    maker = _maker(folder, seed, config, never)
    for block in blocks:
        try:
            maker.make(block)
        except Exception:
            failures[block.name] = traceback.format_exc()
        report()


def _run_in_processes(folder: Path, seed: int, config: DatasetConfig, blocks: Sequence[Block], workers: int,
                      failures: dict[str, str], report: _Reporter) -> None:
    if not blocks:
        return
    context = multiprocessing.get_context("spawn")   # a forked OpenGL does not work
    following, stop, errors = context.Value("i", 0), context.Event(), context.SimpleQueue()
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"              # read when a worker starts
    processes = [context.Process(target=_work, args=(folder, seed, config, list(blocks), following, stop, errors), daemon=True)
                 for _ in range(min(workers, len(blocks)))]
    try:
        for process in processes:
            process.start()
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    try:
        while any(process.is_alive() for process in processes):
            time.sleep(_POLL)
            report()
            _drain(errors, failures)
    finally:
        stop.set()                                   # on an interrupt the workers end after their unit
        for process in processes:
            process.join()
        _drain(errors, failures)
    for number, process in enumerate(processes):
        if process.exitcode:
            failures[f"worker {number}"] = f"ended with exit code {process.exitcode}; run the command again to go on"


def _work(folder: Path, seed: int, config: DatasetConfig, blocks: Sequence[Block], following: Any, stop: Event,
          errors: Any) -> None:
    """A worker: takes one block after the other until none is left."""
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)     # Ctrl-C goes to all; the parent says when to stop
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    maker = _maker(folder, seed, config, stop.is_set)
    while not stop.is_set():
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= len(blocks):
            return
        try:
            maker.make(blocks[number])
        except InterruptedError:
            return
        except Exception:
            errors.put((blocks[number].name, traceback.format_exc()))


def _end_with(parent: int) -> None:
    """End this process when its parent was killed."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _maker(folder: Path, seed: int, config: DatasetConfig, stop: Callable[[], bool]) -> BlockMaker:
    cv2.setNumThreads(1)
    layout = CellLayout.load()
    return BlockMaker(folder, seed, config, make_segmenter("rgbd", layout), layout, stop)


def _drain(errors: Any, failures: dict[str, str]) -> None:
    while not errors.empty():
        name, text = errors.get()
        failures[name] = text


def _result(folder: Path, blocks: Sequence[Block], rows: Sequence[ManifestRow], failures: dict[str, str]) -> Result:
    seconds: Counter[str] = Counter()
    for block in blocks:
        seconds.update((read_record(folder, block.name) or {"seconds": {}})["seconds"])
    return Result(folder, dict(Counter((row.split, row.source) for row in rows)), dict(seconds), failures)


def _claim(folder: Path, objects: Sequence[IdentifiableObject], wanted: dict[str, Any]) -> None:
    """Note what the folder holds; refuse to mix it with others."""
    fingerprint = hashlib.sha256("\n".join(f"{thing.object_id} {thing.split} {thing.title}" for thing in objects).encode())
    wanted = {**wanted, "fingerprint": fingerprint.hexdigest()[:16]}
    path = folder / DESCRIPTION
    if path.is_file():
        known = yaml.safe_load(path.read_text())
        other = [key for key in wanted if known.get(key) != wanted[key]]
        if other:
            raise ValueError(f"{folder} holds another dataset ({', '.join(f'{key} {known.get(key)}' for key in other)}): "
                             "name a new folder, or remove it")
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds other things: name a new folder")
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    write_atomically(path, yaml.safe_dump(wanted, sort_keys=False))


def _check_disk(folder: Path, objects: int) -> None:
    needed, free = objects * _BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder} needs about {needed / 1e6:.0f} MB for {objects} objects, and {free / 1e6:.0f} MB are free")


def _write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomically(path, text.getvalue())


_README = """# Identification benchmark, made by `objectcentric dataset identification`

`manifest.csv` names every picture and title; `objects.csv` describes the objects; `crops.csv` says of each query and tray
crop how much of the object was in view, how well its mask fits, and its sides as measured with depth [m]; `ATTRIBUTION.md` names
the makers of the models.

* query, tray: crops of the wrist camera's image of a tray of 10 to 14 objects that fell into it (MuJoCo, convex hulls), cut out
  by the package's own segmenter with all its mistakes, `mask` in crops.csv; objects that it never finds are cut out by their true
  masks. An object's queries and tray references never share a tray, and the objects in a tray are of one split.
* bin: the object in a shelf bin behind elastic bands, 160x120 pixels, dim and noisy.
* catalog: a studio picture, 256x256 pixels, often of the product without its package.
* text: the title.

Splits are by family: what shares a mesh or a design shares its split. The catalogue's test items are all in `test`.
"""
