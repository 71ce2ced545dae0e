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

"""Gallery records to messages and back."""

from __future__ import annotations

import json
import math

from objectcentric_ros.gallery.records import AttemptRecord, ObjectRecord, ObjectSummary, PickRecord
from objectcentric_ros.nodes import require

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.msg import GalleryObject, PickAttempt  # noqa: E402
from objectcentric_interfaces.srv import RecordPick  # noqa: E402

from objectcentric_ros.nodes.conversions import stamp_seconds  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import grasp_from_message  # noqa: E402


def message_from_record(record: ObjectRecord) -> GalleryObject:
    """GalleryObject message without counts."""
    nan = float("nan")
    return GalleryObject(
        object_id=record.object_id, title=record.title, translation_languages=list(record.translations),
        translation_titles=list(record.translations.values()), size=list(record.size or (nan, nan, nan)),
        mass=nan if record.mass is None else record.mass,
        attributes_json=json.dumps(dict(record.attributes), ensure_ascii=False) if record.attributes else "")


def message_from_summary(summary: ObjectSummary) -> GalleryObject:
    """GalleryObject message with counts of references and picks."""
    message = message_from_record(summary.record)
    message.references_tray = summary.references.get("tray", 0)
    message.references_bin = summary.references.get("bin", 0)
    message.references_catalog = summary.references.get("catalog", 0)
    message.picks_attempted, message.picks_succeeded = summary.picks_attempted, summary.picks_succeeded
    return message


def record_from_message(message: GalleryObject) -> ObjectRecord:
    """Record of a message; its counts are ignored. NaN is unknown, and so is the 0 of a field that nobody filled.

    Raises:
        ValueError: the translations are not parallel, the attributes are no JSON object, or a value can't be stored.
    """
    if len(message.translation_languages) != len(message.translation_titles):
        raise ValueError(f"{len(message.translation_languages)} translation_languages for {len(message.translation_titles)}"
                         " translation_titles: they must be parallel")
    try:
        attributes = json.loads(message.attributes_json) if message.attributes_json else {}
    except json.JSONDecodeError as error:
        raise ValueError(f"attributes_json is no JSON: {error}") from error
    if not isinstance(attributes, dict):
        raise ValueError(f"attributes_json must hold a JSON object, got a {type(attributes).__name__}")
    size = tuple(round(float(edge), 6) for edge in message.size)   # float32 on the wire: 0.12 m must not become 0.11999999731
    unknown = all(edge == 0 or math.isnan(edge) for edge in size)
    return ObjectRecord(
        object_id=message.object_id, title=message.title, attributes=attributes,
        translations=dict(zip(message.translation_languages, message.translation_titles, strict=True)),
        size=None if unknown else (size[0], size[1], size[2]),
        mass=None if message.mass == 0 or math.isnan(message.mass) else round(float(message.mass), 6))


def pick_from_request(request: RecordPick.Request) -> PickRecord:
    """Record of a finished pick.

    Raises:
        ValueError: names and images are not parallel, or a value can't be stored.
    """
    if len(request.image_names) != len(request.images):
        raise ValueError(f"{len(request.image_names)} image_names for {len(request.images)} images: they must be parallel")
    return PickRecord(
        pick_id=request.pick_id, object_id=request.object_id, request=request.request, outcome=request.outcome,
        started=stamp_seconds(request.started), finished=stamp_seconds(request.finished),
        attempts=tuple(map(_attempt, request.attempts)),
        images={name: bytes(image.data) for name, image in zip(request.image_names, request.images, strict=True)})


def _attempt(message: PickAttempt) -> AttemptRecord:
    if len(message.phases) != len(message.seconds):
        raise ValueError(f"an attempt has {len(message.phases)} phases and {len(message.seconds)} seconds: they must be parallel")
    grasp = grasp_from_message(message.grasp).to_mapping() if message.grasp.method else None
    return AttemptRecord(
        outcome=message.outcome, grasp=grasp, gripper_width=None if math.isnan(message.gripper_width) else message.gripper_width,
        confidence=None if math.isnan(message.confidence) else message.confidence, message=message.message,
        phases=tuple((phase, float(seconds)) for phase, seconds in zip(message.phases, message.seconds, strict=True)))
