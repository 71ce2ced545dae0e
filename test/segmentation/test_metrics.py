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


"""Segmentation metrics against hand-computed numbers and a brute-force matching."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from objectcentric_ros.segmentation.metrics import iou_table, pool, score_scene


def strip(*runs: tuple[int, int]) -> np.ndarray:
    """One-row label image of (label, length) runs."""
    return np.array([[label for label, length in runs for _ in range(length)]], dtype=np.uint16)


def test_iou_is_shared_over_either():
    predicted, true = strip((0, 2), (5, 6), (0, 2)), strip((1, 4), (2, 6))
    ious, predicted_labels, true_labels = iou_table(predicted, true)
    assert predicted_labels.tolist() == [5] and true_labels.tolist() == [1, 2]
    np.testing.assert_allclose(ious, [[2 / 8, 4 / 8]])


def test_hand_computed_scene():
    # Item 1 is cut in two (6 and 4 px), item 2 is found with 2 px too many, item 3 is missed.
    true = strip((1, 10), (0, 5), (2, 8), (0, 2), (3, 10))
    predicted = strip((1, 6), (2, 4), (0, 5), (3, 10), (0, 10))
    score = score_scene(predicted, true, min_visible=5)
    assert score.visible == 3 and score.excluded == 0 and score.segments == 3
    np.testing.assert_allclose(score.ious, [0.6, 0.8, 0.0])
    assert score.segment_labels == (1, 3, 0)
    figures = pool([score])
    assert figures.recall_50 == pytest.approx(2 / 3)
    assert figures.precision_50 == pytest.approx(2 / 3)
    assert figures.mean_iou == pytest.approx((0.6 + 0.8) / 3)
    assert figures.mean_iou_matched == pytest.approx(0.7)


def test_iou_of_exactly_one_half_is_a_match():
    assert score_scene(strip((4, 2), (0, 2)), strip((1, 4)), min_visible=1).matches == 1


def test_item_with_too_few_pixels_is_excluded_and_its_segment_ignored():
    true, predicted = strip((1, 20), (2, 3)), strip((1, 20), (9, 3))
    score = score_scene(predicted, true, min_visible=5)
    assert (score.visible, score.excluded, score.ignored) == (1, 1, 1)
    assert pool([score]).precision_50 == 1.0


def test_segment_on_the_background_is_wrong_not_ignored():
    score = score_scene(strip((1, 4), (2, 6)), strip((0, 4), (1, 6)), min_visible=1)
    assert score.ignored == 0 and pool([score]).precision_50 == 0.5


def test_relabelling_changes_nothing():
    rng = np.random.default_rng(3)
    true, predicted = rng.integers(0, 4, (20, 20)), rng.integers(0, 5, (20, 20))
    renamed = np.array([0, 40, 7, 900, 13])[predicted]
    assert score_scene(predicted, true, 1).ious == score_scene(renamed, true, 1).ious


@pytest.mark.parametrize("seed", range(20))
def test_assignment_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    true = np.kron(rng.integers(0, 4, (3, 3)), np.ones((4, 4), int))
    predicted = np.roll(np.kron(rng.integers(0, 5, (3, 3)), np.ones((4, 4), int)), rng.integers(0, 3), axis=1)
    ious, _, _ = iou_table(predicted, true)
    rows, columns = ious.shape
    padded = np.zeros((max(rows, columns),) * 2)
    padded[:rows, :columns] = ious
    best = max(sum(padded[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(len(padded))))
    assert sum(score_scene(predicted, true, 1).ious) == pytest.approx(best)


def test_perfect_and_empty():
    true = strip((1, 5), (2, 5))
    assert pool([score_scene(true, true, 1)]).recall_50 == 1.0
    nothing = pool([score_scene(np.zeros_like(true), true, 1)])
    assert nothing.recall_50 == 0.0 and math.isnan(nothing.precision_50) and nothing.mean_iou == 0.0
    assert math.isnan(pool([]).recall_50)


def test_pool_counts_items_not_scenes():
    full = score_scene(strip((1, 4), (2, 4), (3, 4)), strip((1, 4), (2, 4), (3, 4)), 1)
    none = score_scene(strip((0, 4)), strip((1, 4)), 1)
    assert pool([full, none]).recall_50 == 0.75


def test_other_size_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 3\).*\(1, 4\)"):
        score_scene(strip((1, 3)), strip((1, 4)))
