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

"""SQL on references: images and texts of objects; every function runs inside the caller's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import psycopg

from objectcentric_ros.gallery import objects
from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.images import ImageInfo
from objectcentric_ros.gallery.records import ReferenceRecord

STILL_THERE = """
        WITH there AS MATERIALIZED (
            SELECT reference_id FROM object_references WHERE reference_id = ANY(%s::bigint[]) FOR KEY SHARE SKIP LOCKED)"""
"""Table `there`: the given references but those that are being removed, which are skipped, not waited for.

The lock keeps them from being removed before what is written about them. Writers in the order of reference_id never wait in a
circle.
"""

# A join with `encoders` instead of its id made the planner expect one row, and compare every reference with every embedding.
_NOT_EMBEDDED = """
        WHERE object_id = ANY(%s) AND NOT EXISTS (
            SELECT 1 FROM embeddings WHERE embeddings.reference_id = object_references.reference_id
            AND encoder_id = (SELECT encoder_id FROM encoders WHERE key = %s))
        ORDER BY reference_id LIMIT %s"""


def insert_image(connection: psycopg.Connection, object_id: str, source: str, data: bytes, info: ImageInfo) -> tuple[int, bool]:
    """Add a checked image; (reference id, whether the object had it already). Raises UnknownObject."""
    reference_id, duplicate = _insert(connection, object_id, source, data)
    if not duplicate:
        connection.execute("INSERT INTO reference_images (reference_id, format, width, height, data) VALUES (%s, %s, %s, %s, %s)",
                           (reference_id, info.format, info.width, info.height, data))
    return reference_id, duplicate


def insert_text(connection: psycopg.Connection, object_id: str, text: str, language: str) -> tuple[int, bool]:
    """Add a text; (reference id, whether the object had it already). Raises UnknownObject."""
    reference_id, duplicate = _insert(connection, object_id, "text", text.encode())
    if not duplicate:
        connection.execute("INSERT INTO reference_texts (reference_id, language, text) VALUES (%s, %s, %s)",
                           (reference_id, language, text))
    return reference_id, duplicate


def _insert(connection: psycopg.Connection, object_id: str, source: str, content: bytes) -> tuple[int, bool]:
    # The lock on the object's row serialises writers of one object, so that the second of two equal images sees the first.
    if connection.execute("SELECT 1 FROM objects WHERE object_id = %s FOR UPDATE", (object_id,)).fetchone() is None:
        raise objects.unknown(connection, object_id)
    digest = hashlib.sha256(content).digest()
    found = connection.execute("SELECT reference_id FROM object_references WHERE object_id = %s AND sha256 = %s",
                               (object_id, digest)).fetchone()
    if found is not None:
        return int(found[0]), True
    row = connection.execute(
        "INSERT INTO object_references (object_id, source, sha256) VALUES (%s, %s, %s) RETURNING reference_id",
        (object_id, source, digest)).fetchone()
    assert row is not None
    return int(row[0]), False


def select(connection: psycopg.Connection, object_id: str, source: str | None) -> tuple[ReferenceRecord, ...]:
    """References of an object, oldest first; raises UnknownObject."""
    rows = connection.execute("""
        SELECT reference_id, object_id, source, sha256, extract(epoch FROM created)::float8, format, width, height, text,
               language, pick_id::text
        FROM object_references LEFT JOIN reference_images USING (reference_id) LEFT JOIN reference_texts USING (reference_id)
             LEFT JOIN learned_references USING (reference_id)
        WHERE object_id = %s AND (%s::text IS NULL OR source = %s) ORDER BY reference_id""",
        (object_id, source, source)).fetchall()
    if not rows:
        objects.get(connection, object_id)
    return tuple(ReferenceRecord(row[0], row[1], row[2], bytes(row[3]).hex(), row[4], row[5] or "text",
                                 (row[6] or 0, row[7] or 0), row[8], row[9] or "", row[10] or "") for row in rows)


def image(connection: psycopg.Connection, reference_id: int) -> bytes:
    """The stored PNG or JPEG bytes; raises GalleryError when there is no such image."""
    row = connection.execute("SELECT data FROM reference_images WHERE reference_id = %s", (reference_id,)).fetchone()
    if row is None:
        raise GalleryError(f"the gallery has no reference image {reference_id}; Gallery.references lists those of an object")
    return bytes(row[0])


def delete(connection: psycopg.Connection, reference_id: int) -> None:
    """Remove one reference with its embeddings; raises GalleryError when it is not there."""
    gone = connection.execute("DELETE FROM object_references WHERE reference_id = %s RETURNING 1", (reference_id,)).fetchone()
    if gone is None:
        raise GalleryError(f"the gallery has no reference {reference_id}")


def without_embedding(connection: psycopg.Connection, encoder_key: str, object_ids: Sequence[str],
                      limit: int) -> list[tuple[int, str, str, bytes]]:
    """(reference id, object id, source, image bytes) of image references that this encoder has not embedded yet."""
    rows = connection.execute(f"""
        SELECT reference_id, object_id, source, data
        FROM object_references JOIN reference_images USING (reference_id) {_NOT_EMBEDDED}""",      # type: ignore[call-overload]
        (list(object_ids), encoder_key, limit)).fetchall()
    return [(row[0], row[1], row[2], bytes(row[3])) for row in rows]


def insert_titles(connection: psycopg.Connection, object_ids: Sequence[str]) -> int:
    """Give objects without any text their main title as one, in no stated language; returns how many there were."""
    done = connection.execute("""
        WITH added AS (
            INSERT INTO object_references (object_id, source, sha256)
            SELECT object_id, 'text', sha256(convert_to(title, 'UTF8')) FROM objects
            WHERE object_id = ANY(%s) AND NOT EXISTS (
                SELECT 1 FROM object_references WHERE object_references.object_id = objects.object_id AND source = 'text')
            ORDER BY object_id ON CONFLICT DO NOTHING RETURNING reference_id, object_id)
        INSERT INTO reference_texts (reference_id, language, text)
        SELECT reference_id, '', title FROM added JOIN objects USING (object_id)""", (list(object_ids),))
    return done.rowcount


def texts_without_embedding(connection: psycopg.Connection, encoder_key: str, object_ids: Sequence[str],
                            limit: int) -> list[tuple[int, str, str]]:
    """(reference id, object id, text) of text references that this encoder has not embedded yet."""
    rows = connection.execute(f"""
        SELECT reference_id, object_id, text
        FROM object_references JOIN reference_texts USING (reference_id) {_NOT_EMBEDDED}""",       # type: ignore[call-overload]
        (list(object_ids), encoder_key, limit)).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]
