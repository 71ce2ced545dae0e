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


"""``objectcentric evaluate segmentation``: segment random cluttered trays and compare with the simulator's truth."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.segmentation import SEGMENTERS, Segmentation, make_segmenter
from objectcentric_ros.segmentation.metrics import SceneScore, pool, score_scene

EXAMPLES = """examples:
  objectcentric evaluate segmentation --scenes 40 --json segmentation.json
  objectcentric evaluate segmentation --scenes 10 --items 15 --split test --pictures out/segments

recall_50      true items found with IoU >= 0.5, one to one, of those with --min-visible pixels or more in view
precision_50   segments that match an item so, of all (those on items with too few pixels in view are left out)
mean_iou       over all visible items, with the segment assigned to each (0 where none)
mean_iou_matched   the same over matched items only
ms_p50         median time of segment() [ms]"""


@dataclass(frozen=True)
class SimulatedScene:
    """One tray: what the camera sees and, for the score only, the truth.

    Args:
        frame: image of the wrist camera from the look pose.
        labels: (H, W) uint16, 1 + index of the item in object_ids; items outside the tray are 0.
        object_ids: ids of the items.
    """

    frame: RgbdFrame
    labels: NDArray[np.uint16]
    object_ids: tuple[str, ...]


def simulated_scene(seed: int, items: int, split: str, layout: CellLayout) -> SimulatedScene:
    """Drop so many different items of a split into the tray, as the seed says, and look at them."""
    from objectcentric_ros.simulation.catalogue import Catalogue, random_items
    from objectcentric_ros.simulation.cell import Cell

    chosen = random_items(Catalogue.load(), items, np.random.default_rng(seed), split)
    with Cell(chosen, seed, layout) as cell:
        frame, truth = cell.render(), cell.ground_truth()
    labels = truth.labels.copy()
    for index, inside in enumerate(truth.in_tray):
        if not inside:
            labels[labels == index + 1] = 0
    return SimulatedScene(frame, labels, truth.object_ids)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--scenes", type=_positive, default=40, metavar="N", help="number of trays (default 40)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="tray i is made with seed S + i (default 0)")
    parser.add_argument("--items", type=_positive, default=10, metavar="K", help="items a tray (default 10)")
    parser.add_argument("--split", choices=("dev", "test", "all"), default="test",
                        help="items to draw from: test was never trained or tuned on (default)")
    parser.add_argument("--segmenter", choices=SEGMENTERS, default="rgbd", help="what to measure (default rgbd)")
    parser.add_argument("--min-visible", type=_positive, default=300, metavar="PX",
                        help="items with fewer pixels in view are not counted (default 300)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write a picture a tray: segments beside the truth")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write the files; returns the exit code."""
    from objectcentric_ros.simulation.clutter import ClutterError

    layout = CellLayout.load()
    segmenter = make_segmenter(arguments.segmenter, layout)
    scores: list[SceneScore] = []
    missed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    milliseconds: list[float] = []
    rows: list[dict[str, Any]] = []
    for seed in _progress(range(arguments.seed, arguments.seed + arguments.scenes)):
        try:
            scene = simulated_scene(seed, arguments.items, arguments.split, layout)
        except ClutterError as error:
            rows.append({"seed": seed, "left_out": str(error)})
            continue
        except ValueError as error:
            print(f"objectcentric evaluate segmentation: {error}", file=sys.stderr)
            return 2
        began = time.perf_counter()
        segmentation = segmenter.segment(scene.frame)
        milliseconds.append(1000 * (time.perf_counter() - began))
        score = score_scene(segmentation.labels, scene.labels, arguments.min_visible)
        scores.append(score)
        for label, iou in zip(score.item_labels, score.ious, strict=True):
            seen[scene.object_ids[label - 1]] += 1
            missed[scene.object_ids[label - 1]] += iou < 0.5
        rows.append({"seed": seed, "visible": score.visible, "excluded": score.excluded, "segments": score.segments,
                     "matches": score.matches, "ms": milliseconds[-1]})
        if arguments.pictures:
            _draw(arguments.pictures, seed, scene, segmentation, score)
    figures = _figures(arguments, scores, milliseconds, missed, seen)
    _print(figures)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({**figures, "trays": rows}, indent=1) + "\n")
    return 0


def _figures(arguments: argparse.Namespace, scores: list[SceneScore], milliseconds: list[float], missed: Counter[str],
             seen: Counter[str]) -> dict[str, Any]:
    timing = np.array(milliseconds or [math.nan])
    figures = {name: None if isinstance(value, float) and math.isnan(value) else value
               for name, value in asdict(pool(scores)).items()}
    return {**figures, "ms_p50": float(np.median(timing)), "ms_p95": float(np.percentile(timing, 95)),
            "scenes": len(scores), "items": arguments.items, "seed": arguments.seed, "split": arguments.split,
            "segmenter": arguments.segmenter, "min_visible": arguments.min_visible,
            "most_missed": [{"id": item, "missed": count, "visible": seen[item]}
                            for item, count in missed.most_common(10) if count]}


def _progress(seeds: range) -> Iterator[int]:
    from rich.console import Console
    from rich.progress import track

    yield from track(seeds, description="trays", console=Console(stderr=True))


def _print(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"segmentation of {figures['scenes']} trays of {figures['items']} items ({figures['split']})")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name in ("recall_50", "precision_50", "mean_iou", "mean_iou_matched", "ms_p50", "ms_p95"):
        digits = 0 if name.startswith("ms") else 3
        table.add_row(name, "-" if figures[name] is None else f"{figures[name]:.{digits}f}")
    for name in ("visible", "excluded", "segments", "ignored", "matches"):
        table.add_row(name, str(figures[name]))
    console = Console()
    console.print(table)
    if figures["most_missed"]:
        rows = (f"{row['id']} {row['missed']}/{row['visible']}" for row in figures["most_missed"])
        console.print("most missed: " + ", ".join(rows))


def _draw(folder: Path, seed: int, scene: SimulatedScene, segmentation: Segmentation, score: SceneScore) -> None:
    """Segments with their IoU on the left, the truth on the right; missed items are in capitals."""
    import cv2

    from objectcentric_ros.segmentation.overlay import draw_overlay

    iou_of = dict(zip(score.segment_labels, score.ious, strict=True))
    found = {segment.id: f"{iou_of.get(segment.id, 0.0):.2f} c{segment.confidence:.2f}" for segment in segmentation.segments}
    truth = {}
    for label, iou in zip(score.item_labels, score.ious, strict=True):
        name = scene.object_ids[label - 1]
        truth[label] = name if iou >= 0.5 else f"{name.upper()} {iou:.2f}"
    color = scene.frame.color
    picture = np.hstack([draw_overlay(color, segmentation.labels, found), draw_overlay(color, scene.labels, truth)])
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"tray_{seed}.png"), picture[..., ::-1])


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value
