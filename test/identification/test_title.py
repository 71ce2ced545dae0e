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

"""Titles are cut where what they say no longer tells how a product looks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectcentric_ros.identification.title import KEPT_CHARACTERS, MOST_CHARACTERS, TitleTooLong, truncated_title


@pytest.mark.parametrize(("title", "expected"), [
    ("Red mug, 330 ml, dishwasher safe", "Red mug"),
    ("Red mug ; dishwasher safe", "Red mug"),
    ("Red mug|dishwasher safe", "Red mug"),
    ("Red mug", "Red mug"),
    ("  Red \t mug \n, large", "Red mug"),
    # numbers stay whole
    ("Bricks 1,000 pieces, ages 4+", "Bricks 1,000 pieces"),
    ("Bricks 1,000,000 pieces", "Bricks 1,000,000 pieces"),
    ("Water 1,5 l; still", "Water 1,5 l"),
    ("积木 1，000 片，红色", "积木 1，000 片"),
    ("Screws,100 pieces", "Screws"),
    ("Screws M5,black", "Screws M5"),
    ("Screws 5, 100 pieces", "Screws 5"),
    # other alphabets
    ("红色杯子，330毫升", "红色杯子"),
    ("红色杯子；大", "红色杯子"),
    ("マグカップ、赤", "マグカップ"),
    ("杯子｜红色", "杯子"),
    ("قدح أحمر، كبير", "قدح أحمر"),
    ("Чашка красная; большая", "Чашка красная"),
    # nothing left: as it was
    (", large", ", large"),
    ("|", "|"),
    ("; ;", "; ;"),
])
def test_title_is_cut_at_punctuation_outside_numbers(title: str, expected: str) -> None:
    assert truncated_title(title) == expected


def test_a_long_first_part_is_cut_between_words() -> None:
    title = "word " * 300
    assert truncated_title(title) == " ".join(["word"] * (KEPT_CHARACTERS // 5))
    assert len(truncated_title("x" * 3000)) == KEPT_CHARACTERS


def test_a_title_of_100_kb_is_refused_by_its_size() -> None:
    with pytest.raises(TitleTooLong, match=f"100000 characters.*at most {MOST_CHARACTERS}"):
        truncated_title("a" * 100_000)


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_what_is_kept_is_the_beginning_and_never_empty(title: str) -> None:
    kept, whole = truncated_title(title), " ".join(title.split())
    assert whole.startswith(kept)
    assert bool(kept) == bool(whole)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_cutting_twice_changes_nothing_unless_nothing_was_left(title: str) -> None:
    once = truncated_title(title)
    assert truncated_title(once) == once
