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

"""The demo: bring up the simulated cell, photograph what the gallery lacks, pick items by name, write the report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.nodes.bringup import Bringup
from objectcentric_ros.nodes.gallery_client import GalleryClient
from objectcentric_ros.nodes.pick_client import PickClient
from objectcentric_ros.picking.enrolment import record_of, tray_references
from objectcentric_ros.picking.outcome import PickOutcome
from objectcentric_ros.picking.report import ReportedPick, write_report
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.simulation.catalogue import Catalogue, Item, write_attribution

START_TIMEOUT = 120.0


@dataclass(frozen=True)
class DemoOptions:
    """What the demo does.

    Args:
        items: ids or titles of the items to pick, in order.
        clutter: items in the tray, the named ones among them.
        seed: of the other items and of how all fall.
        folder: where the report goes.
        views: photographs of each item that the gallery lacks.
        gallery_url: a PostgreSQL server; empty is the embedded one.
        gallery_data_dir: folder of the embedded server; empty is the user's data folder.
    """

    items: tuple[str, ...]
    clutter: int
    seed: int
    folder: Path
    views: int = 8
    gallery_url: str = ""
    gallery_data_dir: str = ""


class Narrator:
    """What the demo tells while it runs; the command overrides it with a live display."""

    def step(self, message: str) -> None:
        """A step begins."""

    def progress(self, done: int, total: int, message: str) -> None:
        """A long step goes on."""

    def node_output(self, name: str, line: str) -> None:
        """A node printed a line."""

    def phase(self, attempt: int, phase: str, message: str) -> None:
        """A phase of a pick begins."""


def run_demo(options: DemoOptions, narrator: Narrator) -> dict[str, Any]:
    """Run the demo and write report.html and demo.json into the folder.

    Returns:
        The summary: picked, asked, picks, seconds.

    Raises:
        ValueError: an item is not in the catalogue, or there are more named items than the clutter holds.
        BringupError: the graph did not come up.
    """
    catalogue = Catalogue.load()
    wanted = [_the_item(catalogue, text) for text in options.items]
    tray = _tray(catalogue, wanted, options.clutter, options.seed)
    seconds: dict[str, float] = {}
    settings: dict[str, Any] = {"simulation.items": [item.id for item in tray], "simulation.seed": options.seed}
    for node in ("gallery", "identification", "grasp_planner"):
        settings |= {f"{node}.gallery_url": options.gallery_url, f"{node}.gallery_data_dir": options.gallery_data_dir}
    narrator.step("bringing up the graph")
    began = time.monotonic()
    with Bringup("pick", settings=settings, output=narrator.node_output) as graph:
        graph.wait_until_active(START_TIMEOUT)
        seconds["bring-up"] = _lap(began)
        with GalleryClient() as gallery:
            began = time.monotonic()
            photographed = _fill_gallery(gallery, tray, options.views, narrator)
            seconds["photographs"] = _lap(began)
        picks = []
        with PickClient() as robot:
            scene = robot.wait_for_picture("/scene/image_raw", timeout=10.0)
            began = time.monotonic()
            for text, item in zip(options.items, wanted, strict=True):
                narrator.step(f"picking {text!r}")
                result = robot.pick(text, [other.id for other in tray], on_phase=narrator.phase)
                narrator.step(f"{result.outcome.label}: {result.message} ({result.seconds:.1f} s)")
                picks.append(ReportedPick(text, item.title, result))
            seconds["picks"] = _lap(began)
        narrator.step("stopping the graph")
    picked = sum(pick.result.outcome is PickOutcome.PICKED for pick in picks)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_attribution(options.folder / "ATTRIBUTION.md", tray)
    facts = {"picked": f"{picked} of {len(picks)}", "items in the tray": str(len(tray)), "seed": str(options.seed),
             "photographed": f"{photographed} new items", **{name: f"{value:.1f} s" for name, value in seconds.items()}}
    credits = [f"{item.title}: {item.creator}, {item.licence}" for item in tray]
    write_report(options.folder / "report.html", picks, facts, scene, credits)
    summary = {"asked": len(picks), "picked": picked, "items": [item.id for item in tray], "seed": options.seed,
               "seconds": seconds, "picks": [{"request": pick.request, **pick.result.to_mapping()} for pick in picks]}
    (options.folder / "demo.json").write_text(json.dumps(summary, indent=2))
    return summary


def _the_item(catalogue: Catalogue, text: str) -> Item:
    found = catalogue.find(text)
    if not found:
        raise ValueError(f"no catalogue item is called {text!r}; `objectcentric demo --list` shows all {len(catalogue.items)}")
    if len(found) > 1:
        raise ValueError(f"{text!r} could be {', '.join(item.id for item in found)}: give one of these ids")
    return found[0]


def _tray(catalogue: Catalogue, wanted: Sequence[Item], count: int, seed: int) -> list[Item]:
    if len({item.id for item in wanted}) < len(wanted):
        raise ValueError("an item is named twice, but lies in the tray once")
    if count < len(wanted):
        raise ValueError(f"{len(wanted)} items are named, but the tray shall hold {count}: raise --clutter")
    rng = np.random.default_rng(seed)
    others = [item for item in catalogue.split("test") if item.id not in {w.id for w in wanted}]
    return [*wanted, *(others[int(i)] for i in rng.choice(len(others), count - len(wanted), replace=False))]


def _fill_gallery(gallery: GalleryClient, tray: Sequence[Item], views: int, narrator: Narrator) -> int:
    """Photograph the items that have no references, as a person would: each alone in the tray; returns how many."""
    lacking = [item for item in tray if gallery.reference_count(item.id) == 0]
    if not lacking:
        return 0
    narrator.step(f"photographing {len(lacking)} items that the gallery lacks")
    segmenter = make_segmenter("rgbd", CellLayout.load())
    for number, item in enumerate(lacking):
        narrator.progress(number, len(lacking), item.title)
        gallery.add(record_of(item), "tray", tray_references(item, views, segmenter))
    narrator.progress(len(lacking), len(lacking), "")
    return len(lacking)


def _lap(began: float) -> float:
    return round(time.monotonic() - began, 2)
