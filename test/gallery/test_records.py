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

import uuid

import pytest

from objectcentric_ros.gallery.errors import InvalidRecord, UnknownSource
from objectcentric_ros.gallery.records import ObjectRecord, PickRecord, require_image_source


@pytest.mark.parametrize("object_id",
                         ["", "Mug", "blue mug", "mug/1", "müg", "a" * 129, "mug\n", "'; DROP TABLE objects; --", "a\0b"])
def test_an_id_with_other_characters_is_refused(object_id: str) -> None:
    with pytest.raises(InvalidRecord, match="a-z 0-9 _ -"):
        ObjectRecord(object_id, "Mug")


@pytest.mark.parametrize("title", ["", "   ", "x" * 100_000, "two\nlines", "nul\0", "\ud800"],
                         ids=["empty", "blank", "long", "lines", "nul", "surrogate"])
def test_a_title_that_cannot_be_shown_is_refused(title: str) -> None:
    with pytest.raises(InvalidRecord):
        ObjectRecord("mug", title)
    with pytest.raises(InvalidRecord):
        ObjectRecord("mug", "Mug", {"de": title})


def test_the_message_about_a_long_title_is_short() -> None:
    with pytest.raises(InvalidRecord, match="100000 characters") as caught:
        ObjectRecord("mug", "x" * 100_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("fields", [
    {"size": (0.1, 0.2)}, {"size": (0.1, 0.2, float("nan"))}, {"size": (0.1, 0.2, 0.0)}, {"mass": -1.0}, {"mass": float("inf")},
    {"translations": {"german!": "Tasse"}}, {"attributes": {"colour": float("nan")}}, {"attributes": {"raw": b"x"}},
    {"attributes": {"nul": "\0"}}])
def test_values_without_meaning_are_refused(fields: dict) -> None:
    with pytest.raises(InvalidRecord):
        ObjectRecord("mug", "Mug", **fields)


def test_sources_are_named_when_one_is_unknown() -> None:
    with pytest.raises(UnknownSource, match="tray, bin, catalog"):
        require_image_source("shelf")
    with pytest.raises(UnknownSource, match="takes a text"):
        require_image_source("text")


@pytest.mark.parametrize("fields",
                         [{"pick_id": "7"}, {"started": 5.0, "finished": 4.0}, {"finished": float("nan")}, {"outcome": ""}])
def test_a_pick_that_makes_no_sense_is_refused(fields: dict) -> None:
    good = {"pick_id": str(uuid.uuid4()), "object_id": "mug", "request": "Mug", "outcome": "picked", "started": 1.0,
            "finished": 2.0}
    PickRecord(**good)
    with pytest.raises(InvalidRecord):
        PickRecord(**good | fields)
