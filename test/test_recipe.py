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


"""Recipes: typed, strict, and said where they are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from objectcentric_ros.recipe import as_mapping, build, load_recipe


@dataclass(frozen=True)
class Part:
    size: tuple[int, int] = (1, 2)
    note: str = ""


@dataclass(frozen=True)
class Whole:
    rate: float = 1.0
    count: int = 1
    flag: bool = False
    parts: tuple[Part, ...] = ()
    part: Part = Part()
    limit: float | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must be 0 or more")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_values_are_typed_and_overridden(tmp_path: Path) -> None:
    path = written(tmp_path / "a.yaml", "rate: 1e-3\ncount: 4\nparts: [{size: [3, 4]}, {note: hello}]\nlimit: null\n")
    recipe = load_recipe(path, Whole, {"part.note": "x", "flag": True, "rate": 2})
    assert recipe == Whole(2.0, 4, True, (Part((3, 4)), Part(note="hello")), Part(note="x"))
    assert load_recipe(path, Whole).rate == 1e-3
    assert build(Whole, as_mapping(recipe), "again") == recipe


@pytest.mark.parametrize(("text", "sentence"), [
    ("colour: red", "unknown keys colour; the keys are rate, count, flag, parts, part, limit"),
    ("part: {sise: [1, 2]}", "part has unknown keys sise; the keys are size, note"),
    ("count: 1.5", "count must be int, got 1.5"),
    ("count: true", "count must be int, got True"),
    ("flag: 1", "flag must be bool"),
    ("rate: fast", "rate must be float"),
    ("part: {size: [1, 2, 3]}", "size must be a list of 2"),
    ("parts: {}", "parts must be a list"),
    ("part: 3", "part must be a mapping with size, note"),
    ("count: -1", "count must be 0 or more"),
    ("- 1", "must hold a mapping"),
    ("a: [", "can't be read"),
    ("a: !!python/object/apply:os.system ['true']", "can't be read"),
])
def test_mistakes_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load_recipe(written(tmp_path / "wrong.yaml", text), Whole)
    assert sentence in str(error.value) and "wrong.yaml" in str(error.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        load_recipe(tmp_path / "none.yaml", Whole)
