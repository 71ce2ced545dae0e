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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.errors import InvalidEmbedding, InvalidRecord
from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.gallery.records import ObjectRecord, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.assignment import one_to_one
from objectcentric_ros.identification.fusion import FusionError, FusionModel
from objectcentric_ros.identification.identifier import Identifier
from objectcentric_ros.identification.local_features import LOCAL_KEY, common_points, local_bytes, local_features
from objectcentric_ros.identification.ranking import IdentifierConfig, rank_fused
from objectcentric_ros.identification.verification import COLUMNS

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
    with pytest.raises(ValueError, match="keeps a precision of 0.99 .*: ask for a lower"):
        threshold(0.99)                                  # nothing can be promised, and nothing is answered as if it were
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


class PerArrangedPoint:
    """Stands for the verification's trees: a fifth of a unit of log-odds for each arranged point, whatever the source."""

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def inplace_predict(self, rows: np.ndarray, **_: object) -> np.ndarray:
        assert rows.shape[1] == len(COLUMNS)
        self.asked.append(rows)
        return 0.2 * np.nan_to_num(rows[:, 2:8:2]).sum(axis=1)


def verifying(gap: float = 2.0, **card: object) -> FusionModel:
    section = {"local_key": LOCAL_KEY, "candidates": 2, "gap": gap, "temperature": 1.0, "none_weight": 1.0}
    return FusionModel(NearIsLikely(), {**fusion(**card).card, "verification": section}, PerArrangedPoint())


Draw = Callable[..., NDArray[np.uint8]]
See = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
BROWN, PRINTS = (220, 120, 60), {"plum": 0, "pear": 1}


@pytest.fixture
def prints(gallery: Gallery, encoder, drawn: Draw) -> Identifier:
    """Plum and pear, whose prints differ and whose mean colours do not; a catalog's picture of plum has no print on it."""
    for object_id, seed in PRINTS.items():
        gallery.add_object(ObjectRecord(object_id, f"{object_id} juice"))
        gallery.add_reference(object_id, "tray", encode_png(drawn(seed, BROWN)))
    gallery.add_reference("plum", "catalog", encode_png(patch(BROWN)))
    return Identifier(encoder, gallery, IdentifierConfig(precision=0.0), None, verifying(text_key=""))


def test_points_of_every_picture_are_stored_once(prints: Identifier, gallery: Gallery, drawn: Draw, words: ColourWords,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Identifier(prints.encoder, gallery, None, None, fusion(thresholds={0.95: 0.0}))
    plain.embed_references(list(PRINTS))
    assert not plain.verifies and plain.missing_references(list(PRINTS), 9) == []
    assert gallery.features(LOCAL_KEY, list(PRINTS)) == {}
    assert prints.verifies and [name for _, name in prints.missing_references(list(PRINTS), 9)] == ["plum", "pear", "plum"]
    gallery.add_text("pear", "blue pear")
    Identifier(prints.encoder, gallery, IdentifierConfig(precision=0.0), words, verifying()).embed_references(list(PRINTS))
    assert gallery.features(LOCAL_KEY, list(PRINTS)) == {
        "plum": [("tray", local_bytes(drawn(0, BROWN))), ("catalog", b"")], "pear": [("tray", local_bytes(drawn(1, BROWN)))]}
    assert prints.missing_references(list(PRINTS), 9) == []
    looked: list[tuple[int, ...]] = []

    def look(image: NDArray[np.uint8]) -> bytes:
        looked.append(image.shape)
        return local_bytes(image)

    monkeypatch.setattr("objectcentric_ros.identification.identifier.local_bytes", look)
    gallery.add_reference("pear", "bin", encode_png(drawn(2, BROWN)[:100]))
    for _ in range(2):
        prints.embed_references(list(PRINTS))
    assert looked == [(100, 224, 3)]
    assert [source for source, _ in gallery.features(LOCAL_KEY, ["pear"])["pear"]] == ["tray", "bin"]


def test_of_two_that_are_as_near_the_one_with_the_same_print_is_likelier(prints: Identifier, drawn: Draw,
                                                                          seen_otherwise: See) -> None:
    crops = [seen_otherwise(drawn(seed, BROWN)) for seed in PRINTS.values()]
    results = prints.identify(crops, ["pear", "plum"]).results
    assert [result.ranking[0].object_id for result in results] == list(PRINTS)
    assert all(result.ranking[0].probability > 0.95 > 0.05 > result.ranking[1].probability for result in results)
    assert prints.fusion is not None
    blind = Identifier(prints.encoder, prints.gallery, IdentifierConfig(precision=0.0), None,
                       FusionModel(NearIsLikely(), prints.fusion.card))
    for seen, unseen in zip(results, blind.identify(crops, ["pear", "plum"]).results, strict=True):
        p = [candidate.probability for candidate in unseen.ranking]
        assert p[0] == pytest.approx(p[1], rel=0.05) and p[0] < 0.6
        assert seen.none_probability < unseen.none_probability
    for crop, result in zip(crops, results, strict=True):                    # one at a time they are the same
        [alone] = prints.identify([crop], ["plum", "pear"]).results
        assert [candidate.object_id for candidate in alone.ranking] == [candidate.object_id for candidate in result.ranking]
        assert alone.confidence == pytest.approx(result.confidence)


def test_the_trees_see_what_crop_and_picture_have_in_common(prints: Identifier, drawn: Draw, seen_otherwise: See) -> None:
    crops = [seen_otherwise(drawn(seed, BROWN)) for seed in (1, 0)]
    prints.identify(crops, ["pear", "plum"])
    assert prints.fusion is not None
    [rows] = prints.fusion.verifier.asked
    tray = [common_points(local_features(crop), local_features(drawn(seed, BROWN))) for crop in crops for seed in (1, 0)]
    np.testing.assert_array_equal(rows[:, 2:4], tray)
    np.testing.assert_array_equal(rows[:, 4:], np.array([
        [NAN, NAN, found, found, behind[0], behind[1], NAN, NAN, lag, lag] for found, lag, behind in zip(
            (NAN, 0, NAN, 0), (NAN, 0, NAN, 0),
            [np.subtract(tray[row], np.max(tray[row // 2 * 2:row // 2 * 2 + 2], axis=0)) for row in range(4)], strict=True)],
        np.float32))


def test_pictures_are_not_looked_at_where_all_is_decided(prints: Identifier, gallery: Gallery,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.add_object(ObjectRecord("blue", "Mug"))
    gallery.add_reference("blue", "tray", encode_png(patch(COLOURS["blue"])))
    prints.embed_references(["pear", "blue"])
    monkeypatch.setattr(gallery, "features", lambda *_: pytest.fail("features were asked for"))
    [result] = prints.identify([patch(COLOURS["blue"])], ["pear", "blue"]).results
    assert result.ranking[0].object_id == "blue" and result.confidence > 0.9
    [result] = prints.identify([patch(BROWN)], ["pear"]).results             # one candidate has no rival
    assert result.ranking[0].object_id == "pear"


def test_candidates_without_pictures_are_verified_by_what_there_is(prints: Identifier, gallery: Gallery, words: ColourWords,
                                                                   drawn: Draw, seen_otherwise: See) -> None:
    """A title alone has nothing in common with a crop, nor has an object whose pictures are in another gallery."""
    gallery.add_object(ObjectRecord("titled", "red juice"))
    key = Identifier(prints.encoder, gallery, IdentifierConfig(precision=0.0), words, verifying()).embedding_key
    vector = prints.encoder.encode([patch(BROWN)])
    gallery.add_vectors(key, [VectorObject(ObjectRecord("far", "far"), ("tray",), vector)])
    identifier = Identifier(prints.encoder, gallery, IdentifierConfig(precision=0.0), words, verifying(gap=1e6))
    crop = seen_otherwise(drawn(1, BROWN))
    for candidates in (["titled", "far"], ["far", "pear"], ["titled", "pear"]):
        [result] = identifier.identify([crop], candidates).results
        assert {candidate.object_id for candidate in result.ranking} == set(candidates)
        assert sum(candidate.probability for candidate in result.ranking) + result.none_probability == pytest.approx(1)
    assert identifier.fusion is not None
    first, second, third = (rows[:, 2:8] for rows in identifier.fusion.verifier.asked)
    assert np.isnan(first).all() and np.isnan(second[0]).all() and np.isnan(third[0]).all()
    assert second[1, 0] == third[1, 0] > 20


def test_damaged_points_are_named_with_what_to_do(prints: Identifier, gallery: Gallery, drawn: Draw,
                                                  seen_otherwise: See) -> None:
    prints.embed_references(list(PRINTS))
    crop = seen_otherwise(drawn(0, BROWN))
    for damaged in (b"\x07" * 131, bytes(132)):
        gallery._run(lambda connection, data=damaged: connection.execute(
            "UPDATE reference_features SET data = %s FROM object_references WHERE object_id = 'pear' "
            "AND object_references.reference_id = reference_features.reference_id", (data,)))
        with pytest.raises(InvalidRecord, match="features of a tray image of pear are damaged, remove the reference and add it"):
            prints.identify([crop], list(PRINTS))
    [reference] = gallery.references("pear")
    gallery.remove_reference(reference.reference_id)
    gallery.add_reference("pear", "tray", encode_png(drawn(1, BROWN)))
    [result] = prints.identify([crop], list(PRINTS)).results                 # what the sentence says helps
    assert result.ranking[0].object_id == "plum"


def test_threads_verify_at_once(prints: Identifier, drawn: Draw, seen_otherwise: See) -> None:
    crops = [seen_otherwise(drawn(seed, BROWN)) for seed in (0, 1)]
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: prints.identify(crops, list(PRINTS)), range(8)))
    for batch in batches:
        assert [result.ranking[0].object_id for result in batch.results] == list(PRINTS)
        assert [result.confidence for result in batch.results] == [result.confidence for result in batches[0].results]
    assert sum(map(len, prints.gallery.features(LOCAL_KEY, list(PRINTS)).values())) == 3
