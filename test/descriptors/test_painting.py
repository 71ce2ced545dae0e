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

"""Pictures of descriptors."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.painting import PcaBasis, heat_overlay, pca_image


def random_image(dimension, seed=0, unit=False):
    features = np.random.default_rng(seed).normal(size=(12, 16, dimension)).astype(np.float32)
    return DescriptorImage(features, 4, 48, 64, unit)


def test_components_are_the_directions_of_largest_variance_in_order():
    features = np.random.default_rng(0).normal(size=(40, 50, 4)) * [1, 8, 0.01, 3]
    basis = PcaBasis.fit([DescriptorImage(features.astype(np.float32), 1, 40, 50)])
    np.testing.assert_allclose(basis.directions, np.eye(4)[:, [1, 3, 0]], atol=0.1)
    np.testing.assert_allclose(basis.high[:2] - basis.low[:2], 2 * 2.054 * np.array([8, 3]), rtol=0.1)    # 2nd to 98th percentile


@pytest.mark.parametrize("dimension", [1, 2, 3, 16])
@pytest.mark.parametrize("unit", [True, False])
def test_any_dimension_gives_colours(dimension, unit):
    painted = pca_image(random_image(dimension, unit=unit))
    assert painted.shape == (48, 64, 3) and painted.dtype == np.uint8
    assert painted[..., 0].min() == 0 and painted[..., 0].max() >= 254


def test_a_kept_basis_gives_a_descriptor_the_same_colour_in_every_image():
    first = random_image(6)
    basis = PcaBasis.fit([first])
    features = np.random.default_rng(1).normal(size=first.features.shape).astype(np.float32)
    features[3, 5] = first.features[7, 2]
    second = DescriptorImage(features, 4, 48, 64)
    np.testing.assert_array_equal(pca_image(second, basis=basis)[12, 20], pca_image(first, basis=basis)[28, 8])


def test_the_mask_chooses_the_colours_and_the_rest_is_black():
    image = random_image(6)
    image.features[:6] *= 100
    mask = np.zeros((48, 64), bool)
    mask[24:44, 10:50] = True
    painted = pca_image(image, mask)
    assert not painted[~mask].any()
    assert painted[mask].astype(float).std() > 30, "the large values outside the mask must not flatten the colours"


def test_uniform_descriptors_are_grey():
    painted = pca_image(DescriptorImage(np.ones((2, 2, 5), np.float32), 4, 8, 8))
    assert np.all(painted == 127)


def test_a_basis_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="for 6 dimensions, the image has 3"):
        PcaBasis.fit([random_image(6)]).paint(random_image(3))
    with pytest.raises(ValueError, match="at least one"):
        PcaBasis.fit([])
    with pytest.raises(ValueError, match="empty"):
        PcaBasis.fit([random_image(3)], [np.zeros((48, 64), bool)])


def test_heat_covers_only_what_is_hot():
    color = np.random.default_rng(0).integers(0, 255, size=(6, 8, 3), dtype=np.uint8)
    heat = np.zeros((6, 8))
    heat[2, 3] = 1.0
    shown = heat_overlay(color, heat)
    cold = heat == 0
    assert np.abs(shown[cold].astype(int) - color[cold]).max() <= 1
    red, _, blue = heat_overlay(np.zeros((6, 8, 3), np.uint8), heat)[2, 3].astype(int)
    assert red > 60 and red > blue, "hot is red, and the order is RGB"
    with pytest.raises(ValueError, match="same size"):
        heat_overlay(color, heat[:5])
