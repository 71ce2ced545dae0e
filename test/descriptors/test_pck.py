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

"""Pixel figures and the paper's score, against values that are known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.pairs import Pair
from objectcentric_ros.descriptors.pck import (
    auc,
    bootstrap_difference,
    paper_score,
    pck,
    per_image,
    pixel_errors,
    pool,
    score_pair,
    score_points,
)
from objectcentric_ros.geometry.camera import PinholeCamera

K = np.arange(1, 101)


def make_pair(matches_a, matches_b, height=480, width=640, depth=None, mask=None):
    mask = np.ones((height, width), bool) if mask is None else mask
    camera = PinholeCamera(width, height, 100.0, 100.0, 0.0, 0.0)
    color = np.zeros((height, width, 3), np.uint8)
    return Pair(color_a=color, color_b=color, mask_a=mask, mask_b=mask, camera_a=camera, camera_b=camera, depth_a=depth,
                depth_b=depth, matches_a=np.asarray(matches_a, float), matches_b=np.asarray(matches_b, float), T_b_a=None,
                residual=0.0, mode="exact", instance="cap")


def test_thresholds_include_their_own_pixel():
    np.testing.assert_allclose(pck([0, 1, 1.5, 3, 10, 25.1], (1, 3, 5, 10, 25)), np.array([2, 4, 4, 5, 5]) / 6)
    assert np.isnan(pck([], (1,))).all() and np.isnan(auc([]))


@pytest.mark.parametrize("error, expected", [(0, 1.0), (1, 1.0), (1.01, 0.99), (50, 0.51), (100, 0.01), (100.1, 0.0), (1e9, 0.0)])
def test_auc_of_one_error(error, expected):
    assert auc([error]) == pytest.approx(expected)


def test_auc_is_the_mean_of_the_curve():
    errors = np.random.default_rng(0).exponential(40, size=500)
    assert auc(errors) == pytest.approx(pck(errors, K).mean())


def test_chance_in_a_disc():
    """Uniform in a disc of radius R around the truth: PCK@k = (k / R)^2, so AUC = sum k^2 / (100 R^2)."""
    radius = 150
    v, u = np.mgrid[-radius:radius + 1, -radius:radius + 1]
    errors = np.hypot(u, v)[np.hypot(u, v) <= radius]
    np.testing.assert_allclose(pck(errors, (25, 50, 100)), np.square([25, 50, 100]) / radius ** 2, rtol=0.01)
    assert auc(errors) == pytest.approx(338350 / (100 * radius ** 2), rel=0.01)


def test_chance_in_the_image():
    """Two uniform points in an a x b rectangle: P(distance <= k) = pi x - 4/3 k (a + b) x / (a b) + x^2 / 2, x = k^2 / (a b)."""
    a, b = 640.0, 480.0
    points = np.random.default_rng(1).uniform(0, [a, b], size=(2, 1_000_000, 2))
    expected = np.pi * K ** 2 / (a * b) - 4 / 3 * K ** 3 * (a + b) / (a * b) ** 2 + K ** 4 / (2 * (a * b) ** 2)
    errors = pixel_errors(*points)
    np.testing.assert_allclose(pck(errors, (50, 100)), expected[[49, 99]], rtol=0.03)
    assert auc(errors) == pytest.approx(expected.mean(), rel=0.02)


def test_image_centre():
    """The truth anywhere, the answer always the centre: the disc of k px lies within the image, PCK@k = pi k^2 / (a b)."""
    v, u = np.mgrid[:480, :640]
    truth = np.stack([u.ravel(), v.ravel()], axis=1)
    errors = pixel_errors(truth, np.broadcast_to([319.5, 239.5], truth.shape))
    assert auc(errors) == pytest.approx(np.pi * 338350 / (100 * 640 * 480), rel=0.01)


def test_errors_are_those_of_the_fixed_frame():
    np.testing.assert_allclose(pixel_errors([[0, 0], [0, 0]], [[3, 4], [1, 0]], 320, 240), [10, 2])
    np.testing.assert_allclose(pixel_errors([[0, 0]], [[3, 4]], 320, 480), [np.hypot(6, 4)])
    with pytest.raises(ValueError, match=r"\(M, 2\)"):
        pixel_errors([[0, 0]], [[0, 0], [1, 1]])


def test_paper_score_of_independent_directions():
    """Both directions uniform over the quarter circle: P(their angle <= x) = 1 - (1 - 2 x / pi)^2."""
    angles = np.random.default_rng(2).uniform(0, np.pi / 2, size=(2, 200_000))
    points = np.stack([np.cos(angles), np.sin(angles)], axis=2) * 300
    expected = np.mean(1 - (1 - 2 * np.arccos(K / 100) / np.pi) ** 2)
    assert paper_score(*points) == pytest.approx(expected, abs=0.002)
    assert expected > 0.7, "the score is high where nothing was found"


def test_paper_score_cannot_tell_a_point_from_one_on_its_ray():
    truth = np.array([[300.0, 200.0], [10.0, 20.0]])
    assert paper_score(truth, truth) == 1.0
    assert paper_score(truth, 0.1 * truth) == 1.0
    assert paper_score([[1.0, 0.0]], [[0.0, 1.0]]) == 0.0
    assert paper_score([[1.0, 0.0]], [[1.0, 1.0]]) == pytest.approx(0.70)    # cos 45 degrees passes k = 1..70
    assert paper_score([[0.0, 0.0]], [[1.0, 1.0]]) == 0.0                    # the corner has no direction


def test_oracle_descriptors_score_one_and_blind_ones_only_chance():
    v, u = np.mgrid[:60, :80].astype(np.float32)
    oracle = DescriptorImage(np.stack([u, v], axis=2), 1, 60, 80)
    points = np.random.default_rng(3).integers(0, [80, 60], size=(30, 2))
    depth = np.full((60, 80), 2.0, np.float32)
    score = score_pair(oracle, oracle, make_pair(points, points, 60, 80, depth))
    figures = pool([score])
    assert (figures.auc, figures.auc_masked, figures.pck[1], figures.paper_score, figures.closer) == (1, 1, 1, 1, 0)
    assert figures.median_error_3d == 0 and score.mode == "exact" and figures.matches == 30
    blind = DescriptorImage(np.zeros((60, 80, 1), np.float32), 1, 60, 80)
    assert pool([score_pair(blind, blind, make_pair(points, points, 60, 80))]).auc < 0.1


def test_each_match_is_recorded():
    """A descriptor that says only the column finds row 0 of it in the image, and the mask's first row in the mask."""
    u = np.tile(np.arange(80, dtype=np.float32), (60, 1))[..., None]
    image = DescriptorImage(u, 1, 60, 80)
    mask = np.zeros((60, 80), bool)
    mask[20:50, 10:60] = True
    depth = np.full((60, 80), 2.0, np.float32)
    depth[:10] = np.nan
    score = score_pair(image, image, make_pair([[30, 30], [12, 45]], [[30, 30], [12.25, 45]], 60, 80, depth, mask))
    np.testing.assert_allclose(score.error, [8 * 30, 8 * np.hypot(45, 0.25)])             # 80x60 is 1/8 of the frame
    np.testing.assert_allclose(score.error_masked, [8 * 10, 8 * np.hypot(25, 0.25)])
    np.testing.assert_allclose(score.error_3d_masked, np.array([10, np.hypot(25, 0.25)]) / 100 * 2)   # f = 100 px, 2 m
    assert np.isnan(score.error_3d).all(), "no depth in the rows above 10"
    np.testing.assert_allclose(score.closer, [0, 1 / 80])          # only column 12 is nearer than 12.25
    np.testing.assert_allclose(score.closer_masked, [0, 1 / 50])
    assert score.cosine[0] == pytest.approx(np.cos(np.pi / 4))


def test_pairs_count_the_same_however_many_matches_they_have():
    few, many = make_pair([[0, 0]], [[100, 100]]), make_pair(np.zeros((9, 2)), np.full((9, 2), 100.0))
    hit, missed = score_points(few, few.matches_b, few.matches_b), score_points(many, many.matches_b + 500, many.matches_b + 30)
    figures = pool([hit, missed])
    assert figures.auc == 0.5 and figures.pck[25] == 0.5
    assert figures.auc_masked == pytest.approx((1 + auc([30 * 2 ** 0.5])) / 2)
    assert figures.curve[99] == 0.5 and figures.auc_masked == pytest.approx(np.mean(figures.curve_masked))
    np.testing.assert_allclose(per_image([hit, missed], masked=False), [1, 0])
    assert json.loads(json.dumps(figures.as_dict()))["median_error_3d"] is None


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="no matches"):
        score_points(make_pair(np.zeros((0, 2)), np.zeros((0, 2))), np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="no pairs"):
        pool([])


def test_bootstrap_finds_a_paired_difference_that_the_spread_of_images_hides():
    rng = np.random.default_rng(5)
    images = rng.normal(0.5, 0.2, size=60)
    low, high = bootstrap_difference(images + 0.02 + rng.normal(0, 0.01, 60), images, seed=0)
    assert 0 < low < 0.02 < high < 0.03
    low, high = bootstrap_difference(images + rng.normal(0, 0.01, 60), images, seed=0)
    assert low < 0 < high
    assert bootstrap_difference(images, images - 0.125, seed=0) == pytest.approx((0.125, 0.125))
    with pytest.raises(ValueError, match="same images"):
        bootstrap_difference(images, images[1:], seed=0)


def test_bootstrap_is_as_wide_as_the_normal_approximation():
    difference = np.random.default_rng(6).normal(size=400)
    low, high = bootstrap_difference(difference, np.zeros(400), seed=1)
    assert (high - low) / 2 == pytest.approx(1.96 * difference.std() / 20, rel=0.1)
