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


"""Where grasp points that a person chose on the page are kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from objectcentric_ros.gallery.errors import DuplicateGraspPoint, UnknownObject
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.gallery.store import Gallery

MOST_ITEMS = 1000        # that the page lists


class GraspPointStore(Protocol):
    """Keeps grasp points; is asked by several threads."""

    @property
    def where(self) -> str:
        """Where it keeps them, in words."""
        ...

    def items(self) -> dict[str, str]:
        """Titles of the items that may have grasp points, by id."""
        ...

    def add(self, item: str, point: GraspPoint, replace: bool) -> bool:
        """Keep a point of an item; whether one of this name was replaced.

        Raises:
            UnknownObject: there is no such item.
            DuplicateGraspPoint: the name is taken and replace is false.
            GalleryError: the store refuses; the message says why.
        """
        ...


class GalleryGraspPoints:
    """Grasp points in the gallery.

    Args:
        gallery: opened; its owner closes it.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery

    @property
    def where(self) -> str:
        """The gallery in words."""
        return f"the gallery {self._gallery.where}"

    def items(self) -> dict[str, str]:
        """Titles by id, sorted by title."""
        return {summary.record.object_id: summary.record.title for summary in self._gallery.list_objects(limit=MOST_ITEMS)[0]}

    def add(self, item: str, point: GraspPoint, replace: bool) -> bool:
        """Keep a point."""
        return self._gallery.add_grasp_point(item, point, replace)


class MemoryGraspPoints:
    """Grasp points that are forgotten at the end: to try the page out, and for tests.

    Args:
        titles: titles of the items, by id.
    """

    where = "memory, until the inspector ends"

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = dict(titles)
        self._lock = threading.Lock()
        self.points: dict[tuple[str, str], GraspPoint] = {}

    def items(self) -> dict[str, str]:
        """Titles by id."""
        return dict(self._titles)

    def add(self, item: str, point: GraspPoint, replace: bool) -> bool:
        """Keep a point."""
        if item not in self._titles:
            raise UnknownObject(f"there is no item {item!r}; there are {', '.join(self._titles) or 'none'}")
        with self._lock:
            known = (item, point.name) in self.points
            if known and not replace:
                raise DuplicateGraspPoint(f"{item} has a grasp point {point.name!r} already: replace it, or take another name")
            self.points[item, point.name] = point
        return known
