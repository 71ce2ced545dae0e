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

"""Titles as text references, and texts that wait for an embedding."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery


def texts(gallery: Gallery, object_id: str) -> list[str | None]:
    return [reference.text for reference in gallery.references(object_id, "text")]


def test_objects_without_a_text_get_their_title(gallery: Gallery) -> None:
    gallery.add_object(ObjectRecord("mug", "Blaue Tasse, 300 ml", {"en": "Blue mug"}))
    gallery.add_object(ObjectRecord("jug", "Jug"))
    gallery.add_text("jug", "Stoneware jug", "en")
    assert gallery.add_titles(["mug", "jug", "no-such-object"]) == 1
    assert texts(gallery, "mug") == ["Blaue Tasse, 300 ml"] and texts(gallery, "jug") == ["Stoneware jug"]
    assert gallery.add_titles(["mug", "jug"]) == 0
    assert gallery.add_text("mug", "Blaue Tasse, 300 ml")[1]              # the same text is a duplicate


def test_a_new_title_takes_the_place_of_the_former_one(gallery: Gallery) -> None:
    gallery.add_object(ObjectRecord("mug", "Mug"))
    gallery.add_titles(["mug"])
    gallery.add_text("mug", "Stoneware cup", "en")
    gallery.update_object(ObjectRecord("mug", "Mug", mass=0.3))
    assert texts(gallery, "mug") == ["Mug", "Stoneware cup"]
    gallery.update_object(ObjectRecord("mug", "Red mug"))
    assert texts(gallery, "mug") == ["Stoneware cup"]


def test_texts_wait_for_each_encoder(gallery: Gallery) -> None:
    for object_id in ("a", "b"):
        gallery.add_object(ObjectRecord(object_id, f"Title of {object_id}"))
    gallery.add_titles(["a", "b"])
    (first, owner, text), (second, *_) = gallery.missing_texts("text-1", ["a", "b"])
    assert (owner, text) == ("a", "Title of a")
    gallery.put_embeddings("text-1", [(first, np.array([1.0, 0.0]))])
    assert [row[0] for row in gallery.missing_texts("text-1", ["a", "b"])] == [second]
    assert len(gallery.missing_texts("text-2", ["a", "b"])) == 2 and len(gallery.missing_texts("text-2", ["a", "b"], 1)) == 1
    assert gallery.missing_texts("text-2", ["c"]) == []
    np.testing.assert_allclose(gallery.min_distances("text-1", [[0.0, 1.0]], ["a"]), [[[np.nan, np.nan, np.nan, 1.0]]])
