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


"""Region graph and merging: sums against measuring anew, and what agglomerate may and may not do."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.segmentation import region_graph as g
from objectcentric_ros.segmentation.block_scenes import Block, render
from objectcentric_ros.segmentation.merge_features import (
    FOREGROUND_FEATURES,
    PAIR_FEATURES,
    foreground_features,
    pair_features,
)
from objectcentric_ros.segmentation.merging import MergeConfig, agglomerate
from objectcentric_ros.segmentation.region_graph import RegionGraph, build_graph
from objectcentric_ros.segmentation.rgbd import RgbdSegmentationConfig, candidate_patches
from objectcentric_ros.segmentation.tray_view import TrayViewConfig, look_at_tray


@pytest.fixture(scope="module")
def patches(layout):
    frame, _ = render(layout, [Block((0.0, 0.0), (0.08, 0.06, 0.05), (200, 40, 40)),
                               Block((0.07, 0.02), (0.05, 0.05, 0.03), (40, 200, 40)),
                               Block((-0.08, 0.1), (0.06, 0.06, 0.09), (230, 230, 230), round=True)], noise=0.001)
    view = look_at_tray(frame, layout, TrayViewConfig())
    return view, candidate_patches(view, layout, RgbdSegmentationConfig())


def chain(probabilities: dict[tuple[int, int], float], count: int) -> tuple[RegionGraph, dict]:
    """Graph of equal regions 1..count with edges between the given ones."""
    pairs = np.array(sorted(probabilities), dtype=np.int64)
    regions = np.zeros((count + 1, g.REGION_COLUMNS))
    regions[1:, g.COUNT] = 2000
    edges = np.ones((len(pairs), g.EDGE_COLUMNS))
    return RegionGraph(regions, np.zeros(count + 1), pairs, edges), probabilities


def merge(probabilities: dict[tuple[int, int], float], count: int, **config: float) -> np.ndarray:
    """Agglomerate a graph whose merged regions are as alike as their likest original members."""
    graph, table = chain(probabilities, count)
    state = {}

    def observe(_, target):
        state["members"] = [np.flatnonzero(target == k) for k in range(int(target.max()) + 1)]

    def score(current, rows):
        members = state["members"]
        return np.array([max(table.get((min(i, j), max(i, j)), 0.0) for i in members[a] for j in members[b])
                         for a, b in current.pairs[rows]])

    return agglomerate(graph, score, MergeConfig(**config), observe).target


def test_merging_sums_is_measuring_the_merged_regions(patches):
    view, labels = patches
    rng = np.random.default_rng(0)
    count = int(labels.max())
    target = np.concatenate([[0], rng.integers(0, count // 6, count)])
    target = np.unique(target, return_inverse=True)[1].astype(np.int64)
    summed, measured = build_graph(view, labels).merged(target), build_graph(view, target[labels].astype(np.int32))
    np.testing.assert_array_equal(summed.pairs, measured.pairs)
    np.testing.assert_allclose(summed.regions[1:, g.COUNT], measured.regions[1:, g.COUNT])
    np.testing.assert_allclose(summed.regions[1:], _without_background(measured.regions), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(summed.top[1:], measured.top[1:])
    inner = measured.pairs[:, 0] > 0
    np.testing.assert_allclose(summed.edges[inner], measured.edges[inner], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(summed.edges[:, g.LENGTH], measured.edges[:, g.LENGTH])


def _without_background(regions):
    return regions[1:]


def test_area_and_boundary_of_a_known_patch(patches):
    view, _ = patches
    labels = np.zeros(view.height.shape, np.int32)
    labels[100:110, 100:120], labels[110:115, 100:120] = 1, 2
    graph = build_graph(view, labels)
    assert graph.regions[1:, g.COUNT].tolist() == [200, 100]
    assert graph.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert graph.edges[:, g.LENGTH].tolist() == [20 + 2 * 10, 20 + 2 * 5, 20]


def test_features_have_their_names_and_are_finite(patches):
    view, labels = patches
    graph = build_graph(view, labels)
    rows = np.flatnonzero(graph.pairs[:, 0] > 0)
    pairs, regions = pair_features(graph, rows), foreground_features(graph, view.floor_lab)
    assert pairs.shape == (len(rows), len(PAIR_FEATURES)) and np.isfinite(pairs).all()
    assert regions.shape == (len(graph.regions), len(FOREGROUND_FEATURES)) and np.isfinite(regions).all()
    small, large = pairs[:, PAIR_FEATURES.index("log_small")], pairs[:, PAIR_FEATURES.index("log_large")]
    assert np.all(small <= large)


def test_features_do_not_depend_on_the_numbering(patches):
    view, labels = patches
    count = int(labels.max())
    renumber = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(count)])

    def by_pair(image, back):
        graph = build_graph(view, image.astype(np.int32))
        rows = np.flatnonzero(graph.pairs[:, 0] > 0)
        return {tuple(sorted(back[pair])): row for pair, row in zip(graph.pairs[rows], pair_features(graph, rows), strict=True)}

    before, after = by_pair(labels, np.arange(count + 1)), by_pair(renumber[labels], np.argsort(renumber))
    equal_size = PAIR_FEATURES.index("log_small")
    for pair, row in before.items():
        if row[equal_size] != row[equal_size + 1]:
            np.testing.assert_allclose(row, after[pair], rtol=1e-4, atol=1e-5)


def test_nothing_merges_below_the_threshold():
    assert merge({(1, 2): 0.49, (2, 3): 0.1}, 3, threshold=0.5, fragment_area=1).tolist() == [0, 1, 2, 3]


def test_sure_pairs_merge_into_one():
    assert merge({(1, 2): 0.9, (2, 3): 0.8, (3, 4): 0.2}, 4, fragment_area=1).tolist() == [0, 1, 1, 1, 2]


def test_background_never_merges():
    assert merge({(0, 1): 1.0, (0, 2): 1.0, (1, 2): 0.9}, 2).tolist() == [0, 1, 1]


def test_fragments_merge_at_a_lower_bar():
    pairs = {(1, 2): 0.3}
    assert merge(pairs, 2, fragment_area=1000).tolist() == [0, 1, 2]
    assert merge(pairs, 2, fragment_area=8000, fragment_threshold=0.1).tolist() == [0, 1, 1]


def test_scores_are_kept_exactly_for_pairs_that_did_not_change(patches):
    """Asking for every pair in every round, or only for those that changed, must come out the same."""
    view, labels = patches
    graph = build_graph(view, labels)
    asked = []

    def score(current, rows):
        asked.append(len(rows))
        features = pair_features(current, rows)
        return np.exp(-features[:, PAIR_FEATURES.index("delta_e")] / 20 - 100 * features[:, PAIR_FEATURES.index("step_far")])

    merged = agglomerate(graph, score, MergeConfig())
    rows = np.flatnonzero(merged.graph.pairs[:, 0] > 0)
    final = score(merged.graph, rows)
    expected = np.ones(len(merged.graph.regions))
    for (a, b), p in zip(merged.graph.pairs[rows], final, strict=True):
        expected[a], expected[b] = min(expected[a], 1 - p), min(expected[b], 1 - p)
    np.testing.assert_allclose(merged.separation, expected, atol=1e-9)
    assert len(asked) > 3 and asked[1] < asked[0]
    again = build_graph(view, merged.target[labels].astype(np.int32))
    np.testing.assert_array_equal(again.pairs, merged.graph.pairs)


def test_confidences_are_probabilities(patches):
    view, labels = patches
    merged = agglomerate(build_graph(view, labels), lambda graph, rows: np.full(len(rows), 0.6), MergeConfig(first_threshold=0.6))
    for values in (merged.cohesion, merged.separation):
        assert values.min() >= 0 and values.max() <= 1
