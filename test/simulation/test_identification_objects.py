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

import pickle
from collections import defaultdict

import numpy as np
import pytest

from objectcentric_ros.simulation.catalogue import Catalogue
from objectcentric_ros.simulation.identification_objects import (
    IDENTIFICATION_SPLITS,
    IdentifiableObject,
    identification_objects,
)

MODEL_KINDS = ("catalogue", "recolour", "miniature")


@pytest.fixture(scope="module")
def things() -> tuple[IdentifiableObject, ...]:
    return identification_objects(1500, 0)


def test_ids_and_titles_are_distinct_whatever_their_case(things) -> None:
    assert len(things) == 1500
    assert len({thing.object_id for thing in things}) == 1500
    assert len({thing.title.casefold() for thing in things}) == 1500


def test_the_same_seed_gives_the_same_objects_and_another_seed_others(things) -> None:
    fewer, again, other = identification_objects(300, 0), identification_objects(300, 0), identification_objects(300, 1)
    assert fewer == again and len(fewer) == 300
    shared = {thing.object_id for thing in fewer} & {thing.object_id for thing in other}
    kinds = {thing.object_id: thing.kind for thing in fewer}
    assert {kinds[name] for name in shared} <= {"catalogue", "miniature"}


def test_no_family_is_in_two_splits(things) -> None:
    splits = defaultdict(set)
    for thing in things:
        splits[thing.family].add(thing.split)
    assert all(len(names) == 1 for names in splits.values())
    shares = {name: sum(thing.split == name for thing in things) / len(things) for name in IDENTIFICATION_SPLITS}
    assert 0.5 < shares["train"] < 0.7 and 0.1 < shares["fusion"] < 0.2 and 0.2 < shares["test"] < 0.3


@pytest.mark.parametrize("seed", [0, 7])
def test_test_items_of_the_catalogue_and_their_recolours_stay_test_items(seed) -> None:
    catalogue = Catalogue.load()
    objects = identification_objects(1500, seed)
    curated = {thing.object_id: thing for thing in objects if thing.kind == "catalogue"}
    assert curated.keys() == {item.id for item in catalogue.items}
    for thing in objects:
        if thing.kind in ("catalogue", "recolour"):
            assert (thing.split == "test") == (catalogue.get(thing.family).split == "test")


def test_a_hand_can_take_everything(things) -> None:
    for thing in things:
        middle, largest = sorted(thing.size)[1:]
        assert middle <= 0.0765 and largest <= (0.2 if thing.kind not in MODEL_KINDS else 0.22), thing.object_id
        assert 0.01 < thing.mass <= 0.6


def test_about_four_percent_tell_nothing_by_their_package_and_shops_show_what_is_in_it(things) -> None:
    plain = [thing for thing in things if thing.kind in ("white_bag", "brown_box")]
    assert 0.03 * len(things) < len(plain) < 0.05 * len(things)
    assert all(thing.unpacked for thing in plain)
    goods = [thing for thing in things if thing.kind not in MODEL_KINDS]
    assert 0.4 < sum(thing.unpacked for thing in goods) / len(goods) < 0.65


def test_an_object_is_small_to_send_and_comes_back_able_to_make_its_meshes(things) -> None:
    thing = next(thing for thing in things if thing.kind == "can")
    data = pickle.dumps(thing)
    assert len(data) < 4000
    copy = pickle.loads(data)
    assert copy == thing
    for ours, theirs in zip(thing.parts(), copy.parts(), strict=True):
        np.testing.assert_array_equal(ours.vertices, theirs.vertices)
        if ours.texture is not None:
            np.testing.assert_array_equal(ours.texture, theirs.texture)


@pytest.mark.parametrize("kind", ["catalogue", "recolour", "miniature", "box", "can", "bottle", "pouch", "tube", "jar", "carton",
                                  "white_bag", "brown_box"])
def test_parts_are_sound_and_as_large_as_said(things, kind) -> None:
    for thing in [thing for thing in things if thing.kind == kind][:2]:
        used = [part.vertices[np.unique(part.faces)] for part in thing.parts()]
        low, high = np.vstack(used).min(axis=0), np.vstack(used).max(axis=0)
        np.testing.assert_allclose(high - low, thing.size, atol=0.0005)
        np.testing.assert_allclose(low + high, 0, atol=1e-4)
        for part in (*thing.parts(), *thing.catalog_parts()):
            assert np.isfinite(part.vertices).all() and part.faces.min() >= 0 and part.faces.max() < len(part.vertices)
            assert (part.texture is None) == (part.uv is None)
            if part.uv is not None and kind not in MODEL_KINDS:       # the libraries' textures repeat
                assert part.uv.shape == (len(part.vertices), 2) and part.uv.min() >= 0 and part.uv.max() <= 1


def test_a_recolour_is_clearly_another_colour(things) -> None:
    originals = {thing.object_id: thing for thing in things if thing.kind == "catalogue"}
    for thing in [thing for thing in things if thing.kind == "recolour"][:6]:
        assert thing.title != originals[thing.family].title
        assert np.linalg.norm(_mean_colour(thing) - _mean_colour(originals[thing.family])) > 0.2, thing.title


def test_split_selects_and_wrong_arguments_are_named(things) -> None:
    tests = identification_objects(1500, 0, "test")
    assert tests == tuple(thing for thing in things if thing.split == "test")
    with pytest.raises(ValueError, match="unknown split 'dev'"):
        identification_objects(10, 0, "dev")
    with pytest.raises(ValueError, match="count must be at least 1"):
        identification_objects(0)


def _mean_colour(thing: IdentifiableObject) -> np.ndarray:
    areas, colours = [], []
    for part in thing.parts():
        a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
        areas.append(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())
        colours.append(part.rgba[:3] if part.texture is None else part.texture.reshape(-1, 3).mean(axis=0) / 255)
    return np.average(colours, axis=0, weights=areas)
