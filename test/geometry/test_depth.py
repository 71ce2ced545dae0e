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

"""REP 118 depth encodings."""

import numpy as np
import pytest

from objectcentric_ros.geometry.depth import depth_to_metres, metres_to_millimetres


def test_millimetres_become_metres_and_zero_becomes_nan():
    metres = depth_to_metres(np.array([[0, 1, 600, 65535]], np.uint16), "16UC1")
    assert metres.dtype == np.float32
    np.testing.assert_allclose(metres, [[np.nan, 0.001, 0.6, 65.535]], rtol=1e-6)


def test_float_metres_lose_what_is_no_distance():
    image = np.array([[0.6, 0.0, -0.5, np.inf, -np.inf, np.nan]], np.float32)
    np.testing.assert_array_equal(depth_to_metres(image, "32FC1"), np.array([[0.6] + [np.nan] * 5], np.float32))
    assert image[0, 1] == 0.0, "the input must not be changed"


def test_big_endian_input_is_read_by_value():
    np.testing.assert_allclose(depth_to_metres(np.array([[600]], ">u2"), "16UC1"), [[0.6]], rtol=1e-6)


def test_round_trip_is_exact_for_every_millimetre():
    image = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(metres_to_millimetres(depth_to_metres(image, "16UC1")), image)


def test_what_sixteen_bits_cannot_hold_is_invalid():
    depth = np.array([[0.0004, 0.0006, -1.0, np.nan, np.inf, 65.5349, 65.6]])
    np.testing.assert_array_equal(metres_to_millimetres(depth), [[0, 1, 0, 0, 0, 65535, 0]])


@pytest.mark.parametrize("image, encoding, message", [
    (np.zeros((2, 2), np.uint16), "rgb8", "'rgb8' is not known; expected one of 16UC1, 32FC1"),
    (np.zeros((2, 2), np.float32), "16UC1", "uint16 millimetres, got float32"),
    (np.zeros((2, 2), np.uint16), "32FC1", "float metres, got uint16"),
    (np.zeros((2, 2, 1), np.uint16), "16UC1", r"\(H, W\)"),
])
def test_bad_images_are_named(image, encoding, message):
    with pytest.raises(ValueError, match=message):
        depth_to_metres(image, encoding)
