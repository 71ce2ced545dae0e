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

"""Top-down antipodal grasps from the depth of one segment in clutter."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.grasp_score import GraspFeatures, GraspScoreModel, grasp_features
from objectcentric_ros.grasping.hand_fit import (
    EDGE_CELLS,
    Fits,
    HandFitConfig,
    Obstruction,
    SegmentHeights,
    TurnedPatch,
    fit_hand,
    turned_patch,
)
from objectcentric_ros.grasping.height_map import HeightMap, height_map
from objectcentric_ros.segmentation.segmenter import Segmentation


class UnknownSegment(KeyError):
    """The segmentation has no such segment."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class GeometricGraspConfig:
    """Settings of the planner.

    Args:
        fit: how the hand is fitted.
        resolution: cell of the height map [m].
        min_points: a segment needs as many pixels with depth.
        approach_distance: straight approach before the grasp [m].
        distinct_distance: grasps nearer than this to a better one are dropped [m] ...
        distinct_yaw: ... unless they are turned by more than this [rad].
        min_score: grasps that are less likely to hold are not offered.
        max_wedge: contact edges that open more than this towards one side slip out whatever the force: twice the
            tangent of the friction angle that is counted on.
        max_lean: likewise for sides that lean inwards towards the top: the tangent itself.
        min_contact: share of the pads' width that must meet the item.
    """

    fit: HandFitConfig = field(default_factory=HandFitConfig)
    resolution: float = 0.002
    min_points: int = 30
    approach_distance: float = 0.10
    distinct_distance: float = 0.015
    distinct_yaw: float = 0.45
    min_score: float = 0.05
    max_wedge: float = 1.4
    max_lean: float = 1.5
    min_contact: float = 0.3


@dataclass(frozen=True)
class GraspSearch:
    """Grasps, best first, with their features for the record; reason is a sentence, above all when there are none."""

    grasps: tuple[Grasp, ...]
    reason: str
    features: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, len(GraspFeatures.names()))))


class GeometricGraspPlanner:
    """Plans top-down grasps: the open hand must fit into the clutter, and the contact must promise to hold.

    Args:
        layout: the cell with tray and gripper.
        config: settings.
        score_model: probability from features; None reads config/grasp_score.yaml.
    """

    def __init__(self, layout: CellLayout, config: GeometricGraspConfig | None = None,
                 score_model: GraspScoreModel | None = None) -> None:
        self.layout = layout
        self.config = config or GeometricGraspConfig()
        self.score_model = score_model or GraspScoreModel.load()
        self._scene: tuple[RgbdFrame, Segmentation, HeightMap] | None = None

    def plan(self, frame: RgbdFrame, segmentation: Segmentation, segment_id: int, max_grasps: int = 10) -> list[Grasp]:
        """Grasps of one segment, best first, different enough that the next one is worth trying when one fails.

        Args:
            frame: what the camera saw.
            segmentation: of this frame.
            segment_id: which of its segments.
            max_grasps: at most so many.

        Raises:
            UnknownSegment: no pixel has this label.
            ValueError: the label image is not of the frame's size.
        """
        return list(self.search(frame, segmentation, segment_id, max_grasps).grasps)

    def search(self, frame: RgbdFrame, segmentation: Segmentation, segment_id: int, max_grasps: int = 10) -> GraspSearch:
        """As plan, with a sentence that says why there is no grasp, or how many were found."""
        labels = segmentation.labels
        if labels.shape != frame.depth.shape:
            raise ValueError(f"label image {labels.shape} and depth image {frame.depth.shape} differ in size: not of one frame?")
        pixels = labels == segment_id
        if segment_id <= 0 or not pixels.any():
            known = ", ".join(str(segment.id) for segment in segmentation.segments) or "none"
            raise UnknownSegment(f"no segment {segment_id}; segments of this image: {known}")
        valid = int(np.count_nonzero(np.isfinite(frame.depth[pixels])))
        if valid < self.config.min_points:
            return GraspSearch((), f"only {valid} of {np.count_nonzero(pixels)} pixels have depth (dark, shiny or too small?)")
        return self._search(self._height_map(frame, segmentation), segment_id, max_grasps)

    def _height_map(self, frame: RgbdFrame, segmentation: Segmentation) -> HeightMap:
        """The map of this image, kept because all segments of an image are usually asked for in a row."""
        if self._scene is None or self._scene[0] is not frame or self._scene[1] is not segmentation:
            heights = height_map(frame, segmentation.labels, self.layout, self.config.resolution)
            self._scene = (frame, segmentation, heights)
        return self._scene[2]

    def _search(self, heights: HeightMap, segment_id: int, max_grasps: int) -> GraspSearch:
        rows, columns = np.nonzero((heights.owner == segment_id) & heights.seen)
        if len(rows) == 0:
            return GraspSearch((), "the item lies outside the tray or under other items")
        cells = np.stack([rows, columns], axis=1)
        middle = (cells.min(axis=0) + cells.max(axis=0)) / 2
        centre = np.asarray(heights.origin) + middle * heights.resolution
        item_centre = np.asarray(heights.origin) + cells.mean(axis=0) * heights.resolution
        radius = float(np.linalg.norm(cells - middle, axis=1).max()) * heights.resolution
        # The camera's far edge is what reaches farthest from the TCP, and the TCP lies on the item.
        half_side = min(radius + self.config.fit.camera_far + 0.04, self.config.fit.max_reach)

        layers, obstruction = SegmentHeights.split(heights, segment_id), Obstruction()
        found: list[tuple[TurnedPatch, Fits, GraspFeatures, NDArray[np.float64]]] = []
        for yaw in self._yaws(cells):
            patch = turned_patch(layers, float(yaw), centre, half_side)
            fits = fit_hand(patch, self.layout, self.config.fit, obstruction)
            if len(fits.row):
                gripper = self.layout.gripper
                features = grasp_features(patch, fits, item_centre, gripper.max_width, gripper.finger_depth,
                                          self.layout.tray.floor_thickness, self.config.fit.clearances)
                scores = self.score_model.probability(features)
                firm = ((features.wedge <= self.config.max_wedge) & (features.lean <= self.config.max_lean)
                        & (features.contact >= self.config.min_contact))
                found.append((patch, fits, features, np.where(firm, scores, 0.0)))
        if not any(np.any(scores > 0) for *_, scores in found):
            return GraspSearch((), self._why_not(obstruction))
        return self._choose(found, max_grasps)

    def _yaws(self, cells: NDArray[np.intp]) -> NDArray[np.float64]:
        """Yaws of the TCP to try: even steps over half a turn, and the two that are square to the item's outline."""
        even = np.arange(self.config.fit.yaws) * np.pi / self.config.fit.yaws - np.pi / 2
        _, _, degrees = cv2.minAreaRect(cells.astype(np.float32))
        square = np.radians(degrees) + np.array([0.0, np.pi / 2])
        return np.concatenate([even, (square + np.pi / 2) % np.pi - np.pi / 2])

    def _choose(self, found: list[tuple[TurnedPatch, Fits, GraspFeatures, NDArray[np.float64]]], max_grasps: int) -> GraspSearch:
        """The best ones that differ in place or direction."""
        scores = np.concatenate([score for *_, score in found])
        features = np.concatenate([feature.matrix() for _, _, feature, _ in found])
        source = np.concatenate([np.full(len(score), number) for number, (*_, score) in enumerate(found)])
        local = np.concatenate([np.arange(len(score)) for *_, score in found])
        yaws = np.array([patch.yaw for patch, *_ in found])[source]
        places = np.concatenate([np.column_stack([patch.to_base(fits.row, (fits.left + fits.right) / 2), fits.tip])
                                 for patch, fits, *_ in found])
        grasps: list[Grasp] = []
        chosen: list[int] = []
        left = np.where(scores >= self.config.min_score, scores, 0.0)
        while len(grasps) < max_grasps and left.max() > 0:
            best = int(left.argmax())
            patch, fits, _, _ = found[source[best]]
            grasps.append(self._grasp(patch, fits, int(local[best]), float(scores[best]), features[best]))
            chosen.append(best)
            # Closing directions have no sign: yaws are compared as lines.
            turned = np.abs(yaws - yaws[best])
            turned = np.minimum(turned, np.pi - turned)
            near = np.linalg.norm(places - places[best], axis=1) <= self.config.distinct_distance
            left[near & (turned <= self.config.distinct_yaw)] = 0.0
        if not grasps:
            return GraspSearch((), f"the best of {len(scores)} grasps would hold with probability {scores.max():.2f} only")
        return GraspSearch(tuple(grasps), f"{len(grasps)} different grasps of {len(scores)} that fit", features[chosen])

    def _grasp(self, patch: TurnedPatch, fits: Fits, index: int, score: float, features: NDArray[np.float64]) -> Grasp:
        gripper = self.layout.gripper
        width = float(fits.right[index] - fits.left[index] - EDGE_CELLS) * patch.resolution
        x, y = patch.to_base(fits.row[index], (fits.left[index] + fits.right[index]) / 2)
        yaw = patch.yaw
        if fits.flipped[index]:
            yaw += np.pi if yaw <= 0 else -np.pi
        opening = min(width + 2 * float(fits.clearance[index]), gripper.max_width)
        named = dict(zip(GraspFeatures.names(), features, strict=True))
        overlap = float(fits.top[index] - fits.tip[index])
        balance = 50 * float(np.hypot(named["along"], named["across"]))
        reason = (f"{1000 * width:.0f} mm across, held {1000 * overlap:.0f} mm deep, {balance:.0f} mm from its middle, "
                  f"{1000 * float(fits.clearance[index]):.0f} mm room beside it")
        return Grasp(top_down([x, y, float(fits.tip[index]) + gripper.tip_beyond_tcp], yaw), width, opening,
                     self.config.approach_distance, score, "geometric", reason)

    def _why_not(self, obstruction: Obstruction) -> str:
        if obstruction.flat:
            return (f"too flat: nothing of it rises {1000 * self.config.fit.min_overlap:.0f} mm above where the finger tips "
                    "must stop over the floor")
        usable = self.layout.gripper.max_width - 2 * self.config.fit.clearances[-1]
        if not obstruction.narrow_enough or (obstruction.hand_free and obstruction.narrowest > usable):
            return (f"too wide: {1000 * obstruction.narrowest:.0f} mm across at the narrowest, the hand takes "
                    f"{1000 * usable:.0f} mm")
        if not obstruction.fingers_free:
            return "neighbours or the tray's walls leave no room for the fingers"
        if not obstruction.hand_free:
            return "the hand's body or its camera would hit something beside the item"
        return ("no firm hold: where the hand fits, the pads would meet only corners or slanting sides "
                f"({1000 * obstruction.narrowest:.0f} mm across at the narrowest)")
