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

"""A catalogue item as the gallery gets to know it: its record, and photographs of it alone in the tray."""

from __future__ import annotations

from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.identification.enrolment import reference_crops
from objectcentric_ros.segmentation.segmenter import Segmenter
from objectcentric_ros.simulation.catalogue import Item
from objectcentric_ros.simulation.photograph import photograph


def record_of(item: Item) -> ObjectRecord:
    """What the gallery shall know of a catalogue item."""
    return ObjectRecord(item.id, item.title, dict(item.translations), item.size, item.mass)


def tray_references(item: Item, views: int, segmenter: Segmenter) -> list[bytes]:
    """PNG crops of an item that lies alone in the tray, in `views` random poses.

    The seed is the item's own and follows no scene's: the gallery was filled on another day.
    """
    return reference_crops(photograph(item, views, 1_000_003 + sum(item.id.encode())), segmenter)
