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

"""How much a gallery holds, in rows and in bytes."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from objectcentric_ros.gallery.records import SOURCES

_DISK = """
    SELECT relname, CASE WHEN relkind = 'i' THEN pg_relation_size(oid) ELSE pg_total_relation_size(oid) END FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND (relkind = 'r' OR relname LIKE '%_hnsw_%') ORDER BY 2 DESC"""


@dataclass(frozen=True)
class GalleryStats:
    """How much the gallery holds.

    Args:
        objects: number of objects.
        references: number of references by source, every source present.
        objects_with: number of objects that have at least one reference of the source.
        embeddings: number of embeddings by encoder key.
        picks: number of picks by outcome.
        grasp_points: number of named grasp points.
        bytes: size of the database on disk [bytes].
    """

    objects: int
    references: dict[str, int]
    objects_with: dict[str, int]
    embeddings: dict[str, int]
    picks: dict[str, int]
    grasp_points: int
    bytes: int


def count(connection: psycopg.Connection) -> GalleryStats:
    """Count what is there."""
    def table(sql: str) -> dict[str, int]:
        return {row[0]: int(row[1]) for row in connection.execute(sql)}      # type: ignore[call-overload]

    references_by_source = table("SELECT source, count(*) FROM object_references GROUP BY source")
    objects_by_source = table("SELECT source, count(DISTINCT object_id) FROM object_references GROUP BY source")
    return GalleryStats(
        objects=table("SELECT 'objects', count(*) FROM objects")["objects"],
        references={source: references_by_source.get(source, 0) for source in SOURCES},
        objects_with={source: objects_by_source.get(source, 0) for source in SOURCES},
        embeddings=table("SELECT key, count(reference_id) FROM encoders LEFT JOIN embeddings USING (encoder_id) "
                         "WHERE reference_id IS NOT NULL OR encoder_id NOT IN (SELECT encoder_id FROM grasp_points) "
                         "GROUP BY key"),
        picks=table("SELECT outcome, count(*) FROM picks GROUP BY outcome"),
        grasp_points=table("SELECT 'points', count(*) FROM grasp_points")["points"],
        bytes=table("SELECT 'bytes', pg_database_size(current_database())")["bytes"])


def disk(connection: psycopg.Connection) -> dict[str, int]:
    """Size of each table with its indexes, and of each HNSW index [bytes], by name."""
    return {row[0]: int(row[1]) for row in connection.execute(_DISK)}
