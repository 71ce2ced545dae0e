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

import threading
import uuid
from collections.abc import Callable

import numpy as np
import pytest

from objectcentric_ros.gallery.errors import (
    AmbiguousTitle,
    BadImage,
    DuplicateObject,
    GalleryError,
    InvalidEmbedding,
    InvalidRecord,
    UnknownObject,
    UnknownSource,
)
from objectcentric_ros.gallery.records import SOURCES, AttemptRecord, ObjectRecord, PickRecord
from objectcentric_ros.gallery.store import Gallery

CUBE = ObjectRecord("rubiks-cube", "Rubik's cube", {"de": "Zauberwürfel", "zh": "魔方", "ru": "Кубик Рубика"},
                    (0.057, 0.057, 0.057), 0.1, {"creator": "someone", "colours": [1, 2]})
GLASS = ObjectRecord("glass", "Glass")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_an_object_comes_back_as_it_went_in(gallery: Gallery) -> None:
    gallery.add_object(CUBE)
    assert gallery.get_object("rubiks-cube") == CUBE


def test_a_taken_id_is_refused_and_changes_nothing(gallery: Gallery) -> None:
    gallery.add_object(CUBE)
    with pytest.raises(DuplicateObject, match="rubiks-cube"):
        gallery.add_object(ObjectRecord("rubiks-cube", "Another"))
    assert gallery.get_object("rubiks-cube") == CUBE


@pytest.mark.parametrize("text", ["rubiks-cube", "RUBIK'S CUBE", " rubik's  cube", "zauberwurfel", "ZAUBERWÜRFEL", "魔方",
                                  "КУБИК рубика"])
def test_an_object_is_found_by_id_or_title_in_any_language(gallery: Gallery, text: str) -> None:
    gallery.add_object(CUBE)
    gallery.add_object(GLASS)
    assert gallery.find_object(text).object_id == "rubiks-cube"


def test_the_right_accent_wins_and_equal_titles_are_told(gallery: Gallery) -> None:
    for object_id, title in (("peche", "Pêche"), ("peche2", "Péché"), ("a", "Cup"), ("b", "cup")):
        gallery.add_object(ObjectRecord(object_id, title))
    assert gallery.find_object("péché").object_id == "peche2"
    with pytest.raises(AmbiguousTitle, match="a, b"):
        gallery.find_object("CUP")


@pytest.mark.parametrize("text", ["glas", "", "%", "nul\0", "\ud800", "x" * 100_000, "'; DROP TABLE objects; --"],
                         ids=["near", "empty", "wildcard", "nul", "surrogate", "long", "injection"])
def test_an_unknown_title_is_an_error_with_the_nearest_titles(gallery: Gallery, text: str) -> None:
    gallery.add_object(GLASS)
    with pytest.raises(UnknownObject) as caught:
        gallery.find_object(text)
    assert ("nearest titles: Glass" in str(caught.value)) == (text == "glas")
    assert len(str(caught.value)) < 300


def test_update_replaces_everything_but_references(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    gallery.add_reference("rubiks-cube", "tray", picture(0))
    changed = ObjectRecord("rubiks-cube", "Cube", {"fr": "Cube magique"})
    gallery.update_object(changed)
    assert gallery.get_object("rubiks-cube") == changed
    assert len(gallery.references("rubiks-cube")) == 1
    with pytest.raises(UnknownObject):
        gallery.find_object("Zauberwürfel")
    with pytest.raises(UnknownObject):
        gallery.update_object(GLASS)


def test_list_filters_pages_and_counts(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    for number in range(7):
        gallery.add_object(ObjectRecord(f"mug_{number}", f"Mug {number}"))
    gallery.add_object(CUBE)
    gallery.add_reference("rubiks-cube", "bin", picture(0))
    page, total = gallery.list_objects("mug", limit=3, offset=3)
    assert [summary.record.title for summary in page] == ["Mug 3", "Mug 4", "Mug 5"]
    assert total == 7
    assert gallery.list_objects("mug", limit=3, offset=100) == ([], 7)
    assert gallery.list_objects("%")[1] == 0
    assert gallery.list_objects("_3")[1] == 1
    [summary] = gallery.list_objects("wurf")[0]
    assert summary.references == {"tray": 0, "bin": 1, "catalog": 0, "text": 0}


def test_a_reference_is_stored_once_per_object(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    gallery.add_object(GLASS)
    first, duplicate = gallery.add_reference("rubiks-cube", "tray", picture(1, "JPEG"))
    assert not duplicate
    assert gallery.add_reference("rubiks-cube", "bin", picture(1, "JPEG")) == (first, True)
    assert gallery.add_reference("glass", "bin", picture(1, "JPEG"))[1] is False
    [reference] = gallery.references("rubiks-cube")
    assert (reference.source, reference.format, reference.size) == ("tray", "jpeg", (24, 16))
    assert gallery.reference_image(first) == picture(1, "JPEG")


def test_bad_references_leave_nothing_behind(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    for error, object_id, source, data in ((BadImage, "rubiks-cube", "tray", b"no image"),
                                           (UnknownSource, "rubiks-cube", "shelf", picture(0)),
                                           (UnknownObject, "glass", "tray", picture(0)),
                                           (InvalidRecord, "gl ss", "tray", picture(0))):
        with pytest.raises(error):
            gallery.add_reference(object_id, source, data)
    assert sum(gallery.stats().references.values()) == 0


def test_text_is_a_source_of_its_own(gallery: Gallery) -> None:
    gallery.add_object(CUBE)
    assert gallery.add_text("rubiks-cube", "A cube with six colours", "en")[1] is False
    assert gallery.add_text("rubiks-cube", "A cube with six colours", "en")[1] is True
    [reference] = gallery.references("rubiks-cube", "text")
    assert (reference.text, reference.language, reference.format) == ("A cube with six colours", "en", "text")
    with pytest.raises(InvalidRecord):
        gallery.add_text("rubiks-cube", "x" * 100_000)


def test_removing_an_object_takes_its_references_and_keeps_its_picks(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    reference, _ = gallery.add_reference("rubiks-cube", "tray", picture(0))
    gallery.put_embeddings("e", [(reference, [1.0, 0.0])])
    gallery.record_pick(PickRecord(str(uuid.uuid4()), "rubiks-cube", "cube", "picked", 1.0, 2.0))
    gallery.remove_object("rubiks-cube")
    stats = gallery.stats()
    assert (stats.objects, stats.references["tray"], stats.embeddings, stats.picks) == (0, 0, {"e": 0}, {"picked": 1})
    assert gallery.pick_history()[0].object_id == "rubiks-cube"
    with pytest.raises(UnknownObject):
        gallery.remove_object("rubiks-cube")
    with pytest.raises(GalleryError):
        gallery.reference_image(reference)


def test_minimum_distances_equal_numpy(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    rng = np.random.default_rng(3)
    candidates = [f"item-{number}" for number in range(6)]
    expected = np.full((4, len(candidates) + 2, 4), np.nan)
    queries = rng.standard_normal((4, 33))
    for row, object_id in enumerate(candidates):
        gallery.add_object(ObjectRecord(object_id, object_id))
        for seed in range(rng.integers(0, 7)):
            source = int(rng.integers(0, 3))
            vector = rng.standard_normal(33)
            reference, _ = gallery.add_reference(object_id, SOURCES[source], picture(1000 * row + seed))
            gallery.put_embeddings("encoder-a", [(reference, vector)])
            gallery.put_embeddings("encoder-b", [(reference, rng.standard_normal(5))])       # must not mix
            distance = 1 - unit(queries) @ unit(vector)
            expected[:, row, source] = np.fmin(expected[:, row, source], distance)
    expected[:, -1] = expected[:, 0]
    distances = gallery.min_distances("encoder-a", queries, [*candidates, "nobody", candidates[0]])
    assert distances.shape == (4, 8, 4) and distances.dtype == np.float32
    np.testing.assert_allclose(distances, expected, atol=1e-6)
    assert np.isnan(gallery.min_distances("encoder-c", queries, candidates)).all()
    assert gallery.min_distances("encoder-a", queries, []).shape == (4, 0, 4)


def test_ten_thousand_candidates_are_one_query(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    reference, _ = gallery.add_reference("rubiks-cube", "tray", picture(0))
    gallery.put_embeddings("e", [(reference, [1.0, 0.0])])
    distances = gallery.min_distances("e", [[0.0, 2.0]], [*(f"nobody-{number}" for number in range(9_999)), "rubiks-cube"])
    assert distances[0, -1, 0] == pytest.approx(1.0)
    assert np.isfinite(distances).sum() == 1


@pytest.mark.parametrize("vector",
                         [[1.0, float("nan")], [float("inf"), 0.0], [0.0, 0.0], [1.0, 0.0, 0.0], [[1.0, 0.0]], [], ["a", "b"],
                                    [1.0] * 2001])
def test_embeddings_without_a_direction_or_dimension_are_refused(gallery: Gallery, picture: Callable[..., bytes],
                                                                 vector: list) -> None:
    gallery.add_object(CUBE)
    first, _ = gallery.add_reference("rubiks-cube", "tray", picture(0))
    second, _ = gallery.add_reference("rubiks-cube", "tray", picture(1))
    gallery.put_embeddings("e", [(first, [1.0, 0.0])])
    with pytest.raises(InvalidEmbedding):
        gallery.put_embeddings("e", [(second, vector)])
    with pytest.raises(InvalidEmbedding):
        gallery.min_distances("e", [vector], ["rubiks-cube"])
    assert gallery.stats().embeddings == {"e": 1}


def test_missing_embeddings_are_those_of_this_encoder_and_these_objects(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    gallery.add_object(GLASS)
    cube, _ = gallery.add_reference("rubiks-cube", "tray", picture(0))
    glass, _ = gallery.add_reference("glass", "bin", picture(1))
    gallery.add_text("glass", "to drink from")
    gallery.put_embeddings("e", [(cube, [1.0, 0.0])])
    assert gallery.missing_embeddings("e", ["rubiks-cube", "glass"]) == [(glass, "glass", "bin", picture(1))]
    assert len(gallery.missing_embeddings("f", ["rubiks-cube", "glass"])) == 2
    assert gallery.missing_embeddings("e", ["rubiks-cube"]) == []


def test_an_embedding_of_a_reference_that_went_meanwhile_is_left_out(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    reference, _ = gallery.add_reference("rubiks-cube", "tray", picture(0))
    assert gallery.put_embeddings("e", [(reference, [1.0, 0.0]), (reference + 1, [0.0, 1.0])]) == 1
    assert gallery.put_embeddings("e", [(reference, [0.0, 1.0])]) == 0


def test_an_embedding_of_a_reference_that_is_being_removed_is_left_out_without_waiting(gallery: Gallery,
                                                                                       picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    first, second = (gallery.add_reference("rubiks-cube", "tray", picture(seed))[0] for seed in (0, 1))
    with gallery._pool.connect() as other, other.transaction():
        other.execute("SET LOCAL idle_in_transaction_session_timeout = '20s'")      # else a writer that waits waits for ever
        other.execute("DELETE FROM object_references WHERE reference_id = %s", (first,))
        assert gallery.put_embeddings("e", [(first, [1.0, 0.0]), (second, [0.0, 1.0])]) == 1
    assert gallery.min_distances("e", [[1.0, 0.0]], ["rubiks-cube"])[0, 0, 0] == pytest.approx(1.0)


def test_two_writers_of_the_same_embeddings_at_once_both_succeed(gallery: Gallery, both_ways: Callable[..., int]) -> None:
    ids = []
    for number in range(200):
        gallery.add_object(ObjectRecord(f"item-{number}", "Item"))
        ids.append(gallery.add_text(f"item-{number}", "a text")[0])
    assert both_ways(gallery.put_embeddings, [(number, np.ones(256)) for number in ids]) == 3 * len(ids)


def test_a_reference_may_have_several_embeddings_and_the_nearest_counts(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    reference, _ = gallery.add_reference("rubiks-cube", "tray", picture(0))
    assert gallery.put_embeddings("e", [(reference, [1.0, 0.0]), (reference, [0.0, 1.0])]) == 2
    np.testing.assert_allclose(gallery.min_distances("e", [[0.0, 3.0], [1.0, 0.0]], ["rubiks-cube"])[:, 0, 0], 0, atol=1e-6)


def a_pick(picture: Callable[..., bytes], **fields: object) -> PickRecord:
    attempts = (AttemptRecord("grasp_lost", {"width": 0.04, "position": [0.4, 0.0, 0.1]}, 0.002, 0.93,
                              (("look", 0.5), ("plan", 0.1)), "slipped"),
                AttemptRecord("picked", None, None, 0.95))
    return PickRecord(**{"pick_id": str(uuid.uuid4()), "object_id": "rubiks-cube", "request": "Rubik's cube", "outcome": "picked",
                         "started": 1.79e9 + 0.25, "finished": 1.79e9 + 20.5, "attempts": attempts,
                         "images": {"segments": picture(0), "lift": picture(1, "JPEG")}} | fields)


def test_a_pick_comes_back_and_is_stored_once(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    pick = a_pick(picture)
    assert gallery.record_pick(pick) is True
    assert gallery.record_pick(pick) is False
    assert gallery.pick_history("rubiks-cube", with_images=True) == (pick,)
    assert gallery.pick_history("rubiks-cube")[0].images == {}
    summary = gallery.summaries(["rubiks-cube"])["rubiks-cube"]
    assert (summary.picks_attempted, summary.picks_succeeded) == (1, 1)


def test_a_pick_of_an_unknown_object_is_stored_without_a_link(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.record_pick(a_pick(picture, object_id="unicorn", outcome="not_found", attempts=(), images={}))
    assert gallery.pick_history("unicorn") == ()
    assert gallery.pick_history()[0].object_id == "unicorn"


def test_a_pick_with_a_bad_image_is_not_half_recorded(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    with pytest.raises(BadImage):
        gallery.record_pick(a_pick(picture, images={"good": picture(0), "bad": b"x"}))
    assert gallery.stats().picks == {}


def test_many_threads_share_a_gallery(gallery: Gallery, picture: Callable[..., bytes]) -> None:
    gallery.add_object(CUBE)
    data = [picture(seed) for seed in range(4)]
    answers: list[object] = []

    def work(number: int) -> None:
        try:
            gallery.add_object(ObjectRecord(f"thread-{number % 6}", "Thread"))
        except DuplicateObject:
            answers.append("duplicate")
        answers.append(gallery.add_reference("rubiks-cube", "tray", data[number % 4])[1])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("duplicate") == 18
    assert answers.count(False) == 4 and answers.count(True) == 20


def test_a_closed_gallery_says_so(session_gallery: Gallery) -> None:
    assert session_gallery._server is not None
    other = Gallery.open(data_dir=session_gallery._server.folder)
    other.close()
    with pytest.raises(GalleryError, match="closed"):
        other.stats()
