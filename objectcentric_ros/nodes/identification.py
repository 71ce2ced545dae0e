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

"""The identification node: which of the candidates does each segment show?"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.records import SOURCES
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.assignment import one_to_one
from objectcentric_ros.identification.crop import crop_segment
from objectcentric_ros.identification.identifier import IdentificationBatch
from objectcentric_ros.identification.models import IdentifierModels, open_identifier
from objectcentric_ros.identification.ranking import IdentificationResult, IdentifierConfig
from objectcentric_ros.identification.size_evidence import measured_sides
from objectcentric_ros.nodes import require
from objectcentric_ros.segmentation.overlay import draw_overlay

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.msg import Identification, Identifications  # noqa: E402
from objectcentric_interfaces.srv import IdentifyObject  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from objectcentric_ros.nodes.camera_input import LATCHED_QOS, CameraConfig, CameraInput, Scene, SceneMemory  # noqa: E402
from objectcentric_ros.nodes.conversions import stamp_nanoseconds  # noqa: E402
from objectcentric_ros.nodes.gallery import GalleryAddress  # noqa: E402
from objectcentric_ros.nodes.heart import OK, WARN  # noqa: E402
from objectcentric_ros.nodes.image_conversions import color_from_image, image_from_color  # noqa: E402
from objectcentric_ros.nodes.markers import name_markers  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.service_answers import CountedAnswers  # noqa: E402
from objectcentric_ros.nodes.stack_conversions import message_from_identification  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackNode, run  # noqa: E402

SMALLEST_IMAGE = 8          # a query image with a shorter side shows nothing [px]
MOST_CANDIDATES = 100_000
CANDIDATES_PERIOD = 10.0    # how often the continuous mode asks the gallery what there is [s]
EMBEDDING_PERIOD = 3.0      # how often the gallery is asked for references without an embedding [s]
EMBEDDINGS_A_STEP = 8       # embedded between two looks at whether the node is being paused


@dataclass(frozen=True)
class IdentificationConfig(GalleryAddress, CameraConfig):
    """Parameters of the identification node."""

    encoder: str = parameter("efficientnet_lite0", "image encoder: efficientnet_lite0, or an exported one, its name in models/"
                                                   " or a path")
    text_encoder: str = parameter("", "text encoder of the image encoder's space, a name in models/ or a path; empty: titles are"
                                      " not compared")
    fusion: str = parameter("", "fusion model of these encoders, a name in models/ or a path; empty: the nearest reference wins")
    max_ranking: int = parameter(200, "candidates in an answer's ranking, the best ones", minimum=1, maximum=MOST_CANDIDATES)
    continuous: bool = parameter(False, "identify every new Segments against all objects of the gallery, while somebody"
                                       " listens to the identifications, overlay or markers", read_only=False)
    embed_ahead: bool = parameter(True, "embed new references of the gallery as they come, not only when a request needs them",
                                  read_only=False)
    identifier: IdentifierConfig = field(default_factory=IdentifierConfig)
    publish_overlay: bool = parameter(True, "publish a picture with the names after each identification of a scene",
                                      read_only=False)


@dataclass(frozen=True)
class _NamedScene:
    """A scene and what its segments were named."""

    scene: Scene
    color: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    captions: dict[int, str]
    messages: list[Identification]


class IdentificationNode(StackNode):
    """Identifies segments of remembered scenes, or images, against candidates of the gallery."""

    NODE_NAME = "identification"
    Config = IdentificationConfig

    def setup(self) -> None:
        """Open the gallery and load the encoder."""
        self._gallery: Gallery | None = None
        self._gallery = self.config.open()
        models = IdentifierModels(self.config.encoder, self.config.text_encoder, self.config.fusion)
        self._identifier = open_identifier(self._gallery, models, self.config.identifier)
        self._identifications = self.create_publisher(Identifications, "identifications", LATCHED_QOS)
        self._overlay = self.create_publisher(Image, "identification/overlay", LATCHED_QOS)
        self._markers = self.create_publisher(MarkerArray, "identification/markers", LATCHED_QOS)

    def start(self) -> None:
        """Subscribe and offer the service."""
        self._answers = CountedAnswers(self, self._report)
        self._embedded = 0
        self._encode_ms = self._query_ms = 0.0
        self._working = threading.Lock()
        self._arrived = threading.Condition()
        self._pending: Scene | None = None
        self._named: _NamedScene | None = None
        self._paused = threading.Event()
        self._camera = CameraInput(self, self.config, depth=False)
        self._scenes = SceneMemory(self, self.config, self._camera, on_scene=self._on_scene)
        self.create_service(IdentifyObject, "identify_object", self._on_identify_object)
        self.create_timer(1.0, self._report)
        self._threads = [threading.Thread(target=run, name=run.__name__, daemon=True)
                         for run in (self._publish_and_continue, self._embed_ahead)]
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """End the threads."""
        if not hasattr(self, "_threads"):
            return
        with self._arrived:
            self._paused.set()
            self._arrived.notify_all()
        for thread in self._threads:
            thread.join(timeout=5.0)
        self._camera.destroy()

    def teardown(self) -> None:
        """Close the gallery."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

    # -- the service ----------------------------------------------------------------------------------------------------

    def _on_identify_object(self, request: IdentifyObject.Request, response: IdentifyObject.Response) -> IdentifyObject.Response:
        return self._answers.answer(response, lambda: self._identify_object(request, response))

    def _identify_object(self, request: IdentifyObject.Request, response: IdentifyObject.Response) -> str | None:
        candidates = tuple(dict.fromkeys(request.candidates))   # a candidate that is named twice is one candidate
        if not candidates:
            raise ValueError("candidates is empty: name the object ids that it may be (gallery/list_objects has all)")
        if len(candidates) > MOST_CANDIDATES:
            raise ValueError(f"{len(candidates)} candidates, at most {MOST_CANDIDATES} are compared")
        if request.image.width or request.image.height or len(request.image.data):
            if len(request.segment_ids):
                raise ValueError("give an image or segment_ids, not both")
            batch = self._identify([_query(request.image)], candidates)
            response.identifications = self._messages(batch.results, [0])
        else:
            scene = self._scenes.scene(stamp_nanoseconds(request.stamp))
            batch, response.identifications = self._identify_scene(scene, list(request.segment_ids), candidates)
        response.encode_ms, response.query_ms = float(batch.encode_ms), float(batch.query_ms)
        return None if response.identifications else "the scene has no segments"

    def _identify_scene(self, scene: Scene, segment_ids: Sequence[int],
                        candidates: Sequence[str]) -> tuple[IdentificationBatch, list[Identification]]:
        """Identify segments of a scene (none named: all of them) and publish what they are."""
        known = [segment.id for segment in scene.segments.segments]
        unknown = [segment_id for segment_id in segment_ids if segment_id not in known]
        if unknown:
            raise LookupError(f"the scene has no segment {', '.join(map(str, unknown))}; "
                              f"it has {', '.join(map(str, known)) or 'none'}")
        ids = list(segment_ids) or known
        assert scene.messages.color is not None
        color, labels = color_from_image(scene.messages.color), scene.labels()
        batch = IdentificationBatch(results=(), encode_ms=0.0, query_ms=0.0)
        if ids:
            batch = self._identify([crop_segment(color, labels, segment_id) for segment_id in ids], candidates,
                                   _sides(scene, labels, ids))
        # Knowing the whole tray, two segments can't both be the one item.
        results = one_to_one(batch.results) if set(ids) == set(known) else batch.results
        messages = self._messages(results, ids)
        captions = {segment_id: _caption(result) for segment_id, result in zip(ids, results, strict=True)}
        with self._arrived:   # pictures are drawn after the answer is on its way
            self._named = _NamedScene(scene, color, labels, captions, messages)
            self._arrived.notify_all()
        return batch, messages

    def _identify(self, crops: Sequence[NDArray[np.uint8]], candidates: Sequence[str],
                  sides: Sequence[tuple[float, float]] | None = None) -> IdentificationBatch:
        with self._working:
            batch = self._identifier.identify(crops, candidates, sides)
        self._encode_ms, self._query_ms = batch.encode_ms, batch.query_ms
        return batch

    def _messages(self, results: Sequence[IdentificationResult], ids: Sequence[int]) -> list[Identification]:
        most = self.config.max_ranking
        return [message_from_identification(replace(result, ranking=result.ranking[:most]), segment_id)
                for result, segment_id in zip(results, ids, strict=True)]

    # -- what runs beside the service -----------------------------------------------------------------------------------

    def _on_scene(self, scene: Scene) -> None:
        with self._arrived:
            self._pending = scene
            self._arrived.notify_all()

    def _publish_and_continue(self) -> None:
        """Publish what scenes were named; in continuous mode, name every scene."""
        candidates: list[str] = []
        asked = float("-inf")
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._paused.is_set() or self._pending is not None or self._named is not None)
                if self._paused.is_set():
                    return
                scene, self._pending = self._pending, None
                named, self._named = self._named, None
            try:
                if named is not None:
                    self._publish(named)
                if scene is None or not self.config.continuous or not self._somebody_listens():
                    continue
                if time.monotonic() - asked > CANDIDATES_PERIOD:
                    candidates, asked = self._all_objects(), time.monotonic()
                if candidates:
                    self._identify_scene(scene, [], candidates)
            except Exception as error:   # the gallery may come back, the next image may be better
                self.get_logger().error(f"scene not identified: {error}", throttle_duration_sec=5.0)

    def _publish(self, named: _NamedScene) -> None:
        header = named.scene.segments.header
        self._identifications.publish(Identifications(header=header, identifications=named.messages))
        self._markers.publish(name_markers(named.scene.segments, named.captions))
        if self.config.publish_overlay:
            self._overlay.publish(image_from_color(draw_overlay(named.color, named.labels, named.captions), header))

    def _somebody_listens(self) -> bool:
        return any(publisher.get_subscription_count() for publisher in (self._identifications, self._overlay, self._markers))

    def _embed_ahead(self) -> None:
        """Embed references as they come into the gallery, so that no pick waits for its candidates' pictures."""
        period = 0.0
        first_of_last: int | None = None
        while not self._paused.wait(period):
            period = EMBEDDING_PERIOD
            if not self.config.embed_ahead:
                continue
            try:
                missing = self._identifier.missing_references(self._all_objects(), EMBEDDINGS_A_STEP)
                if missing and missing[0][0] != first_of_last:
                    self._identifier.embed_references(list(dict.fromkeys(object_id for _, object_id in missing)))
                    self._embedded += len(missing)
                    period = 0.0
                first_of_last = missing[0][0] if missing else None   # what stays missing is not tried again and again at once
            except Exception as error:   # a damaged reference, or a database that comes back
                self.get_logger().warning(f"references not embedded ahead: {error}", throttle_duration_sec=30.0)

    def _all_objects(self) -> list[str]:
        return [summary.record.object_id for summary in self._open_gallery.list_objects("", MOST_CANDIDATES, 0)[0]]

    @property
    def _open_gallery(self) -> Gallery:
        if self._gallery is None:
            raise RuntimeError("the gallery is closed")
        return self._gallery

    def _report(self) -> None:
        complaint = self._camera.complaint()
        self.report(WARN if complaint else OK, complaint or "ready", encoder=self._identifier.embedding_key,
                    queries=self._answers.given, refused=self._answers.refused, embedded_ahead=self._embedded,
                    last_encode_ms=f"{self._encode_ms:.0f}", last_query_ms=f"{self._query_ms:.1f}",
                    images_received=self._camera.frames_received)


def _sides(scene: Scene, labels: NDArray[np.uint16], ids: Sequence[int]) -> list[tuple[float, float]]:
    """Long and short side of segments [m]; the distance is that of their centroids."""
    focal_length = float(scene.messages.info.k[0])
    distances = {int(segment.id): float(segment.centroid.z) for segment in scene.segments.segments}
    return [measured_sides(labels == segment_id, distances[segment_id], focal_length) for segment_id in ids]


def _query(image: Image) -> NDArray[np.uint8]:
    color = color_from_image(image)
    if min(color.shape[:2]) < SMALLEST_IMAGE:
        raise ValueError(f"the image is {image.width}x{image.height}, an item is identified from "
                         f"{SMALLEST_IMAGE}x{SMALLEST_IMAGE} up")
    return color


def _caption(result: IdentificationResult) -> str:
    # The id, not the title: picture fonts have no Cyrillic or Chinese.
    if not result.ranking:
        return f"? {result.confidence:.0%}"
    best = result.ranking[0]
    name = "?" if result.none_of_these else best.object_id
    if math.isnan(best.distance):
        return f"{name} {result.confidence:.0%}"
    return f"{name} {result.confidence:.0%}, {SOURCES[int(np.nanargmin(best.distances))]} {best.distance:.2f}"


def main() -> int:
    """Run the node."""
    return run(IdentificationNode)


if __name__ == "__main__":
    sys.exit(main())
