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

"""Search of the whole gallery, with and without an index, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.errors import GalleryError, InvalidEmbedding, InvalidRecord
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.synthetic_vectors import SyntheticVectors
from objectcentric_ros.gallery.vector_index import VectorIndexConfig

DATA = SyntheticVectors(objects=60, references=8, dimension=32, seed=5)


def fill(gallery: Gallery, data: SyntheticVectors = DATA, key: str = "e") -> np.ndarray:
    """(objects, references, dimension) vectors that the gallery has now, of objects thing-000 ..."""
    vectors = data.vectors(0, data.objects)
    gallery.add_vectors(key, [VectorObject(ObjectRecord(f"thing-{number:03d}", f"Thing {number}"), data.sources, rows)
                              for number, rows in enumerate(vectors)])
    return vectors


def test_without_an_index_the_nearest_are_those_of_numpy(gallery: Gallery) -> None:
    vectors = fill(gallery)
    queries, _ = DATA.queries(5)
    for query, near in zip(queries, gallery.nearest("e", queries, 12), strict=True):
        distances = 1 - vectors @ query
        order = np.argsort(distances, axis=None)[:12]
        assert [neighbour.object_id for neighbour in near] == [f"thing-{index // 8:03d}" for index in order]
        assert [neighbour.source for neighbour in near] == [DATA.sources[index % 8] for index in order]
        np.testing.assert_allclose([neighbour.distance for neighbour in near], distances.ravel()[order], atol=1e-5)


def test_by_object_every_object_comes_once_with_its_nearest_reference(gallery: Gallery) -> None:
    vectors = fill(gallery)
    queries, _ = DATA.queries(3)
    for query, near in zip(queries, gallery.nearest("e", queries, 20, by_object=True), strict=True):
        distances = (1 - vectors @ query).min(axis=1)
        order = np.argsort(distances)[:20]
        assert [neighbour.object_id for neighbour in near] == [f"thing-{index:03d}" for index in order]
        np.testing.assert_allclose([neighbour.distance for neighbour in near], distances[order], atol=1e-5)


def test_more_are_asked_for_than_there_are(gallery: Gallery) -> None:
    fill(gallery)
    query = DATA.queries(1)[0]
    assert len(gallery.nearest("e", query, 10_000)[0]) == 480
    assert len(gallery.nearest("e", query, 10_000, by_object=True)[0]) == 60
    assert gallery.nearest("nobody", query, 3) == [[]] and gallery.nearest("nobody", query, 3, by_object=True) == [[]]


@pytest.mark.parametrize("kind", ["centres", "vectors"])
def test_a_tuned_index_keeps_its_recall_and_is_what_is_searched(gallery: Gallery, kind: str) -> None:
    data = SyntheticVectors(objects=300, references=8, dimension=64, seed=1)
    fill(gallery, data)
    fill(gallery, SyntheticVectors(objects=1, references=2, dimension=5), key="another encoder")
    tuned = gallery.build_index("e", VectorIndexConfig(kind, recall=0.95))
    used = gallery.index("e")
    assert tuned is not None and tuned[1] >= 0.95 and used is not None and (used[0], used[2]) == (kind, tuned[0])
    queries, _ = data.queries(40)
    exact = gallery.nearest("e", queries, 10, exact=True)
    found = gallery.nearest("e", queries, 10)
    hits = sum(len(set(near) & set(true)) for near, true in zip(found, exact, strict=True))
    assert hits / 400 >= 0.9
    exact, found = (gallery.nearest("e", queries, 10, by_object=True, exact=exact) for exact in (True, False))
    assert sum(len(set(near) & set(true)) for near, true in zip(found, exact, strict=True)) / 400 >= 0.9
    plan = gallery._run(lambda connection: [row[0] for row in _explain(connection, kind)])
    assert any(f"{PREFIX[kind]}_hnsw" in line for line in plan)
    gallery.drop_index("e")
    assert gallery.index("e") is None
    assert gallery.nearest("e", queries, 10, by_object=True) == exact


PREFIX = {"centres": "centres", "vectors": "embeddings"}


def _explain(connection, kind):
    encoder = connection.execute("SELECT encoder_id FROM encoders WHERE key = 'e'").fetchone()[0]
    connection.execute("SET LOCAL enable_sort = off")            # a table this small is sorted sooner than its index is read
    column, table = ("centre", "object_centres") if kind == "centres" else ("embedding", "embeddings")
    return connection.execute(f"EXPLAIN SELECT 1 FROM {table} WHERE encoder_id = {encoder} ORDER BY ({column}::halfvec(64)) <=> "
                              f"(SELECT ({column}::halfvec(64)) FROM {table} LIMIT 1) LIMIT 5")


@pytest.mark.parametrize("kind", ["centres", "vectors"])
def test_what_comes_and_goes_after_the_index_is_built_is_found_and_forgotten(gallery: Gallery, kind: str, picture) -> None:
    fill(gallery)
    gallery.build_index("e", VectorIndexConfig(kind))
    first, second = np.eye(32, dtype=np.float32)[:1], np.eye(32, dtype=np.float32)[1:2]
    gallery.add_vectors("e", [VectorObject(ObjectRecord("new", "New"), ("tray",), first)])
    assert gallery.nearest("e", first, 1)[0][0].object_id == "new"
    reference, _ = gallery.add_reference("new", "bin", picture(1))
    gallery.put_embeddings("e", [(reference, second[0])])
    assert gallery.nearest("e", second, 1)[0][0] == gallery.nearest("e", second, 1, by_object=True)[0][0]
    assert gallery.nearest("e", second, 1)[0][0].reference_id == reference
    gallery.remove_reference(reference)
    assert gallery.nearest("e", second, 1)[0][0].distance > 0.1
    gallery.remove_object("new")
    assert all(neighbour.object_id != "new" for neighbour in gallery.nearest("e", first, 480)[0])


def test_centres_are_the_means_of_what_is_there(gallery: Gallery) -> None:
    vectors = fill(gallery)
    gallery.build_index("e", VectorIndexConfig("centres"), queries=0)
    axes = np.eye(32, dtype=np.float32)[:3]
    gallery.add_vectors("e", [VectorObject(ObjectRecord("new", "New"), ("tray", "tray", "bin"), axes)])
    gallery.remove_object("thing-007")

    def centres() -> dict[tuple[str, str], np.ndarray]:
        rows = gallery._run(lambda connection: connection.execute(
            "SELECT object_id, source, centre FROM object_centres").fetchall())
        return {(row[0], row[1]): row[2].to_numpy() for row in rows}

    found = centres()
    tray = [number for number, source in enumerate(DATA.sources) if source == "tray"]
    np.testing.assert_allclose(found["thing-003", "tray"], vectors[3, tray].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["new", "tray"], [0.5, 0.5] + [0.0] * 30)
    assert ("thing-007", "tray") not in found
    before = found
    gallery.build_index("e", VectorIndexConfig("centres"), queries=0)
    after = centres()
    assert after.keys() == before.keys()
    for key in after:
        np.testing.assert_allclose(after[key], before[key], atol=1e-6)


def test_both_kinds_live_side_by_side(gallery: Gallery) -> None:
    def indexes() -> set[str]:
        return {name for name in gallery.disk() if "_hnsw_" in name}

    before = indexes()                               # of encoders of other tests
    fill(gallery)
    gallery.build_index("e", VectorIndexConfig("vectors"))
    assert gallery.index("e") is not None and gallery.index("e")[0] == "vectors" and gallery.index("e", "centres") is None
    gallery.build_index("e", VectorIndexConfig("centres"))
    assert gallery.index("e")[0] == "centres" and gallery.index("e", "vectors")[0] == "vectors"
    with pytest.raises(GalleryError, match="no index of kind centres"):
        gallery.tune_index("nobody", "centres", True, [[1.0]], [0.1], 1, 0.9)
    assert len(indexes() - before) == 2
    gallery.drop_index("e")
    assert gallery.index("e") is None and indexes() == before


def test_several_embeddings_of_a_reference_are_one_neighbour(gallery: Gallery, picture) -> None:
    for number in range(3):
        gallery.add_object(ObjectRecord(f"mug-{number}", "Mug"))
        reference, _ = gallery.add_reference(f"mug-{number}", "tray", picture(number))
        angles = 0.1 * number + 0.01 * np.arange(4)
        gallery.put_embeddings("e", [(reference, [np.cos(angle), np.sin(angle)]) for angle in angles])
    near = gallery.nearest("e", [[1.0, 0.0]], 3)[0]
    assert [neighbour.object_id for neighbour in near] == ["mug-0", "mug-1", "mug-2"]
    np.testing.assert_allclose([neighbour.distance for neighbour in near], 1 - np.cos([0.0, 0.1, 0.2]), atol=1e-6)


def test_the_verb_builds_and_drops_an_index(gallery: Gallery, capsys: pytest.CaptureFixture[str]) -> None:
    from objectcentric_ros.cli import main

    assert gallery._server is not None
    where = ["--data-dir", str(gallery._server.folder)]
    assert main(["gallery", "index", *where]) == 2 and "no embeddings yet" in capsys.readouterr().err
    fill(gallery)
    assert main(["gallery", "index", "--recall", "0.9", *where]) == 0
    assert "e: centres index, effort" in capsys.readouterr().out and gallery.index("e") is not None
    fill(gallery, SyntheticVectors(objects=1, references=2, dimension=5), key="f")
    assert main(["gallery", "index", *where]) == 2 and "give --encoder: e" in capsys.readouterr().err
    assert main(["gallery", "index", "--encoder", "e", "--drop", *where]) == 0
    assert gallery.index("e") is None


def test_what_cannot_be_searched_or_indexed_says_so(gallery: Gallery) -> None:
    fill(gallery)
    for vector in ([1.0, 2.0], [float("nan")] * 32, [0.0] * 32):
        with pytest.raises(InvalidEmbedding):
            gallery.nearest("e", [vector])
    with pytest.raises(InvalidRecord):
        gallery.nearest("e", DATA.queries(1)[0], 0)
    with pytest.raises(GalleryError, match="no embeddings of encoder 'f'"):
        gallery.build_index("f")
    with pytest.raises(GalleryError, match="centres, vectors"):
        VectorIndexConfig("ivf")
