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

"""Interpolation of whole images, and exact search in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.interpolation import dense_rows, squared_lengths, upsampled
from objectcentric_ros.descriptors.matching import match, nearest

SHAPES = [(4, 5, 4, 17, 20), (3, 3, 8, 17, 21), (1, 2, 32, 30, 40), (1, 1, 2, 2, 2), (6, 7, 1, 6, 7), (2, 3, 14, 21, 30)]


def random_image(h, w, stride, height, width, dimension=6, unit=False, seed=0):
    features = np.random.default_rng(seed).normal(size=(h, w, dimension)).astype(np.float32)
    return DescriptorImage(features, stride, height, width, unit)


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_images_are_interpolated_as_single_pixels_are(shape):
    image = random_image(*shape)
    dense = image.dense()
    np.testing.assert_allclose(dense_rows(image, 0, image.height), dense, atol=1e-6)
    np.testing.assert_allclose(dense_rows(replace(image, unit=True), 1, 2), replace(image, unit=True).dense()[1:2], atol=1e-6)
    np.testing.assert_allclose(upsampled(image.features, image.stride, image.height, image.width), dense, atol=1e-6)
    one = upsampled(image.features[..., 0], image.stride, image.height, image.width)
    np.testing.assert_allclose(one, dense[..., 0], atol=1e-6)
    np.testing.assert_allclose(squared_lengths(image), np.sum(dense ** 2, axis=2), atol=1e-4)


def test_halfway_between_cells_is_their_mean():
    grid = np.array([[0, 4], [8, 20]], np.float32)
    np.testing.assert_array_equal(upsampled(grid, 2, 4, 3), [[0, 2, 4], [4, 8, 12], [8, 14, 20], [8, 14, 20]])


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_match_is_the_brute_force_minimum(unit, masked):
    image = random_image(9, 13, 4, 34, 50, unit=unit)
    query = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    mask = np.random.default_rng(2).random((34, 50)) < 0.2 if masked else None
    truth = np.random.default_rng(3).integers(0, [50, 34], size=(40, 2)).astype(float)
    distances = np.linalg.norm(image.dense()[None].astype(float) - query[:, None, None], axis=3)
    limits = np.linalg.norm(image.at(truth).astype(float) - query, axis=1)
    if mask is not None:
        distances[:, ~mask] = np.inf
    v, u = np.unravel_index(distances.reshape(40, -1).argmin(axis=1), (34, 50))
    found, closer = nearest(query, image, mask, truth)
    np.testing.assert_array_equal(found, np.stack([u, v], axis=1))
    np.testing.assert_array_equal(match(query, image, mask), found)
    gains = limits[:, None] - (distances if mask is None else distances[:, mask]).reshape(40, -1)
    assert np.all(np.mean(gains > 1e-4, axis=1) - 1e-9 <= closer) and np.all(closer <= np.mean(gains > 0, axis=1) + 1e-9)


@pytest.mark.parametrize("unit, size", [(True, 1.0), (False, 1.0), (False, 30.0)])
def test_every_pixel_finds_itself_even_in_a_smooth_image_of_large_descriptors(unit, size):
    rng = np.random.default_rng(4)
    features = (rng.normal(size=8) + 0.1 * rng.normal(size=(5, 6, 8))) * size
    image = DescriptorImage(features.astype(np.float32), 32, 129, 161, unit)
    points = rng.integers(0, [161, 129], size=(60, 2)).astype(float)
    found, closer = nearest(image.at(points), image, None, points)
    np.testing.assert_array_equal(found, points)
    np.testing.assert_array_equal(closer, 0)


def test_search_says_what_is_wrong():
    image = random_image(3, 4, 4, 12, 16)
    query = np.zeros((1, 6))
    for arguments, message in [
        ((np.zeros((1, 5)), image), r"queries must be \(M, 6\)"),
        ((np.full((1, 6), np.nan), image), "must be finite"),
        ((query, replace(image, features=image.features * np.inf)), "must be finite"),
        ((query, image, np.zeros((12, 16), bool)), "mask is empty"),
        ((query, image, np.ones((16, 12), bool)), r"must be \(12, 16\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            match(*arguments)
