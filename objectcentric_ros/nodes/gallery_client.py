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

"""The gallery over its services, for a program or a notebook."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.calls import call
from objectcentric_ros.nodes.graph_client import GraphClient
from objectcentric_ros.nodes.image_conversions import compressed_from_bytes
from objectcentric_ros.picking.outcome import AbortSwitch

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.msg import GalleryObject  # noqa: E402
from objectcentric_interfaces.srv import AddObject, AddReference, GetObject  # noqa: E402


class GalleryClient(GraphClient):
    """Adds objects and references to a running gallery node."""

    def __init__(self, namespace: str = "", timeout: float = 20.0) -> None:
        super().__init__("gallery_client", namespace)
        self._timeout = timeout
        self._add_object = self.node.create_client(AddObject, "gallery/add_object")
        self._add_reference = self.node.create_client(AddReference, "gallery/add_reference")
        self._get_object = self.node.create_client(GetObject, "gallery/get_object")

    def known(self, text: str) -> GalleryObject:
        """The object with this id or title.

        Raises:
            ValueError: there is none; the message names the nearest titles.
        """
        answer = call(self._get_object, GetObject.Request(object=text), AbortSwitch(), self._timeout)
        self._check(answer)
        return answer.object

    def reference_count(self, object_id: str) -> int:
        """Image references that the gallery has of an object; 0 when it does not know it."""
        answer = call(self._get_object, GetObject.Request(object=object_id), AbortSwitch(), self._timeout)
        known = answer.object
        return int(known.references_tray + known.references_bin + known.references_catalog) if answer.success else 0

    def add(self, record: ObjectRecord, source: str, images: Iterable[bytes]) -> None:
        """Add an object, if it is not there, and its PNG or JPEG references.

        Raises:
            ValueError: the gallery refused something; the message is its own.
        """
        message = GalleryObject(
            object_id=record.object_id, title=record.title, translation_languages=list(record.translations),
            translation_titles=list(record.translations.values()), attributes_json="{}",
            size=np.array(record.size if record.size else [np.nan] * 3, np.float32),
            mass=float("nan") if record.mass is None else record.mass)
        if not call(self._get_object, GetObject.Request(object=record.object_id), AbortSwitch(), self._timeout).success:
            self._check(call(self._add_object, AddObject.Request(object=message), AbortSwitch(), self._timeout))
        for image in images:
            request = AddReference.Request(object_id=record.object_id, source=source, image=compressed_from_bytes(image, "png"))
            self._check(call(self._add_reference, request, AbortSwitch(), self._timeout))

    @staticmethod
    def _check(answer: AddObject.Response | AddReference.Response | GetObject.Response) -> None:
        if not answer.success:
            raise ValueError(answer.message)
