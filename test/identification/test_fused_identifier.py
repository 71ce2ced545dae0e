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

"""Identification with titles and a fusion model, against a gallery in PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.errors import InvalidEmbedding, InvalidRecord
from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.gallery.records import ObjectRecord, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.assignment import one_to_one
from objectcentric_ros.identification.fusion import FusionError, FusionModel
from objectcentric_ros.identification.identifier import Identifier
from objectcentric_ros.identification.ranking import IdentifierConfig, rank_fused

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}
NAN = math.nan


class ColourWords:
    """Knows the names of three colours."""

    key, image_key, dimension = "colour_words-1", "mean_colour-1", 3

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        if any(len(text) > 1000 for text in texts):
            raise ValueError("the title has too many characters")
        vectors = np.array([[1.0 if name in text.lower() else 0.1 for name in COLOURS] for text in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class NearIsLikely:
    """Stands for the trees: log-odds 6 - 40 times the mean of the distances that there are."""

    def inplace_predict(self, rows: np.ndarray, **_: object) -> np.ndarray:
        return 6 - 40 * np.nanmean(rows, axis=1)


def fusion(**card: object) -> FusionModel:
    return FusionModel(NearIsLikely(), {"features": "distances", "temperature": 1.0, "none_weight": 1.0, "quarter_turns": 1,
                                        "thresholds": {0.9: 0.3, 0.95: 0.7, 0.99: None}, "image_key": "mean_colour-1",
                                        "text_key": "colour_words-1", **card})


def patch(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((16, 16, 3), colour, np.uint8)


@pytest.fixture
def words() -> ColourWords:
    return ColourWords()


@pytest.fixture
def identifier(gallery: Gallery, encoder, words: ColourWords) -> Identifier:
    """A red object with a tray image and a title, a green one with a title alone, a blue one with a tray image alone."""
    for object_id, title in (("red", "Red mug"), ("green", "Green mug"), ("blue", "Mug")):
        gallery.add_object(ObjectRecord(object_id, title))
    for object_id in ("red", "blue"):
        gallery.add_reference(object_id, "tray", encode_png(patch(COLOURS[object_id])))
    return Identifier(encoder, gallery, IdentifierConfig(precision=0.9), words, fusion())


def test_titles_are_a_source_of_their_own(identifier: Identifier, gallery: Gallery, words: ColourWords) -> None:
    red, green = identifier.identify([patch(COLOURS["red"]), patch(COLOURS["green"])], list(COLOURS)).results
    assert (red.ranking[0].object_id, green.ranking[0].object_id) == ("red", "green")
    np.testing.assert_array_equal(np.isnan(red.ranking[0].distances), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(green.ranking[0].distances), [True, True, True, False])
    assert green.ranking[0].distances[3] < 0.02 < 0.4 < red.ranking[1].distances[3]
    assert gallery.stats().references["text"] == 3 and gallery.stats().embeddings == {"mean_colour-1+colour_words-1": 5}
    assert sorted(words.texts) == ["Green mug", "Mug", "Red mug"]
    identifier.identify([patch(COLOURS["red"])], list(COLOURS))
    assert len(words.texts) == 3                       # they are in the gallery now


def test_probabilities_are_the_models(identifier: Identifier) -> None:
    [result] = identifier.identify([patch(COLOURS["red"])], list(COLOURS)).results
    distances = np.stack([candidate.distances for candidate in result.ranking])
    p, none = fusion().probabilities(distances)
    np.testing.assert_allclose([candidate.probability for candidate in result.ranking], p)
    assert result.none_probability == pytest.approx(none) and result.confidence == p[0] and not result.none_of_these
    assert result.threshold == 0.3


class SizeDecides(NearIsLikely):
    """Log-odds fall with what the sizes are apart; where nothing is known of them, as if they were a bit apart."""

    def inplace_predict(self, rows: np.ndarray, **_: object) -> np.ndarray:
        assert rows.shape[1] == 6
        return 5 - 20 * np.abs(np.where(np.isnan(rows[:, 4]), 0.3, rows[:, 4]))


def test_the_measured_size_counts_where_the_gallery_knows_one(gallery: Gallery, encoder) -> None:
    for object_id, size in (("mug", (0.08, 0.1, 0.08)), ("bucket", (0.3, 0.3, 0.3)), ("cup", None)):
        gallery.add_object(ObjectRecord(object_id, object_id, size=size))
        gallery.add_reference(object_id, "tray", encode_png(patch(COLOURS["red"])))
    model = FusionModel(SizeDecides(), {**fusion().card, "features": "distances+size"})
    identifier = Identifier(encoder, gallery, IdentifierConfig(precision=0.0), None, model)
    names = ["mug", "bucket", "cup"]
    small, large, unknown = identifier.identify([patch(COLOURS["red"])] * 3, names,
                                                [(0.1, 0.08), (0.28, 0.28), (NAN, NAN)]).results
    assert [candidate.object_id for candidate in small.ranking] == ["mug", "cup", "bucket"]
    assert [candidate.object_id for candidate in large.ranking] == ["bucket", "cup", "mug"]
    assert len({candidate.probability for candidate in unknown.ranking}) == 1
    [without] = identifier.identify([patch(COLOURS["red"])], names).results
    assert [candidate.probability for candidate in without.ranking] == [candidate.probability for candidate in unknown.ranking]
    with pytest.raises(ValueError, match="1 crops, but the sides of 2"):
        identifier.identify([patch(COLOURS["red"])], names, [(0.1, 0.1)] * 2)


def test_the_reason_names_the_sources(identifier: Identifier) -> None:
    [result] = identifier.identify([patch(COLOURS["red"])], list(COLOURS)).results
    assert result.reason.startswith("Red mug (tray 0.00, text 0.01) has 99.7%") and "the next candidate Mug (" in result.reason
    assert "catalog" not in result.reason


def test_what_counts_at_the_next_call(identifier: Identifier, gallery: Gallery) -> None:
    query = [patch((200, 200, 0))]
    before = {c.object_id: c.distances for c in identifier.identify(query, ["red", "green"]).results[0].ranking}
    gallery.add_text("green", "mug in red and green", "en")
    gallery.add_reference("green", "catalog", encode_png(patch((190, 200, 0))))
    after = {c.object_id: c.distances for c in identifier.identify(query, ["red", "green"]).results[0].ranking}
    assert after["green"][3] < 0.01 < 0.2 < before["green"][3]
    assert np.isnan(before["green"][2]) and after["green"][2] < 0.01
    gallery.update_object(ObjectRecord("red", "Green mug"))            # a title that changes is another text
    changed = {c.object_id: c.distances for c in identifier.identify([patch(COLOURS["green"])], ["red"]).results[0].ranking}
    assert changed["red"][3] < 0.02


def test_an_item_of_three_photographs_and_a_title_is_known_at_once(identifier: Identifier, gallery: Gallery) -> None:
    identifier.identify([patch((0, 200, 200))], list(COLOURS))
    gallery.add_object(ObjectRecord("teal", "Green and blue mug"))
    for shade in (0, 10, 20):
        gallery.add_reference("teal", "tray", encode_png(patch((shade, 200, 200))))
    [result] = identifier.identify([patch((5, 190, 200))], [*COLOURS, "teal"]).results
    assert result.ranking[0].object_id == "teal" and not result.none_of_these
    np.testing.assert_array_equal(np.isnan(result.ranking[0].distances), [False, True, True, False])


def test_answers_below_the_promised_threshold_are_not_given(identifier: Identifier) -> None:
    query = [patch((200, 115, 0))]
    [loose] = identifier.identify(query, ["red", "blue"]).results
    p = loose.ranking[0].probability
    assert not loose.none_of_these and 0.1 < loose.none_probability < p < 0.95
    identifier.threshold = p + 0.05
    [strict] = identifier.identify(query, ["red", "blue"]).results
    assert strict.none_of_these and strict.confidence == pytest.approx(1 - p)
    assert strict.ranking[0].object_id == "red" and "to keep a precision of 90%" in strict.reason
    [other] = identifier.identify([patch((0, 200, 0))], ["red", "blue"]).results
    assert other.none_of_these and other.confidence == pytest.approx(other.none_probability) and other.confidence > 0.9
    assert "none of the candidates" in other.reason


def test_thresholds_of_the_card(gallery: Gallery, encoder, words: ColourWords) -> None:
    def threshold(precision: float) -> float:
        return Identifier(encoder, gallery, IdentifierConfig(precision=precision), words, fusion()).threshold

    assert (threshold(0.9), threshold(0.95), threshold(0.0)) == (0.3, 0.7, 0.0)
    assert threshold(0.99) == 0.0                        # nothing can be promised: the likeliest answer is given
    with pytest.raises(FusionError, match="0.97"):
        threshold(0.97)
    assert Identifier(encoder, gallery, IdentifierConfig(precision=0.97)).threshold == 0.0
    with pytest.raises(ValueError, match="precision"):
        IdentifierConfig(precision=1.0)


def test_candidates_without_anything(identifier: Identifier, gallery: Gallery) -> None:
    identifier.text_encoder = None
    [result] = identifier.identify([patch(COLOURS["green"])], ["green"]).results
    assert result.none_of_these and result.confidence == 1.0 and result.ranking[0].probability == 0.0
    assert "has a reference in the gallery" in result.reason


def test_ties_of_the_trees_go_to_the_nearer_then_to_the_id() -> None:
    distances = np.array([[0.3, NAN, NAN, NAN], [0.2, NAN, NAN, NAN], [NAN] * 4, [0.2, NAN, NAN, NAN]], np.float32)
    ids = ["a", "d", "b", "c"]
    known = {object_id: ObjectSummary(ObjectRecord(object_id, object_id), {}) for object_id in ids}
    result = rank_fused(distances, np.array([0.3, 0.3, 0.0, 0.3]), 0.1, ids, known)
    assert [candidate.object_id for candidate in result.ranking] == ["c", "d", "a", "b"]


def test_one_to_one_keeps_to_the_threshold(identifier: Identifier) -> None:
    results = identifier.identify([patch(COLOURS["red"]), patch((200, 60, 20))], list(COLOURS)).results
    assert [result.ranking[0].object_id for result in results] == ["red", "red"] and not results[1].none_of_these
    first, second = one_to_one(results)
    assert first.ranking[0].object_id == "red" and not first.none_of_these
    assert second.none_of_these and second.threshold == 0.3


def test_twelve_segments_in_one_call_are_those_of_twelve(identifier: Identifier) -> None:
    rng = np.random.default_rng(0)
    crops = [patch(tuple(rng.integers(0, 255, 3))) for _ in range(12)]
    together = identifier.identify(crops, list(COLOURS)).results
    for crop, result in zip(crops, together, strict=True):
        [alone] = identifier.identify([crop], list(COLOURS)).results
        assert [c.object_id for c in alone.ranking] == [c.object_id for c in result.ranking]
        assert alone.confidence == pytest.approx(result.confidence)


def test_orientations_are_those_of_the_model(gallery: Gallery, encoder, words: ColourWords) -> None:
    model = fusion(quarter_turns=2, thresholds={0.95: 0.5})
    identifier = Identifier(encoder, gallery, IdentifierConfig(quarter_turns=4), words, model)
    assert identifier.quarter_turns == 2 and identifier.embedding_key == "mean_colour-1+colour_words-1-turns2"
    gallery.add_object(ObjectRecord("red", "Red mug"))
    gallery.add_reference("red", "tray", encode_png(patch(COLOURS["red"])))
    identifier.identify([patch(COLOURS["red"])], ["red"])
    assert gallery.stats().embeddings == {identifier.embedding_key: 3}           # two of the image, one of the title


def test_pictures_of_bins_are_embedded_with_views_where_the_model_was_trained_so(gallery: Gallery, encoder,
                                                                                   words: ColourWords) -> None:
    """A small red thing in a green bin: squares about its middle are redder than the picture."""
    picture = np.full((60, 90, 3), (0, 255, 0), np.uint8)
    picture[15:45, 28:60] = (255, 0, 0)         # the same picture twice would be kept once
    gallery.add_object(ObjectRecord("red", "Red mug"))
    for source, image in (("tray", picture), ("bin", picture[::-1, ::-1])):
        gallery.add_reference("red", source, encode_png(image))
    found = {}
    for views in (False, True):
        identifier = Identifier(encoder, gallery, None, words, fusion(views=views, thresholds={0.95: 0.0}))
        [result] = identifier.identify([patch((255, 0, 0))], ["red"]).results
        found[views] = result.ranking[0].distances
        assert identifier.embedding_key.endswith("-views") == views
    assert found[True][1] < found[False][1] - 0.02 and found[True][0] == pytest.approx(found[False][0], abs=1e-5)


@pytest.mark.parametrize(("change", "message"), [
    ({"text": {"image_key": "other-1"}}, "speaks the space of other-1"), ({"text": {"dimension": 5}}, "5 numbers"),
    ({"fusion": {"image_key": "other-1"}}, "trained on distances of other-1"),
    ({"fusion": {"text_key": "other_words-1"}}, "text encoder other_words-1")])
def test_models_of_other_families_are_refused(gallery: Gallery, encoder, words: ColourWords, change: dict, message: str) -> None:
    for name, value in change.get("text", {}).items():
        setattr(words, name, value)
    with pytest.raises(ValueError, match=message):
        Identifier(encoder, gallery, IdentifierConfig(), words, fusion(**change.get("fusion", {})))


def test_nothing_is_stored_of_a_broken_text_encoder(identifier: Identifier, gallery: Gallery, words: ColourWords,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "encode", lambda texts: np.full((len(texts), 3), np.nan, np.float32))
    with pytest.raises(InvalidEmbedding, match="not finite"):
        identifier.identify([patch(COLOURS["red"])], list(COLOURS))
    assert gallery.stats().embeddings == {}
    monkeypatch.undo()
    monkeypatch.setattr(identifier.encoder, "encode", lambda images: np.full((len(images), 3), np.nan, np.float32))
    with pytest.raises(InvalidEmbedding, match="not finite"):
        identifier.identify([patch(COLOURS["red"])], list(COLOURS))
    assert gallery.stats().embeddings == {identifier.embedding_key: 3}            # the texts' alone


def test_a_text_that_cannot_be_read_is_named(identifier: Identifier, gallery: Gallery) -> None:
    gallery.add_text("blue", "blue " * 1000)
    with pytest.raises(InvalidRecord, match="of blue .* too many characters"):
        identifier.identify([patch(COLOURS["red"])], ["blue"])


def test_a_gallery_of_another_encoder_is_named(identifier: Identifier, gallery: Gallery) -> None:
    gallery.add_vectors("other-1", [VectorObject(ObjectRecord("cup", "Cup"), ("tray", "text"), np.eye(5, dtype=np.float32)[:2])])
    with pytest.raises(InvalidEmbedding, match="built with other-1"):
        identifier.identify([patch(COLOURS["red"])], ["cup"])
    jar = VectorObject(ObjectRecord("jar", "Jar"), ("tray",), np.eye(3, dtype=np.float32)[:1])
    gallery.add_vectors(identifier.embedding_key, [jar])
    [result] = identifier.identify([patch(COLOURS["red"])], ["cup", "jar"]).results      # what can be compared is
    assert result.ranking[0].object_id == "jar"
