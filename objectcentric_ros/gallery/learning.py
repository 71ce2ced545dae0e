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

"""A gallery that learns: the crop of a picked item becomes a tray reference, as long as it says something new.

Only a recorded pick that ended well adds one. What was learned is marked with the pick it is from, is kept to few and
recent ones that differ, and can be taken back. Every function runs inside the caller's transaction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from objectcentric_ros.gallery import references
from objectcentric_ros.gallery.errors import GalleryError, InvalidRecord
from objectcentric_ros.gallery.images import ImageInfo
from objectcentric_ros.gallery.records import require_pick_id

VERIFIED = "picked"     # outcome of a pick whose item was held, recognised and gone from the tray
SOURCE = "tray"


@dataclass(frozen=True)
class LearningConfig:
    """What is learned, and how much of it is kept.

    Args:
        enabled: whether picks add references at all.
        same_distance: a learned reference that is nearer than this to another one of its object says nothing new and goes
            (cosine distance by whichever encoder has embedded them).
        most: learned references of one object; beyond it the one goes that is nearest to another, the older of equals.
        max_age_days: older learned references go, because packages change; 0 = they stay.
    """

    enabled: bool = True
    same_distance: float = 0.04
    most: int = 20
    max_age_days: float = 365.0

    def __post_init__(self) -> None:
        if not 0 <= self.same_distance <= 2 or self.most < 0 or not 0 <= self.max_age_days < math.inf:
            raise InvalidRecord(f"same_distance is 0..2, most and max_age_days are not negative, got {self}")


def learn(connection: psycopg.Connection, pick_id: str, data: bytes, info: ImageInfo, config: LearningConfig) -> int | None:
    """Add the checked crop of a verified pick as a tray reference of its object; the id of what stays, else None.

    An encoder may not have seen the new crop yet: whether it says something new is then decided at the next pick of the object.

    Raises:
        GalleryError: there is no such pick, it did not end with the item, or the gallery does not have its object.
    """
    row = connection.execute("SELECT object_id, outcome FROM picks WHERE pick_id = %s", (require_pick_id(pick_id),)).fetchone()
    if row is None or row[1] != VERIFIED or row[0] is None:
        found = "is not recorded" if row is None else f"ended {row[1]}" if row[1] != VERIFIED else "is of an unknown object"
        raise GalleryError(f"nothing is learned from pick {pick_id}, which {found}: only of a verified pick of a known object")
    if not config.enabled or config.most < 1:
        return None
    reference_id, duplicate = references.insert_image(connection, row[0], SOURCE, data, info)
    if duplicate:
        return None
    connection.execute("INSERT INTO learned_references (reference_id, pick_id) VALUES (%s, %s)", (reference_id, pick_id))
    return None if reference_id in prune(connection, row[0], config) else reference_id


def prune(connection: psycopg.Connection, object_id: str, config: LearningConfig) -> list[int]:
    """Remove the learned references of an object that are too old, too alike or too many; returns their ids."""
    rows = connection.execute("""
        SELECT reference_id, extract(epoch FROM now() - created) / 86400.0 FROM learned_references
        JOIN object_references USING (reference_id) WHERE object_id = %s ORDER BY reference_id""", (object_id,)).fetchall()
    ages = {int(reference_id): float(age) for reference_id, age in rows}
    gone = [reference_id for reference_id, age in ages.items() if config.max_age_days and age > config.max_age_days]
    learned = [reference_id for reference_id in ages if reference_id not in gone]
    if learned:
        gone += superfluous(learned, _vectors(connection, object_id, gone), config)
    if gone:
        connection.execute("DELETE FROM object_references WHERE reference_id = ANY(%s)", (gone,))
    return gone


def superfluous(learned: list[int], vectors: Mapping[int, NDArray[np.float32]], config: LearningConfig) -> list[int]:
    """Which learned references go.

    Args:
        learned: ids, oldest first.
        vectors: (V, D) unit embeddings of references of the object by id, also of those that are not learned; V orientations.
            Those that no encoder has seen are missing, and stay unless there are too many.
        config: limits.

    Returns:
        Ids in the order they go.
    """
    gone: list[int] = []
    others = [reference_id for reference_id in vectors if reference_id not in learned]
    for reference_id in learned:
        if nearest(reference_id, others, vectors) < config.same_distance:
            gone.append(reference_id)
        else:
            others.append(reference_id)
    kept = [reference_id for reference_id in learned if reference_id not in gone]
    while len(kept) > config.most:
        gone.append(min(kept, key=lambda one: (nearest(one, [other for other in others if other != one], vectors), one)))
        kept.remove(gone[-1])
        others.remove(gone[-1])
    return gone


def nearest(reference_id: int, others: list[int], vectors: Mapping[int, NDArray[np.float32]]) -> float:
    """Smallest cosine distance of a reference, as it is, to any orientation of others; inf where no embedding says it."""
    known = [vectors[other] for other in others if other in vectors]
    if reference_id not in vectors or not known:
        return math.inf
    return float(1 - (np.concatenate(known) @ vectors[reference_id][0]).max())


def unlearn(connection: psycopg.Connection, object_id: str | None, pick_id: str | None) -> int:
    """Remove what picks of an object, or one pick, have added (None: whichever); returns how many references went."""
    done = connection.execute("""
        DELETE FROM object_references USING learned_references
        WHERE object_references.reference_id = learned_references.reference_id
          AND (%s::text IS NULL OR object_id = %s) AND (%s::uuid IS NULL OR pick_id = %s)""",
        (object_id, object_id, pick_id, pick_id))
    return done.rowcount


def _vectors(connection: psycopg.Connection, object_id: str, without: list[int]) -> dict[int, NDArray[np.float32]]:
    """(V, D) unit embeddings by image reference of an object, of the encoder that has embedded a learned one last."""
    rows = connection.execute("""
        SELECT reference_id, embedding FROM embeddings JOIN object_references USING (reference_id)
        WHERE object_id = %s AND source <> 'text' AND reference_id <> ALL(%s) AND encoder_id = (
            SELECT max(encoder_id) FROM embeddings JOIN learned_references USING (reference_id)
            JOIN object_references USING (reference_id) WHERE object_id = %s)
        ORDER BY reference_id, number""", (object_id, without, object_id)).fetchall()
    found: dict[int, list[NDArray[np.float32]]] = {}
    for reference_id, embedding in rows:
        vector = np.asarray(embedding.to_numpy(), np.float32)
        found.setdefault(int(reference_id), []).append(vector / np.linalg.norm(vector))
    return {reference_id: np.stack(views) for reference_id, views in found.items()}
