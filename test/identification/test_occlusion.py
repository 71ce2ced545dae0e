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

"""Parts of a segment hidden by hand-made neighbours: how much stays, where it ends up, what shows instead."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from objectcentric_ros.identification.occlusion import occlude, segment_mask

GREY, SIDE = 128, 100


def disc(colour: tuple[int, int, int] = (200, 40, 30)) -> np.ndarray:
    """A disc of radius 40 in the middle of grey."""
    v, u = np.mgrid[:SIDE, :SIDE]
    picture = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    picture[(v - 49.5) ** 2 + (u - 49.5) ** 2 < 40**2] = colour
    return picture


def test_a_mask_is_what_is_not_grey() -> None:
    noisy = disc().astype(int) + np.random.default_rng(0).integers(-4, 5, (SIDE, SIDE, 3))
    assert segment_mask(noisy.astype(np.uint8)).sum() == pytest.approx(np.pi * 40**2, rel=0.01)
    assert not segment_mask(np.full((8, 8, 3), GREY, np.uint8)).any()


@pytest.mark.parametrize("seed", range(8))
def test_a_leak_shows_the_other_object_on_the_hidden_share(seed: int) -> None:
    """The segment is half red; everything hidden shows blue, nothing outside the segment changes."""
    before, other = disc(), np.full((SIDE, SIDE, 3), (20, 30, 220), np.uint8)
    after = occlude(before, (0.5, 0.5), np.random.default_rng(seed), other)
    mask = segment_mask(before)
    changed = (after != before).any(axis=2)
    assert changed[mask].mean() == pytest.approx(0.5, abs=0.03)
    assert not changed[~mask].any()
    np.testing.assert_array_equal(after[changed], other[changed])


@pytest.mark.parametrize("seed", range(8))
def test_what_is_left_is_cut_out_anew(seed: int) -> None:
    """As crop_mask would cut it: in the middle, 0.06 of its longer side from the border, in the segment's own colour."""
    after = occlude(disc(), (0.3, 0.4), np.random.default_rng(seed))
    mask = segment_mask(after)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert after.shape == (SIDE, SIDE, 3)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(SIDE / 1.12, abs=5)
    for places in (rows, columns):
        assert (places[0] + places[-1]) / 2 == pytest.approx((SIDE - 1) / 2, abs=3)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0      # away from edges that scaling mixes
    assert np.abs(after[inside].astype(int) - (200, 40, 30)).max() <= 2


def test_sides_and_strips_both_happen_and_draws_repeat() -> None:
    other = np.zeros((SIDE, SIDE, 3), np.uint8)
    pieces = set()
    for seed in range(20):
        after = occlude(disc(), (0.5, 0.5), np.random.default_rng(seed), other)
        np.testing.assert_array_equal(after, occlude(disc(), (0.5, 0.5), np.random.default_rng(seed), other))
        left = segment_mask(disc()) & (after == disc()).all(axis=2)
        rows, columns = np.nonzero(left)
        # A strip through the middle leaves the centre of what is left inside the disc's middle, a side moves it far out.
        pieces.add(bool(np.hypot(rows.mean() - 49.5, columns.mean() - 49.5) > 12))
    assert pieces == {True, False}


def test_small_segments_stay() -> None:
    picture = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    picture[10:17, 10:17] = 250
    assert occlude(picture, (0.3, 0.9), np.random.default_rng(0)) is picture
