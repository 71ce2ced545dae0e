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

"""Many embeddings at once, without their images: binary COPY, one transaction a batch.

An object goes in with all its embeddings or not at all, and one that is there is left alone: an import that was killed is run
again and loses and doubles nothing, also while another one does the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from objectcentric_ros.gallery import embeddings, objects
from objectcentric_ros.gallery.errors import InvalidEmbedding, UnknownSource
from objectcentric_ros.gallery.records import SOURCES, ObjectRecord, require_text

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)


@dataclass(frozen=True)
class VectorObject:
    """An object with embeddings of references whose images stay elsewhere.

    Args:
        record: the object.
        sources: R reference sources.
        vectors: (R, D) float32; equal ones of one source count once.

    Raises:
        InvalidEmbedding: a vector is not finite or has no length, or their number is not that of the sources.
        UnknownSource: a source is not one of SOURCES.
    """

    record: ObjectRecord
    sources: tuple[str, ...]
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.sources) - set(SOURCES)):
            raise UnknownSource(f"unknown reference source {unknown[0]!r}; the sources are {', '.join(SOURCES)}")
        checked = embeddings.checked_vectors(self.vectors, f"embeddings of {self.record.object_id}")
        if len(checked) != len(self.sources):
            raise InvalidEmbedding(f"{self.record.object_id} has {len(checked)} embeddings for {len(self.sources)} sources")
        object.__setattr__(self, "vectors", checked)


def insert(connection: psycopg.Connection, encoder_key: str, items: Sequence[VectorObject]) -> int:
    """Store those of the objects that are not there yet; returns how many were new.

    Raises:
        InvalidEmbedding: the encoder has another dimension in this gallery.
        psycopg.errors.UniqueViolation: another writer has stored one of them meanwhile; try again.
    """
    if not items:
        return 0
    require_text(encoder_key, "the encoder key", 200)
    dimensions = {item.vectors.shape[1] for item in items}
    if len(dimensions) > 1:
        raise InvalidEmbedding(f"the embeddings of one encoder have one dimension, these have {sorted(dimensions)}")
    dimension = dimensions.pop()
    encoder_id = embeddings.encoder(connection, encoder_key, dimension)
    there = {row[0] for row in connection.execute("SELECT object_id FROM objects WHERE object_id = ANY(%s)",
                                                  ([item.record.object_id for item in items],))}
    # In one order for all writers, so that two of them never wait for each other.
    new = [item for _, item in sorted({item.record.object_id: item for item in items
                                       if item.record.object_id not in there}.items())]
    if new:
        objects.insert_many(connection, [item.record for item in new])
        _copy_references(connection, encoder_id, dimension, new)
    return len(new)


def _copy_references(connection: psycopg.Connection, encoder_id: int, dimension: int, items: Sequence[VectorObject]) -> None:
    rows: list[tuple[str, str, bytes]] = []
    vectors: list[NDArray[np.float32]] = []
    for item in items:
        seen: set[bytes] = set()
        for source, vector in zip(item.sources, item.vectors, strict=True):
            digest = hashlib.sha256(source.encode() + vector.tobytes()).digest()
            if digest not in seen:
                seen.add(digest)
                rows.append((item.record.object_id, source, digest))
                vectors.append(vector)
    ids = [row[0] for row in connection.execute(
        "SELECT nextval(pg_get_serial_sequence('object_references', 'reference_id')) FROM generate_series(1, %s)", (len(rows),))]
    with connection.cursor() as cursor:
        with cursor.copy("COPY object_references (reference_id, object_id, source, sha256) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "text", "text", "bytea"])
            for reference_id, row in zip(ids, rows, strict=True):
                copy.write_row((reference_id, *row))
        with cursor.copy("COPY embeddings (encoder_id, reference_id, number, dimension, embedding) "
                         "FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(_SIGNATURE + _binary_rows(encoder_id, np.asarray(ids), np.stack(vectors), dimension) + b"\xff\xff")


def _binary_rows(encoder_id: int, reference_ids: NDArray[np.int64], vectors: NDArray[np.float32], dimension: int) -> bytes:
    """Rows of `embeddings` in PostgreSQL's binary COPY format; all rows have one length, so that NumPy writes them at once."""
    row = np.dtype([
        ("fields", ">i2"), ("l1", ">i4"), ("encoder_id", ">i4"), ("l2", ">i4"), ("reference_id", ">i8"), ("l3", ">i4"),
        ("number", ">i2"), ("l4", ">i4"), ("dimension", ">i4"), ("l5", ">i4"), ("dim", ">u2"), ("unused", ">u2"),
        ("values", ">f4", (dimension,))])
    table = np.zeros(len(vectors), row)
    table["fields"] = 5
    for name, length in (("l1", 4), ("l2", 8), ("l3", 2), ("l4", 4), ("l5", 4 + 4 * dimension)):
        table[name] = length
    table["encoder_id"], table["reference_id"] = encoder_id, reference_ids
    table["dimension"] = table["dim"] = dimension
    table["values"] = vectors
    return table.tobytes()
