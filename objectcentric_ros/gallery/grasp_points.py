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

"""SQL on grasp points; every function runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import Vector

from objectcentric_ros.gallery import objects
from objectcentric_ros.gallery.errors import DuplicateGraspPoint, InvalidEmbedding, UnknownGraspPoint
from objectcentric_ros.gallery.grasp_point import GraspPoint

_SELECT = """
    SELECT name, encoders.key, descriptor::real[], approach, width, pose, keypoints, points, keypoint_points, symmetry_axis, note
    FROM grasp_points JOIN encoders USING (encoder_id) WHERE object_id = %s """


def insert(connection: psycopg.Connection, object_id: str, point: GraspPoint, replace: bool) -> bool:
    """Store a point; whether one of this name was replaced.

    Raises:
        UnknownObject: the object isn't there.
        DuplicateGraspPoint: the name is taken and replace is false.
        InvalidEmbedding: the model's descriptors have another dimension in this gallery.
    """
    if connection.execute("SELECT 1 FROM objects WHERE object_id = %s FOR UPDATE", (object_id,)).fetchone() is None:
        raise objects.unknown(connection, object_id)
    connection.execute("INSERT INTO encoders (key, dimension) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING",
                       (point.encoder_key, point.dimension))
    encoder = connection.execute("SELECT encoder_id, dimension FROM encoders WHERE key = %s", (point.encoder_key,)).fetchone()
    assert encoder is not None
    if encoder[1] != point.dimension:
        raise InvalidEmbedding(f"model {point.encoder_key} has {encoder[1]} dimensions in this gallery, the grasp point "
                               f"{point.name!r} has {point.dimension}; a model that changed needs another key")
    gone = connection.execute("DELETE FROM grasp_points WHERE object_id = %s AND name = %s", (object_id, point.name)).rowcount
    if gone and not replace:
        raise DuplicateGraspPoint(f"{object_id} has a grasp point {point.name!r} already: replace it, or take another name")
    connection.execute("""
        INSERT INTO grasp_points (object_id, name, encoder_id, dimension, descriptor, approach, width, pose, keypoints, points,
                                  keypoint_points, symmetry_axis, note)
        VALUES (%s, %s, %s, %s, %s::vector, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (object_id, point.name, encoder[0], point.dimension, Vector(point.descriptor), point.approach, point.width,
         _numbers(point.T_object_tcp), _bytes(point.keypoints, "<f4"), _bytes(point.points, "<f8"),
         _bytes(point.keypoint_points, "<f8"), _numbers(point.symmetry_axis), point.note))
    return bool(gone)


def select(connection: psycopg.Connection, object_id: str) -> tuple[GraspPoint, ...]:
    """Points of an object by name; raises UnknownObject."""
    rows = connection.execute(_SELECT + "ORDER BY name", (object_id,)).fetchall()  # type: ignore[arg-type]
    if not rows:
        objects.get(connection, object_id)
    return tuple(_point(row) for row in rows)


def get(connection: psycopg.Connection, object_id: str, name: str) -> GraspPoint:
    """One point; raises UnknownObject or UnknownGraspPoint."""
    row = connection.execute(_SELECT + "AND name = %s", (object_id, name)).fetchone()  # type: ignore[arg-type]
    if row is None:
        raise _unknown(connection, object_id, name)
    return _point(row)


def delete(connection: psycopg.Connection, object_id: str, name: str) -> None:
    """Remove one point; raises UnknownObject or UnknownGraspPoint."""
    if not connection.execute("DELETE FROM grasp_points WHERE object_id = %s AND name = %s", (object_id, name)).rowcount:
        raise _unknown(connection, object_id, name)


def _unknown(connection: psycopg.Connection, object_id: str, name: str) -> UnknownGraspPoint:
    names = [point.name for point in select(connection, object_id)]
    shown = name if len(name) <= 60 else name[:57] + "..."
    return UnknownGraspPoint(f"{object_id} has no grasp point {shown!r}; it has {', '.join(names) or 'none'}")


def _point(row: tuple[Any, ...]) -> GraspPoint:
    descriptor = np.asarray(row[2], dtype=np.float32)
    return GraspPoint(
        row[0], row[1], descriptor, row[3], row[4], None if row[5] is None else np.asarray(row[5]).reshape(4, 4),
        _array(row[6], "<f4", len(descriptor)), _array(row[7], "<f8", 3), _array(row[8], "<f8", 3),
        None if row[9] is None else np.asarray(row[9]), row[10])


def _numbers(array: NDArray[np.float64] | None) -> list[float] | None:
    return None if array is None else [float(value) for value in array.ravel()]


def _bytes(array: NDArray[Any] | None, kind: str) -> bytes | None:
    return None if array is None else np.ascontiguousarray(array, dtype=kind).tobytes()


def _array(data: bytes | None, kind: str, columns: int) -> NDArray[Any] | None:
    return None if data is None else np.frombuffer(bytes(data), dtype=kind).reshape(-1, columns).astype(kind[1:])
