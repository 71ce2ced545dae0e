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

"""Descriptors that nobody trained, and answers without descriptors."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from objectcentric_ros.descriptors.baselines import DenseSift, RawPatch, chance_in_image, chance_in_mask, image_centre
from objectcentric_ros.descriptors.matching import match


def texture(height=120, width=160, seed=0):
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10))
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_a_patch_holds_the_colours_around_its_pixel():
    color = texture(20, 30)
    image = RawPatch(3, stride=4).describe(color)
    assert image.features.shape == (5, 8, 27) and image.dimension == RawPatch(3).dimension
    patch = image.at([[8, 12]])[0].reshape(3, 3, 3)    # colour, row, column
    np.testing.assert_allclose(patch, color[11:14, 7:10].transpose(2, 0, 1) / 255, atol=1e-6)
    corner = image.at([[0, 0]])[0].reshape(3, 3, 3)
    np.testing.assert_allclose(corner[:, 0, 0], color[0, 0] / 255, atol=1e-6)    # the border's pixels are repeated


@pytest.mark.parametrize("model", [RawPatch(7, 2), DenseSift(12, 4)], ids=lambda model: model.key)
def test_an_image_matches_itself_and_its_shifted_copy(model):
    big = texture(140, 180)
    first, second = model.describe(big[10:130, 10:170]), model.describe(big[2:122, 6:166])    # 4 px right, 8 px down
    assert (first.height, first.width, first.dimension) == (120, 160, model.dimension)
    points = np.random.default_rng(1).integers(40, [110, 70], size=(25, 2)).astype(float)
    np.testing.assert_array_equal(match(first.at(points), first), points)
    errors = np.linalg.norm(match(first.at(points), second) - (points + [4, 8]), axis=1)
    assert np.median(errors) == 0 and np.mean(errors <= 1) > 0.9


@pytest.mark.parametrize("model", [RawPatch(), DenseSift()], ids=lambda model: model.key)
def test_the_smallest_image_is_described(model):
    image = model.describe(np.full((2, 2, 3), 90, np.uint8))
    assert image.at([[1, 1]]).shape == (1, model.dimension) and np.all(np.isfinite(image.features))


def test_sift_ignores_brightness():
    color = texture()
    dark = (color * 0.5).astype(np.uint8)
    sift, patch = DenseSift(), RawPatch()
    points = [[80, 60]]
    assert np.linalg.norm(sift.describe(color).at(points) - sift.describe(dark).at(points)) < 0.15
    assert np.linalg.norm(patch.describe(color).at(points) - patch.describe(dark).at(points)) > 1


def test_bad_sizes_are_named():
    for make in (lambda: RawPatch(4), lambda: RawPatch(3, 0), lambda: DenseSift(0)):
        with pytest.raises(ValueError, match="positive"):
            make()


def test_chance_covers_image_and_mask_evenly():
    rng = np.random.default_rng(0)
    points = chance_in_image(20_000, 8, 4, rng)
    counts = np.histogram2d(points[:, 0], points[:, 1], bins=(range(9), range(5)))[0]
    assert np.abs(counts / 20_000 - 1 / 32).max() < 0.006
    mask = np.zeros((10, 10), bool)
    mask[2, 3] = mask[7, 1:4] = True
    found, counts = np.unique(chance_in_mask(8000, mask, rng), axis=0, return_counts=True)
    np.testing.assert_array_equal(found, [[1, 7], [2, 7], [3, 2], [3, 7]])
    assert np.abs(counts / 8000 - 0.25).max() < 0.03
    with pytest.raises(ValueError, match="mask is empty"):
        chance_in_mask(1, np.zeros((2, 2), bool), rng)
    np.testing.assert_array_equal(image_centre(2, 640, 480), [[319.5, 239.5]] * 2)
