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

"""Which grasp to take: the taught one at the item's pose, else the taught place, else what the geometry offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.aligned_grasp import AlignedConfig, aligned_search
from objectcentric_ros.grasping.close_up import CloseUpConfig, ItemLook, look_at
from objectcentric_ros.grasping.descriptor_grasp import StraightConfig, straight_search
from objectcentric_ros.grasping.geometric import GeometricGraspConfig, GraspSearch
from objectcentric_ros.grasping.grasp_score import GraspFeatures
from objectcentric_ros.grasping.point_grasps import NearPointConfig, PointGraspPlanner
from objectcentric_ros.segmentation.segmenter import Segmentation

METHODS = ("aligned", "straight", "geometric")


class GeometricPlanner(Protocol):
    """What a geometric planner offers."""

    def search(self, frame: RgbdFrame, segmentation: Segmentation, segment_id: int, max_grasps: int = 10) -> GraspSearch:
        """Grasps of one segment, best first, with a sentence."""
        ...


@dataclass(frozen=True)
class ChoiceConfig:
    """Settings of all methods.

    Args:
        methods: tried in this order; the first with a grasp is taken, the others' grasps follow.
        straight: when a match is believed.
        aligned: how poses are found.
        near: how near a grasp must be to its place.
        close: how items are enlarged before they are described.
    """

    methods: tuple[str, ...] = METHODS
    straight: StraightConfig = field(default_factory=StraightConfig)
    aligned: AlignedConfig = field(default_factory=AlignedConfig)
    near: NearPointConfig = field(default_factory=NearPointConfig)
    close: CloseUpConfig = field(default_factory=CloseUpConfig)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.methods if name not in METHODS]:
            raise ValueError(f"unknown grasp methods {', '.join(unknown)}: expected {', '.join(METHODS)}")


class GraspChooser:
    """Plans grasps by all methods that an item allows; a drop-in for GeometricGraspPlanner.search with an object's id.

    Args:
        layout: the cell.
        geometric: the fallback.
        models: describe images; an object's grasp points are of one of them. None at all: only the geometric planner is asked.
        points: grasp points of an object by its id, such as Gallery.grasp_points; an error leaves the geometric grasp.
        config: settings.
        geometric_config: hand fit of the taught grasps.
    """

    def __init__(self, layout: CellLayout, geometric: GeometricPlanner, models: Sequence[DescriptorModel] = (),
                 points: Callable[[str], Sequence[GraspPoint]] | None = None, config: ChoiceConfig | None = None,
                 geometric_config: GeometricGraspConfig | None = None) -> None:
        self.config = config or ChoiceConfig()
        self._geometric, self._models, self._points = geometric, tuple(models), points
        self._near = PointGraspPlanner(layout, geometric_config or GeometricGraspConfig(), self.config.near)

    def search(self, frame: RgbdFrame, segmentation: Segmentation, segment_id: int, max_grasps: int = 10,
               object_id: str = "") -> GraspSearch:
        """Grasps of one segment: those of the first method that has any come first, the others' follow.

        Args:
            frame: what the camera saw.
            segmentation: of this frame.
            segment_id: which of its segments.
            max_grasps: at most so many.
            object_id: what the segment is, for its grasp points; empty: not known.

        Returns:
            The grasps, and a sentence that names the method that was taken and why the ones before it weren't. The first
            grasp's own reason holds it, too.

        Raises:
            UnknownSegment: no pixel has this label.
            ValueError: the label image is not of the frame's size.
        """
        model, points, why_not = self._points_of(object_id)
        results: list[tuple[str, GraspSearch]] = []
        look = None
        if model is not None and np.any(segmentation.labels == segment_id):
            try:
                look = look_at(frame, segmentation.labels, segment_id, model, self.config.close)
            except ValueError as error:
                why_not = str(error)
        for method in self.config.methods:
            if method == "geometric":
                results.append((method, self._geometric.search(frame, segmentation, segment_id, max_grasps)))
            elif model is not None and look is not None:
                results.append((method, self._taught(method, model, points, look, frame, segmentation, segment_id)))
        return _joined(results, why_not, max_grasps)

    def _points_of(self, object_id: str) -> tuple[DescriptorModel | None, list[GraspPoint], str]:
        """The first model that this object was taught with and its points, or a sentence why there are none."""
        if not self._models or self._points is None:
            return None, [], "there is no descriptor model"
        if not object_id:
            return None, [], "it isn't known what the item is"
        try:
            every = list(self._points(object_id))
        except (LookupError, GalleryError) as error:
            return None, [], str(error)
        for model in self._models:
            if own := [point for point in every if point.encoder_key == model.key]:
                return model, own, ""
        return None, [], (f"the grasp points of {object_id} are of other models: teach them anew" if every
                    else f"{object_id} has no grasp points")

    def _taught(self, method: str, model: DescriptorModel, points: list[GraspPoint], look: ItemLook, frame: RgbdFrame,
                segmentation: Segmentation, segment_id: int) -> GraspSearch:
        if method == "straight":
            return straight_search(points, look, frame, segmentation, segment_id, self._near, self.config.straight)
        reasons = []
        for point in points:
            if point.approach == "aligned":
                search = aligned_search(point, look, frame, segmentation, segment_id, model, self._near,
                                        self.config.aligned)
                if search.grasps:
                    return search
                reasons.append(search.reason)
        return GraspSearch((), "; ".join(reasons) or "no aligned grasp was taught")


def _joined(results: list[tuple[str, GraspSearch]], why_not: str, max_grasps: int) -> GraspSearch:
    """All grasps in the methods' order, and why the first one's method was taken."""
    refused: list[str] = [f"no taught grasp: {why_not}"] if why_not else []
    taken = ""
    grasps, features = [], []
    for method, search in results:
        if search.grasps and not taken:
            taken = f"{method}: {search.reason}" + (f" ({'; '.join(refused)})" if refused else "")
        if not search.grasps:
            refused.append(f"{method} not: {search.reason}")
        grasps += list(search.grasps)
        known = len(search.features) == len(search.grasps)      # a planner needn't give any
        features += list(search.features) if known else [np.full(len(GraspFeatures.names()), np.nan)] * len(search.grasps)
    if not grasps:
        return GraspSearch((), "; ".join(refused))
    grasps[0] = replace(grasps[0], reason=f"{grasps[0].reason}; {taken}" if grasps[0].reason else taken)
    return GraspSearch(tuple(grasps[:max_grasps]), taken, np.stack(features[:max_grasps]))
