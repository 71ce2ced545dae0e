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

"""Search of the whole gallery: an HNSW index of one encoder's embeddings, tuned to a recall, and the nearest references.

Two kinds of index, both of pgvector and both smaller and faster to build than one of the full vectors:
- halfvec: 16-bit vectors, cosine distance.
- bit: one bit a dimension (its sign), Hamming distance; the nearest by bits are ranked again by their full vectors.
Without an index the search is exact and reads every embedding of the encoder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import Vector

from objectcentric_ros.gallery.errors import GalleryError, InvalidEmbedding

KINDS = ("halfvec", "bit")
EF_SEARCHES = (10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 800, 1000)
"""Sizes of the dynamic candidate list that tuning tries; pgvector takes at most 1000."""
_ROUNDING = 1e-5    # of a cosine distance that NumPy and pgvector compute differently


@dataclass(frozen=True)
class Neighbour:
    """A reference near a query: whose it is, from which source, and its cosine distance [0..2]."""

    object_id: str
    source: str
    reference_id: int
    distance: float


@dataclass(frozen=True)
class VectorIndexConfig:
    """How an index is built and tuned.

    Args:
        kind: "halfvec" or "bit".
        m: neighbours a node.
        ef_construction: size of the candidate list while building; at least twice m.
        recall: of the exact nearest references, at which ef_search is chosen.
        workers: parallel processes of the server besides the one that serves the connection.
        memory: most memory for building [bytes]; 0 = what the graph needs, at most a quarter of the machine's.
    """

    kind: str = "halfvec"
    m: int = 16
    ef_construction: int = 64
    recall: float = 0.95
    workers: int = 1
    memory: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise GalleryError(f"unknown kind of index {self.kind!r}; the kinds are {', '.join(KINDS)}")
        if not 2 <= self.m <= 100 or not max(4, 2 * self.m) <= self.ef_construction <= 1000 or not 0 < self.recall <= 1:
            raise GalleryError(f"an index needs m 2..100, ef_construction from twice m to 1000 and recall 0..1, got {self}")


@dataclass(frozen=True)
class _Space:
    """One encoder's embeddings and, if there is one, their index."""

    encoder_id: int
    dimension: int
    kind: str | None
    ef_search: int

    @property
    def index(self) -> str:
        return f"embeddings_hnsw_{self.encoder_id}"

    def indexed(self, kind: str) -> str:
        """The indexed expression; search and index must spell it alike."""
        d = self.dimension
        return f"(embedding::halfvec({d}))" if kind == "halfvec" else f"(binary_quantize(embedding)::bit({d}))"

    def order(self, exact: bool) -> str:
        """ORDER BY of the search for the nearest to %(query)s."""
        if exact or self.kind is None:
            return "embedding <=> %(query)b::vector"
        if self.kind == "halfvec":
            return f"{self.indexed('halfvec')} <=> %(query)b::vector::halfvec({self.dimension})"
        return f"{self.indexed('bit')} <~> binary_quantize(%(query)b::vector)::bit({self.dimension})"


def build(connection: psycopg.Connection, encoder_key: str, config: VectorIndexConfig) -> None:
    """Build the index anew; nobody can add embeddings meanwhile. Raises GalleryError when there are no embeddings."""
    space = _space(connection, encoder_key)
    row = connection.execute("SELECT count(*) FROM embeddings WHERE encoder_id = %s",
                             (space.encoder_id if space else None,)).fetchone()
    if space is None or row is None or not row[0]:
        raise GalleryError(f"the gallery has no embeddings of encoder {encoder_key!r} to index")
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    value = 2 * space.dimension if config.kind == "halfvec" else space.dimension // 8
    memory = config.memory or min(max(int(1.2 * row[0] * (value + 45 * config.m + 250)), 64 << 20), machine // 4)
    connection.execute(f"SET LOCAL maintenance_work_mem = '{memory >> 10}kB'")                           # type: ignore[call-overload]
    connection.execute(f"DROP INDEX IF EXISTS {space.index}")                                            # type: ignore[call-overload]
    try:
        _create(connection, space, config, config.workers)
    except psycopg.errors.DiskFull:              # of the shared memory, in containers: one process needs none
        if not config.workers:
            raise
        _create(connection, space, config, 0)
    connection.execute("""
        INSERT INTO vector_indexes (encoder_id, kind, ef_search) VALUES (%s, %s, 100)
        ON CONFLICT (encoder_id) DO UPDATE
        SET kind = excluded.kind, ef_search = excluded.ef_search, recall = NULL, built = now()""",
        (space.encoder_id, config.kind))


def _create(connection: psycopg.Connection, space: _Space, config: VectorIndexConfig, workers: int) -> None:
    operators = "halfvec_cosine_ops" if config.kind == "halfvec" else "bit_hamming_ops"
    with connection.transaction():               # a savepoint: a failure leaves the caller's transaction alive
        connection.execute(f"SET LOCAL max_parallel_maintenance_workers = {int(workers)}")               # type: ignore[call-overload]
        connection.execute(                                                                              # type: ignore[call-overload]
            f"CREATE INDEX {space.index} ON embeddings USING hnsw ({space.indexed(config.kind)} {operators}) "
            f"WITH (m = {int(config.m)}, ef_construction = {int(config.ef_construction)}) WHERE encoder_id = {space.encoder_id}")


def drop(connection: psycopg.Connection, encoder_key: str) -> None:
    """Remove the index, if there is one: the search is exact from then on."""
    space = _space(connection, encoder_key)
    if space is not None:
        connection.execute(f"DROP INDEX IF EXISTS {space.index}")                                        # type: ignore[call-overload]
        connection.execute("DELETE FROM vector_indexes WHERE encoder_id = %s", (space.encoder_id,))


def effort(connection: psycopg.Connection, encoder_key: str) -> int | None:
    """The ef_search that searches use; None without an index."""
    space = _space(connection, encoder_key)
    return space.ef_search if space is not None and space.kind is not None else None


def nearest(connection: psycopg.Connection, encoder_key: str, queries: NDArray[np.float32], count: int,
            ef_search: int | None = None, exact: bool = False) -> list[list[Neighbour]]:
    """The `count` nearest references of each (D,) query, nearest first; exact leaves the index aside."""
    space = _space(connection, encoder_key)
    if space is None:
        return [[] for _ in queries]
    if queries.shape[1] != space.dimension:
        raise InvalidEmbedding(f"the query has {queries.shape[1]} dimensions, which is not what encoder {encoder_key} has in "
                               f"this gallery ({space.dimension})")
    return [_nearest(connection, space, query, count, ef_search or space.ef_search, exact) for query in queries]


def nearest_objects(connection: psycopg.Connection, encoder_key: str, queries: NDArray[np.float32], count: int,
                    ef_search: int | None = None, exact: bool = False) -> list[list[Neighbour]]:
    """The nearest reference of each of the `count` nearest objects, nearest first."""
    row = connection.execute("SELECT count(*) FROM (SELECT 1 FROM objects LIMIT %s) AS few", (count,)).fetchone()
    count = min(count, row[0] if row else 0)
    # As many references as that many objects have, by the planner's statistics; more when they were of fewer objects.
    row = connection.execute("""
        SELECT stored.reltuples / objects.reltuples FROM pg_class AS stored, pg_class AS objects
        WHERE stored.oid = 'embeddings'::regclass AND objects.oid = 'objects'::regclass AND objects.reltuples > 0""").fetchone()
    first = count * max(4, min(round(row[0]) if row else 4, 100))
    return [_nearest_objects(connection, encoder_key, query, count, first, ef_search, exact) if count else []
            for query in queries]


def _nearest_objects(connection: psycopg.Connection, encoder_key: str, query: NDArray[np.float32], count: int, wanted: int,
                     ef_search: int | None, exact: bool) -> list[Neighbour]:
    before = -1
    while True:
        near = nearest(connection, encoder_key, query[None], wanted, ef_search, exact)[0]
        objects = {neighbour.object_id: neighbour for neighbour in reversed(near)}
        if len(objects) >= count or len(near) < wanted or len(near) == before:
            return sorted(objects.values(), key=lambda neighbour: neighbour.distance)[:count]
        before, wanted = len(near), 4 * wanted


def _nearest(connection: psycopg.Connection, space: _Space, query: NDArray[np.float32], count: int, ef_search: int,
             exact: bool) -> list[Neighbour]:
    """A reference may have several embeddings (its orientations): more are asked for until there are enough references."""
    indexed = space.kind is not None and not exact
    wanted = count
    while True:
        # The distances of the index are coarse: it gives some more, which are ranked by their full vectors.
        pool = wanted if not indexed else max(ef_search, wanted) if space.kind == "bit" else wanted + 10
        if indexed:
            # Beyond the candidate list the scan goes on where it was.
            connection.execute(f"SET LOCAL hnsw.ef_search = {min(max(ef_search, 1), 1000)}")             # type: ignore[call-overload]
            connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
        rows = connection.execute(f"""
            SELECT object_id, source, reference_id, distance FROM (
                SELECT reference_id, embedding <=> %(query)b::vector AS distance FROM (
                    SELECT reference_id, embedding FROM embeddings WHERE encoder_id = {space.encoder_id}
                    ORDER BY {space.order(exact)} LIMIT {int(pool)}) AS pool
                ORDER BY distance LIMIT {int(wanted)}) AS near
            JOIN object_references USING (reference_id) ORDER BY distance, reference_id""",              # type: ignore[call-overload]
            {"query": Vector(query)}, binary=True).fetchall()
        first: dict[int, Neighbour] = {}
        for object_id, source, reference_id, distance in rows:
            first.setdefault(reference_id, Neighbour(object_id, source, reference_id, min(max(float(distance), 0.0), 2.0)))
        if len(first) >= count or len(rows) < wanted:
            return list(first.values())[:count]
        wanted *= 4


def tune(connection: psycopg.Connection, encoder_key: str, queries: NDArray[np.float32], limits: NDArray[np.floating],
         count: int, recall: float) -> tuple[int, float]:
    """Choose and store the smallest ef_search that finds this share of the true nearest references.

    Args:
        connection: to the gallery.
        encoder_key: whose embeddings.
        queries: (Q, D).
        limits: (Q,) cosine distance of the true count-th nearest reference of each.
        count: how many are asked for.
        recall: 0..1.

    Returns:
        (ef_search, its recall): the largest when none reaches the recall.
    """
    reached, ef_search = 0.0, EF_SEARCHES[-1]
    for ef_search in EF_SEARCHES:
        reached = recall_within(nearest(connection, encoder_key, queries, count, ef_search), limits, count)
        if reached >= recall:
            break
    connection.execute("UPDATE vector_indexes SET ef_search = %s, recall = %s FROM encoders "
                       "WHERE encoders.encoder_id = vector_indexes.encoder_id AND key = %s", (ef_search, reached, encoder_key))
    return ef_search, reached


def recall_within(found: Sequence[Sequence[Neighbour]], limits: NDArray[np.floating], count: int) -> float:
    """Share of the true `count` nearest that were found: those no farther than the true count-th, so that equals count alike."""
    hits = sum(neighbour.distance <= limit + _ROUNDING
               for near, limit in zip(found, limits, strict=True) for neighbour in near)
    return hits / max(count * len(found), 1)


def stored_queries(connection: psycopg.Connection, encoder_key: str, number: int,
                   count: int) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    """Stored vectors, each moved a little like another picture, the exact distance of their count-th nearest, and that count."""
    rows = connection.execute("""
        SELECT embedding FROM embeddings JOIN encoders USING (encoder_id) WHERE key = %s
        ORDER BY md5(reference_id::text) LIMIT %s""", (encoder_key, number)).fetchall()
    if not rows:
        raise GalleryError(f"the gallery has no embeddings of encoder {encoder_key!r}")
    vectors = np.array([row[0].to_numpy() for row in rows], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    noise = np.random.default_rng(0).standard_normal(vectors.shape).astype(np.float32)
    vectors += 0.4 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    exact = nearest(connection, encoder_key, vectors, count, exact=True)
    found = min(len(row) for row in exact)
    return vectors, np.array([row[found - 1].distance for row in exact]), found


def _space(connection: psycopg.Connection, encoder_key: str) -> _Space | None:
    row = connection.execute("""
        SELECT encoders.encoder_id, dimension, kind, coalesce(ef_search, 100)
        FROM encoders LEFT JOIN vector_indexes USING (encoder_id) WHERE key = %s""", (encoder_key,)).fetchone()
    return None if row is None else _Space(*row)
