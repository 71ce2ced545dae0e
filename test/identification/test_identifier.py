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

import math
from collections.abc import Callable

import numpy as np
import pytest

from objectcentric_ros.gallery.errors import UnknownObject
from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.gallery.records import ObjectRecord, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.identifier import Identifier
from objectcentric_ros.identification.ranking import IdentifierConfig, probabilities, rank

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "yellow": (200, 200, 0)}


def patch(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((16, 16, 3), colour, np.uint8)


@pytest.fixture
def identifier(gallery: Gallery, encoder) -> Identifier:
    """Objects red and green with tray and catalog references, blue with bin only, empty without any."""
    for object_id in ("red", "green", "blue", "empty"):
        gallery.add_object(ObjectRecord(object_id, object_id.title(), {}, (0.1, 0.1, 0.1), 0.2))
    for object_id, source, shade in (("red", "tray", 200), ("red", "catalog", 180), ("green", "tray", 200), ("blue", "bin", 200)):
        gallery.add_reference(object_id, source,
                              encode_png((patch(COLOURS[object_id]).astype(float) * shade / 200).astype(np.uint8)))
    return Identifier(encoder, gallery, IdentifierConfig(temperature=0.05, none_distance=0.2, quarter_turns=1))


def test_the_nearest_reference_names_the_object(identifier: Identifier) -> None:
    batch = identifier.identify([patch((190, 10, 5)), patch((5, 10, 190))], ["green", "red", "blue", "empty"])
    first, second = batch.results
    assert (first.ranking[0].object_id, second.ranking[0].object_id) == ("red", "blue")
    assert not first.none_of_these and first.confidence == first.ranking[0].probability > 0.9
    np.testing.assert_array_equal(np.isnan(first.ranking[0].distances), [False, True, False, True])
    assert "reference at 0.00" in first.reason and "next candidate" in first.reason
    assert (first.ranking[0].title, first.ranking[0].mass) == ("Red", 0.2)
    assert batch.encode_ms > 0 and batch.query_ms > 0


def test_something_else_is_none_of_these(identifier: Identifier) -> None:
    [result] = identifier.identify([patch(COLOURS["yellow"])], ["red", "blue"]).results
    assert result.none_of_these and len(result.ranking) == 2
    assert result.confidence == pytest.approx(result.none_probability)
    assert "beyond 0.20" in result.reason


def test_probabilities_and_none_sum_to_one(identifier: Identifier) -> None:
    for result in identifier.identify([patch((120, 110, 10)), patch((9, 9, 9))], list(COLOURS)[:3]).results:
        assert sum(candidate.probability for candidate in result.ranking) + result.none_probability == pytest.approx(1)


def test_a_candidate_without_references_is_last_and_impossible(identifier: Identifier) -> None:
    [result] = identifier.identify([patch(COLOURS["red"])], ["empty", "red"]).results
    last = result.ranking[-1]
    assert last.object_id == "empty" and last.probability == 0 and np.isnan(last.distances).all() and math.isnan(last.distance)
    [result] = identifier.identify([patch(COLOURS["red"])], ["empty"]).results
    assert result.none_of_these and result.confidence == 1 and "reference image" in result.reason


def test_bad_requests(identifier: Identifier) -> None:
    with pytest.raises(ValueError, match="empty"):
        identifier.identify([patch(COLOURS["red"])], [])
    with pytest.raises(UnknownObject, match="unicorn, yeti"):
        identifier.identify([patch(COLOURS["red"])], ["red", "unicorn", "yeti"])
    with pytest.raises(UnknownObject, match="and 9992 more") as caught:
        identifier.identify([patch(COLOURS["red"])], [f"nobody-{number}" for number in range(10_000)])
    assert len(str(caught.value)) < 400
    assert identifier.identify([], ["red"]).results == ()


def test_references_are_embedded_once_and_on_demand(identifier: Identifier, gallery: Gallery, encoder) -> None:
    query = [patch(COLOURS["red"])]
    identifier.identify(query, ["red"])
    assert encoder.images == 3                            # two references and the query
    identifier.identify(query, ["red", "green"])
    assert encoder.images == 5
    gallery.add_reference("red", "bin", encode_png(patch((150, 30, 0))))
    [result] = identifier.identify(query, ["red"]).results
    assert encoder.images == 7 and not np.isnan(result.ranking[0].distances[1])


def test_repeated_candidates_count_once(identifier: Identifier) -> None:
    [result] = identifier.identify([patch(COLOURS["red"])], ["red", "red", "green"]).results
    assert [candidate.object_id for candidate in result.ranking] == ["red", "green"]


def test_quarter_turns_find_an_object_that_lies_otherwise(gallery: Gallery) -> None:
    class TopHalf:
        """Sees only the upper half: an encoder that is anything but blind to rotation."""

        key, dimension = "top_half-1", 3

        def encode(self, images: list[np.ndarray]) -> np.ndarray:
            means = np.array([image[:len(image) // 2].reshape(-1, 3).mean(axis=0) + 1 for image in images],
                             np.float32).reshape(-1, 3)
            return means / np.linalg.norm(means, axis=1, keepdims=True)

    flag = patch(COLOURS["red"])
    flag[8:] = COLOURS["blue"]
    gallery.add_object(ObjectRecord("flag", "Flag"))
    gallery.add_reference("flag", "tray", encode_png(flag))
    for turns, found in ((1, {0}), (2, {0, 2}), (4, {0, 1, 2, 3})):
        identifier = Identifier(TopHalf(), gallery, IdentifierConfig(quarter_turns=turns))
        batch = identifier.identify([np.ascontiguousarray(np.rot90(flag, turn)) for turn in range(4)], ["flag"])
        assert {turn for turn, result in enumerate(batch.results) if result.ranking[0].distance < 0.01} == found
        assert gallery.stats().embeddings[identifier.embedding_key] == turns


def test_probabilities_by_hand() -> None:
    p, none = probabilities(np.array([0.1, np.nan, 0.3]), IdentifierConfig(temperature=0.1, none_distance=0.2))
    weights = np.exp([-1.0, -3.0, -2.0])
    np.testing.assert_allclose([p[0], p[2], none], weights / weights.sum())
    assert p[1] == 0
    p, none = probabilities(np.array([2.0, 2.0]), IdentifierConfig(temperature=1e-4, none_distance=0.1))
    assert none == pytest.approx(1) and np.isfinite(p).all()


def test_ties_go_to_the_lower_mean_then_to_the_id() -> None:
    nan = np.nan
    distances = np.array([[0.2, nan, 0.4, nan], [0.2, nan, 0.3, nan], [nan, nan, nan, nan], [0.2, nan, 0.3, nan]], np.float32)
    ids = ["a", "d", "b", "c"]
    known = {object_id: ObjectSummary(ObjectRecord(object_id, object_id), {}) for object_id in ids}
    assert [candidate.object_id for candidate in rank(distances, ids, known, IdentifierConfig()).ranking] == ["c", "d", "a", "b"]


@pytest.mark.parametrize("make", [lambda: IdentifierConfig(temperature=0), lambda: IdentifierConfig(none_distance=-1),
                                  lambda: IdentifierConfig(quarter_turns=3)])
def test_a_configuration_without_meaning_is_refused(make: Callable[[], IdentifierConfig]) -> None:
    with pytest.raises(ValueError):
        make()
