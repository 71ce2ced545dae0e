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


"""Boosted trees against a tree walked node by node."""

from __future__ import annotations

import math

import numpy as np
import pytest

from objectcentric_ros.segmentation.boosted_trees import BoostedTrees
from objectcentric_ros.segmentation.training import complete_trees

NAMES = ("a", "b", "c")


def random_tree(rng: np.random.Generator, depth: int) -> dict:
    """A tree as xgboost dumps it, of at most that depth."""
    if depth == 0 or rng.random() < 0.25:
        return {"nodeid": 0, "leaf": float(rng.normal())}
    children = [{**random_tree(rng, depth - 1), "nodeid": number} for number in (1, 2)]
    return {"nodeid": 0, "split": f"f{rng.integers(3)}", "split_condition": float(np.float32(rng.normal())), "yes": 1, "no": 2,
            "children": children}


def walk(tree: dict, row: np.ndarray) -> float:
    while "leaf" not in tree:
        below = row[int(tree["split"][1:])] < tree["split_condition"]
        tree = next(child for child in tree["children"] if child["nodeid"] == (tree["yes"] if below else tree["no"]))
    return tree["leaf"]


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_equals_walking_every_tree(depth):
    rng = np.random.default_rng(depth)
    dump = [random_tree(rng, depth) for _ in range(30)]
    rows = rng.normal(size=(700, 3)).astype(np.float32)
    expected = [1 / (1 + math.exp(-sum(walk(tree, row) for tree in dump))) for row in rows]
    np.testing.assert_allclose(complete_trees(dump, NAMES, depth).probability(rows), expected, rtol=1e-5)


def test_threshold_itself_goes_right():
    stump = {"nodeid": 0, "split": "f1", "split_condition": 2.0, "yes": 1, "no": 2,
             "children": [{"nodeid": 1, "leaf": -3.0}, {"nodeid": 2, "leaf": 3.0}]}
    at, below = complete_trees([stump], NAMES, 1).probability(np.array([[0, 2.0, 0], [0, 1.9999, 0]], np.float32))
    assert at > 0.9 and below < 0.1


def test_no_rows():
    trees = complete_trees([{"nodeid": 0, "leaf": 1.0}], NAMES, 2)
    assert trees.probability(np.zeros((0, 3), np.float32)).shape == (0,)


def test_arrays_round_trip():
    trees = complete_trees([random_tree(np.random.default_rng(1), 4) for _ in range(5)], NAMES, 4)
    again = BoostedTrees.from_arrays(trees.to_arrays("x"), "x")
    rows = np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32)
    np.testing.assert_array_equal(trees.probability(rows), again.probability(rows))
    assert again.feature_names == NAMES


def test_errors_say_what_is_wrong():
    trees = complete_trees([random_tree(np.random.default_rng(1), 2)], NAMES, 2)
    with pytest.raises(ValueError, match="rows of 3 features"):
        trees.probability(np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match="no array y/feature"):
        BoostedTrees.from_arrays(trees.to_arrays("x"), "y")
    with pytest.raises(ValueError, match="complete"):
        BoostedTrees(trees.feature, trees.threshold, trees.leaf[:, :-1], 0.0, NAMES)
    with pytest.raises(ValueError, match="feature names"):
        BoostedTrees(trees.feature + 3, trees.threshold, trees.leaf, 0.0, NAMES)
