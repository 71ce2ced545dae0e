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

import numpy as np
import pytest

from objectcentric_ros.identification.crop import CropConfig, crop_segment


def scene(box: tuple[int, int, int, int], shape: tuple[int, int] = (60, 80)) -> tuple[np.ndarray, np.ndarray]:
    """A white picture with a red rectangle (v0, u0, v1, u1) of label 7."""
    color, labels = np.full((*shape, 3), 255, np.uint8), np.zeros(shape, np.uint16)
    v0, u0, v1, u1 = box
    color[v0:v1, u0:u1] = (200, 0, 0)
    labels[v0:v1, u0:u1] = 7
    return color, labels


def test_the_segment_is_in_the_centre_and_the_rest_is_grey() -> None:
    color, labels = scene((20, 30, 30, 50))
    crop = crop_segment(color, labels, 7, CropConfig(margin=0.1))
    assert crop.shape == (24, 24, 3)                       # longer side 20 px + 10 % on both sides
    red = (crop == (200, 0, 0)).all(axis=2)
    assert red[7:17, 2:22].all() and red.sum() == 200
    assert (crop[~red] == 128).all()


@pytest.mark.parametrize("box", [(0, 0, 10, 20), (50, 60, 60, 80), (0, 0, 60, 80)], ids=["corner", "far-corner", "everything"])
def test_a_segment_at_the_border_is_still_centred(box: tuple[int, int, int, int]) -> None:
    color, labels = scene(box)
    crop = crop_segment(color, labels, 7, CropConfig(margin=0.25))
    red = (crop == (200, 0, 0)).all(axis=2)
    assert red.sum() == (box[2] - box[0]) * (box[3] - box[1])
    centre = np.argwhere(red).mean(axis=0)
    np.testing.assert_allclose(centre, (crop.shape[0] - 1) / 2, atol=1)


def test_the_background_can_be_dimmed() -> None:
    color, labels = scene((20, 30, 30, 50))
    crop = crop_segment(color, labels, 7, CropConfig(margin=0.1, background=0.5))
    assert crop[0, 0, 0] == pytest.approx((255 + 128) / 2, abs=1)


def test_large_segments_are_scaled_down() -> None:
    color, labels = scene((0, 0, 400, 300), (400, 640))
    assert crop_segment(color, labels, 7).shape == (224, 224, 3)


@pytest.mark.parametrize(("segment_id", "words"), [(3, "no pixel has the label 3"), (0, "background")])
def test_a_label_that_is_not_there_is_an_error(segment_id: int, words: str) -> None:
    color, labels = scene((20, 30, 30, 50))
    with pytest.raises(ValueError, match=words):
        crop_segment(color, labels, segment_id)


def test_labels_of_another_size_are_an_error() -> None:
    color, labels = scene((20, 30, 30, 50))
    with pytest.raises(ValueError, match="same size"):
        crop_segment(color, labels[:-1], 7)
