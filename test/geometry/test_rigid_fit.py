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

"""Kabsch and RANSAC: exact recovery, an oracle, mirrored and degenerate points, outliers."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from objectcentric_ros.geometry import se3
from objectcentric_ros.geometry.rigid_fit import DegenerateFit, kabsch, ransac_rigid_fit


def random_transform(rng):
    return se3.T_from(rng.uniform(-1, 1, 3), rng.normal(size=4))


@pytest.mark.parametrize("count", [3, 4, 50])
def test_exact_points_give_the_exact_transform(count):
    rng = np.random.default_rng(count)
    for _ in range(20):
        T, source = random_transform(rng), rng.normal(size=(count, 3))
        np.testing.assert_allclose(kabsch(source, se3.transform_points(T, source)), T, atol=1e-9)


def test_weighted_noisy_fit_agrees_with_scipy():
    rng = np.random.default_rng(5)
    source, T, weights = rng.normal(size=(30, 3)), random_transform(rng), rng.uniform(0.1, 2, 30)
    target = se3.transform_points(T, source) + rng.normal(scale=0.05, size=(30, 3))
    shares = weights[:, None] / weights.sum()
    expected, _ = Rotation.align_vectors(target - (shares * target).sum(0), source - (shares * source).sum(0), weights=weights)
    np.testing.assert_allclose(kabsch(source, target, weights)[:3, :3], expected.as_matrix(), atol=1e-6)


def test_zero_weight_removes_a_point():
    rng = np.random.default_rng(6)
    source, T = rng.normal(size=(5, 3)), random_transform(rng)
    target = se3.transform_points(T, source)
    target[0] += 10
    np.testing.assert_allclose(kabsch(source, target, [0, 1, 1, 1, 1]), T, atol=1e-9)


def test_mirrored_points_still_give_a_rotation():
    source = np.random.default_rng(7).normal(size=(10, 3))
    T = kabsch(source, source * [1, 1, -1])
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)


def test_coplanar_points_are_enough():
    rng = np.random.default_rng(8)
    source, T = rng.normal(size=(6, 3)) * [1, 1, 0], random_transform(rng)
    np.testing.assert_allclose(kabsch(source, se3.transform_points(T, source)), T, atol=1e-9)


@pytest.mark.parametrize("points, message", [
    (np.zeros((2, 3)), "3 points"),
    (np.outer(np.arange(5.0), [1, 2, 3]), "one line"),
    (np.ones((5, 3)), "one line"),
])
def test_points_that_fix_no_rotation_are_refused(points, message):
    with pytest.raises(DegenerateFit, match=message):
        kabsch(points, points)


@pytest.mark.parametrize("source, target, weights", [
    (np.zeros((3, 2)), np.zeros((3, 2)), None),
    (np.zeros((3, 3)), np.zeros((4, 3)), None),
    (np.full((3, 3), np.nan), np.zeros((3, 3)), None),
    (np.eye(3), np.eye(3), [1, 1]),
    (np.eye(3), np.eye(3), [1, 1, -1]),
])
def test_bad_input_is_refused(source, target, weights):
    with pytest.raises(ValueError):
        kabsch(source, target, weights)


@pytest.mark.parametrize("seed", range(5))
def test_ransac_finds_the_inliers_among_forty_percent_outliers(seed):
    rng = np.random.default_rng(seed)
    source, T = rng.uniform(-0.1, 0.1, (40, 3)), random_transform(rng)
    target = se3.transform_points(T, source) + rng.normal(scale=0.0005, size=(40, 3))
    wrong = rng.choice(40, 16, replace=False)
    target[wrong] += rng.uniform(0.03, 0.2, (16, 3))
    estimate, inliers = ransac_rigid_fit(source, target, threshold=0.004, rng=rng)
    assert set(np.flatnonzero(~inliers)) == set(wrong)
    error = se3.log(se3.compose(se3.invert(T), estimate))
    assert np.linalg.norm(error[:3]) < 1e-3 and np.linalg.norm(error[3:]) < 5e-3


def test_ransac_repeats_with_the_same_rng_seed():
    rng = np.random.default_rng(9)
    source, target = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    first, second = (ransac_rigid_fit(source, target, 1.0, np.random.default_rng(4), 50) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])


def test_ransac_without_consensus_says_so():
    line = np.outer(np.arange(6.0), [1, 0, 0])
    with pytest.raises(DegenerateFit, match="within 0.01 m"):
        ransac_rigid_fit(line, line, 0.01, np.random.default_rng(0))
    with pytest.raises(DegenerateFit, match="3 points, got 2"):
        ransac_rigid_fit(line[:2], line[:2], 0.01, np.random.default_rng(0))
    with pytest.raises(ValueError, match="positive"):
        ransac_rigid_fit(line, line, 0.0, np.random.default_rng(0))
