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

"""What a gallery costs at a size: import, disk, index, candidate query and whole-gallery search, beside NumPy and usearch.

Everything made on the way stays in the working folder with the times that it took, so that a run that was ended (or killed)
goes on where it was, and a run over a finished folder only measures queries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.embedded import EmbeddedConfig
from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.nearest import VECTORS
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.gallery.synthetic_vectors import FAMILY, SyntheticVectors
from objectcentric_ros.gallery.vector_index import EFFORTS, VectorIndexConfig, recall_within

COUNT = 10                     # neighbours that are searched
SERVER = {"shared_buffers": "1GB", "max_wal_size": "4GB", "wal_compression": "off", "autovacuum": "off"}
"""Of the embedded server: what one with two million vectors wants; the package's own default is for a robot's few thousand."""

_NUMPY_QUERIES = 30            # a whole search takes a tenth of a second or more


@dataclass(frozen=True)
class GalleryBenchmark:
    """What is measured.

    Args:
        data: the embeddings.
        candidates: objects that a query is compared with.
        queries: half of them choose the search effort, the other half are reported.
        indexes: of the search among all objects; one of each kind at most.
        batch: objects a transaction.
        threads: of usearch's build; NumPy's are those of its BLAS.
    """

    data: SyntheticVectors
    candidates: int = 30
    queries: int = 400
    indexes: tuple[VectorIndexConfig, ...] = (VectorIndexConfig(),)
    batch: int = 250
    threads: int = 2

    def __post_init__(self) -> None:
        if not self.indexes or len({index.kind for index in self.indexes}) < len(self.indexes):
            raise ValueError("a gallery benchmark needs an index, and at most one of each kind")
        if self.data.objects < COUNT:
            raise ValueError(f"a gallery benchmark needs {COUNT} objects or more, got {self.data.objects}")
        if self.queries < 4 or self.batch < 1 or not 1 <= self.candidates <= self.data.objects:
            raise ValueError("a gallery benchmark needs 4 queries or more, a batch of 1 or more, and candidates between 1 and "
                             f"the number of objects, got {self.queries}, {self.batch} and {self.candidates}")

    @property
    def key(self) -> str:
        """Encoder key of the embeddings."""
        return f"synthetic-{self.data.dimension}-{self.data.seed}"


class _Notes:
    """Times and rows that survive the process, in notes.json of the working folder."""

    def __init__(self, folder: Path, benchmark: GalleryBenchmark) -> None:
        self._path = folder / "notes.json"
        data = asdict(benchmark.data)
        self.values: dict[str, Any] = {"data": data}
        if self._path.is_file():
            try:
                self.values = json.loads(self._path.read_text())
            except ValueError as error:
                raise GalleryError(f"{self._path} can't be read: {error}") from error
            if self.values.get("data") != data:
                raise GalleryError(f"{folder} holds a benchmark of {self.values.get('data')}; give another folder for {data}")

    def add(self, **values: float) -> None:
        """Add to what is noted."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0) + value
        self._write()

    def set(self, **values: Any) -> None:
        """Replace what is noted."""
        self.values.update(values)
        self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self.values, indent=1))
        fresh.replace(self._path)


def run_benchmark(benchmark: GalleryBenchmark, folder: Path, url: str | None = None,
                  say: Callable[[str], None] = lambda sentence: None) -> dict[str, Any]:
    """Import, index and measure.

    Args:
        benchmark: what.
        folder: working folder; made when missing, goes on with what it holds.
        url: PostgreSQL server whose gallery is used (it should be empty); None = an embedded server in the folder.
        say: called with a sentence now and then.

    Returns:
        JSON-ready figures; times in ms unless the name says otherwise.

    Raises:
        GalleryError: the folder is another benchmark's, or the database fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = _Notes(folder, benchmark)
    config = EmbeddedConfig(settings=SERVER)
    with (Gallery.open(url) if url else Gallery.open(data_dir=folder / "gallery", server=config)) as gallery:
        say("drawing the vectors")
        vectors = _vectors(benchmark.data, folder)
        _import(gallery, benchmark, vectors, notes, say)
        for index in benchmark.indexes:
            _index(gallery, benchmark.key, index, notes, say)
        usearch = _usearch_index(benchmark, vectors, folder, notes, say)
        say("the truth, by NumPy")
        queries, owners = benchmark.data.queries(benchmark.queries)
        limits, object_limits = _truth(vectors, queries)
        say("reading everything once, so that all start warm")
        _warm(folder)
        half = benchmark.queries // 2
        result: dict[str, Any] = {
            "candidate_query": _candidate_query(gallery, benchmark, vectors, queries, owners), "search": {}}
        say("searching the whole gallery")
        for index in benchmark.indexes:
            for by_object, truth in ((False, limits), (True, object_limits)):
                gallery.tune_index(benchmark.key, index.kind, by_object, queries[:half], truth[:half], COUNT, index.recall)
            result["search"][index.kind] = {
                "nearest_references": _search(gallery, benchmark.key, index.kind, queries[half:], limits[half:], False),
                "nearest_objects": _search(gallery, benchmark.key, index.kind, queries[half:], object_limits[half:], True)}
        result["numpy"] = _numpy_search(vectors, queries[half:])
        if usearch is not None:
            result["usearch"] = _usearch_search(usearch, queries, limits, benchmark.indexes[0].recall)
        return {**_summary(gallery, benchmark, notes), **result}


def _vectors(data: SyntheticVectors, folder: Path) -> NDArray[np.float32]:
    """(objects, references, dimension) of all vectors, in a file of the folder."""
    path = folder / "vectors.npy"
    if not path.is_file():
        unfinished = path.with_suffix(".new")
        made = np.lib.format.open_memmap(unfinished, "w+", np.float32, (data.objects, data.references, data.dimension))
        for start in range(0, data.objects, 1000):
            stop = min(start + 1000, data.objects)
            made[start:stop] = data.vectors(start, stop)
        made.flush()
        unfinished.replace(path)
    return np.load(path, mmap_mode="r")


def object_id(number: int) -> str:
    """Id of an object of the benchmark."""
    return f"object-{number:07d}"


def batches(benchmark: GalleryBenchmark, vectors: NDArray[np.float32]) -> Iterator[list[VectorObject]]:
    """The objects of the benchmark as they are imported, a transaction each."""
    for start in range(0, benchmark.data.objects, benchmark.batch):
        stop = min(start + benchmark.batch, benchmark.data.objects)
        yield [VectorObject(ObjectRecord(object_id(number), f"Object {number}"), benchmark.data.sources, vectors[number])
               for number in range(start, stop)]


def _import(gallery: Gallery, benchmark: GalleryBenchmark, vectors: NDArray[np.float32], notes: _Notes,
            say: Callable[[str], None]) -> None:
    wanted = benchmark.data.objects
    there = gallery.stats().objects
    if there < wanted:
        say(f"importing {wanted} objects, of which {there} are there")
        told = time.monotonic()
        for number, batch in enumerate(batches(benchmark, vectors)):
            started = time.perf_counter()
            new = gallery.add_vectors(benchmark.key, batch)
            if new:
                notes.add(imported=new * benchmark.data.references, import_seconds=time.perf_counter() - started)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say(f"{min((number + 1) * benchmark.batch, wanted)} of {wanted} objects")
        gallery.analyze()
    stats = gallery.stats()
    found = (stats.objects, stats.embeddings.get(benchmark.key, 0))
    if found != (wanted, wanted * benchmark.data.references):
        raise GalleryError(f"the gallery holds {found[0]} objects and {found[1]} embeddings after the import, expected {wanted} "
                           f"and {wanted * benchmark.data.references}: it was not empty before")


def _index(gallery: Gallery, key: str, index: VectorIndexConfig, notes: _Notes, say: Callable[[str], None]) -> None:
    built = {"m": index.m, "ef_construction": index.ef_construction}
    noted = notes.values.get(f"index_{index.kind}", {})
    if gallery.index(key, index.kind) is None or {name: noted.get(name) for name in built} != built:
        say(f"building the index over {index.kind}")
        started = time.perf_counter()
        gallery.build_index(key, index, queries=0)
        notes.set(**{f"index_{index.kind}": {**built, "seconds": time.perf_counter() - started}})


def _usearch_index(benchmark: GalleryBenchmark, vectors: NDArray[np.float32], folder: Path, notes: _Notes,
                   say: Callable[[str], None]) -> Any:
    """The usearch index, from its file when there is one; None where usearch is not installed."""
    try:
        from usearch.index import Index
    except ImportError:
        say("usearch is not installed (pip install usearch): left out")
        return None
    path = folder / "usearch.index"
    built = benchmark.indexes[0]
    index = Index(ndim=benchmark.data.dimension, metric="cos", dtype="f16", connectivity=built.m,
                  expansion_add=built.ef_construction)
    if path.is_file():
        index.load(str(path))
        return index
    say("building the usearch index")
    flat = vectors.reshape(-1, benchmark.data.dimension)
    started = time.perf_counter()
    for start in range(0, len(flat), 100_000):
        stop = min(start + 100_000, len(flat))
        index.add(np.arange(start, stop), flat[start:stop], threads=benchmark.threads)
    seconds = time.perf_counter() - started
    index.save(str(path.with_suffix(".new")))
    path.with_suffix(".new").replace(path)
    notes.set(usearch_seconds=seconds)
    return index


def _truth(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine distance (Q,) of each query's COUNT-th nearest vector and COUNT-th nearest object, compared with every vector."""
    best = np.full((len(queries), COUNT), np.inf, np.float32)
    best_objects = best.copy()
    for start in range(0, len(vectors), 1000):
        part = 1 - queries @ vectors[start:start + 1000].reshape(-1, queries.shape[1]).T
        by_object = part.reshape(len(queries), -1, vectors.shape[1]).min(axis=2)
        best = _smallest(best, part)
        best_objects = _smallest(best_objects, by_object)
    return best.max(axis=1), best_objects.max(axis=1)


def _smallest(best: NDArray[np.float32], more: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.partition(np.concatenate([best, more], axis=1), COUNT - 1, axis=1)[:, :COUNT]


def _warm(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            try:
                with path.open("rb") as file:
                    while file.read(1 << 24):
                        pass
            except OSError:
                continue                      # a file that the server has removed meanwhile


def _candidate_query(gallery: Gallery, benchmark: GalleryBenchmark, vectors: NDArray[np.float32], queries: NDArray[np.float32],
                     owners: NDArray[np.int64]) -> dict[str, Any]:
    """Minimum distance by candidate and source, in the database and in NumPy; half of the queries warm up."""
    rng = np.random.default_rng(benchmark.data.seed)
    rows = np.array(benchmark.data.sources)
    times, numpy_times, worst = [], [], 0.0
    for query, owner in zip(queries, owners, strict=True):
        drawn = rng.permutation(benchmark.data.objects)[:benchmark.candidates]
        alike = np.arange(owner // FAMILY * FAMILY, min((owner // FAMILY + 1) * FAMILY, benchmark.data.objects))
        chosen = list(dict.fromkeys([int(owner), *alike.tolist(), *drawn.tolist()]))[:benchmark.candidates]
        names = [object_id(number) for number in chosen]
        started = time.perf_counter()
        found = gallery.min_distances(benchmark.key, query[None], names)[0]
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
        distances = 1 - vectors[chosen] @ query
        expected = [distances[:, rows == source].min(axis=1) for source in dict.fromkeys(benchmark.data.sources)]
        numpy_times.append(time.perf_counter() - started)
        worst = max(worst, float(np.nanmax(np.abs(found[:, :len(expected)] - np.stack(expected, axis=1)))))
    half = len(times) // 2
    return {"candidates": benchmark.candidates, **_milliseconds(times[half:]), "numpy": _milliseconds(numpy_times[half:]),
            "largest_difference_to_numpy": worst}


def _search(gallery: Gallery, key: str, kind: str, queries: NDArray[np.float32], limits: NDArray[np.float32],
            by_object: bool) -> dict[str, Any]:
    times, found = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(gallery.nearest(key, query[None], COUNT, by_object, kind=kind)[0])
        times.append(time.perf_counter() - started)
    used = gallery.index(key, kind)
    return {"count": COUNT, "effort": used[1 + by_object] if used else None, "recall": recall_within(found, limits, COUNT),
            **_milliseconds(times)}


def _numpy_search(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> dict[str, Any]:
    flat = vectors.reshape(-1, vectors.shape[2])
    times = []
    for query in queries[:_NUMPY_QUERIES]:
        started = time.perf_counter()
        similarity = flat @ query
        nearest = np.argpartition(similarity, -COUNT)[-COUNT:]
        nearest[np.argsort(-similarity[nearest])]
        times.append(time.perf_counter() - started)
    return {"count": COUNT, "recall": 1.0, **_milliseconds(times)}


def _usearch_search(index: Any, queries: NDArray[np.float32], limits: NDArray[np.float32], recall: float) -> dict[str, Any]:
    """The same with usearch, at the smallest effort of the same ladder that reaches the recall on the first half."""
    half = len(queries) // 2

    def share(found: list[NDArray[np.float32]], limits: NDArray[np.float32]) -> float:
        # Distances of 16-bit vectors: the rounding is larger than that of the database, which ranks by its full vectors.
        return float(np.mean([(distances <= limit + 5e-4).sum() / COUNT for distances, limit in zip(found, limits, strict=True)]))

    for effort in EFFORTS[VECTORS]:
        index.expansion_search = effort
        if share([index.search(query, COUNT, threads=1).distances for query in queries[:half]], limits[:half]) >= recall:
            break
    times, found = [], []
    for query in queries[half:]:
        started = time.perf_counter()
        found.append(index.search(query, COUNT, threads=1).distances)
        times.append(time.perf_counter() - started)
    return {"count": COUNT, "effort": effort, "recall": share(found, limits[half:]), **_milliseconds(times)}


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(np.array(seconds) * 1e3, [50, 95])
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def _summary(gallery: Gallery, benchmark: GalleryBenchmark, notes: _Notes) -> dict[str, Any]:
    data, values = benchmark.data, notes.values
    return {
        "objects": data.objects, "references": data.references, "vectors": data.objects * data.references,
        "dimension": data.dimension, "seed": data.seed, "gallery": "url" if "://" in gallery.where else gallery.where,
        "import": {"seconds": values.get("import_seconds"),
                   "vectors_per_second": values["imported"] / values["import_seconds"] if values.get("import_seconds") else None},
        "indexes": {index.kind: values.get(f"index_{index.kind}") for index in benchmark.indexes},
        "usearch_build_seconds": values.get("usearch_seconds"), "disk_bytes": gallery.disk()}
