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

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.local_features import (
    MOST_POINTS,
    SIDE,
    BadFeatures,
    LocalFeatures,
    common_points,
    local_bytes,
    local_features,
)

ROW = 132
Draw = Callable[..., NDArray[np.uint8]]
See = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def plain(height: int = 60, width: int = 80) -> NDArray[np.uint8]:
    return np.full((height, width, 3), (90, 120, 30), np.uint8)


def detected(image: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Points and descriptors as OpenCV gives them, before they become bytes; of a picture that is SIDE pixels large at most."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    keypoints, descriptors = cv2.SIFT.create(nfeatures=MOST_POINTS, contrastThreshold=0.02).detectAndCompute(gray, None)
    return np.array([keypoint.pt for keypoint in keypoints])[:MOST_POINTS], descriptors[:MOST_POINTS]


def test_bytes_keep_points_to_a_64th_of_a_pixel_and_the_similarities(drawn: Draw) -> None:
    image = drawn(0)
    points, descriptors = detected(image)
    data = local_bytes(image)
    found = LocalFeatures.from_bytes(data)
    assert len(found) == len(points) == len(data) // ROW > 100
    assert np.abs(found.points - points).max() <= 0.5 / 64 + 1e-6
    root = np.sqrt(descriptors / descriptors.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.descriptors @ found.descriptors.T, root @ root.T, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1.0, atol=1e-5)
    assert (found.points.dtype, found.descriptors.dtype, found.descriptors.shape[1]) == (np.float32, np.float32, 128)
    again = local_features(image)
    np.testing.assert_array_equal(again.points, found.points)
    np.testing.assert_array_equal(again.descriptors, found.descriptors)


def test_points_lie_in_the_picture_scaled_to_one_side(drawn: Draw) -> None:
    tall = np.concatenate([drawn(1), drawn(2)])                        # 448 x 224: becomes 224 x 112
    points = local_features(tall).points
    assert 20 < len(points) <= MOST_POINTS
    assert 0 <= points.min() and points[:, 0].max() <= SIDE / 2 < points[:, 1].max() <= SIDE


def test_a_small_picture_is_looked_at_as_it_is(drawn: Draw) -> None:
    small = cv2.resize(drawn(1), (96, SIDE // 2), interpolation=cv2.INTER_AREA)
    points, _ = detected(small)
    found = local_features(small)
    assert len(found) == len(points) > 20
    assert np.abs(found.points - 2 * points).max() <= 0.5 / 64 + 1e-6       # told in the frame of pictures of SIDE, as all are
    assert common_points(found, local_features(cv2.resize(small, (192, SIDE), interpolation=cv2.INTER_CUBIC)))[0] > 10


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (2000, 3, 3), (8, 8, 3)])
def test_odd_pictures_have_features_that_can_be_kept(shape: tuple[int, int, int]) -> None:
    data = local_bytes(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    assert len(data) % ROW == 0 and len(LocalFeatures.from_bytes(data)) == len(data) // ROW


def test_a_plain_picture_has_none(drawn: Draw) -> None:
    assert local_bytes(plain()) == b""
    nothing, something = local_features(plain()), local_features(drawn(0))
    assert len(nothing) == 0 and nothing.points.shape == (0, 2) and nothing.descriptors.shape == (0, 128)
    assert common_points(nothing, something) == common_points(something, nothing) == common_points(nothing, nothing) == (0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_print_is_found_turned_shifted_smaller_and_noisy(drawn: Draw, seen_otherwise: See, seed: int) -> None:
    query = local_features(seen_otherwise(drawn(seed)))
    arranged, matched = common_points(query, local_features(drawn(seed)))
    assert matched >= arranged > 50
    for other in range(4):
        if other != seed:
            few, _ = common_points(query, local_features(drawn(other)))
            assert few < 10
    back, _ = common_points(local_features(drawn(seed)), query)
    assert abs(back - arranged) <= 0.1 * arranged               # whichever is asked about the other


def test_a_picture_has_all_points_in_common_with_itself(drawn: Draw) -> None:
    features = local_features(drawn(3))
    arranged, matched = common_points(features, features)
    assert arranged == matched >= 0.95 * len(features)


def test_points_that_lie_elsewhere_match_but_are_not_arranged(drawn: Draw) -> None:
    features = local_features(drawn(3))
    shuffled = LocalFeatures(np.random.default_rng(0).permutation(features.points), features.descriptors)
    arranged, matched = common_points(features, shuffled)
    assert matched >= 0.95 * len(features) and arranged < 0.15 * matched
    few = LocalFeatures(features.points[:3], features.descriptors[:3])
    assert common_points(few, features) == common_points(features, few) == (0, 0)


def test_comparing_leaves_the_features_as_they_are(drawn: Draw) -> None:
    first, second = local_features(drawn(0)), local_features(drawn(1))
    kept = first.descriptors.copy()
    assert common_points(first, second) == common_points(first, second)
    np.testing.assert_array_equal(first.descriptors, kept)


@pytest.mark.parametrize(("change", "message"), [
    (lambda data: data[:-1], "are no local features"), (lambda data: data + b"\x01", "are no local features"),
    (lambda data: bytes(128) + data[128:], "all zero"), (lambda data: data[:ROW] * (2 * MOST_POINTS + 1), "400 points at most")])
def test_bytes_that_are_no_features_are_refused(drawn: Draw, change: Callable[[bytes], bytes], message: str) -> None:
    data = local_bytes(drawn(0))
    assert len(LocalFeatures.from_bytes(data[:ROW] * 2 * MOST_POINTS)) == 2 * MOST_POINTS
    with pytest.raises(BadFeatures, match=message):
        LocalFeatures.from_bytes(change(data))
    assert issubclass(BadFeatures, ValueError)


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8, 4), np.uint8),
                                   np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8), np.zeros((0, 0, 3), np.uint8)])
def test_what_is_no_colour_picture_is_refused(image: NDArray[np.uint8]) -> None:
    for ask in (local_bytes, local_features):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
            ask(image)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (1, 500), (2, 2)])
def test_pictures_of_odd_sizes_are_looked_at(drawn: Draw, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    found = local_features(image)
    assert len(found) <= MOST_POINTS
    assert common_points(found, local_features(drawn(0)))[0] <= len(found)


def test_slices_of_larger_arrays_are_pictures_too(drawn: Draw) -> None:
    image = drawn(0)
    assert local_bytes(image[::-1]) == local_bytes(np.ascontiguousarray(image[::-1])) != b""


def test_two_threads_find_what_one_finds(drawn: Draw, seen_otherwise: See) -> None:
    images = [picture for seed in range(6) for picture in (drawn(seed), seen_otherwise(drawn(seed)))]
    alone = [local_bytes(image) for image in images]
    pairs = [(LocalFeatures.from_bytes(alone[row]), LocalFeatures.from_bytes(alone[row + 1])) for row in range(0, 12, 2)]
    counts = [common_points(*pair) for pair in pairs]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(local_bytes, images * 3)) == alone * 3
        assert list(pool.map(common_points, *zip(*(pairs * 3), strict=True))) == counts * 3
    assert min(arranged for arranged, _ in counts) > 50
