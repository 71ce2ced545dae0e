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

"""The gallery node: objects, references and the pick history as services."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objectcentric_ros.gallery.learning import LearningConfig
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.nodes import require
from objectcentric_ros.paths import data_dir

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces import srv  # noqa: E402

from objectcentric_ros.nodes.gallery_messages import (  # noqa: E402
    message_from_record,
    message_from_summary,
    pick_from_request,
    record_from_message,
)
from objectcentric_ros.nodes.heart import OK, WARN  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.service_answers import answer  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackConfig, StackNode, run  # noqa: E402

DEFAULT_LIMIT = 1000
STATISTICS_PERIOD = 10.0   # how often the database is counted for /diagnostics [s]


@dataclass(frozen=True)
class GalleryAddress(StackConfig):
    """Where the gallery is; inherited by the Config of nodes that open it."""

    gallery_url: str = parameter("", "postgresql:// URL of any server with pgvector; empty = an embedded server")
    gallery_data_dir: str = parameter("", "folder of the embedded server; empty = the user's data folder")

    def open(self) -> Gallery:
        """Open the gallery; raises GalleryError."""
        return Gallery.open(self.gallery_url or None, Path(self.gallery_data_dir) if self.gallery_data_dir else None)

    def exists(self) -> bool:
        """Whether there is something to open: a server, or a folder that the gallery node has made."""
        folder = Path(self.gallery_data_dir) if self.gallery_data_dir else data_dir() / "gallery"
        return bool(self.gallery_url) or (folder / "postgres" / "PG_VERSION").is_file()


@dataclass(frozen=True)
class GalleryNodeConfig(GalleryAddress):
    """Parameters of the gallery node."""

    learning: LearningConfig = field(default_factory=LearningConfig)


class GalleryNode(StackNode):
    """Serves add, update, get, list and remove of objects, references and finished picks."""

    NODE_NAME = "gallery"
    Config = GalleryNodeConfig

    def setup(self) -> None:
        """Open the gallery."""
        self._gallery: Gallery | None = None
        self._gallery = self.config.open()
        self.get_logger().info(f"gallery {self._gallery.where}")

    def start(self) -> None:
        """Offer the services."""
        self._calls = self._failures = 0
        self._milliseconds = 0.0
        services: list[tuple[Any, str, Callable[[Any, Any], str | None]]] = [
            (srv.AddObject, "add_object", self._add_object), (srv.UpdateObject, "update_object", self._update_object),
            (srv.GetObject, "get_object", self._get_object), (srv.ListObjects, "list_objects", self._list_objects),
            (srv.RemoveObject, "remove_object", self._remove_object), (srv.AddReference, "add_reference", self._add_reference),
            (srv.RecordPick, "record_pick", self._record_pick)]
        for kind, name, work in services:
            self.create_service(kind, f"gallery/{name}",
                                lambda request, response, work=work: self._serve(work, request, response))
        self.create_timer(STATISTICS_PERIOD, self._report_statistics)
        self._report_statistics()

    def teardown(self) -> None:
        """Close the gallery."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

    def _serve(self, work: Callable[[Any, Any], str | None], request: Any, response: Any) -> Any:
        started = time.perf_counter()
        answer(self, response, lambda: work(request, response))
        self._milliseconds = (time.perf_counter() - started) * 1e3
        self._calls += 1
        if not response.success:
            self._failures += 1
            self.get_logger().info(f"refused: {response.message}")
        return response

    def _add_object(self, request: srv.AddObject.Request, response: srv.AddObject.Response) -> str:
        record = record_from_message(request.object)
        self._open_gallery.add_object(record)
        return f"added {record.object_id}"

    def _update_object(self, request: srv.UpdateObject.Request, response: srv.UpdateObject.Response) -> str:
        record = record_from_message(request.object)
        self._open_gallery.update_object(record)
        return f"updated {record.object_id}"

    def _get_object(self, request: srv.GetObject.Request, response: srv.GetObject.Response) -> None:
        record = self._open_gallery.find_object(request.object)
        summary = self._open_gallery.summaries([record.object_id]).get(record.object_id)
        response.object = message_from_summary(summary) if summary else message_from_record(record)

    def _list_objects(self, request: srv.ListObjects.Request, response: srv.ListObjects.Response) -> None:
        summaries, total = self._open_gallery.list_objects(request.text, request.limit or DEFAULT_LIMIT, request.offset)
        response.objects = [message_from_summary(summary) for summary in summaries]
        response.total = total

    def _remove_object(self, request: srv.RemoveObject.Request, response: srv.RemoveObject.Response) -> str:
        self._open_gallery.remove_object(request.object_id)
        return f"removed {request.object_id}"

    def _add_reference(self, request: srv.AddReference.Request, response: srv.AddReference.Response) -> str:
        response.reference_id, response.duplicate = self._open_gallery.add_reference(
            request.object_id, request.source, bytes(request.image.data))
        return "the same image was there already" if response.duplicate else f"added reference {response.reference_id}"

    def _record_pick(self, request: srv.RecordPick.Request, response: srv.RecordPick.Response) -> str:
        new = self._open_gallery.record_pick(pick_from_request(request), self.config.learning)
        return "recorded" if new else "this pick was recorded already"

    @property
    def _open_gallery(self) -> Gallery:
        if self._gallery is None:
            raise RuntimeError("the gallery is closed")
        return self._gallery

    def _report_statistics(self) -> None:
        try:
            stats = self._open_gallery.stats()
        except Exception as error:   # a lost database must not end the timer: the next call reconnects
            self.report(WARN, str(error), calls=self._calls, refused=self._failures)
            return
        self.report(OK, f"{stats.objects} objects", gallery=self._open_gallery.where, objects=stats.objects,
                    references=sum(stats.references.values()), picks=sum(stats.picks.values()), calls=self._calls,
                    refused=self._failures, last_call_ms=f"{self._milliseconds:.1f}")


def main() -> int:
    """Run the node."""
    return run(GalleryNode)


if __name__ == "__main__":
    sys.exit(main())
