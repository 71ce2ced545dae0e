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

"""Import of many embeddings: complete, once, and killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.gallery.benchmark import GalleryBenchmark, batches, object_id, run_benchmark
from objectcentric_ros.gallery.benchmark_table import table
from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.errors import GalleryError, InvalidEmbedding, UnknownSource
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.synthetic_vectors import SyntheticVectors
from objectcentric_ros.gallery.vector_index import VectorIndexConfig

RECORD = ObjectRecord("mug", "Mug", {"de": "Tasse"}, (0.1, 0.1, 0.12), 0.3, {"colour": "blue"})

IMPORT = """
import sys
from pathlib import Path
from objectcentric_ros.gallery.benchmark import GalleryBenchmark, batches
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.synthetic_vectors import SyntheticVectors
benchmark = GalleryBenchmark(SyntheticVectors(400, 12, 64, 3), batch=5)
vectors = benchmark.data.vectors(0, 400)
with Gallery.open(data_dir=sys.argv[1]) as gallery:
    print("open", flush=True)
    for batch in batches(benchmark, vectors):
        gallery.add_vectors(benchmark.key, batch)
        print("batch", flush=True)
"""


def random_vectors(count: int, dimension: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def test_what_goes_in_by_copy_comes_back(gallery: Gallery) -> None:
    vectors = random_vectors(4)
    assert gallery.add_vectors("e", [VectorObject(RECORD, ("tray", "tray", "bin", "text"), vectors)]) == 1
    assert gallery.get_object("mug") == RECORD
    assert gallery.find_object("TASSE").object_id == "mug"
    assert [reference.source for reference in gallery.references("mug")] == ["tray", "tray", "bin", "text"]
    query = random_vectors(1, seed=1)
    expected = 1 - (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ query[0] / np.linalg.norm(query)
    np.testing.assert_allclose(gallery.min_distances("e", query, ["mug"])[0, 0],
                               [expected[:2].min(), expected[2], np.nan, expected[3]], atol=1e-6)
    later, _ = gallery.add_text("mug", "added by hand afterwards")
    assert later > max(reference.reference_id for reference in gallery.references("mug")[:-1])


def test_what_is_there_is_left_alone_and_equal_vectors_count_once(gallery: Gallery) -> None:
    item = VectorObject(RECORD, ("tray", "tray", "bin"), random_vectors(1).repeat(3, axis=0))
    other = VectorObject(ObjectRecord("jug", "Jug"), ("bin",), random_vectors(1))
    assert gallery.add_vectors("e", [item, item]) == 1
    assert gallery.add_vectors("e", [other, item]) == 1
    assert gallery.stats().references == {"tray": 1, "bin": 2, "catalog": 0, "text": 0}
    assert gallery.stats().embeddings == {"e": 3}
    assert gallery.add_vectors("e", []) == 0


def test_bad_vectors_leave_nothing_behind(gallery: Gallery) -> None:
    with pytest.raises(InvalidEmbedding, match="row 1 is not finite"):
        VectorObject(RECORD, ("tray", "bin"), np.array([[1.0, 0.0], [np.nan, 1.0]]))
    with pytest.raises(InvalidEmbedding, match="2 embeddings for 1 sources"):
        VectorObject(RECORD, ("tray",), random_vectors(2))
    with pytest.raises(UnknownSource, match="shelf"):
        VectorObject(RECORD, ("shelf",), random_vectors(1))
    gallery.add_vectors("e", [VectorObject(ObjectRecord("jug", "Jug"), ("bin",), random_vectors(1))])
    with pytest.raises(InvalidEmbedding, match="7 dimensions in this gallery"):
        gallery.add_vectors("e", [VectorObject(RECORD, ("tray",), random_vectors(1, 9))])
    assert gallery.stats().objects == 1


def test_two_imports_of_the_same_at_once_double_nothing(gallery: Gallery) -> None:
    data = SyntheticVectors(60, 6, 16)
    vectors, errors = data.vectors(0, 60), []

    def work(order: int) -> None:
        try:
            parts = list(batches(GalleryBenchmark(data, batch=10), vectors))
            for batch in parts[::order]:
                gallery.add_vectors("e", batch[::order])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in (1, -1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (gallery.stats().objects, gallery.stats().embeddings) == (60, {"e": 360})


@pytest.mark.parametrize("victim", ["import", "server"])
def test_a_killed_import_goes_on_without_loss_or_duplicates(tmp_path: Path, victim: str) -> None:
    folder = tmp_path / "gallery"
    with Gallery.open(data_dir=folder) as gallery:
        process = subprocess.Popen([sys.executable, "-c", IMPORT, str(folder)], stdout=subprocess.PIPE, text=True,
                                   cwd=Path(__file__).parents[2])
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(12)]
        assert seen[-1] == "batch\n"
        time.sleep(0.01)                                 # into the middle of a batch, most times
        server = gallery._server.postmaster_pid() if gallery._server else None
        assert server is not None
        os.kill(process.pid if victim == "import" else server, signal.SIGKILL)
        if victim == "import":
            process.wait()
            before = gallery.stats()
            assert 55 <= before.objects < 400
            assert before.embeddings["synthetic-64-3"] == 12 * before.objects, "an object with a part of its embeddings"
            subprocess.run([sys.executable, "-c", IMPORT, str(folder)], check=True, capture_output=True,
                           cwd=Path(__file__).parents[2])
        else:
            process.communicate()                        # goes on by itself: the server is started again inside the call
            assert process.returncode == 0
        stats = gallery.stats()
        assert (stats.objects, stats.embeddings["synthetic-64-3"], sum(stats.references.values())) == (400, 4800, 4800)
        data = SyntheticVectors(400, 12, 64, 3)
        numbers = [0, 54, 55, 60, 399]
        stored = gallery.min_distances("synthetic-64-3", data.vectors(0, 400)[numbers, 0], [object_id(n) for n in numbers])
        np.testing.assert_allclose(np.nanmin(stored, axis=2).diagonal(), 0, atol=1e-6)


def test_the_benchmark_goes_on_and_measures_the_truth(tmp_path: Path) -> None:
    indexes = (VectorIndexConfig("centres"), VectorIndexConfig("vectors"))
    benchmark = GalleryBenchmark(SyntheticVectors(60, 10, 32), 12, 20, indexes, batch=7)
    figures = run_benchmark(benchmark, tmp_path)
    assert figures["vectors"] == 600 and figures["import"]["vectors_per_second"] > 0
    assert figures["candidate_query"]["largest_difference_to_numpy"] < 1e-5
    for found in (figures["search"][kind] for kind in ("centres", "vectors")):
        assert found["nearest_references"]["recall"] > 0.8 and found["nearest_objects"]["recall"] > 0.8
    assert figures["disk_bytes"]["embeddings"] > 600 * 4 * 32
    said: list[str] = []
    again = run_benchmark(benchmark, tmp_path, say=said.append)
    assert not any("import" in sentence or "building" in sentence for sentence in said)
    assert again["import"] == figures["import"] and again["indexes"] == figures["indexes"]
    assert "600 vectors of 32 dimensions" in table(again) and "12 candidates" in table(again)
    with pytest.raises(GalleryError, match="another folder"):
        run_benchmark(GalleryBenchmark(SyntheticVectors(61, 10, 32), queries=20), tmp_path)


def test_the_verb_measures_writes_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from objectcentric_ros.cli import main

    small = ["benchmark", "gallery", "--references", "4", "--dimension", "16", "--queries", "8", "--candidates", "5"]
    assert main([*small, "--objects", "30", "--json", str(tmp_path / "deep" / "figures.json")]) == 0
    figures = json.loads((tmp_path / "deep" / "figures.json").read_text())
    assert figures["vectors"] == 120 and figures["search"]["centres"]["nearest_objects"]["recall"] > 0.5
    assert "candidate query, in the database" in capsys.readouterr().out
    for wrong in (["--objects", "0"], ["--objects", "9"], ["--objects", "30", "--queries", "1"], ["--objects", "30", "--m", "1"]):
        assert main([*small, *wrong]) == 2
        assert capsys.readouterr().err.startswith("objectcentric benchmark gallery: ")


def test_synthetic_vectors_are_the_same_in_any_piece() -> None:
    whole = DATA.vectors(0, 20)
    np.testing.assert_array_equal(whole[7:11], DATA.vectors(7, 11))
    np.testing.assert_allclose(np.linalg.norm(whole, axis=-1), 1, atol=1e-5)
    queries, owners = DATA.queries(50)
    nearest = (1 - np.einsum("qd,ord->qor", queries, DATA.vectors(0, 40))).min(axis=2).argmin(axis=1)
    assert (nearest == owners).mean() > 0.9


DATA = SyntheticVectors(40, 10, 64, 2)
