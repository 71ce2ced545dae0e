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

"""SQL on local image features of references, as opaque bytes; every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from objectcentric_ros.gallery.errors import InvalidRecord
from objectcentric_ros.gallery.records import require_text
from objectcentric_ros.gallery.references import STILL_THERE

MAX_BYTES = 64 * 1024
"""The features of one reference under one key; the table has the same limit."""


def missing(connection: psycopg.Connection, key: str, object_ids: Sequence[str], limit: int) -> list[tuple[int, str, str, bytes]]:
    """(reference id, object id, source, image bytes) of image references that have no features under this key yet."""
    rows = connection.execute("""
        SELECT reference_id, object_id, source, data
        FROM object_references JOIN reference_images USING (reference_id)
        WHERE object_id = ANY(%s) AND NOT EXISTS (
            SELECT 1 FROM reference_features AS stored
            WHERE stored.reference_id = object_references.reference_id AND stored.key = %s OFFSET 0)
        ORDER BY reference_id LIMIT %s""", (list(object_ids), key, limit), binary=True).fetchall()
    return [(row[0], row[1], row[2], bytes(row[3])) for row in rows]


def insert(connection: psycopg.Connection, key: str, rows: Sequence[tuple[int, bytes]]) -> int:
    """Store features; those stored before stay, references removed meanwhile are left out. Returns how many were new.

    Raises:
        InvalidRecord: the key is no text, or features are not bytes or more than MAX_BYTES; nothing was stored.
    """
    require_text(key, "the key of features", 200)
    for reference_id, data in rows:
        if not isinstance(data, bytes):
            raise InvalidRecord(f"the features of reference {reference_id} must be bytes, got {type(data).__name__}")
        if len(data) > MAX_BYTES:
            raise InvalidRecord(f"the features of reference {reference_id} have {len(data)} bytes; at most {MAX_BYTES} are "
                                "stored: keep fewer of them, or fewer numbers of each")
    if not rows:
        return 0
    ids = [int(reference_id) for reference_id, _ in rows]
    done = connection.execute(f"""{STILL_THERE}
        INSERT INTO reference_features (reference_id, key, data)
        SELECT reference_id, %s, data
        FROM unnest(%s::bigint[], %b::bytea[]) WITH ORDINALITY AS given (reference_id, data, place)
        JOIN there USING (reference_id) ORDER BY reference_id, place
        ON CONFLICT (reference_id, key) DO NOTHING""",                                   # type: ignore[call-overload]
        (ids, key, ids, [bytes(data) for _, data in rows]))
    return done.rowcount


def select(connection: psycopg.Connection, key: str, object_ids: Sequence[str],
           newest: int) -> dict[str, list[tuple[str, bytes]]]:
    """(source, features) of the newest references of each object by source, oldest first; objects without any are left out."""
    # OFFSET 0, here and in `missing`: the features of each reference are looked up by it, whatever the planner expects of a key
    # that is newer than its statistics (it compared all features with all references).
    rows = connection.execute("""
        SELECT object_id, source, data FROM (
            SELECT reference_id, object_id, source, data,
                   row_number() OVER (PARTITION BY object_id, source ORDER BY reference_id DESC) AS age
            FROM object_references CROSS JOIN LATERAL (
                SELECT data FROM reference_features AS stored
                WHERE stored.reference_id = object_references.reference_id AND stored.key = %s OFFSET 0) AS found
            WHERE object_id = ANY(%s)) AS chosen
        WHERE age <= %s ORDER BY reference_id""", (key, list(object_ids), newest), binary=True).fetchall()
    found: dict[str, list[tuple[str, bytes]]] = {}
    for object_id, source, data in rows:
        found.setdefault(object_id, []).append((source, bytes(data)))
    return found
