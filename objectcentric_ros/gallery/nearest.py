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

"""SQL of the search among all objects: the nearest references, or the nearest reference of each of the nearest objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import Vector

from objectcentric_ros.gallery.errors import InvalidEmbedding
from objectcentric_ros.gallery.records import SOURCES

CENTRES, VECTORS = KINDS = ("centres", "vectors")
_MOST_INDEXED = 500      # more neighbours than this are searched exactly: an index finds a few
_CENTRES = 240           # enough of them to find the nearest few objects surely
_SPARE = 10              # more than asked for, because 16-bit distances are coarse: they are ranked by the full vectors

# The candidates' embeddings, each compared with the query; materialised, so that no vector is carried through a sort.
_OF_CANDIDATES = """
    , pair AS MATERIALIZED (
        SELECT object_id, source, reference_id, embedding <=> %(query)b::vector AS distance
        FROM candidate JOIN object_references USING (object_id) JOIN embeddings USING (reference_id)
        WHERE embeddings.encoder_id = {encoder})
    SELECT object_id, source, reference_id, distance FROM (
        SELECT DISTINCT ON ({one}) object_id, source, reference_id, distance FROM pair ORDER BY {one}, distance) AS best
    ORDER BY distance, reference_id LIMIT {count}"""

_BY_CENTRES = """
    WITH near AS MATERIALIZED (
        SELECT object_id, {indexed} <=> %(query)b::vector::halfvec({dimension}) AS distance FROM object_centres
        WHERE encoder_id = {encoder} ORDER BY {indexed} <=> %(query)b::vector::halfvec({dimension}) LIMIT {pool}),
    candidate AS MATERIALIZED (SELECT object_id FROM near GROUP BY object_id ORDER BY min(distance) LIMIT {effort})"""

_BY_ALL = """
    WITH candidate AS MATERIALIZED (
        SELECT object_id FROM embeddings JOIN object_references USING (reference_id) WHERE embeddings.encoder_id = {encoder}
        GROUP BY object_id ORDER BY min(embedding <=> %(query)b::vector) LIMIT {count})"""

_BY_VECTORS = """
    SELECT object_id, source, reference_id, distance FROM (
        SELECT reference_id, embedding <=> %(query)b::vector AS distance FROM (
            SELECT reference_id, embedding FROM embeddings WHERE encoder_id = {encoder} ORDER BY {order} LIMIT {pool}) AS pool
        ORDER BY distance LIMIT {wanted}) AS near
    JOIN object_references USING (reference_id) ORDER BY distance, reference_id"""


@dataclass(frozen=True)
class Neighbour:
    """A reference near a query: whose it is, from which source, and its cosine distance [0..2]."""

    object_id: str
    source: str
    reference_id: int
    distance: float


@dataclass(frozen=True)
class Space:
    """One encoder's embeddings and the index that is searched.

    Args:
        encoder_id: whose.
        dimension: of an embedding.
        kind: of the index; None: there is none.
        effort: that it was tuned to for the nearest references.
        object_effort: the same for the nearest objects.
    """

    encoder_id: int
    dimension: int
    kind: str | None
    effort: int
    object_effort: int

    def index(self, kind: str) -> str:
        """Name of the index."""
        return f"{'centres' if kind == CENTRES else 'embeddings'}_hnsw_{self.encoder_id}"

    def table(self, kind: str) -> str:
        """Table that it is on."""
        return "object_centres" if kind == CENTRES else "embeddings"

    def indexed(self, kind: str) -> str:
        """The indexed expression; search and index must spell it alike."""
        return f"({'centre' if kind == CENTRES else 'embedding'}::halfvec({self.dimension}))"


def space_of(connection: psycopg.Connection, encoder_key: str, kind: str | None = None) -> Space | None:
    """An encoder's space with the index of a kind (None: centres, else vectors); None for an encoder that is not known."""
    row = connection.execute("""
        SELECT encoders.encoder_id, dimension, kind, coalesce(effort, 100), coalesce(object_effort, 100)
        FROM encoders LEFT JOIN vector_indexes
          ON vector_indexes.encoder_id = encoders.encoder_id AND (%s::text IS NULL OR kind = %s)
        WHERE key = %s ORDER BY kind LIMIT 1""", (kind, kind, encoder_key)).fetchone()
    return None if row is None else Space(*row)


def nearest(connection: psycopg.Connection, encoder_key: str, queries: NDArray[np.float32], count: int, by_object: bool = False,
            exact: bool = False, kind: str | None = None, effort: int | None = None) -> list[list[Neighbour]]:
    """The `count` nearest of each (D,) query, nearest first: references, or the nearest reference of each object.

    Raises:
        InvalidEmbedding: the queries have another dimension.
    """
    space = space_of(connection, encoder_key, kind)
    if space is None:
        return [[] for _ in queries]
    if queries.shape[1] != space.dimension:
        raise InvalidEmbedding(f"the query has {queries.shape[1]} dimensions, which is not what encoder {encoder_key} has in "
                               f"this gallery ({space.dimension})")
    return [search(connection, space, query, count, by_object, effort, exact) for query in queries]


def search(connection: psycopg.Connection, space: Space, query: NDArray[np.float32], count: int, by_object: bool = False,
           effort: int | None = None, exact: bool = False) -> list[Neighbour]:
    """The `count` nearest of one (D,) query; see nearest."""
    effort = effort or (space.object_effort if by_object else space.effort)
    exact = exact or space.kind is None or count > _MOST_INDEXED
    if by_object and exact:
        return _of_candidates(connection, space, query, count, True, _BY_ALL.format(encoder=space.encoder_id, count=int(count)))
    if space.kind == CENTRES and not exact:
        return _by_centres(connection, space, query, count, by_object, max(effort, count))
    return _by_vectors(connection, space, query, count, by_object, effort, exact)


def _by_centres(connection: psycopg.Connection, space: Space, query: NDArray[np.float32], count: int, by_object: bool,
                effort: int) -> list[Neighbour]:
    # An object has up to four centres; an index finds the nearest few surely by looking at many more.
    pool = max(len(SOURCES) * effort, min(2 * len(SOURCES) * effort, _CENTRES))
    _allow(connection, pool)
    candidates = _BY_CENTRES.format(indexed=space.indexed(CENTRES), dimension=space.dimension, encoder=space.encoder_id,
                                    pool=int(pool), effort=int(effort))
    return _of_candidates(connection, space, query, count, by_object, candidates)


def _of_candidates(connection: psycopg.Connection, space: Space, query: NDArray[np.float32], count: int, by_object: bool,
                   candidates: str) -> list[Neighbour]:
    sql = candidates + _OF_CANDIDATES.format(encoder=space.encoder_id, one="object_id" if by_object else "reference_id",
                                             count=int(count))
    return [_neighbour(row) for row in _rows(connection, sql, query)]


def _by_vectors(connection: psycopg.Connection, space: Space, query: NDArray[np.float32], count: int, by_object: bool,
                effort: int, exact: bool) -> list[Neighbour]:
    """By embeddings in the order of their distance: more of them, until they are of enough references or objects."""
    wanted, before = count, -1
    order = "embedding <=> %(query)b::vector" if exact else \
        f"{space.indexed(VECTORS)} <=> %(query)b::vector::halfvec({space.dimension})"
    while True:
        if not exact:
            _allow(connection, max(effort, wanted))
        rows = _rows(connection, _BY_VECTORS.format(encoder=space.encoder_id, order=order, wanted=int(wanted),
                                                    pool=int(wanted if exact else wanted + _SPARE)), query)
        found: dict[Any, Neighbour] = {}
        for row in rows:
            found.setdefault(row[0] if by_object else row[2], _neighbour(row))
        if len(found) >= count or len(rows) < wanted or len(rows) == before:
            return list(found.values())[:count]
        before, wanted = len(rows), 4 * wanted


def _allow(connection: psycopg.Connection, effort: int) -> None:
    """Size of the index's candidate list for the rest of the transaction; beyond it the scan goes on where it was."""
    connection.execute(f"SET LOCAL hnsw.ef_search = {min(max(int(effort), 1), 1000)}")                   # type: ignore[call-overload]
    connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")


def _rows(connection: psycopg.Connection, sql: str, query: NDArray[np.float32]) -> Sequence[tuple[Any, ...]]:
    return connection.execute(sql, {"query": Vector(query)}, binary=True).fetchall()                     # type: ignore[call-overload, no-any-return]


def _neighbour(row: Sequence[Any]) -> Neighbour:
    return Neighbour(row[0], row[1], row[2], min(max(float(row[3]), 0.0), 2.0))
