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

"""What the gallery stores: objects, their references, and the history of picks."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from objectcentric_ros.gallery.errors import InvalidRecord, UnknownSource

SOURCES = ("tray", "bin", "catalog", "text")
"""Reference sources of the paper, in the order of every distance vector."""

IMAGE_SOURCES = SOURCES[:3]

CROP_IMAGE = "crop"
"""Name of the pick image that shows the item alone, cut out of the look before the grasp, if it was surely recognised."""

MAX_TITLE_LENGTH = 500
MAX_ID_LENGTH = 128
_ID = re.compile(r"[a-z0-9_-]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{2,8})*")


def require_image_source(source: str) -> str:
    """Return the source, or raise UnknownSource naming the valid ones."""
    if source == "text":
        raise UnknownSource("source 'text' takes a text, not an image; the image sources are tray, bin and catalog")
    if source not in IMAGE_SOURCES:
        raise UnknownSource(f"unknown reference source {_shown(source)}; the image sources are {', '.join(IMAGE_SOURCES)}")
    return source


def require_object_id(object_id: str) -> str:
    """Return the id, or raise InvalidRecord saying what an id may look like."""
    if not isinstance(object_id, str) or not _ID.fullmatch(object_id) or len(object_id) > MAX_ID_LENGTH:
        raise InvalidRecord(f"object id {_shown(object_id)} is not usable: expected 1 to {MAX_ID_LENGTH} of a-z 0-9 _ -")
    return object_id


def require_pick_id(pick_id: str) -> str:
    """The UUID in its usual spelling, or raise InvalidRecord."""
    try:
        return str(uuid.UUID(pick_id))
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidRecord(f"pick id {_shown(pick_id)} is not a UUID") from error


def require_text(text: str, what: str, limit: int = MAX_TITLE_LENGTH) -> str:
    """Return the text without outer blanks, or raise InvalidRecord: empty, too long, or with control characters."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidRecord(f"{what} is empty")
    if len(text) > limit:
        raise InvalidRecord(f"{what} has {len(text)} characters ({_shown(text)}); at most {limit} are stored")
    if any(ord(character) < 32 for character in text):
        raise InvalidRecord(f"{what} {_shown(text)} has control characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(f"{what} {_shown(text)} is not valid Unicode text") from error
    return text.strip()


def json_object(value: Mapping[str, Any], what: str) -> str:
    """JSON text of a mapping; raises InvalidRecord where JSON has no word for a value (NaN, bytes, objects)."""
    try:
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidRecord(f"{what} can't be stored as JSON: {error}") from error
    if "\\u0000" in text:
        raise InvalidRecord(f"{what} has a NUL character")
    return text


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class ObjectRecord:
    """One object that the gallery knows.

    Args:
        object_id: unique, [a-z0-9_-]+.
        title: main title.
        translations: title by ISO 639-1 language.
        size: bounding box x, y, z [m], or None.
        mass: [kg], or None.
        attributes: anything else, as JSON.

    Raises:
        InvalidRecord: a field can't be stored.
    """

    object_id: str
    title: str
    translations: Mapping[str, str] = field(default_factory=dict)
    size: tuple[float, float, float] | None = None
    mass: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_object_id(self.object_id)
        object.__setattr__(self, "title", require_text(self.title, f"the title of {self.object_id}"))
        for language, title in self.translations.items():
            if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
                raise InvalidRecord(f"language {_shown(language)} of a title of {self.object_id} is no ISO 639-1 code such as de")
            require_text(title, f"the {language} title of {self.object_id}")
        if self.size is not None:
            size = tuple(float(edge) for edge in self.size)
            if len(size) != 3 or not all(math.isfinite(edge) and edge > 0 for edge in size):
                raise InvalidRecord(f"the size of {self.object_id} must be three lengths > 0 x, y, z [m]: {_shown(self.size)}")
            object.__setattr__(self, "size", size)
        if self.mass is not None and not (math.isfinite(self.mass) and self.mass > 0):
            raise InvalidRecord(f"the mass of {self.object_id} must be positive [kg], got {self.mass!r}")
        json_object(self.attributes, f"attributes of {self.object_id}")


@dataclass(frozen=True)
class ObjectSummary:
    """An object with how much the gallery has of it.

    Args:
        record: the object.
        references: number of references by source, every source present.
        picks_attempted: picks that were recorded for it.
        picks_succeeded: those with outcome "picked".
    """

    record: ObjectRecord
    references: Mapping[str, int]
    picks_attempted: int = 0
    picks_succeeded: int = 0


@dataclass(frozen=True)
class ReferenceRecord:
    """One reference of an object, without its content.

    Args:
        reference_id: key for Gallery.reference_image.
        object_id: whose reference it is.
        source: one of SOURCES.
        sha256: hex digest of the stored bytes (of the UTF-8 text for source text).
        created: when it was added [s since 1970].
        format: "png", "jpeg" or "text".
        size: (width, height) [px]; (0, 0) for text.
        text: the text of a text reference, else None.
        language: of the text, may be empty.
        pick_id: the verified pick that it was learned from; empty: added by somebody.
    """

    reference_id: int
    object_id: str
    source: str
    sha256: str
    created: float
    format: str
    size: tuple[int, int] = (0, 0)
    text: str | None = None
    language: str = ""
    pick_id: str = ""


@dataclass(frozen=True)
class AttemptRecord:
    """One attempt of a pick.

    Args:
        outcome: named outcome, lower case.
        grasp: the grasp that was tried as a JSON object (pose, width, method ...), or None when none was found.
        gripper_width: finger opening after closing [m]; None when not closed.
        confidence: identification confidence 0..1, or None.
        phases: (phase, seconds) in order.
        message: one sentence.
    """

    outcome: str
    grasp: Mapping[str, Any] | None = None
    gripper_width: float | None = None
    confidence: float | None = None
    phases: tuple[tuple[str, float], ...] = ()
    message: str = ""


@dataclass(frozen=True)
class PickRecord:
    """One finished pick with all its attempts.

    Args:
        pick_id: UUID text; recording the same pick twice stores it once.
        object_id: what was picked, or the request when the gallery does not know it (then stored without a link).
        request: what was asked for, as given.
        outcome: named outcome, lower case.
        started: [s since 1970].
        finished: [s since 1970], not before started.
        attempts: in order.
        images: PNG or JPEG bytes by name, the evidence; CROP_IMAGE is what the gallery may learn.

    Raises:
        InvalidRecord: a field can't be stored.
    """

    pick_id: str
    object_id: str
    request: str
    outcome: str
    started: float
    finished: float
    attempts: tuple[AttemptRecord, ...] = ()
    images: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pick_id", require_pick_id(self.pick_id))
        require_text(self.outcome, "the outcome of the pick", 64)
        for name, value in (("object_id", self.object_id), ("request", self.request)):
            if value:
                require_text(value, f"{name} of the pick", 10_000)
        if not (math.isfinite(self.started) and math.isfinite(self.finished) and 0 <= self.started <= self.finished < 1e11):
            raise InvalidRecord(f"a pick starts, then finishes [s since 1970]; got {self.started} and {self.finished}")
        for attempt in self.attempts:
            require_text(attempt.outcome, "the outcome of an attempt", 64)
            if attempt.grasp is not None:
                json_object(attempt.grasp, "the grasp of an attempt")
