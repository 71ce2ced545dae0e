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

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.embedded_set import (
    EmbeddedSet,
    EmbeddingError,
    embed_manifest,
    manifest_hash,
    min_distances,
)
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SOURCES, Manifest, ManifestRow


def unit(rng: np.random.Generator, rows: int, dimension: int = 8) -> NDArray[np.float32]:
    vectors = rng.normal(size=(rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made_up(rows: int = 40, seed: int = 0) -> EmbeddedSet:
    rng = np.random.default_rng(seed)
    return EmbeddedSet(np.array([f"o{i}" for i in rng.integers(0, 6, rows)]), rng.integers(0, 5, rows).astype(np.int8),
                       unit(rng, rows), np.array(["train", "test"])[rng.integers(0, 2, rows)],
                       np.array([f"{i}.jpg" for i in range(rows)]), "made-up-1")


class MeanColour:
    key = "mean-1"
    dimension = 3

    def __init__(self, fail_after: int = 10**9) -> None:
        self.images, self.fail_after = 0, fail_after

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.images += len(images)
        if self.images > self.fail_after:
            raise KeyboardInterrupt
        means = np.array([image.reshape(-1, 3).mean(axis=0) for image in images], np.float32) + 1e-3
        return means / np.linalg.norm(means, axis=1, keepdims=True)


class ColourWords:
    key = "words-1"
    image_key = "mean-1"
    dimension = 3

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.eye(3, dtype=np.float32)[[("red", "green", "blue").index(text) for text in texts]]


@pytest.fixture
def dataset(tmp_path: Path) -> Manifest:
    rows = []
    for index, name in enumerate(("red", "green", "blue")):
        image = np.zeros((6, 5, 3), np.uint8)
        image[..., 2 - index] = 250                  # OpenCV writes BGR
        for source in ("query", "tray"):
            cv2.imwrite(str(tmp_path / f"{name}_{source}.png"), image)
            rows.append(ManifestRow(name, source, f"{name}_{source}.png", split="test"))
        rows.append(ManifestRow(name, "text", text=name, split="test"))
    return Manifest(tmp_path, tuple(rows))


def test_round_trip(tmp_path: Path) -> None:
    before = made_up()
    before.save(tmp_path / "deep" / "set.npz")
    after = EmbeddedSet.load(tmp_path / "deep" / "set.npz")
    assert after.key == before.key
    for name in ("object_ids", "sources", "vectors", "splits", "paths"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.sources.dtype == np.int8 and after.vectors.dtype == np.float32


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"no zip")
    with pytest.raises(EmbeddingError, match="set.npz"):
        EmbeddedSet.load(tmp_path / "set.npz")


def test_a_file_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    good = made_up()
    np.savez(tmp_path / "set.npz", version=np.array(1), object_ids=np.array([{"a": 1}] * len(good)), sources=good.sources,
             vectors=good.vectors, splits=good.splits, paths=good.paths, key=np.array("k"))
    with pytest.raises(EmbeddingError, match="set.npz"):
        EmbeddedSet.load(tmp_path / "set.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(value: float) -> None:
    good = made_up()
    vectors = good.vectors.copy()
    vectors[7, 2] = value
    with pytest.raises(EmbeddingError, match="row 7"):
        dataclasses.replace(good, vectors=vectors)


def test_vectors_not_of_length_1_are_refused() -> None:
    good = made_up()
    vectors = good.vectors.copy()
    vectors[3] *= 1.01
    with pytest.raises(EmbeddingError, match=r"row 3 has 1\.01"):
        dataclasses.replace(good, vectors=vectors)


@pytest.mark.parametrize("change", [{"sources": np.full(40, 5, np.int8)}, {"splits": np.array(["test"])}])
def test_columns_that_do_not_fit_are_refused(change: dict[str, NDArray[np.generic]]) -> None:
    with pytest.raises(EmbeddingError):
        dataclasses.replace(made_up(), **change)


def test_select_takes_split_and_sources() -> None:
    everything = made_up()
    chosen = everything.select("test", ("query", "bin"))
    wanted = [path for path, split, source in zip(everything.paths, everything.splits, everything.sources, strict=True)
              if split == "test" and SOURCES[source] in ("query", "bin")]
    assert chosen.paths.tolist() == wanted and 0 < len(wanted) < 40
    with pytest.raises(ValueError, match="catalog"):
        everything.select(sources=["shelf"])


def test_min_distances_against_brute_force() -> None:
    references = made_up(rows=60)
    queries = unit(np.random.default_rng(5), 7)
    objects = ["o4", "o0", "nobody", "o2"]
    found = min_distances(queries, objects, references)
    assert found.shape == (7, 4, 4) and found.dtype == np.float32
    for q, query in enumerate(queries):
        for c, name in enumerate(objects):
            for s, source in enumerate(REFERENCE_SOURCES):
                distances = [1 - float(query @ vector) for vector, owner, kind in
                             zip(references.vectors, references.object_ids, references.sources, strict=True)
                             if owner == name and SOURCES[kind] == source]
                if distances:
                    assert found[q, c, s] == pytest.approx(min(distances), abs=1e-6)
                else:
                    assert np.isnan(found[q, c, s])
    assert np.isnan(found[:, 2]).all() and np.isfinite(found[:, 0]).any()


def test_an_object_may_be_asked_for_twice_and_a_reference_is_at_no_distance_from_itself() -> None:
    references = made_up(rows=60)
    row = int(np.flatnonzero(references.sources == SOURCES.index("bin"))[0])
    name = str(references.object_ids[row])
    found = min_distances(references.vectors[[row]], [name, name], references)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    assert found[0, 0, REFERENCE_SOURCES.index("bin")] == pytest.approx(0, abs=1e-6) and (found[np.isfinite(found)] >= 0).all()


@pytest.mark.parametrize("queries", [np.full((1, 8), np.nan, np.float32), np.ones((1, 8), np.float32),
                                     np.eye(1, 9, dtype=np.float32), np.ones(8, np.float32)])
def test_bad_queries_are_refused(queries: NDArray[np.float32]) -> None:
    with pytest.raises(EmbeddingError):
        min_distances(queries, ["o1"], made_up())


def test_a_manifest_is_embedded_in_rgb_order_and_titles_in_the_same_space(dataset: Manifest) -> None:
    embedded = embed_manifest(dataset, MeanColour(), ColourWords())
    found = min_distances(embedded.select(sources=["query"]).vectors, ["red", "green", "blue"], embedded)
    assert embedded.key == "mean-1+words-1"
    for source in ("tray", "text"):
        assert (found[:, :, REFERENCE_SOURCES.index(source)].argmin(axis=1) == [0, 1, 2]).all()
    assert np.isnan(found[:, :, REFERENCE_SOURCES.index("bin")]).all()


def test_without_a_text_encoder_titles_are_left_out(dataset: Manifest) -> None:
    embedded = embed_manifest(dataset, MeanColour())
    assert len(embedded) == 6 and "text" not in {SOURCES[source] for source in embedded.sources}


def test_a_finished_set_is_not_encoded_again_until_a_picture_changes(dataset: Manifest, tmp_path: Path) -> None:
    first, again, changed = MeanColour(), MeanColour(), MeanColour()
    seen: list[tuple[int, int]] = []
    embed_manifest(dataset, first, cache=tmp_path / "cache", progress=lambda done, total: seen.append((done, total)))
    embed_manifest(dataset, again, cache=tmp_path / "cache")
    before = manifest_hash(dataset)
    cv2.imwrite(str(tmp_path / "red_query.png"), np.full((9, 9, 3), 77, np.uint8))
    embed_manifest(dataset, changed, cache=tmp_path / "cache")
    assert (first.images, again.images, changed.images) == (6, 0, 6)
    assert seen[-1] == (6, 6) and before != manifest_hash(dataset)


def test_vectors_in_8_bits_are_not_taken_for_those_in_32(dataset: Manifest, tmp_path: Path) -> None:
    exact, coarse = MeanColour(), MeanColour()
    coarse.precision = "int8"                        # type: ignore[attr-defined]
    for encoder in (exact, coarse):
        embed_manifest(dataset, encoder, cache=tmp_path / "cache")
    assert (exact.images, coarse.images) == (6, 6)


def test_a_killed_run_goes_on_after_its_last_part(dataset: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectcentric_ros.identification.embedded_set._PART", 2)
    with pytest.raises(KeyboardInterrupt):
        embed_manifest(dataset, MeanColour(fail_after=4), cache=tmp_path / "cache")
    resumed = MeanColour()
    embedded = embed_manifest(dataset, resumed, cache=tmp_path / "cache")
    assert resumed.images == 2 and len(embedded) == 6
    assert not list((tmp_path / "cache").glob("*.parts"))


def test_a_title_tower_of_another_space_is_refused(dataset: Manifest) -> None:
    other = ColourWords()
    other.image_key = "other-1"
    with pytest.raises(EmbeddingError, match="other-1"):
        embed_manifest(dataset, MeanColour(), other)


def test_a_picture_that_cannot_be_read_and_an_encoder_gone_mad_are_refused(dataset: Manifest, tmp_path: Path) -> None:
    class Mad(MeanColour):
        def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            return np.full((len(images), 3), np.nan, np.float32)

    with pytest.raises(EmbeddingError, match="not finite"):
        embed_manifest(dataset, Mad(), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.np[yz]"))
    (tmp_path / "blue_tray.png").write_bytes(b"no picture")
    with pytest.raises(EmbeddingError, match="blue_tray"):
        embed_manifest(dataset, MeanColour())


def test_references_are_embedded_in_quarter_turns_and_queries_are_not(tmp_path: Path) -> None:
    class TopLeft(MeanColour):
        def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            return super().encode([image[:4, :4] for image in images])

    corners = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
    image = corners.repeat(4, axis=0).repeat(4, axis=1)
    for name, turn in (("upright", 0), ("turned", 1)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.rot90(image, turn))
    manifest = Manifest(tmp_path, (ManifestRow("a", "query", "turned.png"), ManifestRow("a", "tray", "upright.png")))
    least = {}
    for turns in (1, 2, 4):
        embedded = embed_manifest(manifest, TopLeft(), cache=tmp_path / "cache", quarter_turns=turns)
        assert len(embedded) == 1 + turns
        least[turns] = min_distances(embedded.select(sources=["query"]).vectors, ["a"], embedded)[0, 0, 0]
    assert least[1] > 0.05 and least[2] > 0.05 and least[4] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="quarter_turns"):
        embed_manifest(manifest, TopLeft(), quarter_turns=3)


def test_views_are_of_references_that_show_more_than_the_thing_and_are_cached_apart(tmp_path: Path) -> None:
    picture = np.full((60, 90, 3), (0, 255, 0), np.uint8)
    picture[15:45, 30:60] = (255, 0, 0)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    manifest = Manifest(tmp_path, tuple(ManifestRow("a", source, "a.png") for source in ("query", "tray", "bin", "catalog")))
    plain, viewed = (embed_manifest(manifest, MeanColour(), cache=tmp_path / "cache", views=views) for views in (False, True))
    same = np.isclose(plain.vectors, viewed.vectors, atol=1e-6).all(axis=1)
    assert same.tolist() == [True, True, False, False] and len(list((tmp_path / "cache").glob("*.npz"))) == 2
