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

import doctest

import pytest

from objectcentric_ros.gallery import title_text
from objectcentric_ros.gallery.title_text import bare, folded, nearest


def test_doctests() -> None:
    assert doctest.testmod(title_text).failed == 0


@pytest.mark.parametrize(("one", "other"), [
    ("Café", "CAFE\u0301"), ("STRASSE", "straße"), ("Кубик РУБИКА", "кубик рубика"), ("ΚΎΒΟΣ", "κύβος"), ("ＣＵＰ", "cup"),
    ("Rubik's  cube ", "rubik's cube")])
def test_case_and_composition_do_not_matter(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"),
                         [("smörgås", "smorgas"), ("Łódź", "lodz"), ("κύβος", "κυβοσ"), ("İstanbul", "istanbul")])
def test_accents_do_not_matter_to_bare_text(one: str, other: str) -> None:
    assert bare(one) == bare(other)


@pytest.mark.parametrize("title", ["魔方", "루빅스 큐브", "रूबिक क्यूब", "مكعب"])
def test_other_alphabets_stay_text(title: str) -> None:
    assert bare(title)
    assert bare(title) == bare(bare(title))


def test_nearest_prefers_what_contains_the_text_and_forgives_typing_errors() -> None:
    titles = ["Rubik's cube", "Glass", "Stapler", "Ice cube"]
    assert nearest("cube", titles)[:2] == ["Ice cube", "Rubik's cube"]
    assert nearest("staplr", titles) == ["Stapler"]
    assert nearest("qqqq", titles) == []
