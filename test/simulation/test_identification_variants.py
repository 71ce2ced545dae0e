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

from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.simulation.identification_dataset import make_dataset
from objectcentric_ros.simulation.identification_objects import (
    IdentifiableObject,
    base_objects,
    far_tints,
    identification_objects,
)
from objectcentric_ros.simulation.identification_variants import variant_objects

COUNT, SEED = 1400, 3


@pytest.fixture(scope="module")
def things() -> tuple[IdentifiableObject, ...]:
    return variant_objects(COUNT, SEED)


def test_every_base_has_its_share_under_names_of_their_own(things) -> None:
    bases = base_objects(SEED)
    shares = [sum(thing.object_id.startswith(f"{base.object_id}-variant-") for thing in things) for base in bases[::40]]
    assert len(things) == COUNT and set(shares) <= {COUNT // len(bases), COUNT // len(bases) + 1}
    others = (*things, *identification_objects(1500, SEED))
    assert len({thing.object_id for thing in others}) == len({thing.title.casefold() for thing in others}) == len(others)


def test_a_variant_stays_in_the_split_and_family_of_its_item(things) -> None:
    split_of = {thing.family: thing.split for thing in identification_objects(5000, SEED)}
    assert all(split_of[thing.family] == thing.split for thing in things if thing.family in split_of)
    assert variant_objects(COUNT, SEED, "fusion") == tuple(thing for thing in things if thing.split == "fusion")


def test_the_same_seed_gives_the_same_variants_and_another_seed_others(things) -> None:
    assert variant_objects(COUNT, SEED) == things
    assert not {thing.object_id for thing in things} & {thing.object_id for thing in variant_objects(COUNT, SEED + 1)}


def test_a_variant_is_as_large_as_said(things) -> None:
    bases = {base.object_id: base for base in base_objects(SEED)}
    for thing in things[::200]:
        vertices = np.vstack([part.vertices[np.unique(part.faces)] for part in thing.parts()])
        np.testing.assert_allclose(np.ptp(vertices, axis=0), thing.size, atol=0.0005)
        ratios = np.divide(thing.size, bases[thing.variant.item_id].size)
        assert (ratios > 1 / 1.36).all() and (ratios < 1.36).all() and np.ptp(ratios) > 0.01
        assert thing.mass == pytest.approx(bases[thing.variant.item_id].mass * np.prod(ratios), rel=0.02, abs=0.001)


def test_every_base_has_colours_that_are_not_its_own_and_grey_ones_change_theirs(things) -> None:
    assert all(far_tints(base) for base in base_objects(SEED))
    assert all(thing.variant.tint is not None or thing.variant.hue for thing in things)
    boring = [thing for thing in things if "light grey" in thing.title and "and" not in thing.title]
    assert boring and sum(thing.variant.tint is None for thing in boring) < 0.1 * len(boring)


def test_a_count_of_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count must be at least 1"):
        variant_objects(0)
    with pytest.raises(ValueError, match="count must be at least 1"):
        make_dataset(tmp_path / "new", 0, variants=True)
    assert not (tmp_path / "new").exists()
