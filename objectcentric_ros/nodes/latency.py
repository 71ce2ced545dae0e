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

"""Time and memory of the running graph: from an image to its segments, from a question to a name."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.nodes import require
from objectcentric_ros.nodes.bringup import Bringup
from objectcentric_ros.nodes.calls import call
from objectcentric_ros.nodes.camera_input import LATCHED_QOS, CameraConfig
from objectcentric_ros.nodes.camera_subscription import CameraSubscription
from objectcentric_ros.nodes.conversions import stamp_nanoseconds
from objectcentric_ros.nodes.graph_client import GraphClient
from objectcentric_ros.nodes.image_conversions import image_from_color
from objectcentric_ros.picking.enrolment import record_of, tray_references
from objectcentric_ros.picking.outcome import AbortSwitch
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.simulation.catalogue import Catalogue, Item, random_items

require("rclpy", "objectcentric_interfaces")

from objectcentric_interfaces.msg import Segments  # noqa: E402
from objectcentric_interfaces.srv import IdentifyObject  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

START_TIMEOUT = 120.0
EMBEDDING_TIMEOUT = 300.0   # of the first identification, which waits until all references are embedded [s]
ANSWER_TIMEOUT = 60.0       # of each further one [s]
REMEMBERED = 200            # images whose segments are still waited for
SEGMENTS_A_TRAY = 12        # identified in one call
ITEMS_A_TRAY = 10           # that lie in it, of the candidates


@dataclass(frozen=True)
class LatencyOptions:
    """What is measured.

    Args:
        seconds: how long images are watched [s].
        queries: how many times an image is identified, and a tray.
        candidates: objects that each query names.
        references: pictures of each of them.
        seed: of the clutter, of the choice of items and of the pauses.
        pause: longest time between two queries [s]; a random part of it passes, so that they meet the other nodes at any work.
            Without a break they keep the simulator, and with it the camera, from its rate: the graph has less to do.
    """

    seconds: float = 20.0
    queries: int = 100
    candidates: int = 30
    references: int = 10
    seed: int = 0
    pause: float = 0.5


class StampTimer:
    """Time between two messages of the same stamp that come over different topics, in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: OrderedDict[int, float] = OrderedDict()
        self._seconds: list[float] = []

    def began(self, stamp_ns: int, now: float) -> None:
        """The first message of a stamp [ns] came at `now` [s]."""
        with self._lock:
            self._began[stamp_ns] = now
            while len(self._began) > REMEMBERED:
                self._began.popitem(last=False)

    def ended(self, stamp_ns: int, now: float) -> None:
        """The second message of a stamp [ns] came at `now` [s]; without a first one it doesn't count."""
        with self._lock:
            began = self._began.pop(stamp_ns, None)
            if began is not None:
                self._seconds.append(now - began)

    def milliseconds(self) -> list[float]:
        """All times so far [ms]."""
        with self._lock:
            return [1e3 * seconds for seconds in self._seconds]


class _Stopwatch(GraphClient):
    """Listens to the camera and to the segments, and asks for names."""

    def __init__(self) -> None:
        super().__init__("latency")
        self.to_segments = StampTimer()
        self._identify = self.node.create_client(IdentifyObject, "identify_object")
        self._newest: Segments | None = None
        self._watching = self.node.create_subscription(Segments, "segments", self._remember, LATCHED_QOS)

    def watch(self, seconds: float) -> list[float]:
        """Milliseconds from each colour image to its segments, for so long [s]."""
        images = CameraSubscription(self.node, Image, CameraConfig().color_topic, lambda image: self.to_segments.began(
            stamp_nanoseconds(image.header.stamp), time.perf_counter()))
        segments = self.node.create_subscription(Segments, "segments", lambda message: self.to_segments.ended(
            stamp_nanoseconds(message.header.stamp), time.perf_counter()), LATCHED_QOS)
        time.sleep(seconds)
        self.node.destroy_subscription(segments)
        images.destroy()
        return self.to_segments.milliseconds()

    def identify(self, picture: NDArray[np.uint8], candidates: list[str],
                 timeout: float = ANSWER_TIMEOUT) -> tuple[float, float]:
        """Milliseconds of one call and of the encoder in it.

        Raises:
            RuntimeError: the node refused.
        """
        return self._ask(IdentifyObject.Request(image=image_from_color(picture, Header()), candidates=candidates), timeout)

    def identify_tray(self, candidates: list[str], count: int = SEGMENTS_A_TRAY) -> tuple[float, float]:
        """Milliseconds of one call for so many segments of the newest scene, some of them twice where it has fewer.

        Raises:
            RuntimeError: there is no segment, or the node refused.
        """
        newest = self._newest
        if newest is None or not newest.segments:
            raise RuntimeError("there are no segments to identify: the tray is empty")
        ids = [newest.segments[number % len(newest.segments)].id for number in range(count)]
        request = IdentifyObject.Request(stamp=newest.header.stamp, segment_ids=ids, candidates=candidates)
        return self._ask(request, ANSWER_TIMEOUT)

    def _remember(self, message: Segments) -> None:
        self._newest = message

    def _ask(self, request: IdentifyObject.Request, timeout: float) -> tuple[float, float]:
        began = time.perf_counter()
        answer = call(self._identify, request, AbortSwitch(), timeout)
        elapsed = 1e3 * (time.perf_counter() - began)
        if not answer.success:
            raise RuntimeError(f"identify_object refused: {answer.message}")
        return elapsed, float(answer.encode_ms)


def measure_latency(options: LatencyOptions, folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Bring up the whole graph with the simulator and measure it.

    Args:
        options: how much.
        folder: empty folder for the gallery.
        progress: takes what is being done.

    Returns:
        image_to_segments_ms_p50 and _p95, identify_ms_p50 and _p95, encoder_ms_p50, identify_beside_encoder_ms_p50
        and identify_tray_ms_p50 and _p95 (12 segments in a call) [ms];
        resident_gb of all nodes but the simulator [GB], resident_mb a node [MB]; how many images and queries.
        A figure without a measurement is None.

    Raises:
        BringupError: the graph did not come up.
        PickEnded, RuntimeError: a node did not answer, or refused.
    """
    items = random_items(Catalogue.load(), options.candidates, np.random.default_rng(options.seed))
    names = [item.id for item in items]
    queries = _fill_gallery(folder, items, options, progress)
    settings: dict[str, Any] = {"simulation.seed": options.seed, "simulation.items": names[:ITEMS_A_TRAY]}
    settings |= {f"{node}.gallery_data_dir": str(folder) for node in ("gallery", "identification", "grasp_planner")}
    progress("bringing up the graph")
    with Bringup("pick", settings=settings) as graph:
        graph.wait_until_active(START_TIMEOUT)
        with _Stopwatch() as stopwatch:
            progress(f"embedding {options.candidates * options.references} references")
            stopwatch.identify(queries[0], names, EMBEDDING_TIMEOUT)   # the first call waits for them
            progress(f"watching images for {options.seconds:.0f} s")
            to_segments = stopwatch.watch(options.seconds)
            progress(f"identifying {options.queries} times")
            calls = [stopwatch.identify(queries[number % len(queries)], names) for number in _spaced(options)]
            progress(f"identifying {SEGMENTS_A_TRAY} segments of a tray {options.queries} times")
            trays = [stopwatch.identify_tray(names)[0] for _ in _spaced(options)]
        resident = {name: _resident_megabytes(graph.pid_of(name)) for name in graph.names if name != "simulation"}
    identify, encoder = [elapsed for elapsed, _ in calls], [encode for _, encode in calls]
    return {
        "image_to_segments_ms_p50": _percentile(to_segments, 50), "image_to_segments_ms_p95": _percentile(to_segments, 95),
        "identify_ms_p50": _percentile(identify, 50), "identify_ms_p95": _percentile(identify, 95),
        "encoder_ms_p50": _percentile(encoder, 50),
        "identify_tray_ms_p50": _percentile(trays, 50), "identify_tray_ms_p95": _percentile(trays, 95),
        "identify_beside_encoder_ms_p50": _percentile([elapsed - encode for elapsed, encode in calls], 50),
        "resident_gb": sum(resident.values()) / 1e3,
        "resident_mb": {name: round(megabytes) for name, megabytes in resident.items()},
        "images": len(to_segments), "queries": len(calls), "candidates": options.candidates, "references": options.references,
        "seed": options.seed, "cores": os.cpu_count(),
    }


def _spaced(options: LatencyOptions) -> Iterator[int]:
    """Numbers of the queries, each after its pause."""
    for number, share in enumerate(np.random.default_rng(options.seed).random(options.queries)):
        time.sleep(options.pause * share)
        yield number


def _fill_gallery(folder: Path, items: Sequence[Item], options: LatencyOptions,
                  progress: Callable[[str], None]) -> list[NDArray[np.uint8]]:
    """Give each item its references; returns one new picture of each.

    They are what the camera sees: how alike things look decides how many are looked at twice.
    """
    queries = []
    segmenter = make_segmenter("rgbd", CellLayout.load())
    with Gallery.open(data_dir=folder) as gallery:
        for number, item in enumerate(items):
            progress(f"picturing item {number + 1} of {len(items)} for a gallery of its own")
            *references, query = tray_references(item, options.references + 1, segmenter)
            gallery.add_object(record_of(item))
            for reference in references:
                gallery.add_reference(item.id, "tray", reference)
            queries.append(decode_image(query)[0])
    return queries


def _resident_megabytes(pid: int) -> float:
    """Resident memory of a process, as Linux counts it (proc_pid_statm(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _percentile(values: list[float], percent: float) -> float | None:
    value = float(np.percentile(values, percent)) if values else math.nan
    return value if math.isfinite(value) else None
