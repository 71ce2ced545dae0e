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

"""SQL on the history of picks; every function runs inside the caller's transaction."""

from __future__ import annotations

import math

import psycopg
from psycopg.types.json import Json

from objectcentric_ros.gallery.images import ImageInfo
from objectcentric_ros.gallery.records import AttemptRecord, PickRecord


def insert(connection: psycopg.Connection, pick: PickRecord, images: dict[str, tuple[bytes, ImageInfo]]) -> bool:
    """Store a pick with its attempts and checked images; False when it was stored before."""
    stored = connection.execute("""
        INSERT INTO picks (pick_id, object_id, object_name, request, outcome, started, finished)
        VALUES (%s, (SELECT object_id FROM objects WHERE object_id = %s), %s, %s, %s, to_timestamp(%s), to_timestamp(%s))
        ON CONFLICT (pick_id) DO NOTHING RETURNING 1""",
        (pick.pick_id, pick.object_id, pick.object_id, pick.request, pick.outcome, pick.started, pick.finished)).fetchone()
    if stored is None:
        return False
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO pick_attempts (pick_id, number, outcome, grasp, gripper_width, confidence, phases, seconds, message) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(pick.pick_id, number, attempt.outcome, None if attempt.grasp is None else Json(dict(attempt.grasp)),
              _number(attempt.gripper_width), _number(attempt.confidence), [name for name, _ in attempt.phases],
              [float(seconds) for _, seconds in attempt.phases], attempt.message.replace("\0", " "))
             for number, attempt in enumerate(pick.attempts, 1)])
        cursor.executemany("INSERT INTO pick_images (pick_id, name, format, data) VALUES (%s, %s, %s, %s)",
                           [(pick.pick_id, name, info.format, data) for name, (data, info) in images.items()])
    return True


def select(connection: psycopg.Connection, object_id: str | None, limit: int, with_images: bool) -> tuple[PickRecord, ...]:
    """Picks of an object (None: of every object, also those without a link), newest first."""
    picks = connection.execute("""
        SELECT pick_id::text, object_name, request, outcome,
               extract(epoch FROM started)::float8, extract(epoch FROM finished)::float8
        FROM picks WHERE %s::text IS NULL OR object_id = %s ORDER BY started DESC, pick_id LIMIT %s""",
        (object_id, object_id, limit)).fetchall()
    attempts: dict[str, list[AttemptRecord]] = {row[0]: [] for row in picks}
    for row in connection.execute("""
            SELECT pick_id::text, outcome, grasp, gripper_width, confidence, phases, seconds, message FROM pick_attempts
            WHERE pick_id = ANY(%s::uuid[]) ORDER BY pick_id, number""", (list(attempts),)):
        attempts[row[0]].append(AttemptRecord(row[1], row[2], row[3], row[4], tuple(zip(row[5], row[6], strict=True)), row[7]))
    images: dict[str, dict[str, bytes]] = {row[0]: {} for row in picks}
    if with_images:
        for pick_id, name, data in connection.execute(
                "SELECT pick_id::text, name, data FROM pick_images WHERE pick_id = ANY(%s::uuid[]) ORDER BY name",
                (list(images),)):
            images[pick_id][name] = bytes(data)
    return tuple(PickRecord(pick_id, object_name, request, outcome, started, finished, tuple(attempts[pick_id]), images[pick_id])
                 for pick_id, object_name, request, outcome, started, finished in picks)


def _number(value: float | None) -> float | None:
    """NaN and None both mean "not measured"; the column says it with NULL."""
    return None if value is None or not math.isfinite(value) else float(value)
