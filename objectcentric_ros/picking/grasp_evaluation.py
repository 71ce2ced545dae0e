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

"""How well taught grasps land: items of a family in the simulated cell, judged by the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.geometry.se3 import invert, transform_points
from objectcentric_ros.grasping.aligned_grasp import about, aligned_search, find_pose
from objectcentric_ros.grasping.choice import ChoiceConfig
from objectcentric_ros.grasping.close_up import ItemLook, look_at
from objectcentric_ros.grasping.descriptor_grasp import find_point, pixel_position, straight_search
from objectcentric_ros.grasping.drawing import draw_grasp
from objectcentric_ros.grasping.geometric import GeometricGraspPlanner, GraspSearch
from objectcentric_ros.grasping.item_pose import NoPose
from objectcentric_ros.grasping.point_grasps import PointGraspPlanner
from objectcentric_ros.picking.grasp_calibration import GraspTrials, TrialCell
from objectcentric_ros.picking.teaching import TaughtItem, load_teachings, teach
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.segmentation.segmenter import Segmentation
from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.cell import GroundTruth
from objectcentric_ros.simulation.families import load_family
from objectcentric_ros.simulation.variant_items import VariantItem

NEAR, TURNED = 0.015, 15.0      # what counts as landed [m], [deg]
MIN_IOU = 0.3                   # a segment is the item's when it overlaps at least so much
METHODS = ("aligned", "straight", "geometric")


@dataclass(frozen=True)
class GraspEvaluationConfig:
    """What is evaluated.

    Args:
        family: of config/families.
        split: which of its instances.
        items: ids of the catalogue's items whose instances are taken.
        scenes: number of scenes; one item of each is looked at.
        seed: of scenes and views.
        in_tray: instances that lie in the tray together.
        upright: they stand, in random places and directions; otherwise they fall anyhow.
        segments: "rgbd" (the segmenter's) or "truth".
        picks: execute each method's first grasp, too.
        views: of the aligned grasp's reference.
        grasp: settings of the methods.
    """

    family: str = "caps"
    split: str = "test"
    items: tuple[str, ...] = ("cap", "hat")
    scenes: int = 30
    seed: int = 0
    in_tray: int = 2
    upright: bool = True
    segments: str = "rgbd"
    picks: bool = False
    views: int = 8
    grasp: ChoiceConfig = field(default_factory=ChoiceConfig)


class GraspEvaluation:
    """Runs scenes one after another; every instance is taught once.

    Raises:
        ValueError: the family has no instance with a teaching.
    """

    def __init__(self, model: DescriptorModel, config: GraspEvaluationConfig) -> None:
        self.model, self.config = model, config
        self.layout = CellLayout.load()
        self.teachings = load_teachings()
        catalogue = Catalogue.load()
        self.things = [VariantItem.make(catalogue.get(variant.item_id), variant)
                       for variant in load_family(config.family, catalogue).split(config.split)
                       if variant.item_id in config.items and variant.item_id in self.teachings]
        if not self.things:
            raise ValueError(f"split '{config.split}' of family '{config.family}' has no {' or '.join(config.items)} with a "
                             f"teaching in config/grasp_points.yaml; it has teachings of {', '.join(self.teachings)}")
        self._geometric = GeometricGraspPlanner(self.layout)
        self._near = PointGraspPlanner(self.layout, near=config.grasp.near)
        self._segmenter = make_segmenter("rgbd", self.layout)
        self._trials = GraspTrials(self.layout)
        self.taught = cache(self._teach)

    def _teach(self, index: int) -> TaughtItem:
        thing = self.things[index]
        return teach(thing, self.teachings[thing.base.id], self.model, self.config.seed, self.config.views,
                     close=self.config.grasp.close)

    def run_scene(self, number: int, pictures: Path | None = None) -> dict[str, Any]:
        """Scene `number` of the seed: the figures of its item."""
        rng = np.random.default_rng([self.config.seed, number])
        wanted = number % len(self.things)
        others = [index for index in rng.permutation(len(self.things)) if index != wanted][:self.config.in_tray - 1]
        things = [self.things[index] for index in (wanted, *others)]
        with TrialCell([thing.item for thing in things], int(rng.integers(2**31)), self.layout,
                       models={thing.item.id: thing.model for thing in things}, upright=self.config.upright) as cell:
            frame, truth = cell.render(), cell.ground_truth()
            taught = self.taught(wanted)
            result: dict[str, Any] = {"scene": number, "item": taught.thing.item.id, "base": taught.thing.base.id}
            segmentation, segment = self._segment(frame, truth)
            result["segmented"] = segment is not None
            result["points"] = {name: {"visible": self._visible(name, taught, frame, truth)} for name in taught.places}
            if segment is None:
                return result
            started = time.perf_counter()
            look = look_at(frame, segmentation.labels, segment, self.model, self.config.grasp.close)
            result["describe_ms"] = 1e3 * (time.perf_counter() - started)
            searches = self._measure(result, taught, look, frame, segmentation, segment, truth.T_base_item[0])
            if self.config.picks:
                state = cell.save()
                for method, search in searches.items():
                    result[method]["pick"] = self._pick(cell, state, search)
        if pictures is not None:
            _draw(pictures / f"{number:03d}.png", frame, result, searches, taught, truth.T_base_item[0], self.layout)
        return result

    def _pick(self, cell: TrialCell, state: Any, search: GraspSearch) -> str:
        """Outcome of the first grasp, half a turn on where the arm doesn't reach it."""
        outcome = "no grasp"
        for turn in (np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])) if search.grasps else ():
            cell.restore(state)
            outcome = self._trials.attempt(cell, replace(search.grasps[0], T_base_tcp=search.grasps[0].T_base_tcp @ turn), 0)
            if outcome != "unreachable":
                break
        return outcome

    def _segment(self, frame: RgbdFrame, truth: GroundTruth) -> tuple[Segmentation, int | None]:
        """Segments, and which of them is the item; None: none."""
        if self.config.segments == "truth":
            return Segmentation(truth.labels, ()), 1 if np.any(truth.labels == 1) else None
        segmentation, own = self._segmenter.segment(frame), truth.labels == 1
        best, overlap = None, MIN_IOU
        for segment in np.unique(segmentation.labels[own]):
            mask = segmentation.labels == segment
            share = np.count_nonzero(mask & own) / np.count_nonzero(mask | own)
            if segment > 0 and share > overlap:
                best, overlap = int(segment), share
        return segmentation, best

    def _visible(self, name: str, taught: TaughtItem, frame: RgbdFrame, truth: GroundTruth) -> bool:
        """Whether the camera sees a point; of a symmetric item one of those all around the axis."""
        axis = taught.teaching.symmetry_axis
        turns = [np.eye(4)] if axis is None else [about(axis, angle) for angle in np.arange(12) * np.pi / 6]
        for turn in turns:
            T_camera_item = invert(frame.T_base_camera) @ truth.T_base_item[0] @ turn
            place = transform_points(T_camera_item, taught.places[name][None])[0]
            column, row = np.rint(frame.camera.project(place)).astype(int)
            if not (2 <= row < frame.camera.height - 2 and 2 <= column < frame.camera.width - 2):
                continue
            part = slice(row - 2, row + 3), slice(column - 2, column + 3)
            depth = frame.depth[part][truth.labels[part] == 1]
            if np.isfinite(depth).any() and abs(np.nanmedian(depth) - place[2]) < 0.008:
                return True
        return False

    def _aligned(self, taught: TaughtItem, look: ItemLook, frame: RgbdFrame, segmentation: Segmentation,
                 segment: int) -> GraspSearch:
        """The first stored grasp that fits, as GraspChooser takes it."""
        search = GraspSearch((), "")
        for point in taught.aligned:
            search = aligned_search(point, look, frame, segmentation, segment, self.model, self._near, self.config.grasp.aligned)
            if search.grasps:
                break
        return search

    def _measure(self, result: dict[str, Any], taught: TaughtItem, look: ItemLook, frame: RgbdFrame, segmentation: Segmentation,
                 segment: int, T_base_item: NDArray[np.float64]) -> dict[str, GraspSearch]:
        mask, config, axis = segmentation.labels == segment, self.config.grasp, taught.teaching.symmetry_axis
        name = taught.teaching.grasp
        centre = np.nanmedian(frame.points_base()[mask], axis=0)
        for point, entry in result["points"].items():
            found = find_point([taught.straight[point]], look.frame, look.mask, look.image, config.straight)
            assert found.pixel is not None
            place = pixel_position(found.pixel, look.frame, look.mask, config.straight.window)
            entry |= {"found": found.position is not None, "confidence": found.confidence, "reason": found.reason,
                      "pixel": _pixel(found.pixel, look.frame.camera, frame.camera),
                      "error": _error(place, taught.places[point], T_base_item, axis),
                      "centre_error": _error(centre, taught.places[point], T_base_item, axis)}
        searches = {
            "aligned": self._aligned(taught, look, frame, segmentation, segment),
            "straight": straight_search([taught.straight[name]], look, frame, segmentation, segment, self._near,
                                        config.straight),
            "geometric": self._geometric.search(frame, segmentation, segment)}
        target = transform_points(T_base_item, taught.places[name][None])[0]
        for method, search in searches.items():
            beside = float(np.linalg.norm(search.grasps[0].T_base_tcp[:2, 3] - target[:2])) if search.grasps else None
            result[method] = {"grasps": len(search.grasps), "beside": beside, "reason": search.reason}
        started = time.perf_counter()
        try:
            pose = find_pose(taught.aligned[0], look, self.model, config.aligned)
            error = invert(T_base_item) @ pose.T_base_item
            cosine = (np.trace(error[:3, :3]) - 1) / 2 if axis is None else axis @ error[:3, :3] @ axis
            result["aligned"] |= {"error": float(np.linalg.norm(error[:3, 3])), "inliers": pose.inliers, "pairs": pose.pairs,
                                  "degrees": float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))}
        except NoPose as no_pose:
            result["aligned"]["no_pose"] = str(no_pose)
        result["aligned"]["pose_ms"] = 1e3 * (time.perf_counter() - started)
        return searches


def _pixel(pixel: tuple[float, float], near: PinholeCamera, camera: PinholeCamera) -> list[float]:
    """A close-up's pixel in the whole image."""
    return list(camera.project(near.deproject(np.array(pixel), np.array(1.0))))


def _error(found: NDArray[np.float64] | None, place: NDArray[np.float64], T_base_item: NDArray[np.float64],
           axis: NDArray[np.float64] | None) -> float | None:
    """Distance of a found point from the taught one [m]; of a symmetric item from the circle it can be on."""
    if found is None:
        return None
    there = transform_points(invert(T_base_item), found[None])[0]
    if axis is None:
        return float(np.linalg.norm(there - place))
    along, wanted = there @ axis, place @ axis
    return float(np.hypot(along - wanted, np.linalg.norm(there - along * axis) - np.linalg.norm(place - wanted * axis)))


def summary(results: Sequence[dict[str, Any]], config: GraspEvaluationConfig) -> dict[str, Any]:
    """The figures of `objectcentric evaluate grasps`; whatever wasn't found, segmented or believed counts as a miss."""
    teachings = load_teachings()

    def share(flags: Sequence[bool]) -> float | None:
        return float(np.mean(flags)) if len(flags) else None

    def grasped(result: dict[str, Any]) -> dict[str, Any]:
        return result["points"][teachings[result["base"]].grasp]

    def near(entry: dict[str, Any], key: str = "error", believed: bool = True) -> bool:
        return bool(entry.get(key) is not None and entry[key] <= NEAR and (entry.get("found") or not believed))

    def posed(result: dict[str, Any]) -> bool:
        aligned = result.get("aligned", {})
        return aligned.get("error") is not None and aligned["error"] <= NEAR and aligned["degrees"] <= TURNED

    seen = [result for result in results if grasped(result)["visible"]]
    located = sorted({name for result in results for name in result["points"]})
    figures: dict[str, Any] = {
        "scenes": len(results), "segmented": share([result["segmented"] for result in results]),
        "straight_within_15mm": share([near(grasped(result)) for result in results]),
        "straight_within_15mm_visible": share([near(grasped(result)) for result in seen]), "visible": len(seen),
        "straight_within_15mm_unasked": share([near(grasped(result), believed=False) for result in results]),
        "segment_centre_within_15mm": share([near(grasped(result), "centre_error", believed=False) for result in results]),
        "aligned_within_15mm_15deg": share([posed(result) for result in results]),
        "aligned_believed": share([result.get("aligned", {}).get("error") is not None for result in results]),
        "located_within_15mm": {name: share([near(result["points"][name]) for result in results
                                             if name in result["points"] and result["points"][name]["visible"]])
                                for name in located},
        "errors": {"straight": [grasped(result).get("error") for result in results],
                   "aligned": [result.get("aligned", {}).get("error") for result in results],
                   "aligned_degrees": [result.get("aligned", {}).get("degrees") for result in results]}}
    for method in METHODS:
        entries = [result.get(method, {}) for result in results]
        figures[f"{method}_planned"] = share([entry.get("grasps", 0) > 0 for entry in entries])
        figures[f"{method}_grasp_within_15mm"] = share([entry.get("beside") is not None and entry["beside"] <= NEAR
                                                        for entry in entries])
        if config.picks:
            figures[f"{method}_pick_rate"] = share([entry.get("pick") == "held" for entry in entries])
    by_item = {}
    for item in sorted({result["item"] for result in results}):
        own = [result for result in results if result["item"] == item]
        by_item[item] = {"scenes": len(own), "straight": share([near(grasped(result)) for result in own]),
                         "aligned": share([posed(result) for result in own])}
    return figures | {"items": by_item}


def evaluate_grasps(model: DescriptorModel, config: GraspEvaluationConfig, pictures: Path | None,
                    on_scene: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run the scenes; figures, settings and every scene's own result."""
    evaluation = GraspEvaluation(model, config)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    results = []
    for number in range(config.scenes):
        results.append(evaluation.run_scene(number, pictures))
        on_scene(results[-1])
    settings = {"family": config.family, "split": config.split, "of": list(config.items), "seed": config.seed,
                "upright": config.upright, "segments": config.segments, "in_tray": config.in_tray, "views": config.views,
                "pairs": config.grasp.aligned.source, "model": model.key}
    return {**settings, **summary(results, config), "results": results}


def _draw(path: Path, frame: RgbdFrame, result: dict[str, Any], searches: dict[str, GraspSearch], taught: TaughtItem,
          T_base_item: NDArray[np.float64], layout: CellLayout) -> None:
    """The best grasps beside each other; where points are (green) and were found (red)."""
    panels = []
    for search in searches.values():
        picture = frame.color.copy()
        if search.grasps:
            picture = draw_grasp(picture, search.grasps[0], frame.camera, frame.T_base_camera, layout.gripper)
        for name, place in taught.places.items():
            there = transform_points(invert(frame.T_base_camera) @ T_base_item, place[None])[0]
            column, row = np.rint(frame.camera.project(there)).astype(int).tolist()
            cv2.circle(picture, (column, row), 5, (40, 220, 40), 1, cv2.LINE_AA)
            u, v = np.rint(result["points"][name]["pixel"]).astype(int).tolist()
            cv2.drawMarker(picture, (u, v), (255, 40, 40), cv2.MARKER_CROSS, 9, 1, cv2.LINE_AA)
        panels.append(picture)
    cv2.imwrite(str(path), np.hstack(panels)[..., ::-1])
