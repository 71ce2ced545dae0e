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

"""Whole picks in simulation, judged by the simulator's ground truth."""

from __future__ import annotations

import collections
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.choice import GraspChooser
from objectcentric_ros.grasping.geometric import GeometricGraspPlanner
from objectcentric_ros.identification.models import IdentifierModels, open_identifier
from objectcentric_ros.motion.execution import GraspExecutor
from objectcentric_ros.motion.roboplan_planner import RoboPlanPlanner
from objectcentric_ros.picking.enrolment import record_of, tray_references
from objectcentric_ros.picking.local import Libraries, LocalPorts
from objectcentric_ros.picking.outcome import AbortSwitch, PickOutcome
from objectcentric_ros.picking.procedure import PickProcedure, PickReport, PickRequest
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.simulation.catalogue import Catalogue, Item, write_attribution
from objectcentric_ros.simulation.cell import Cell

FALL_TIME = 1.5   # what was let go of above the bin comes to rest before it is judged [s]


@dataclass(frozen=True)
class SceneResult:
    """One scene: what was asked for and what happened, by the procedure and by the truth."""

    seed: int
    target: str
    outcome: str
    in_bin: bool
    wrong_item: bool
    attempts: int
    seconds: float
    message: str
    items: tuple[str, ...]


class PickEvaluation:
    """Runs scenes one after another; libraries and gallery are made once.

    Args:
        folder: where the gallery's database lives.
        views: photographs an item in the gallery.
        models: what items are identified with; None: the shipped models.
    """

    def __init__(self, folder: Path, views: int = 8, models: IdentifierModels | None = None) -> None:
        self.layout = CellLayout.load()
        self._views = views
        self._gallery = Gallery.open(data_dir=folder / "gallery")
        self._segmenter = make_segmenter("rgbd", self.layout)
        planner = RoboPlanPlanner(self.layout)
        self._libraries = Libraries(
            layout=self.layout, segmenter=self._segmenter,
            identifier=open_identifier(self._gallery, models), gallery=self._gallery,
            grasps=GraspChooser(self.layout, GeometricGraspPlanner(self.layout), points=self._gallery.grasp_points),
            executor=lambda arm, gripper: GraspExecutor(planner, arm, gripper, self.layout))
        self.perception: list[float] = []
        self.planning: list[float] = []

    def close(self) -> None:
        """Release the gallery."""
        self._gallery.close()

    def enrol(self, item: Item) -> None:
        """Photograph an item that the gallery lacks."""
        try:
            self._gallery.get_object(item.id)
        except LookupError:
            crops = tray_references(item, self._views, self._segmenter)
            self._gallery.add_object(record_of(item))
            for crop in crops:
                self._gallery.add_reference(item.id, "tray", crop)

    def run_scene(self, items: Sequence[Item], target: Item, seed: int,
                  on_report: Callable[[PickReport], None] = lambda report: None) -> SceneResult:
        """Drop the items, pick one by its title, and judge by the truth."""
        for item in items:
            self.enrol(item)
        cell = Cell(items, seed, layout=self.layout)
        try:
            ports = LocalPorts(cell, self._libraries)
            started = ports.clock()
            report = PickProcedure(ports).run(PickRequest(target.title, tuple(item.id for item in items)), AbortSwitch())
            seconds = ports.clock() - started
            on_report(report)
            cell.step(FALL_TIME)
            truth = cell.ground_truth()
        finally:
            cell.close()
        self.perception += ports.perception_seconds
        self.planning += ports.planning_seconds
        in_bin = {name for name, there in zip(truth.object_ids, truth.in_place_bin, strict=True) if there}
        return SceneResult(
            seed, target.id, report.outcome.label, target.id in in_bin, bool(in_bin - {target.id}), len(report.attempts), seconds,
            report.message, tuple(item.id for item in items))


def summary(results: Sequence[SceneResult], perception: Sequence[float], planning: Sequence[float]) -> dict[str, Any]:
    """The figures of `objectcentric evaluate picks`.

    A scene succeeds when the procedure says picked and the true item, and no other, lies in the place bin. A wrong item is
    another item in the bin, whatever the procedure says.
    """
    succeeded = [r.outcome == PickOutcome.PICKED.label and r.in_bin and not r.wrong_item for r in results]
    return {
        "scenes": len(results),
        "success_rate": float(np.mean(succeeded)),
        "wrong_item_rate": float(np.mean([r.wrong_item for r in results])),
        "attempts_per_pick": float(np.mean([r.attempts for r in results])),
        "outcomes": dict(collections.Counter(r.outcome for r in results)),
        "seconds": {
            "perception_p50": _median(perception), "planning_p50": _median(planning),
            "cycle_p50": _median([r.seconds for r in results])},
        "results": [asdict(r) for r in results],
    }


def evaluate_picks(scenes: int, seed: int, item_count: int, split: str, views: int, pictures: Path | None,
                   on_scene: Callable[[SceneResult], None]) -> dict[str, Any]:
    """Run `scenes` random scenes of `item_count` items and pick one random item of each by name.

    Raises:
        ValueError: the split has fewer items than a scene needs.
    """
    catalogue = Catalogue.load()
    pool = catalogue.split(split)
    if not 1 <= item_count <= len(pool):
        raise ValueError(f"--items must be 1..{len(pool)} for split {split!r}, got {item_count}")
    rng = np.random.default_rng(seed)
    results: list[SceneResult] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="objectcentric-") as folder:
        evaluation = PickEvaluation(Path(folder), views)
        try:
            for _ in range(scenes):
                chosen = [pool[int(i)] for i in rng.choice(len(pool), item_count, replace=False)]
                scene_seed = int(rng.integers(2**31))
                target = chosen[int(rng.integers(item_count))]
                folder_of_scene = pictures / str(scene_seed) if pictures else None
                results.append(evaluation.run_scene(chosen, target, scene_seed, partial(_write_pictures, folder=folder_of_scene)))
                on_scene(results[-1])
        finally:
            evaluation.close()
    figures = summary(results, evaluation.perception, evaluation.planning)
    if pictures:
        shown = sorted({name for result in results for name in result.items})
        write_attribution(pictures / "ATTRIBUTION.md", [catalogue.get(name) for name in shown])
    wall_seconds = time.perf_counter() - started
    return {"seed": seed, "items": item_count, "split": split, "views": views, "wall_seconds": wall_seconds, **figures}


def _write_pictures(report: PickReport, folder: Path | None) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in report.evidence.items():
        (folder / f"{name}.jpg").write_bytes(picture)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")
