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


"""Merging of regions, most alike first, as long as two touching ones are believed to be parts of one item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.segmentation import region_graph as g
from objectcentric_ros.segmentation.region_graph import RegionGraph

Score = Callable[[RegionGraph, NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True)
class MergeConfig:
    """When regions merge.

    Args:
        threshold: two regions merge when the probability that they are one item is at least this.
        first_threshold: in the first round only pairs at least this sure merge; the bar falls from round to round ...
        rounds_to_threshold: ... and reaches threshold after so many.
        max_rounds: rounds at most.
    """

    threshold: float = 0.5
    first_threshold: float = 0.95
    rounds_to_threshold: int = 5
    max_rounds: int = 30


@dataclass(frozen=True)
class Merged:
    """Result of agglomerate.

    Args:
        target: (n,) region of the result that each region of the start is in; 0 stays 0.
        graph: the graph of the result.
        cohesion: (k,) 0..1 how sure the merges inside each region were.
        separation: (k,) 0..1 how sure it is that the region does not belong to a neighbour.
    """

    target: NDArray[np.int64]
    graph: RegionGraph
    cohesion: NDArray[np.float64]
    separation: NDArray[np.float64]


def agglomerate(graph: RegionGraph, score: Score, config: MergeConfig,
                observe: Callable[[RegionGraph, NDArray[np.int64]], None] | None = None) -> Merged:
    """Merge in rounds: in each, every pair that is the best of both partners and sure enough becomes one region.

    Args:
        graph: start; region 0 is the background and never merges.
        score: probability that the two regions of the edges (row numbers of the graph) are one item.
        config: thresholds.
        observe: called with every round's graph and the regions of the start in terms of it (for training).
    """
    target = np.arange(len(graph.regions))
    doubt = np.zeros(len(graph.regions))
    separation = np.ones(len(graph.regions))
    for round_number in range(config.max_rounds):
        if observe is not None:
            observe(graph, target)
        rows = np.flatnonzero(graph.pairs[:, 0] > 0)
        if not len(rows):
            break
        probability = score(graph, rows)
        pairs = graph.pairs[rows]
        best = np.zeros(len(graph.regions))
        np.maximum.at(best, pairs.ravel(), np.repeat(probability, 2))
        separation = 1.0 - best
        share = min(1.0, round_number / max(1, config.rounds_to_threshold))
        bar = config.first_threshold + share * (config.threshold - config.first_threshold)
        mutual = (probability >= bar) & (probability >= best[pairs[:, 0]]) & (probability >= best[pairs[:, 1]])
        if not mutual.any():
            if share >= 1.0:
                break
            continue
        step = _join(len(graph.regions), pairs[mutual])
        weight = graph.regions[:, g.COUNT]
        lost = np.zeros(int(step.max()) + 1)
        np.add.at(lost, step, doubt)
        smaller = np.minimum(weight[pairs[mutual, 0]], weight[pairs[mutual, 1]])
        np.add.at(lost, step[pairs[mutual, 0]], (1 - probability[mutual]) * 2 * smaller)
        doubt, target, graph = lost, step[target], graph.merged(step)
        separation = np.ones(len(graph.regions))
    cohesion = 1.0 - np.clip(doubt / np.maximum(graph.regions[:, g.COUNT], 1.0), 0.0, 1.0)
    return Merged(target, graph, cohesion, separation)


def _join(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the connected groups 0..k-1 by their lowest member, so that 0 stays 0."""
    parent = np.arange(count)
    for first, second in pairs:
        while parent[first] != first:
            first = parent[first]
        while parent[second] != second:
            second = parent[second]
        parent[max(first, second)] = min(first, second)
    for index in range(count):                        # parents have lower numbers: one pass is enough
        parent[index] = parent[parent[index]]
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)
