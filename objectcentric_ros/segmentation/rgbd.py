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


"""Segmentation of a cluttered tray from colour and depth: patches, background, merging."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.paths import share_dir
from objectcentric_ros.segmentation import region_graph as g
from objectcentric_ros.segmentation.boosted_trees import BoostedTrees
from objectcentric_ros.segmentation.merge_features import (
    FOREGROUND_FEATURES,
    PAIR_FEATURES,
    foreground_features,
    pair_features,
)
from objectcentric_ros.segmentation.merging import MergeConfig, Merged, agglomerate
from objectcentric_ros.segmentation.region_graph import RegionGraph, build_graph
from objectcentric_ros.segmentation.segmenter import Segment, Segmentation
from objectcentric_ros.segmentation.superpixels import superpixels
from objectcentric_ros.segmentation.tray_view import TrayView, TrayViewConfig, look_at_tray

MODEL_FILE = "models/rgbd_segmentation.npz"


@dataclass(frozen=True)
class RgbdSegmentationConfig:
    """Parameters of the RGB-D segmenter.

    Args:
        view: cropping and cleaning.
        merge: merging of patches.
        spacing: size of a patch [px].
        foreground_threshold: a patch belongs to an item when its probability is at least this.
        min_area: smaller segments are dropped [px].
        floor_height: a patch whose every pixel is lower than this and looks like the floor is floor [m].
        floor_delta_e: looks like the floor: nearer than this in L*a*b*.
        max_height: what is higher above the floor than this is no item of the tray, but hangs in the hand [m].
        min_measured: a segment with depth below that height in a smaller part of its pixels is dropped, 0..1.
    """

    view: TrayViewConfig = field(default_factory=TrayViewConfig)
    merge: MergeConfig = field(default_factory=MergeConfig)
    spacing: int = 9
    foreground_threshold: float = 0.5
    min_area: int = 400
    floor_height: float = 0.004
    max_height: float = 0.28
    min_measured: float = 0.2
    floor_delta_e: float = 10.0


@dataclass(frozen=True)
class MergeModel:
    """The two learned decisions: is a patch part of an item, and are two touching regions one item?"""

    foreground: BoostedTrees
    same_item: BoostedTrees

    def __post_init__(self) -> None:
        for name, trees, features in (("foreground", self.foreground, FOREGROUND_FEATURES),
                                      ("same_item", self.same_item, PAIR_FEATURES)):
            if trees.feature_names != features:
                wrong = sorted(set(trees.feature_names) ^ set(features)) or "their order"
                raise ValueError(f"the {name} model was trained on other features than this version measures ({wrong}): "
                                 "train it again with `objectcentric train segmentation`")

    @classmethod
    def load(cls, path: Path | None = None) -> MergeModel:
        """Read a model; None is the one that is shipped.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a model, or was trained on other features than this version measures.
        """
        path = path or share_dir() / MODEL_FILE
        if not path.is_file():
            raise FileNotFoundError(f"segmentation model {path} does not exist: restore it from the repository or train it "
                                    "with `objectcentric train segmentation`")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(BoostedTrees.from_arrays(arrays, "foreground"), BoostedTrees.from_arrays(arrays, "same_item"))

    def save(self, path: Path) -> None:
        """Write the model."""
        arrays: dict[str, Any] = {**self.foreground.to_arrays("foreground"), **self.same_item.to_arrays("same_item")}
        np.savez_compressed(path, **arrays)


class RgbdSegmenter:
    """Segments the items in the tray of an RGB-D frame.

    The tray is over-segmented into patches of about a square centimetre. A classifier tells patches of items from floor
    and walls; another one, over depth steps, concavity, colour, planes and outlines, tells which touching regions are
    one item, and they are merged, surest first, with everything measured anew after every round.

    Args:
        layout: the cell: where the tray is.
        config: parameters.
        model: learned decisions; None loads the shipped ones.
    """

    def __init__(self, layout: CellLayout, config: RgbdSegmentationConfig | None = None, model: MergeModel | None = None) -> None:
        self.layout = layout
        self.config = config or RgbdSegmentationConfig()
        self.model = model or MergeModel.load()

    def segment(self, frame: RgbdFrame) -> Segmentation:
        """Segment one frame; an empty tray, or one out of view, gives no segments."""
        view = look_at_tray(frame, self.layout, self.config.view)
        if view is None:
            return _nothing(frame)
        patches = candidate_patches(view, self.layout, self.config)
        graph = build_graph(view, patches)
        probability = self.model.foreground.probability(foreground_features(graph, view.floor_lab))
        target = keep_foreground(probability, self.config.foreground_threshold)
        merged = agglomerate(graph.merged(target), self._same_item, self.config.merge)
        return _publish(frame, view, merged.target[target][patches], merged, self.config)

    def _same_item(self, graph: RegionGraph, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.model.same_item.probability(pair_features(graph, rows))


def candidate_patches(view: TrayView, layout: CellLayout, config: RgbdSegmentationConfig) -> NDArray[np.int32]:
    """Patches that may be part of an item: (h, w) labels 1..n, 0 where it is plainly floor or outside the tray."""
    patches = superpixels(view, config.spacing)
    flat = patches.ravel().astype(np.intp)      # once: bincount would do it each time
    count = int(patches.max()) + 1
    size = np.bincount(flat, minlength=count)
    lightness, a, b = cv2.split(view.lab)
    delta_e = np.sqrt((lightness - view.floor_lab[0]) ** 2 + (a - view.floor_lab[1]) ** 2 + (b - view.floor_lab[2]) ** 2)

    def mean(image: NDArray) -> NDArray[np.float64]:
        return np.bincount(flat, weights=image.ravel(), minlength=count) / size

    floor = (mean(view.height) < config.floor_height) & (mean(delta_e) < config.floor_delta_e) \
        & (mean(view.height > 2 * config.floor_height) < 0.1)
    outside = (mean(view.inset) < -layout.tray.wall_thickness) \
        & (mean(view.points[..., 2]) < layout.tray.wall_height + 2 * config.floor_height)
    keep = ~(floor | outside)
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[patches]


def keep_foreground(probability: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Target regions (see RegionGraph.merged) in which everything that is not foreground is the background."""
    keep = probability >= threshold
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0)


def _nothing(frame: RgbdFrame) -> Segmentation:
    return Segmentation(np.zeros(frame.depth.shape, np.uint16), ())


def _publish(frame: RgbdFrame, view: TrayView, regions: NDArray[np.int64], merged: Merged,
             config: RgbdSegmentationConfig) -> Segmentation:
    """Number the segments 1..n by confidence and describe them."""
    confidence = merged.cohesion * merged.separation
    count = merged.graph.regions[:, g.COUNT]
    # What hangs in the hand is in front of the tray, not in it: mostly nearer than the camera measures, else far too high.
    low = view.valid & (view.height < config.max_height)
    in_tray = np.bincount(regions[low], minlength=len(count)) >= config.min_measured * np.maximum(count, 1)
    big = np.flatnonzero((count >= config.min_area) & in_tray)
    big = big[big > 0]
    order = big[np.argsort(-confidence[big], kind="stable")]
    number = np.zeros(len(confidence), np.uint16)
    number[order] = np.arange(1, len(order) + 1)
    cropped = number[regions]
    labels = np.zeros(frame.depth.shape, np.uint16)
    labels[view.v0:view.v0 + cropped.shape[0], view.u0:view.u0 + cropped.shape[1]] = cropped
    segments = []
    inside = np.flatnonzero(cropped)
    inside = inside[np.argsort(cropped.ravel()[inside], kind="stable")]
    ends = np.cumsum(np.bincount(cropped.ravel()[inside], minlength=len(order) + 1)[1:])
    for label, (region, index) in enumerate(zip(order, np.split(inside, ends[:-1]), strict=False), start=1):
        v, u = np.divmod(index, cropped.shape[1])
        points = view.points.reshape(-1, 3)[index]
        measured = view.valid.ravel()[index]
        centroid = np.median(points[measured] if measured.any() else points, axis=0).astype(np.float64)
        box = (int(u.min()) + view.u0, int(v.min()) + view.v0, int(u.max()) + view.u0 + 1, int(v.max()) + view.v0 + 1)
        segments.append(Segment(label, box, len(v), centroid, float(confidence[region])))
    return Segmentation(labels, tuple(segments))
