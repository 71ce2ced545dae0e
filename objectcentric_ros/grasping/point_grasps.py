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

"""Top-down grasps at a given place of a segment: the geometric planner's hand fit, looked at near one point only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout, top_down
from objectcentric_ros.grasping.geometric import GeometricGraspConfig, GraspSearch
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.grasp_score import GraspScoreModel, grasp_features
from objectcentric_ros.grasping.hand_fit import EDGE_CELLS, Fits, Obstruction, SegmentHeights, TurnedPatch, fit_hand, turned_patch
from objectcentric_ros.grasping.height_map import HeightMap, height_map
from objectcentric_ros.segmentation.segmenter import Segmentation


@dataclass(frozen=True)
class NearPointConfig:
    """How near is near.

    Args:
        radius: largest horizontal distance of the TCP from the point [m].
        preferred: distance at which a grasp counts exp(-1/2) of one at the point [m].
        min_score: grasps that are less likely to hold are not offered. Lower than the geometric planner's: the place was asked
            for, and is seldom the item's middle.
    """

    radius: float = 0.010
    preferred: float = 0.006
    min_score: float = 0.02


@dataclass(frozen=True)
class _Found:
    """Fits at one yaw near the point, all arrays (N,)."""

    patch: TurnedPatch
    fits: Fits
    rank: NDArray[np.float64]
    score: NDArray[np.float64]
    features: NDArray[np.float64]
    distance: NDArray[np.float64]


@dataclass
class PointGraspPlanner:
    """Plans top-down grasps at points.

    Args:
        layout: the cell.
        geometric: settings of the hand fit and of what counts as a firm contact.
        near: how near.
        score_model: probability from features; None reads config/grasp_score.yaml.
    """

    layout: CellLayout
    geometric: GeometricGraspConfig = field(default_factory=GeometricGraspConfig)
    near: NearPointConfig = field(default_factory=NearPointConfig)
    score_model: GraspScoreModel | None = None
    _scene: tuple[RgbdFrame, Segmentation, HeightMap] | None = None

    def search(self, frame: RgbdFrame, segmentation: Segmentation, segment_id: int, point: ArrayLike, method: str,
               yaws: Sequence[float] | None = None, max_grasps: int = 3) -> GraspSearch:
        """Grasps whose TCP is at most `radius` beside a point.

        Args:
            frame: what the camera saw.
            segmentation: of this frame.
            segment_id: the segment to take.
            point: (3,) [m, base frame]; only x and y count, the depth of the grasp follows from the item there.
            method: name that the grasps get.
            yaws: of the TCP to try [rad]; None: evenly over half a turn.
            max_grasps: at most so many, of different direction.

        Returns:
            Grasps, best first, with a sentence that says how many there are or why there is none.
        """
        centre = np.asarray(point, dtype=np.float64)[:2]
        heights = self._heights(frame, segmentation)
        rows, columns = np.nonzero((heights.owner == segment_id) & heights.seen)
        if not len(rows):
            return GraspSearch((), "the item lies outside the tray or under other items")
        cells = np.asarray(heights.origin) + np.stack([rows, columns], axis=1) * heights.resolution
        fit = self.geometric.fit
        reach = float(np.linalg.norm(cells - centre, axis=1).max()) + fit.camera_far + 0.04
        layers, obstruction = SegmentHeights.split(heights, segment_id), Obstruction()
        if yaws is None:
            yaws = list(np.arange(fit.yaws) * np.pi / fit.yaws - np.pi / 2)
        found, nearest = [], np.inf
        for yaw in yaws:
            patch = turned_patch(layers, float(yaw), centre, min(reach, fit.max_reach))
            fits = fit_hand(patch, self.layout, fit, obstruction)
            if len(fits.row):
                one = self._rated(patch, fits, centre, cells.mean(axis=0))
                nearest = min(nearest, float(one.distance.min()))
                found.append(one)
        return self._best(found, nearest, obstruction, method, max_grasps)

    def _heights(self, frame: RgbdFrame, segmentation: Segmentation) -> HeightMap:
        """Kept, because several points of an image are asked for in a row."""
        if self._scene is None or self._scene[0] is not frame or self._scene[1] is not segmentation:
            heights = height_map(frame, segmentation.labels, self.layout, self.geometric.resolution)
            self._scene = (frame, segmentation, heights)
        return self._scene[2]

    def _rated(self, patch: TurnedPatch, fits: Fits, centre: NDArray[np.float64], item_centre: NDArray[np.float64]) -> _Found:
        if self.score_model is None:
            self.score_model = GraspScoreModel.load()
        gripper, config = self.layout.gripper, self.geometric
        features = grasp_features(patch, fits, item_centre, gripper.max_width, gripper.finger_depth,
                                  self.layout.tray.floor_thickness, config.fit.clearances)
        firm = ((features.wedge <= config.max_wedge) & (features.lean <= config.max_lean)
                & (features.contact >= config.min_contact))
        score = np.where(firm, self.score_model.probability(features), 0.0)
        distance = np.linalg.norm(patch.to_base(fits.row, (fits.left + fits.right) / 2) - centre, axis=1)
        rank = np.where((distance <= self.near.radius) & (score >= self.near.min_score),
                        score * np.exp(-0.5 * (distance / self.near.preferred) ** 2), 0.0)
        return _Found(patch, fits, rank, score, features.matrix(), distance)

    def _best(self, found: list[_Found], nearest: float, obstruction: Obstruction, method: str, max_grasps: int) -> GraspSearch:
        """The best grasp of each yaw, and of those the best that differ in direction."""
        grasps: list[Grasp] = []
        rows: list[NDArray[np.float64]] = []
        yaws: list[float] = []
        for one in sorted(found, key=lambda one: -float(one.rank.max())):
            index = int(one.rank.argmax())
            turned = [abs((one.patch.yaw - yaw + np.pi / 2) % np.pi - np.pi / 2) for yaw in yaws]
            if one.rank[index] <= 0 or len(grasps) == max_grasps:
                break
            if all(angle > self.geometric.distinct_yaw for angle in turned):
                grasps.append(self._grasp(one, index, method))
                rows.append(one.features[index])
                yaws.append(one.patch.yaw)
        if grasps:
            return GraspSearch(tuple(grasps), f"{len(grasps)} grasps at the point", np.stack(rows))
        return GraspSearch((), self._why_not(found, nearest, obstruction))

    def _grasp(self, one: _Found, index: int, method: str) -> Grasp:
        gripper, fits, patch = self.layout.gripper, one.fits, one.patch
        width = float(fits.right[index] - fits.left[index] - EDGE_CELLS) * patch.resolution
        x, y = patch.to_base(fits.row[index], (fits.left[index] + fits.right[index]) / 2)
        yaw = patch.yaw + (np.pi if fits.flipped[index] else 0.0)
        yaw = float((yaw + np.pi) % (2 * np.pi) - np.pi)
        opening = min(width + 2 * float(fits.clearance[index]), gripper.max_width)
        reason = (f"{1000 * one.distance[index]:.0f} mm beside the point, {1000 * width:.0f} mm across, "
                  f"held {1000 * float(fits.top[index] - fits.tip[index]):.0f} mm deep")
        return Grasp(top_down([x, y, float(fits.tip[index]) + gripper.tip_beyond_tcp], yaw), width, opening,
                     self.geometric.approach_distance, float(one.score[index]), method, reason)

    def _why_not(self, found: list[_Found], nearest: float, obstruction: Obstruction) -> str:
        near = f"within {1000 * self.near.radius:.0f} mm of the point"
        if obstruction.flat:
            return "the item is too flat for the fingers"
        if not obstruction.fingers_free:
            return "the item is too wide, or neighbours or walls leave no room for the fingers"
        if not found:
            return "the hand's body or its camera would hit something beside the item"
        if nearest > self.near.radius:
            return f"the hand doesn't fit {near}: the nearest place is {1000 * nearest:.0f} mm beside it"
        return f"no firm hold {near}: the pads would meet only corners or slanting sides"
