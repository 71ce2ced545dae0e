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


"""Training of the RGB-D segmenter's two classifiers from frames with true labels (xgboost; not needed on the robot).

The merge classifier sees what it will meet: pairs of patches, and pairs of regions half way through merging. These come
from trajectories: first one in which only right merges happen, then those of the classifier itself, right or wrong
(the active agglomeration of Nunez-Iglesias et al., 2013).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.segmentation.boosted_trees import BoostedTrees
from objectcentric_ros.segmentation.merge_features import FOREGROUND_FEATURES, PAIR_FEATURES, foreground_features, pair_features
from objectcentric_ros.segmentation.merging import agglomerate
from objectcentric_ros.segmentation.region_graph import RegionGraph, build_graph
from objectcentric_ros.segmentation.rgbd import MergeModel, RgbdSegmentationConfig, candidate_patches, keep_foreground
from objectcentric_ros.segmentation.tray_view import look_at_tray


@dataclass(frozen=True)
class TrainingConfig:
    """How the classifiers are trained.

    Args:
        trees, depth, learning_rate: size and step of the merge classifier.
        foreground_trees, foreground_depth: size of the foreground classifier.
        rounds: how often the classifier's own trajectories are added.
        purity: regions whose largest true item has a smaller share are not trained on.
        pose_error: standard deviation of the camera position that is made up per frame [m], for hand-eye errors.
        brightness: standard deviation of the log exposure that is made up per frame.
        seed: of everything random.
    """

    trees: int = 160
    depth: int = 6
    learning_rate: float = 0.12
    foreground_trees: int = 60
    foreground_depth: int = 5
    rounds: int = 1
    purity: float = 0.7
    pose_error: float = 0.0015
    brightness: float = 0.15
    seed: int = 0


@dataclass(frozen=True)
class _Scene:
    """Patches of one frame and what they truly are: (n, items + 1) pixels of background and of each item."""

    graph: RegionGraph
    truth: NDArray[np.float64]
    foreground: NDArray[np.float32]


def train(frames: Iterable[tuple[RgbdFrame, NDArray[np.uint16]]], layout: CellLayout, config: TrainingConfig,
          segmentation: RgbdSegmentationConfig | None = None, report: Callable[[str], None] = lambda text: None) -> MergeModel:
    """Train both classifiers.

    Args:
        frames: frame and (H, W) true labels, 0 background.
        layout: the cell.
        config: recipe.
        segmentation: parameters of the segmenter that will use the model.
        report: gets a line of text for each step.

    Raises:
        ValueError: no frame shows the tray.
    """
    segmentation = segmentation or RgbdSegmentationConfig()
    rng = np.random.default_rng(config.seed)
    scenes = [scene for frame, labels in frames if (scene := _observe(_vary(frame, config, rng), labels, layout, segmentation))]
    if not scenes:
        raise ValueError("no training frame shows the tray: check the frames' T_base_camera against the layout")
    report(f"{len(scenes)} frames, {sum(len(scene.truth) for scene in scenes)} patches")
    foreground = _fit(np.concatenate([scene.foreground[1:] for scene in scenes]),
                      np.concatenate([_owner(scene.truth)[1:] > 0 for scene in scenes]),
                      FOREGROUND_FEATURES, config.foreground_trees, config.foreground_depth, config)
    starts = []
    for scene in scenes:
        target = keep_foreground(foreground.probability(scene.foreground), segmentation.foreground_threshold)
        starts.append((scene.graph.merged(target), _sum_rows(scene.truth, target)))
    collected = [_trajectory(graph, truth, None, segmentation, config, rng) for graph, truth in starts]
    same_item = _fit_pairs(collected, config)
    for number in range(config.rounds):
        report(f"round {number + 1}: {sum(len(label) for _, label in collected)} pairs")
        collected += [_trajectory(graph, truth, same_item, segmentation, config, rng) for graph, truth in starts]
        same_item = _fit_pairs(collected, config)
    return MergeModel(foreground, same_item)


def _vary(frame: RgbdFrame, config: TrainingConfig, rng: np.random.Generator) -> RgbdFrame:
    """The frame with another exposure and a camera that is not quite where it is said to be."""
    gain = np.exp(rng.normal(0.0, config.brightness, 1) + rng.normal(0.0, config.brightness / 4, 3))
    T_base_camera = frame.T_base_camera.copy()
    T_base_camera[:3, 3] += rng.normal(0.0, config.pose_error, 3)
    color = np.clip(frame.color * gain, 0, 255).astype(np.uint8)
    return replace(frame, color=color, T_base_camera=T_base_camera)


def _observe(frame: RgbdFrame, labels: NDArray[np.uint16], layout: CellLayout, segmentation: RgbdSegmentationConfig
             ) -> _Scene | None:
    view = look_at_tray(frame, layout, segmentation.view)
    if view is None:
        return None
    patches = candidate_patches(view, layout, segmentation)
    graph = build_graph(view, patches)
    height, width = patches.shape
    true = labels[view.v0:view.v0 + height, view.u0:view.u0 + width].ravel().astype(np.int64)
    items = int(true.max()) + 1
    counts = np.bincount(patches.ravel() * items + true, minlength=len(graph.regions) * items)
    truth = counts.reshape(len(graph.regions), items).astype(float)
    return _Scene(graph, truth, foreground_features(graph, view.floor_lab))


def _trajectory(start: RegionGraph, truth: NDArray[np.float64], model: BoostedTrees | None, segmentation: RgbdSegmentationConfig,
                config: TrainingConfig, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features and labels of all pairs met while merging; model None merges rightly, in random order."""
    features: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.bool_]] = []
    state: dict[str, Any] = {}

    def observe(_: RegionGraph, target: NDArray[np.int64]) -> None:
        state["truth"] = _sum_rows(truth, target)

    def score(graph: RegionGraph, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        now = state["truth"]
        owner = _owner(now)
        pure = now.max(axis=1) >= config.purity * now.sum(axis=1)
        (a, b), columns = graph.pairs[rows].T, pair_features(graph, rows)
        same = (owner[a] == owner[b]) & (owner[a] > 0)
        use = pure[a] & pure[b]
        # The first rounds have most pairs and the easiest.
        if len(rows) > 600:
            use &= rng.random(len(rows)) < 600 / len(rows)
        features.append(columns[use])
        labels.append(same[use])
        return model.probability(columns) if model is not None else np.where(same, rng.uniform(0.5, 1.0, len(rows)), 0.0)

    merge = segmentation.merge if model is not None else replace(segmentation.merge, first_threshold=segmentation.merge.threshold)
    agglomerate(start, score, merge, observe)
    if not features:
        return np.zeros((0, len(PAIR_FEATURES)), np.float32), np.zeros(0, bool)
    return np.concatenate(features), np.concatenate(labels)


def _owner(truth: NDArray[np.float64]) -> NDArray[np.int64]:
    """True item with most pixels of each region, 0 for the background."""
    return truth.argmax(axis=1)


def _sum_rows(rows: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    summed = np.zeros((int(target.max()) + 1, rows.shape[1]))
    np.add.at(summed, target, rows)
    return summed


def _fit_pairs(collected: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]], config: TrainingConfig) -> BoostedTrees:
    return _fit(np.concatenate([features for features, _ in collected]), np.concatenate([labels for _, labels in collected]),
                PAIR_FEATURES, config.trees, config.depth, config)


def _fit(features: NDArray[np.float32], labels: NDArray[np.bool_], names: tuple[str, ...], trees: int, depth: int,
         config: TrainingConfig) -> BoostedTrees:
    import xgboost  # only training needs it

    data = xgboost.DMatrix(features, label=labels.astype(np.float32))
    parameters = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": depth, "eta": config.learning_rate,
                  "subsample": 0.7, "colsample_bytree": 0.5, "min_child_weight": 8, "tree_method": "hist", "max_bin": 128,
                  "seed": config.seed, "nthread": 2}
    booster = xgboost.train(parameters, data, num_boost_round=trees)
    return complete_trees([json.loads(tree) for tree in booster.get_dump(dump_format="json")], names, depth)


def complete_trees(trees: Sequence[dict[str, Any]], names: tuple[str, ...], depth: int) -> BoostedTrees:
    """Trees of xgboost (its JSON dump, features named f0, f1 ...) as complete binary trees; base score 0.5."""
    inner = 2 ** depth - 1
    feature = np.zeros((len(trees), inner), np.int16)
    threshold = np.full((len(trees), inner), np.inf, np.float32)
    leaf = np.zeros((len(trees), inner + 1), np.float32)

    def place(tree: int, node: dict[str, Any], at: int, level: int) -> None:
        if "leaf" in node:
            span = 2 ** (depth - level)
            first = (at + 1) * span - 1 - inner
            leaf[tree, first:first + span] = node["leaf"]
            return
        children = {child["nodeid"]: child for child in node["children"]}
        feature[tree, at] = int(str(node["split"]).removeprefix("f"))
        threshold[tree, at] = node["split_condition"]
        place(tree, children[node["yes"]], 2 * at + 1, level + 1)
        place(tree, children[node["no"]], 2 * at + 2, level + 1)

    for index, root in enumerate(trees):
        place(index, root, 0, 0)
    return BoostedTrees(feature, threshold, leaf, 0.0, names)
