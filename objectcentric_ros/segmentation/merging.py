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
        fragment_area: in the end the bar is lower for pairs whose smaller region has less than this [px] ...
        fragment_threshold: ... down to this for the smallest: a fragment is more likely part of a neighbour than an item.
        max_rounds: rounds at most.
    """

    threshold: float = 0.4
    fragment_area: float = 1500.0
    fragment_threshold: float = 0.02
    first_threshold: float = 0.95
    rounds_to_threshold: int = 5
    max_rounds: int = 200


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
    known = np.full(len(graph.pairs), np.nan)         # of pairs that did not change since they were scored
    for round_number in range(config.max_rounds + 1):
        if observe is not None:
            observe(graph, target)
        rows = np.flatnonzero(graph.pairs[:, 0] > 0)
        fresh = rows[np.isnan(known[rows])]
        if len(fresh):
            known[fresh] = score(graph, fresh)
        probability, pairs = known[rows], graph.pairs[rows]
        best = np.zeros(len(graph.regions))
        np.maximum.at(best, pairs.ravel(), np.repeat(probability, 2))
        mutual = (probability >= best[pairs[:, 0]]) & (probability >= best[pairs[:, 1]])
        mutual &= probability >= _bar(graph, pairs, round_number, config)
        if round_number == config.max_rounds or (not mutual.any() and round_number >= config.rounds_to_threshold):
            break
        if not mutual.any():
            continue
        step = _join(len(graph.regions), pairs[mutual])
        smaller = graph.regions[pairs[mutual], g.COUNT].min(axis=1)
        after = graph.merged(step)
        doubt = np.bincount(step, doubt).astype(float)
        np.add.at(doubt, step[pairs[mutual, 0]], (1 - probability[mutual]) * 2 * smaller)
        target, known, graph = step[target], _carry_over(graph, known, step, after), after
    cohesion = 1.0 - np.clip(doubt / np.maximum(graph.regions[:, g.COUNT], 1.0), 0.0, 1.0)
    return Merged(target, graph, cohesion, 1.0 - best)


def _bar(graph: RegionGraph, pairs: NDArray[np.int64], round_number: int, config: MergeConfig) -> NDArray[np.float64]:
    """Least probability at which each pair merges in this round."""
    share = min(1.0, round_number / max(1, config.rounds_to_threshold))
    bar = np.full(len(pairs), config.first_threshold + share * (config.threshold - config.first_threshold))
    if share >= 1.0:
        smaller = graph.regions[pairs, g.COUNT].min(axis=1)
        bar -= (bar - config.fragment_threshold) * np.maximum(0.0, 1.0 - smaller / config.fragment_area)
    return bar


def _carry_over(before: RegionGraph, known: NDArray[np.float64], step: NDArray[np.int64], after: RegionGraph
                ) -> NDArray[np.float64]:
    """Probabilities of the pairs of after: known where neither region was merged, else NaN."""
    count = len(after.regions)
    alone = np.bincount(step, minlength=count)[step] == 1
    same = alone[before.pairs].all(axis=1)
    keys = np.sort(step[before.pairs[same]], axis=1) @ [count, 1]
    carried = np.full(len(after.pairs), np.nan)
    carried[np.searchsorted(after.pairs @ [count, 1], keys)] = known[same]
    return carried


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
