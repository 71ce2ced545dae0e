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


"""Pairs: their correspondences are checked against the geometry they were made from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from objectcentric_ros.descriptors.appearance import PLAIN, AppearanceConfig, background, disturb
from objectcentric_ros.descriptors.pairs import MODES, NoPair, PairConfig, PairGenerator
from objectcentric_ros.descriptors.views import ObjectView, cropped
from objectcentric_ros.geometry.se3 import transform_points

QUIET = PairConfig(width=96, height=96, matches=64, tilt=15.0, perspective=0.05, appearance=PLAIN)


def generator(views: list[ObjectView], seed: int = 0, **changes: object) -> PairGenerator:
    return PairGenerator(views, dataclasses.replace(QUIET, **changes), seed)


@pytest.mark.parametrize("mode", MODES)
def test_matches_show_the_same_colours_and_lie_on_both_masks(views: list[ObjectView], mode: str) -> None:
    differences = []
    for index in range(6):
        pair = generator(views, mode=mode).pair(index)
        a, b = (np.rint(points).astype(int) for points in (pair.matches_a, pair.matches_b))
        assert pair.mask_a[a[:, 1], a[:, 0]].all() and pair.mask_b[b[:, 1], b[:, 0]].all()
        seen = [color[at[:, 1], at[:, 0]].astype(float) for color, at in ((pair.color_a, a), (pair.color_b, b))]
        differences.append(np.abs(seen[0] - seen[1]).mean())
        wrong = np.abs(seen[0] - np.roll(seen[1], 7, axis=0)).mean()
        assert differences[-1] < 0.5 * wrong
    assert np.mean(differences) < 16


@pytest.mark.parametrize("mode", ["exact", "rendered"])
def test_the_motion_carries_matches_onto_each_other(views: list[ObjectView], mode: str) -> None:
    for index in range(6):
        pair = generator(views, mode=mode).pair(index)
        a = np.rint(pair.matches_a).astype(int)
        depth = pair.depth_a[a[:, 1], a[:, 0]].astype(float)
        known = np.isfinite(depth)
        assert known.mean() > 0.8
        points = pair.camera_a.deproject(pair.matches_a[known], depth[known])
        seen = pair.camera_b.project(transform_points(pair.T_b_a, points))
        assert np.median(np.linalg.norm(seen - pair.matches_b[known], axis=1)) < 0.7
        if mode == "exact":
            assert np.array_equal(pair.T_b_a[:3, 3], np.zeros(3))


def test_paper_mode_fits_a_motion_and_refuses_what_is_none(views: list[ObjectView]) -> None:
    flat = [views[0]]
    pair = generator(flat, mode="paper", perspective=0.0, scale=(1.0, 1.0)).pair(0)
    assert 0.0 <= pair.residual < 0.01 and pair.T_b_a is not None
    with pytest.raises(NoPair, match="no rigid motion"):
        generator(flat, mode="paper", perspective=0.6, residual=1e-4).pair(0)


def test_a_pair_depends_on_its_number_only(views: list[ObjectView]) -> None:
    first, second = generator(views, appearance=AppearanceConfig()), generator(views, appearance=AppearanceConfig())
    first.pair(3)
    a, b = first.pair(5), second.pair(5)
    assert np.array_equal(a.color_a, b.color_a) and np.array_equal(a.matches_b, b.matches_b)
    assert not np.array_equal(a.color_a, second.pair(6).color_a)


def test_full_frames_keep_the_camera(views: list[ObjectView]) -> None:
    pair = generator(views, mode="rendered", width=0, height=0).pair(0)
    assert pair.camera_a == views[0].camera and pair.color_a.shape == views[0].color.shape


def test_modes_say_what_they_lack(views: list[ObjectView]) -> None:
    photos = [dataclasses.replace(view, depth=None, T_camera_object=None) for view in views]
    with pytest.raises(ValueError, match="needs depth and T_camera_object, which 8 of 8 views lack"):
        generator(photos, mode="rendered")
    with pytest.raises(ValueError, match="needs two views an instance; red has one"):
        generator([views[0], *views[4:]], mode="rendered")
    assert generator(photos, mode="exact").pair(0).depth_a is None
    with pytest.raises(ValueError, match="unknown pair mode"):
        PairConfig(mode="magic")
    with pytest.raises(ValueError, match="no views"):
        generator([])


def test_the_object_itself_is_in_no_background(views: list[ObjectView]) -> None:
    """Colours of the one disc only: whatever stands in its background would be the other disc, of which there is none here."""
    alone = [view for view in views if view.instance == "red"]
    config = AppearanceConfig(0, 0, 0, 0, 0, 0, 1.0, 5)
    pair = generator(alone, appearance=config).pair(0)
    rng = np.random.default_rng(0)
    with_others = background(96, 96, rng, config, views)
    assert with_others is not None and pair.color_a.shape == with_others.shape
    pair_plain = generator(alone, appearance=dataclasses.replace(config, distractors=0)).pair(0)
    assert np.array_equal(pair.matches_a, pair_plain.matches_a)


def test_disturbing_nothing_changes_nothing(views: list[ObjectView]) -> None:
    view = views[0]
    assert np.array_equal(disturb(view.color, view.mask, None, np.random.default_rng(0), PLAIN), view.color)
    ground = np.full_like(view.color, 77)
    changed = disturb(view.color, view.mask, ground, np.random.default_rng(0), PLAIN)
    assert (changed[:10, :10] == 77).all()


def test_cropping_moves_the_camera_with_the_image(views: list[ObjectView]) -> None:
    view, part = views[1], cropped(views[1], margin=3)
    assert part.mask.sum() == view.mask.sum() and part.mask.shape < view.mask.shape
    v, u = (int(x[0]) for x in np.nonzero(part.mask))
    V, U = (int(x[0]) for x in np.nonzero(view.mask))
    here = part.camera.deproject(np.array([u, v]), part.depth[v, u])
    assert here == pytest.approx(view.camera.deproject(np.array([U, V]), view.depth[V, U]), abs=1e-9)


def test_a_mask_that_touches_the_border_makes_pairs(views: list[ObjectView]) -> None:
    view = views[0]
    cut = ObjectView(view.color[40:90, 40:110].copy(), view.mask[40:90, 40:110].copy(), dataclasses.replace(
        view.camera, width=70, height=50, cx=40.0, cy=20.0), view.depth[40:90, 40:110].copy(), view.T_camera_object, "cut", "0")
    assert len(generator([cut], mode="exact", min_matches=8).pair(0).matches_a) >= 8
