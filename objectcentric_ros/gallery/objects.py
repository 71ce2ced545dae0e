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

"""SQL on objects and their titles; every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Json

from objectcentric_ros.gallery import title_text
from objectcentric_ros.gallery.errors import AmbiguousTitle, DuplicateObject, UnknownObject
from objectcentric_ros.gallery.records import SOURCES, ObjectRecord, ObjectSummary

_NEAREST_AMONG = 20_000          # titles that are compared for "did you mean"

_RECORD = """
    object_id, title, size, mass, attributes,
    coalesce((SELECT jsonb_object_agg(language, titles.title) FROM titles
              WHERE titles.object_id = objects.object_id AND language <> ''), '{}')"""
_COUNTS = """,
    coalesce((SELECT jsonb_object_agg(source, n) FROM (SELECT source, count(*) AS n FROM object_references
              WHERE object_references.object_id = objects.object_id GROUP BY source) AS by_source), '{}'),
    (SELECT count(*) FROM picks WHERE picks.object_id = objects.object_id),
    (SELECT count(*) FROM picks WHERE picks.object_id = objects.object_id AND outcome = 'picked')"""


def insert(connection: psycopg.Connection, record: ObjectRecord) -> None:
    """Add an object; raises DuplicateObject when the id is taken."""
    added = connection.execute(
        "INSERT INTO objects (object_id, title, size, mass, attributes) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (object_id) DO NOTHING RETURNING 1",
        (record.object_id, record.title, _list(record.size), record.mass, Json(dict(record.attributes)))).fetchone()
    if added is None:
        raise DuplicateObject(f"the gallery already has an object with id {record.object_id!r}; update it, or take another id")
    _write_titles(connection, record)


def insert_many(connection: psycopg.Connection, records: Sequence[ObjectRecord]) -> None:
    """Add objects of which none is there, by COPY."""
    with connection.cursor() as cursor:
        with cursor.copy("COPY objects (object_id, title, size, mass, attributes) FROM STDIN") as copy:
            for record in records:
                copy.write_row((record.object_id, record.title, _list(record.size), record.mass, Json(dict(record.attributes))))
        with cursor.copy("COPY titles (object_id, language, title, folded, bare) FROM STDIN") as copy:
            for record in records:
                for row in _title_rows(record):
                    copy.write_row(row)


def update(connection: psycopg.Connection, record: ObjectRecord) -> None:
    """Replace title, translations, size, mass and attributes; raises UnknownObject.

    A text reference that is the former title goes with it.
    """
    former = connection.execute("SELECT title FROM objects WHERE object_id = %s FOR UPDATE", (record.object_id,)).fetchone()
    if former is None:
        raise unknown(connection, record.object_id)
    connection.execute(
        "UPDATE objects SET title = %s, size = %s, mass = %s, attributes = %s, updated = now() WHERE object_id = %s",
        (record.title, _list(record.size), record.mass, Json(dict(record.attributes)), record.object_id))
    if former[0] != record.title:
        connection.execute("""
            DELETE FROM object_references USING reference_texts AS texts
            WHERE texts.reference_id = object_references.reference_id AND object_id = %s AND language = '' AND text = %s""",
            (record.object_id, former[0]))
    connection.execute("DELETE FROM titles WHERE object_id = %s", (record.object_id,))
    _write_titles(connection, record)


def delete(connection: psycopg.Connection, object_id: str) -> None:
    """Remove an object with its references and embeddings; its picks stay, without a link. Raises UnknownObject."""
    if connection.execute("DELETE FROM objects WHERE object_id = %s RETURNING 1", (_plain(object_id),)).fetchone() is None:
        raise unknown(connection, object_id)


def get(connection: psycopg.Connection, object_id: str) -> ObjectRecord:
    """The object with this id; raises UnknownObject."""
    row = connection.execute(f"SELECT {_RECORD} FROM objects WHERE object_id = %s", (_plain(object_id),)).fetchone()   # type: ignore[call-overload]
    if row is None:
        raise unknown(connection, object_id)
    return _record(row)


def find(connection: psycopg.Connection, text: str) -> ObjectRecord:
    """The object with this id, or else this title in any language; a title in the right accents wins over one without."""
    text = _plain(text)
    folded, bare = title_text.folded(text), title_text.bare(text)
    rows = connection.execute("""
        SELECT object_id, min(closeness) FROM (
            SELECT object_id, 0 AS closeness FROM objects WHERE object_id IN (%(text)s, %(folded)s)
            UNION ALL SELECT object_id, 1 FROM titles WHERE folded = %(folded)s
            UNION ALL SELECT object_id, 2 FROM titles WHERE bare = %(bare)s) AS matches
        GROUP BY object_id ORDER BY 2, 1""", {"text": text, "folded": folded, "bare": bare}).fetchall()
    best = [object_id for object_id, closeness in rows if closeness == rows[0][1]]
    if not best or not folded:
        raise unknown(connection, text)
    if len(best) > 1:
        raise AmbiguousTitle(f"{len(best)} objects have the title {text[:60]!r}: {', '.join(best[:8])}; ask by id")
    return get(connection, best[0])


def unknown(connection: psycopg.Connection, text: str) -> UnknownObject:
    """The error for an id or title that is not there, with the nearest titles."""
    titles = [row[0] for row in connection.execute("SELECT DISTINCT title FROM titles LIMIT %s", (_NEAREST_AMONG,))]
    if not titles:
        return UnknownObject(f"the gallery has no object {str(text)[:60]!r}: it is empty (objectcentric gallery add, or import)")
    near = title_text.nearest(str(text)[:200], titles)
    hint = f"; nearest titles: {', '.join(near)}" if near else f"; it has {len(titles)} titles, none like it"
    return UnknownObject(f"the gallery has no object {str(text)[:60]!r}{hint}")


def page(connection: psycopg.Connection, text: str, limit: int, offset: int) -> tuple[list[ObjectSummary], int]:
    """Objects whose id or title contains the text, by title, and how many there are in all."""
    pattern = "%" + title_text.bare(_plain(text)).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    where = """WHERE object_id LIKE %(pattern)s
               OR object_id IN (SELECT object_id FROM titles WHERE bare LIKE %(pattern)s)"""
    total = connection.execute(f"SELECT count(*) FROM objects {where}", {"pattern": pattern}).fetchone()   # type: ignore[call-overload]
    rows = connection.execute(                                                                              # type: ignore[call-overload]
        f"SELECT {_RECORD} {_COUNTS} FROM objects {where} ORDER BY title, object_id LIMIT %(limit)s OFFSET %(offset)s",
        {"pattern": pattern, "limit": limit, "offset": offset}).fetchall()
    return [_summary(row) for row in rows], total[0] if total else 0


def summaries(connection: psycopg.Connection, object_ids: Sequence[str]) -> dict[str, ObjectSummary]:
    """Summary of each of these objects that the gallery has, by id."""
    rows = connection.execute(f"SELECT {_RECORD} {_COUNTS} FROM objects WHERE object_id = ANY(%s)",         # type: ignore[call-overload]
                              ([_plain(object_id) for object_id in object_ids],)).fetchall()
    return {row[0]: _summary(row) for row in rows}


def _write_titles(connection: psycopg.Connection, record: ObjectRecord) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO titles (object_id, language, title, folded, bare) VALUES (%s, %s, %s, %s, %s)",
                           _title_rows(record))


def _title_rows(record: ObjectRecord) -> list[tuple[str, str, str, str, str]]:
    titles = {"": record.title, **record.translations}
    return [(record.object_id, language, title, title_text.folded(title), title_text.bare(title))
            for language, title in titles.items()]


def _plain(text: str) -> str:
    """Text that PostgreSQL accepts: what it can't hold (NUL, lone surrogates) matches nothing anyway."""
    return str(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _list(size: tuple[float, float, float] | None) -> list[float] | None:
    return None if size is None else [float(edge) for edge in size]


def _record(row: Sequence[Any]) -> ObjectRecord:
    object_id, title, size, mass, attributes, translations = row[:6]
    return ObjectRecord(object_id, title, translations, None if size is None else (size[0], size[1], size[2]), mass, attributes)


def _summary(row: Sequence[Any]) -> ObjectSummary:
    counts = {source: int(row[6].get(source, 0)) for source in SOURCES}
    return ObjectSummary(_record(row), counts, row[7], row[8])
