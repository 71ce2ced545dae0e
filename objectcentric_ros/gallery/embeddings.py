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

"""SQL on embeddings: write them, and the paper's query, the minimum distance by candidate and source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import psycopg
from numpy.typing import ArrayLike, NDArray
from pgvector import Vector

from objectcentric_ros.gallery.errors import InvalidEmbedding
from objectcentric_ros.gallery.records import SOURCES, require_text
from objectcentric_ros.gallery.references import STILL_THERE

MAX_DIMENSION = 2000
"""One vector fits one page, and pgvector's HNSW index ends here as well."""

# Materialised, so that the vectors themselves are not carried through the sort of the aggregate (6 times slower).
_MIN_DISTANCES = """
    WITH pair AS MATERIALIZED (
        SELECT query.number AS query, candidate.number AS candidate, reference.source,
               stored.embedding <=> query.vector AS distance
        FROM unnest(%s::text[]) WITH ORDINALITY AS candidate (object_id, number)
        JOIN object_references AS reference ON reference.object_id = candidate.object_id
        JOIN embeddings AS stored ON stored.reference_id = reference.reference_id
         AND stored.encoder_id = (SELECT encoder_id FROM encoders WHERE key = %s)
        CROSS JOIN unnest(%b::vector[]) WITH ORDINALITY AS query (vector, number))
    SELECT query, candidate, source, min(distance) FROM pair GROUP BY 1, 2, 3"""


def checked_vectors(vectors: ArrayLike, what: str) -> NDArray[np.float32]:
    """(N, D) float32 vectors; raises InvalidEmbedding on another shape, NaN, inf, zero length or too many dimensions."""
    try:
        array = np.asarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidEmbedding(f"{what} must be an (N, D) array of numbers of one dimension: {error}") from error
    if array.ndim != 2 or array.shape[1] == 0:
        raise InvalidEmbedding(f"{what} must be an (N, D) array, got shape {array.shape}")
    if array.shape[1] > MAX_DIMENSION:
        raise InvalidEmbedding(f"{what} have {array.shape[1]} dimensions; the gallery stores at most {MAX_DIMENSION}")
    norms = np.linalg.norm(array.astype(np.float64), axis=1)
    if not np.all(np.isfinite(norms)):
        raise InvalidEmbedding(f"{what}: row {int(np.argmin(np.isfinite(norms)))} is not finite (NaN or inf)")
    if np.any(norms < 1e-12):
        raise InvalidEmbedding(f"{what}: row {int(np.argmin(norms))} has length zero, so that it has no direction")
    return array


def encoder(connection: psycopg.Connection, key: str, dimension: int) -> int:
    """Id of the encoder with this key, made when it is new; raises InvalidEmbedding when it has another dimension here."""
    connection.execute("INSERT INTO encoders (key, dimension) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING", (key, dimension))
    row = connection.execute("SELECT encoder_id, dimension FROM encoders WHERE key = %s", (key,)).fetchone()
    assert row is not None
    if row[1] != dimension:
        raise InvalidEmbedding(f"encoder {key} has {row[1]} dimensions in this gallery, the embeddings have {dimension}; "
                               "an encoder that changed needs another key")
    return int(row[0])


def insert(connection: psycopg.Connection, encoder_key: str, reference_ids: Sequence[int], vectors: NDArray[np.float32]) -> int:
    """Store vectors of one encoder; references that were removed meanwhile are left out. Returns how many were new.

    The vectors of a reference that is repeated are numbered in the order they come in.
    """
    require_text(encoder_key, "the encoder key", 200)
    dimension = vectors.shape[1]
    encoder_id = encoder(connection, encoder_key, dimension)
    done = connection.execute(f"""{STILL_THERE}
        INSERT INTO embeddings (encoder_id, reference_id, number, dimension, embedding)
        SELECT %s, reference_id, row_number() OVER (PARTITION BY reference_id ORDER BY place) - 1, %s, embedding
        FROM unnest(%s::bigint[], %b::vector[]) WITH ORDINALITY AS given (reference_id, embedding, place)
        JOIN there USING (reference_id) ORDER BY reference_id, place
        ON CONFLICT (reference_id, encoder_id, number) DO NOTHING""",                    # type: ignore[call-overload]
        (list(reference_ids), encoder_id, dimension, list(reference_ids), [Vector(vector) for vector in vectors]))
    return done.rowcount


def min_distances(connection: psycopg.Connection, encoder_key: str, vectors: NDArray[np.float32],
                  object_ids: Sequence[str]) -> NDArray[np.float32]:
    """(Q, C, 4) float32 minimum cosine distance [0..2] by query, candidate and source; NaN where there is no reference.

    One statement: the candidates' embeddings are read once and compared with every query inside the database.
    """
    distances = np.full((len(vectors), len(object_ids), len(SOURCES)), np.nan, np.float32)
    try:
        rows = connection.execute(_MIN_DISTANCES, (list(object_ids), encoder_key, [Vector(vector) for vector in vectors]),
                                  binary=True).fetchall()
    except psycopg.errors.DataException as error:       # pgvector: different vector dimensions
        raise InvalidEmbedding(f"the query has {vectors.shape[1]} dimensions, which is not what encoder {encoder_key} has in "
                               f"this gallery ({error.diag.message_primary})") from error
    for query, candidate, source, distance in rows:
        distances[query - 1, candidate - 1, SOURCES.index(source)] = min(max(distance, 0.0), 2.0)
    return distances
