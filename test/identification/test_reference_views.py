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

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.reference_views import encode_references, reference_views


class Compass:
    """The direction of an image's mean red (x) and green (y)."""

    key, dimension = "compass-1", 2

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        vectors = np.array([image.reshape(-1, 3).mean(axis=0)[:2] for image in images], np.float32).reshape(-1, 2)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def bin_picture() -> NDArray[np.uint8]:
    """A red thing in the middle of a green bin, 40 x 60."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 1] = 200
    image[14:26, 24:36] = (200, 0, 0)
    return image


def test_squares_are_about_the_middle_and_smaller_ones_show_more_of_the_thing() -> None:
    views = reference_views(bin_picture(), "bin")
    assert [view.shape[:2] for view in views] == [(40, 60), (40, 40), (34, 34), (28, 28)]
    shares = [float((view[..., 0] > 0).mean()) for view in views]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(144 / 28 ** 2)


@pytest.mark.parametrize("source", ["query", "tray", ""])
def test_crops_of_the_tray_stay_as_they_are(source: str) -> None:
    assert [view.shape for view in reference_views(bin_picture(), source)] == [(40, 60, 3)]


@pytest.mark.parametrize(("shape", "count"), [((1, 1), 1), ((256, 256), 3), ((17, 30), 2)])
def test_squares_that_are_the_picture_or_say_nothing_are_left_out(shape: tuple[int, int], count: int) -> None:
    assert len(reference_views(np.zeros((*shape, 3), np.uint8), "catalog")) == count


def test_a_reference_is_the_mean_direction_of_its_views() -> None:
    image = bin_picture()
    encoder = Compass()
    each = encoder.encode(reference_views(image, "bin"))
    vectors = encode_references(encoder, [image, image, image], ["tray", "bin", "query"])
    np.testing.assert_allclose(vectors[1], each.sum(axis=0) / np.linalg.norm(each.sum(axis=0)), rtol=1e-6)
    np.testing.assert_allclose(vectors[[0, 2]], each[[0, 0]], rtol=1e-6)
    assert encode_references(encoder, [], []).shape == (0, 2)


def test_views_that_cancel_leave_the_picture() -> None:
    class Opposite(Compass):
        def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            return np.array([(1, 0) if number % 2 == 0 else (-1, 0) for number in range(len(images))], np.float32)

    np.testing.assert_array_equal(encode_references(Opposite(), [bin_picture()], ["bin"]), [(1, 0)])
