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

"""Queries: kernel, peak, expectation, confidence, rivals."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.query import PreparedImage, query, query_batch


def smooth(unit=False, seed=0, stride=4, dimension=8):
    """An image of random descriptors, 96x64."""
    features = np.random.default_rng(seed).normal(size=(64 // stride, 96 // stride, dimension)).astype(np.float32)
    return DescriptorImage(features, stride, 64, 96, unit)


def spots(*places, height=96, width=160):
    """Descriptors (x,) that are 1 on single pixels and 0 elsewhere."""
    features = np.zeros((height, width, 1), np.float32)
    for u, v, value in places:
        features[v, u] = value
    return DescriptorImage(features, 1, height, width)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("temperature", [1.1, -1.0])
def test_heat_is_the_kernel_of_the_paper_at_every_pixel(unit, temperature):
    image, wanted = smooth(unit), np.linspace(-1, 1, 8)
    result = query(wanted, image, temperature)
    distances = np.linalg.norm(image.dense() - wanted, axis=2)
    expected = np.exp(-(distances / np.exp(temperature)) ** 2)
    np.testing.assert_allclose(result.heatmap, expected, atol=2e-5)
    v, u = np.unravel_index(expected.argmax(), expected.shape)
    assert np.hypot(result.peak[0] - u, result.peak[1] - v) < 2.5 and result.distance <= distances.min() + 1e-6
    grid = np.mgrid[:64, :96]
    np.testing.assert_allclose(result.expectation[::-1], np.sum(grid * expected, axis=(1, 2)) / expected.sum(), atol=1e-2)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("point", [(40.25, 31.5), (0.0, 0.0), (84.0, 52.0)])
def test_the_peak_is_finer_than_stride_and_pixel(unit, point):
    image = smooth(unit, stride=8)
    result = query(image.at([point])[0], image)
    assert np.hypot(result.peak[0] - point[0], result.peak[1] - point[1]) < 0.1
    assert result.distance < 0.02 and result.confidence > 0.3 and not result.multimodal


def test_two_equal_places_are_ambiguous_until_a_mask_holds_only_one():
    image = spots((30, 40, 1.0), (120, 60, 1.0))
    result = query([1.0], image)
    assert result.multimodal and result.confidence == 0 and {result.peak, result.rival} == {(30, 40), (120, 60)}
    mask = np.zeros((96, 160), bool)
    mask[57:64, 117:124] = True
    masked = query([1.0], image, mask=mask)
    assert masked.peak == (120, 60) and masked.confidence == 1 and not masked.multimodal and masked.rival is None
    assert masked.heatmap[40, 30] == 0 and masked.heatmap[60, 120] == 1


def test_confidence_follows_its_definition_and_no_temperature():
    image = spots((30, 40, 1.0), (120, 60, 0.7))
    for temperature in (1.1, -3.0):    # d^2 is 0 at the peak, 0.09 at the rival, 1 elsewhere
        result = query([1.0], image, temperature)
        assert result.rival == (120, 60) and result.confidence == pytest.approx(1 - np.exp(-8 * 0.09), abs=1e-5)
        assert not result.multimodal
    assert query([1.0], spots((30, 40, 1.0), (120, 60, 0.8))).multimodal    # exp(-8 * 0.04) = 0.73


def test_a_lone_peak_that_fits_badly_is_not_believed():
    for value, squared in ((0.8, 0.04), (0.2, 0.64), (0.05, 0.9025)):
        result = query([1.0], spots((30, 40, value)))    # d^2 is 1 elsewhere, and there is the rival
        assert result.peak == (30, 40)
        assert result.confidence == pytest.approx((1 - np.exp(-8 * (1 - squared))) * (1 - squared), abs=1e-5)


def test_a_second_optimum_beside_the_peak_is_no_rival():
    result = query([1.0], spots((30, 40, 1.0), (34, 40, 1.0)))
    assert result.rival is not None and result.confidence > 0.99    # the rival is the plain, not the neighbour at 4 px


def test_a_scene_that_is_the_same_everywhere_gives_no_confidence():
    for value in (0.0, 1.0):
        result = query([1.0], DescriptorImage(np.full((8, 8, 1), value, np.float32), 8, 64, 64))
        assert result.confidence == 0 and result.multimodal
        np.testing.assert_allclose(result.expectation, (31.5, 31.5))


def test_low_temperatures_keep_a_finite_expectation():
    result = query([3.0], spots((30, 40, 1.0)), temperature=-20.0)
    np.testing.assert_allclose(result.expectation, (30, 40))
    assert result.heatmap.max() == 0 and np.all(np.isfinite(result.heatmap))
    assert 0 <= query([3.0], spots((30, 40, 1.0)), temperature=1e6).heatmap.min() <= 1


def test_batch_and_prepared_image_give_what_single_queries_give():
    image, wanted = smooth(), np.random.default_rng(1).normal(size=(3, 8))
    mask = np.zeros((64, 96), bool)
    mask[10:30, 20:60] = True
    for single, batched in zip([query(row, image, mask=mask, heat=False) for row in wanted],
                               query_batch(wanted, PreparedImage(image, mask), heat=False), strict=True):
        assert single == batched and batched.heatmap is None
    inside = query_batch(wanted, image, mask=mask)
    assert len(inside) == 3
    for result in inside:
        assert mask[round(result.peak[1]), round(result.peak[0])] and not result.heatmap[~mask].any()


def test_the_smallest_image_is_searched():
    result = query([1.0, 0.0], DescriptorImage(np.zeros((1, 1, 2), np.float32), 4, 2, 2, unit=True))
    assert result.distance == pytest.approx(1) and 0 <= result.peak[0] <= 1


def test_what_cannot_be_searched_is_named():
    image = smooth()
    wanted = np.zeros(8)
    for arguments, message in [
        ({"descriptor": np.zeros(7)}, r"must be \(8,\)"),
        ({"descriptor": wanted * np.nan}, "finite"),
        ({"descriptor": wanted, "temperature": np.inf}, "finite"),
        ({"descriptor": wanted, "mask": np.zeros((64, 96), bool)}, "mask is empty"),
        ({"descriptor": wanted, "mask": np.ones((96, 64), bool)}, r"must be \(64, 96\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            query(image=image, **arguments)
    with pytest.raises(ValueError, match="prepared with its mask"):
        query(wanted, PreparedImage(image), mask=np.ones((64, 96), bool))
    with pytest.raises(ValueError, match="finite"):
        PreparedImage(DescriptorImage(np.full((2, 2, 1), np.nan, np.float32), 4, 8, 8))
