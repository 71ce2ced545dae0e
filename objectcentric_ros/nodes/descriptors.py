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

"""The descriptors node: where does the newest image look like the point that a person clicked, or like a stored grasp point?"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.deployed import DeployedModel, ModelMissing, load_model
from objectcentric_ros.descriptors.painting import PcaBasis
from objectcentric_ros.descriptors.query import PreparedImage, query
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.descriptor_pictures import heat_picture, invitation

require("rclpy", "objectcentric_interfaces", "tf2_msgs")

from geometry_msgs.msg import Point, PointStamped  # noqa: E402
from objectcentric_interfaces.srv import QueryDescriptor  # noqa: E402
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from objectcentric_ros.nodes.camera_input import SILENT_AFTER, CameraConfig, CameraInput, CameraMessages  # noqa: E402
from objectcentric_ros.nodes.clicks import clicked_pixel, inside  # noqa: E402
from objectcentric_ros.nodes.conversions import stamp_from_nanoseconds  # noqa: E402
from objectcentric_ros.nodes.gallery import GalleryAddress  # noqa: E402
from objectcentric_ros.nodes.heart import ERROR, OK, WARN  # noqa: E402
from objectcentric_ros.nodes.image_conversions import camera_from_info, color_from_image, image_from_color  # noqa: E402
from objectcentric_ros.nodes.newest_frame import NewestFrameWorker  # noqa: E402
from objectcentric_ros.nodes.parameters import parameter  # noqa: E402
from objectcentric_ros.nodes.service_answers import CountedAnswers  # noqa: E402
from objectcentric_ros.nodes.stack_node import StackNode, run  # noqa: E402
from objectcentric_ros.nodes.transforms import TransformListener  # noqa: E402

CAMERA_SIZE = (480, 640)      # height, width that the model is compiled for before the first image comes [px]
CLICKED_TOPIC = "/clicked_point"


@dataclass(frozen=True)
class DescriptorsConfig(GalleryAddress, CameraConfig):
    """Parameters of the descriptors node."""

    model: str = parameter("descriptors_caps", "exported model: its name in models/, or a path")
    precision: str = parameter("", "int8 or fp16; empty = int8 where the model's card says that it costs no accuracy",
                               choices=("", "int8", "fp16"))
    threads: int = parameter(2, "CPU threads of an inference", minimum=1, maximum=64)
    temperature: float = parameter(-0.7, "t of the heat exp(-(d / exp(t))^2): lower shows less of the image; the paper's 1.1 is"
                                         " nearly flat for descriptors of length 1", minimum=-5.0, maximum=5.0, read_only=False)
    max_rate: float = parameter(5.0, "images a second that are painted at most, while somebody watches [Hz]", minimum=0.01,
                                maximum=60.0, read_only=False)
    transform_timeout: float = parameter(0.5, "how long to wait for the camera's pose at the image's stamp [s]", minimum=0.0,
                                         maximum=5.0)


@dataclass(frozen=True)
class _Described:
    """An image of the camera and its descriptors."""

    messages: CameraMessages
    color: NDArray[np.uint8]
    prepared: PreparedImage


class DescriptorsNode(StackNode):
    """Describes images only when somebody asks: a viewer of one of the pictures, a click, or a service call.

    Without a model the node is active all the same, says why on /diagnostics (WARN where there is none, ERROR where it is
    broken), and refuses queries with that sentence: picking goes on without descriptors.
    """

    NODE_NAME = "descriptors"
    Config = DescriptorsConfig

    def setup(self) -> None:
        """Load the model."""
        self._gallery: Gallery | None = None
        self._gallery_lock = threading.Lock()
        self._model: DeployedModel | None = None
        self._without_model = (OK, "")
        self._heatmap = self.create_publisher(Image, "descriptors/heatmap", 1)
        self._pca = self.create_publisher(Image, "descriptors/pca", 1)
        try:
            self._model = load_model(self.config.model, precision=self.config.precision, threads=self.config.threads)
            self._model.prepare(*CAMERA_SIZE)
        except ValueError as error:
            self._model = None
            self._without_model = (WARN if isinstance(error, ModelMissing) else ERROR,
                                   f"no descriptors: {error}; then configure this node anew")
            self.get_logger().warning(self._without_model[1])

    def start(self) -> None:
        """Subscribe and offer the service."""
        self._answers = CountedAnswers(self, self._report)
        self._painted = 0
        self._last_click = "none yet"
        self._milliseconds: dict[str, deque[float]] = {}
        self._working = threading.Lock()
        self._described: _Described | None = None
        self._searched: NDArray[np.float32] | None = None
        self._basis: PcaBasis | None = None if self._model is None else self._model.basis
        self._camera: CameraInput | None = None
        self._worker: NewestFrameWorker[CameraMessages] | None = None
        self.create_service(QueryDescriptor, "query_descriptor", self._on_query)
        self.create_timer(1.0, self._report)
        self._report()
        if self._model is None:
            return    # nothing to do with images
        self._transforms = TransformListener(self)
        self._worker = NewestFrameWorker("painter", self._try, lambda: self.config.max_rate)
        self._camera = CameraInput(self, self.config, depth=False, on_frame=self._worker.offer)
        self.create_subscription(PointStamped, CLICKED_TOPIC, self._on_click, 5, callback_group=MutuallyExclusiveCallbackGroup())
        self._worker.start()

    def pause(self) -> None:
        """End the worker."""
        if getattr(self, "_worker", None) is not None:
            self._worker.stop()
        if getattr(self, "_camera", None) is not None:
            with self._working:    # a query under way is finished
                self._camera.destroy()

    def teardown(self) -> None:
        """Release the model, close the gallery."""
        self._model = None
        with self._gallery_lock:
            if self._gallery is not None:
                self._gallery.close()
                self._gallery = None

    # -- the service ----------------------------------------------------------------------------------------------------

    def _on_query(self, request: QueryDescriptor.Request, response: QueryDescriptor.Response) -> QueryDescriptor.Response:
        return self._answers.answer(response, lambda: self._query(request, response))

    def _query(self, request: QueryDescriptor.Request, response: QueryDescriptor.Response) -> str:
        model = self._open_model
        stored = self._stored_descriptor(request)      # before an inference: of two faults, the request's is cheaper to find
        warning = ""
        if request.image.width or request.image.height or len(request.image.data):
            color = color_from_image(request.image)
            with self._working:
                prepared = PreparedImage(model.describe(color))
        else:
            described = self._describe(self._newest_messages())
            prepared, age = described.prepared, time.monotonic() - described.messages.received
            warning = f"the newest camera image is {age:.0f} s old" if age > SILENT_AFTER else ""
        image = prepared.image
        if stored is None:
            pixel = inside((request.point.x, request.point.y), image.width, image.height, "point")
            stored = image.at([pixel])[0]
        elif stored.shape == (model.dimension,) and image.unit:
            stored = _unit(stored)
        with self._timed("query"):
            found = query(stored, prepared, request.temperature or self.config.temperature, heat=False)
        response.peak, response.expectation = _point(found.peak), _point(found.expectation)
        response.confidence, response.multimodal = float(found.confidence), bool(found.multimodal)
        response.descriptor = stored.tolist()
        if found.multimodal and found.rival is not None:
            several = f"several places match about as well, another is at ({found.rival[0]:.0f}, {found.rival[1]:.0f})"
            warning = "; ".join(filter(None, (warning, several)))
        return warning

    def _stored_descriptor(self, request: QueryDescriptor.Request) -> NDArray[np.float32] | None:
        """The descriptor that a request names; None: it is to be taken from the image."""
        if len(request.descriptor):
            if request.object_id or request.grasp_point:
                raise ValueError("give a descriptor or the grasp point of an object, not both")
            return np.asarray(request.descriptor, np.float32)
        if request.object_id:
            return self._grasp_point(request.object_id, request.grasp_point)
        if request.grasp_point:
            raise ValueError(f"whose grasp point {request.grasp_point!r}? object_id is empty")
        return None

    def _grasp_point(self, object_id: str, name: str) -> NDArray[np.float32]:
        with self._gallery_lock:
            if self._gallery is None:      # opened when it is needed first: most uses of this node need none
                self._gallery = self.config.open()
            gallery = self._gallery
        if name:
            point = gallery.grasp_point(object_id, name)
        else:
            points = gallery.grasp_points(object_id)
            if len(points) != 1:
                names = ", ".join(point.name for point in points)
                raise LookupError(f"{object_id} has {'the grasp points ' + names if points else 'no grasp point'}: name one")
            point = points[0]
        if point.encoder_key != self._open_model.key:
            raise ValueError(f"the grasp point {point.name!r} of {object_id} is of the model {point.encoder_key}, this node runs "
                             f"{self._open_model.key}: descriptors of two models can't be compared; mark it anew")
        return np.asarray(point.descriptor, np.float32)

    # -- clicks and pictures --------------------------------------------------------------------------------------------

    def _on_click(self, message: PointStamped) -> None:
        try:
            described = self._describe(self._newest_messages())
            pixel = clicked_pixel(message, camera_from_info(described.messages.info), described.messages.frame_id, self._locate(
                described.messages.stamp_ns))
            self._searched = described.prepared.image.at([pixel])[0]
            self._last_click = f"pixel ({pixel[0]:.1f}, {pixel[1]:.1f})"
            if self._worker is not None:
                self._worker.offer(described.messages)    # show it at once, also when the camera stands still
        except Exception as error:   # the next click may be better, whatever was wrong with this one
            sentence = str(error) if isinstance(error, (ValueError, LookupError)) else f"{type(error).__name__}: {error}"
            self._last_click = f"refused: {sentence}"
            self.get_logger().warning(f"click refused: {sentence}")
        self._report()

    def _locate(self, stamp_ns: int) -> Callable[[str, str], NDArray[np.float64]]:
        return lambda target, source: self._transforms.lookup(target, source, stamp_from_nanoseconds(stamp_ns),
                                                              timeout=self.config.transform_timeout)

    def _try(self, messages: CameraMessages) -> None:
        try:
            self._paint(messages)
        except Exception as error:   # the next image may be better
            sentence = str(error) if isinstance(error, (ValueError, LookupError)) else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"image not painted: {sentence}", throttle_duration_sec=5.0)
            self.report(ERROR, sentence, **self._figures())

    def _paint(self, messages: CameraMessages) -> None:
        """Publish what is watched."""
        heat, pca = (publisher.get_subscription_count() > 0 for publisher in (self._heatmap, self._pca))
        if not (heat or pca):
            return
        searched = self._searched
        header = Header(stamp=stamp_from_nanoseconds(messages.stamp_ns), frame_id=messages.frame_id)
        overhead = 0.0
        if heat and searched is None:      # nothing to look for: no inference
            assert messages.color is not None
            overhead += self._publish(self._heatmap, invitation(color_from_image(messages.color)), header)
        if pca or searched is not None:
            described = self._describe(messages)
            if heat and searched is not None:
                with self._timed("query"):
                    found = query(searched, described.prepared, self.config.temperature)
                with self._timed("paint"):
                    picture = heat_picture(described.color, found)
                overhead += self._publish(self._heatmap, picture, header)
            if pca:
                image = described.prepared.image
                with self._timed("paint"):
                    # Kept: colours that change from image to image say nothing.
                    self._basis = self._basis or PcaBasis.fit([image])
                    picture = self._basis.paint(image)
                overhead += self._publish(self._pca, picture, header)
            overhead += self._milliseconds["convert"][-1]
        self._milliseconds.setdefault("overhead", deque(maxlen=50)).append(overhead)
        self._painted += 1

    def _publish(self, publisher: object, picture: NDArray[np.uint8], header: Header) -> float:
        """Publish a picture; milliseconds that it took."""
        began = time.perf_counter()
        publisher.publish(image_from_color(picture, header))
        return (time.perf_counter() - began) * 1e3

    # -- what both need -------------------------------------------------------------------------------------------------

    def _describe(self, messages: CameraMessages) -> _Described:
        """Descriptors of a camera image; those of the last one are kept."""
        with self._working:
            if self._described is None or self._described.messages is not messages:
                assert messages.color is not None
                with self._timed("convert"):
                    color = color_from_image(messages.color)
                with self._timed("inference"):
                    image = self._open_model.describe(color)
                with self._timed("prepare"):
                    prepared = PreparedImage(image)
                self._described = _Described(messages, color, prepared)
            return self._described

    def _newest_messages(self) -> CameraMessages:
        newest = None if self._camera is None else self._camera.newest()
        if newest is None:
            complaint = "" if self._camera is None else self._camera.complaint()
            raise LookupError(f"there is no camera image yet{': ' + complaint if complaint else ''}")
        return newest

    @property
    def _open_model(self) -> DeployedModel:
        if self._model is None:
            raise ValueError(self._without_model[1] or "the model is not loaded")
        return self._model

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._milliseconds.setdefault(name, deque(maxlen=50)).append((time.perf_counter() - began) * 1e3)

    def _report(self) -> None:
        level, message = self._without_model
        if self._camera is not None and (complaint := self._camera.complaint()):
            level, message = WARN, complaint
        self.report(level, message or "ready", **self._figures())

    def _figures(self) -> dict[str, object]:
        model = self._model
        known = {} if model is None else {"model": model.key, "precision": model.precision, "dimension": model.dimension}
        times = {f"{name}_ms_p50": f"{np.median(list(values)):.1f}" for name, values in list(self._milliseconds.items())}
        return {**known, "images_received": 0 if self._camera is None else self._camera.frames_received, "painted": self._painted,
                "queries": self._answers.given, "refused": self._answers.refused, "last_click": self._last_click, **times}


def _unit(descriptor: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(descriptor))
    if length == 0.0:
        raise ValueError("the descriptor is all zeros")
    return descriptor / np.float32(length)


def _point(pixel: tuple[float, float]) -> Point:
    return Point(x=float(pixel[0]), y=float(pixel[1]))


def main() -> int:
    """Run the node."""
    return run(DescriptorsNode)


if __name__ == "__main__":
    sys.exit(main())
