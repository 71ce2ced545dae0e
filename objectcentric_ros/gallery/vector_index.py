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

"""Indexes of the search among all objects: built, tuned to a recall, dropped.

Two kinds of HNSW index, both over 16-bit vectors of one encoder:
- centres: over the mean embedding of each object and source. A search takes the objects with the nearest centres (its effort is
  how many) and compares the query with all of their embeddings. Small, quick to build, kept up to date by the database.
- vectors: over every embedding; the effort is pgvector's ef_search. Where an object has dozens of embeddings close together it
  finds the nearest of them well, and other objects less so. Two million vectors took six times the computing time of centres.
Without an index the search is exact and reads every embedding of the encoder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from objectcentric_ros.gallery import nearest
from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.nearest import CENTRES, KINDS, Neighbour, Space, space_of

EFFORTS = {"centres": (10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100, 120, 160, 240),
           "vectors": (10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 800, 1000)}
"""What tuning tries: candidate objects, and pgvector's ef_search, of which 1000 is the most."""

_ROUNDING = 1e-5    # of a cosine distance that NumPy and pgvector compute differently
_PAGE = 1000        # objects whose centres are computed in one statement


@dataclass(frozen=True)
class VectorIndexConfig:
    """How an index is built and tuned.

    Args:
        kind: "centres" or "vectors".
        m: neighbours a node.
        ef_construction: size of the candidate list while building; at least twice m.
        recall: share of the exact nearest for which the efforts are chosen.
        workers: parallel processes of the server besides the one that serves the connection.
        memory: most memory for building [bytes]; 0 = what the graph needs, at most a quarter of the machine's.
    """

    kind: str = CENTRES
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


def build(connection: psycopg.Connection, encoder_key: str, config: VectorIndexConfig) -> None:
    """Build an index anew; nobody can add embeddings meanwhile. Raises GalleryError when there are no embeddings."""
    space = space_of(connection, encoder_key, config.kind)
    # In the order in which writers take them. References may be added while vectors are indexed, which takes long.
    locked = "object_references, embeddings" if config.kind == CENTRES else "embeddings"
    connection.execute(f"LOCK TABLE {locked} IN SHARE ROW EXCLUSIVE MODE")                               # type: ignore[call-overload]
    row = connection.execute("SELECT count(*) FROM embeddings WHERE encoder_id = %s",
                             (space.encoder_id if space else None,)).fetchone()
    if space is None or row is None or not row[0]:
        raise GalleryError(f"the gallery has no embeddings of encoder {encoder_key!r} to index")
    _drop(connection, space, config.kind)
    rows = row[0]
    if config.kind == CENTRES:
        rows = _write_centres(connection, space)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    memory = config.memory or min(max(int(1.2 * rows * (2 * space.dimension + 45 * config.m + 250)), 64 << 20), machine // 4)
    connection.execute(f"SET LOCAL maintenance_work_mem = '{memory >> 10}kB'")                           # type: ignore[call-overload]
    try:
        _create(connection, space, config, config.workers)
    except psycopg.errors.DiskFull:              # of the shared memory, in containers: one process needs none
        if not config.workers:
            raise
        _create(connection, space, config, 0)
    connection.execute("INSERT INTO vector_indexes (encoder_id, kind, effort) VALUES (%s, %s, 100)",
                       (space.encoder_id, config.kind))


def _write_centres(connection: psycopg.Connection, space: Space) -> int:
    """Mean embeddings of every object and source, a page of objects at a time; returns how many there are."""
    count, last = 0, ""
    while page := connection.execute("SELECT object_id FROM objects WHERE object_id > %s ORDER BY object_id LIMIT %s",
                                     (last, _PAGE)).fetchall():
        last = page[-1][0]
        count += connection.execute("""
            INSERT INTO object_centres (encoder_id, object_id, source, dimension, centre)
            SELECT encoder_id, object_id, source, min(dimension), avg(embedding)
            FROM object_references JOIN embeddings USING (reference_id)
            WHERE object_id = ANY(%s) AND encoder_id = %s GROUP BY 1, 2, 3""",
            ([row[0] for row in page], space.encoder_id)).rowcount
    return count


def _create(connection: psycopg.Connection, space: Space, config: VectorIndexConfig, workers: int) -> None:
    with connection.transaction():               # a savepoint: a failure leaves the caller's transaction alive
        connection.execute(f"SET LOCAL max_parallel_maintenance_workers = {int(workers)}")               # type: ignore[call-overload]
        connection.execute(                                                                              # type: ignore[call-overload]
            f"CREATE INDEX {space.index(config.kind)} ON {space.table(config.kind)} "
            f"USING hnsw ({space.indexed(config.kind)} halfvec_cosine_ops) "
            f"WITH (m = {int(config.m)}, ef_construction = {int(config.ef_construction)}) WHERE encoder_id = {space.encoder_id}")


def drop(connection: psycopg.Connection, encoder_key: str) -> None:
    """Remove every index of an encoder: the search is exact from then on."""
    space = space_of(connection, encoder_key)
    for kind in KINDS if space is not None else ():
        assert space is not None
        _drop(connection, space, kind)


def _drop(connection: psycopg.Connection, space: Space, kind: str) -> None:
    connection.execute(f"DROP INDEX IF EXISTS {space.index(kind)}")                                      # type: ignore[call-overload]
    connection.execute("DELETE FROM vector_indexes WHERE encoder_id = %s AND kind = %s", (space.encoder_id, kind))
    if kind == CENTRES:
        connection.execute("DELETE FROM object_centres WHERE encoder_id = %s", (space.encoder_id,))


def tune(connection: psycopg.Connection, encoder_key: str, kind: str, by_object: bool, queries: NDArray[np.float32],
         limits: NDArray[np.floating], count: int, recall: float) -> tuple[int, float]:
    """Choose and store the smallest effort that finds this share of the true nearest.

    Args:
        connection: to the gallery.
        encoder_key: whose embeddings.
        kind: of the index.
        by_object: for the nearest objects instead of the nearest references.
        queries: (Q, D).
        limits: (Q,) cosine distance of the true count-th nearest of each.
        count: how many are asked for.
        recall: 0..1.

    Returns:
        (effort, its recall): the largest when none reaches the recall.
    """
    space = space_of(connection, encoder_key, kind)
    if space is None or space.kind is None:
        raise GalleryError(f"the gallery has no index of kind {kind} over embeddings of encoder {encoder_key!r}")
    reached, effort = 0.0, 0
    for effort in EFFORTS[kind]:
        found = [nearest.search(connection, space, query, count, by_object, effort) for query in queries]
        reached = recall_within(found, limits, count)
        if reached >= recall:
            break
    columns = "object_effort = %s, object_recall = %s" if by_object else "effort = %s, recall = %s"
    connection.execute(f"UPDATE vector_indexes SET {columns} WHERE encoder_id = %s AND kind = %s",       # type: ignore[call-overload]
                       (effort, reached, space.encoder_id, kind))
    return effort, reached


def recall_within(found: Sequence[Sequence[Neighbour]], limits: NDArray[np.floating], count: int) -> float:
    """Share of the true `count` nearest that were found: those no farther than the true count-th, so that equals count alike."""
    hits = sum(neighbour.distance <= limit + _ROUNDING
               for near, limit in zip(found, limits, strict=True) for neighbour in near)
    return hits / max(count * len(found), 1)


def stored_queries(connection: psycopg.Connection, encoder_key: str, by_object: bool, number: int,
                   count: int) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    """Stored vectors, each moved a little like another picture, the exact distance of their count-th nearest, and that count."""
    space = space_of(connection, encoder_key)
    rows = connection.execute("SELECT embedding FROM embeddings WHERE encoder_id = %s ORDER BY md5(reference_id::text) LIMIT %s",
                              (space.encoder_id if space else None, number)).fetchall()
    if space is None or not rows:
        raise GalleryError(f"the gallery has no embeddings of encoder {encoder_key!r}")
    vectors = np.array([row[0].to_numpy() for row in rows], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    noise = np.random.default_rng(0).standard_normal(vectors.shape).astype(np.float32)
    vectors += 0.4 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    exact = [nearest.search(connection, space, vector, count, by_object, exact=True) for vector in vectors]
    found = min(len(row) for row in exact)
    return vectors, np.array([row[found - 1].distance for row in exact]), found
