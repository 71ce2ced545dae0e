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


"""The curated catalogue: complete, unique, pickable, and found by name in any language."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.simulation.catalogue import Catalogue, random_items, write_attribution

WANTED = ("cap", "hat", "helmet", "medicine-box", "medicine-bottle-white", "rubiks-cube", "camera", "remote-control", "stapler",
          "butter", "beer-bottle", "book", "sneakers", "watch", "drill", "hammer")


def test_there_are_enough_items_and_the_named_ones_are_among_them(catalogue: Catalogue) -> None:
    assert len(catalogue.items) >= 120
    assert {catalogue.get(item_id).id for item_id in WANTED} == set(WANTED)


def test_ids_titles_and_models_are_unique(catalogue: Catalogue) -> None:
    for key in ("id", "title", "model"):
        values = [getattr(item, key) for item in catalogue.items]
        assert len(set(values)) == len(values), key


def test_every_item_is_complete(catalogue: Catalogue) -> None:
    for item in catalogue.items:
        assert item.title and item.creator and item.category, item.id
        assert item.licence in ("CC0-1.0", "CC-BY-3.0", "CC-BY-3.0-US"), item.id
        assert {"de", "fr", "es", "ja", "zh_TW"} <= item.translations.keys(), item.id
        assert 0.02 <= item.mass <= 0.6, item.id
        assert 0 < item.scale <= 1, item.id


def test_a_hand_that_opens_80_mm_can_take_every_item(catalogue: Catalogue) -> None:
    for item in catalogue.items:
        thin, middle, long = sorted(item.size)
        assert middle <= 0.076 and long <= 0.22, f"{item.id} {item.size}"
        assert thin >= 0.0119 or item.id == "book", f"{item.id} {item.size}"


def test_the_real_size_is_the_library_s(catalogue: Catalogue) -> None:
    assert catalogue.get("cap").real_size == pytest.approx((0.237, 0.327, 0.152))
    assert catalogue.get("cap").size == pytest.approx((0.237 * 0.3, 0.327 * 0.3, 0.152 * 0.3))
    assert catalogue.get("rubiks-cube").scale == 1


@pytest.mark.parametrize("text", ["rubiks-cube", "Rubik's cube", "RUBIK'S  CUBE", "rubik’s cube", "Cubo magico",
                                  "ルービックキューブ", "Кубик рубика"])
def test_an_item_is_found_by_id_and_by_title_in_any_language(catalogue: Catalogue, text: str) -> None:
    assert [item.id for item in catalogue.find(text)] == ["rubiks-cube"]


def test_a_part_of_a_title_finds_all_that_contain_it(catalogue: Catalogue) -> None:
    found = {item.id for item in catalogue.find("medicine")}
    assert {"medicine-box", "medicine-bottle-white", "medicine-bottle-yellow"} == found
    assert catalogue.find("no such thing") == ()
    assert catalogue.find("  ") == ()


def test_an_unknown_id_names_near_ones(catalogue: Catalogue) -> None:
    with pytest.raises(KeyError, match="medicine-box"):
        catalogue.get("medicine-jar")


def test_the_splits_part_the_catalogue_in_halves(catalogue: Catalogue) -> None:
    dev, test = catalogue.split("dev"), catalogue.split("test")
    assert {i.id for i in dev} | {i.id for i in test} == {i.id for i in catalogue.split("all")}
    assert not {i.id for i in dev} & {i.id for i in test}
    assert 0.4 < len(dev) / len(catalogue.items) < 0.6
    with pytest.raises(ValueError, match="expected one of dev, test, all"):
        catalogue.split("train")


def test_an_item_s_split_is_fixed_by_its_id_alone(catalogue: Catalogue) -> None:
    cap = catalogue.get("cap")
    assert dataclasses.replace(cap, title="Other", mass=0.5).split == cap.split
    # sha256 of b"cap" begins with an odd byte, that of b"hat" with an even one.
    assert (catalogue.get("cap").split, catalogue.get("hat").split) == ("test", "dev")


def test_random_items_differ_and_follow_the_generator(catalogue: Catalogue) -> None:
    first = random_items(catalogue, 12, np.random.default_rng(5), "test")
    assert len({item.id for item in first}) == 12
    assert {item.split for item in first} == {"test"}
    assert [i.id for i in first] == [i.id for i in random_items(catalogue, 12, np.random.default_rng(5), "test")]
    with pytest.raises(ValueError, match="cannot draw 1000 different items"):
        random_items(catalogue, 1000, np.random.default_rng(0))


def test_the_attribution_names_every_item_once(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "ATTRIBUTION.txt"
    cap, cube = catalogue.get("cap"), catalogue.get("rubiks-cube")
    write_attribution(path, [cube, cap, cube])
    lines = path.read_text().splitlines()
    assert "Cap: Scopia, CC-BY-3.0 (Scopia, scopia/casquette/casquette.obj)" in lines
    assert sum("Farcgs, CC-BY-3.0" in line for line in lines) == 1
    assert "Franka" in path.read_text()


def test_a_missing_library_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make setup"):
        Catalogue.load(tmp_path)
