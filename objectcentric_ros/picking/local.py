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

"""The pick procedure's ports in one process, on a simulated cell: the same libraries as the nodes, faster than real time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.records import PickRecord
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.choice import GraspChooser
from objectcentric_ros.grasping.drawing import draw_grasp
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.identification.assignment import one_to_one
from objectcentric_ros.identification.crop import crop_segment
from objectcentric_ros.identification.identifier import Identifier
from objectcentric_ros.identification.size_evidence import measured_sides, median_distance
from objectcentric_ros.motion.execution import GraspExecutor
from objectcentric_ros.picking.clearing import free_spot, places
from objectcentric_ros.picking.outcome import AbortSwitch, PickEnded, PickOutcome
from objectcentric_ros.picking.ports import GraspOutcome, KnownObject, Naming, SeenSegment, View
from objectcentric_ros.picking.put_down import put_down
from objectcentric_ros.segmentation.overlay import draw_overlay
from objectcentric_ros.segmentation.segmenter import Segmentation, Segmenter
from objectcentric_ros.simulation.arm import SimulatedArm, SimulatedGripper
from objectcentric_ros.simulation.cell import Cell

LIFT_HEIGHT = 0.15
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Libraries:
    """What the ports call: one set serves many scenes, so nothing is loaded twice."""

    layout: CellLayout
    segmenter: Segmenter
    identifier: Identifier
    gallery: Gallery
    grasps: GraspChooser
    executor: Callable[[SimulatedArm, SimulatedGripper], GraspExecutor]


class LocalPorts:
    """PickPorts over the libraries and a simulated cell.

    Perception and planning are timed in wall time, motion in simulated time.
    """

    def __init__(self, cell: Cell, libraries: Libraries) -> None:
        self._cell, self._lib = cell, libraries
        self._arm, self._gripper = SimulatedArm(cell), SimulatedGripper(cell)
        self._executor = libraries.executor(self._arm, self._gripper)
        self._world_seconds = 0.0
        self._frames: dict[int, tuple[RgbdFrame, Segmentation]] = {}
        self._latest: int | None = None
        self._captions: dict[int, str] = {}
        self._looks = 0
        self.perception_seconds: list[float] = []
        self.planning_seconds: list[float] = []

    def clock(self) -> float:
        """Simulated time of the cell plus wall time of everything that is not the cell [s]."""
        return float(self._cell.time) + time.perf_counter() - self._world_seconds

    def resolve(self, text: str) -> KnownObject:
        """See PickPorts."""
        try:
            record = self._lib.gallery.find_object(text)
        except LookupError as error:
            raise PickEnded(PickOutcome.NOT_FOUND, str(error)) from error
        return KnownObject(record.object_id, record.title, record.mass)

    def all_objects(self) -> list[str]:
        """See PickPorts."""
        return [summary.record.object_id for summary in self._lib.gallery.list_objects("", 100_000, 0)[0]]

    def move_to(self, pose: str, abort: AbortSwitch, release: bool = False) -> GraspOutcome:
        """See PickPorts."""
        with self._world():
            moved = self._executor.move_to(pose, frame=None, linear=False, release=release, cancel=abort.event)
        self._world_seconds -= moved.planning_ms / 1000
        return GraspOutcome(moved.outcome, moved.message, "move", moved.gripper_width, moved.planning_ms)

    def put_down(self, T_base_tcp: NDArray[np.float64], abort: AbortSwitch) -> GraspOutcome:
        """See PickPorts."""
        def move(goal: NDArray[np.float64], linear: bool, release: bool) -> GraspOutcome:
            moved = self._executor.move_to(goal, frame=None, linear=linear, release=release, cancel=abort.event)
            return GraspOutcome(moved.outcome, moved.message, "move", moved.gripper_width)

        with self._world():
            return put_down(move, T_base_tcp, LIFT_HEIGHT)

    def free_spot(self, view: View, radius: float) -> tuple[float, float] | None:
        """See PickPorts."""
        frame, segmentation = self._frames[view.stamp_ns]
        return free_spot(segmentation.labels, frame.camera, frame.T_base_camera, self._lib.layout.tray, radius)

    def places(self, view: View, segment_id: int, grasp: Grasp, keep_clear: int | None) -> list[NDArray[np.float64]]:
        """See PickPorts."""
        frame, segmentation = self._frames[view.stamp_ns]
        return places(segmentation.labels, frame.camera, frame.T_base_camera, self._lib.layout.tray, segment_id,
                      grasp.T_base_tcp, keep_clear)

    def segment(self, pose: str, abort: AbortSwitch) -> View:
        """See PickPorts."""
        abort.check()
        with self._world():
            frame = self._cell.render()
        started = time.perf_counter()
        segmentation = self._lib.segmenter.segment(frame)
        self.perception_seconds.append(time.perf_counter() - started)
        self._looks += 1
        self._frames[self._looks] = (frame, segmentation)
        self._latest, self._captions = self._looks, {}
        seen = tuple(SeenSegment(s.id, s.area, s.centroid_base) for s in segmentation.segments)
        return View(self._looks, pose, segmentation.labels, seen, frame.color)

    def identify(self, view: View, candidates: Sequence[str], abort: AbortSwitch) -> tuple[Naming, ...]:
        """See PickPorts."""
        abort.check()
        frame, segmentation = self._frames[view.stamp_ns]
        started = time.perf_counter()
        crops = [crop_segment(frame.color, segmentation.labels, segment.id) for segment in segmentation.segments]
        masks = [segmentation.labels == segment.id for segment in segmentation.segments]
        sides = [measured_sides(mask, median_distance(mask, frame.depth), frame.camera.fx) for mask in masks]
        results = one_to_one(self._lib.identifier.identify(crops, list(candidates), sides).results)
        self.perception_seconds[-1] += time.perf_counter() - started
        namings = tuple(
            Naming(segment.id, {c.object_id: c.probability for c in result.ranking}, result.none_of_these, result.reason)
            for segment, result in zip(segmentation.segments, results, strict=True))
        self._captions = {
            naming.segment_id: f"{naming.best} {naming.probabilities[naming.best]:.0%}" if naming.best else "?"
            for naming in namings}
        return namings

    def plan_grasps(self, view: View, segment_id: int, object_id: str, abort: AbortSwitch) -> tuple[list[Grasp], str]:
        """See PickPorts."""
        abort.check()
        frame, segmentation = self._frames[view.stamp_ns]
        started = time.perf_counter()
        search = self._lib.grasps.search(frame, segmentation, segment_id, object_id=object_id)
        self.planning_seconds.append(time.perf_counter() - started)
        return list(search.grasps), search.reason

    def execute_grasp(self, grasp: Grasp, view: View, segment_id: int, force: float, abort: AbortSwitch,
                      on_stage: Callable[[str], None]) -> GraspOutcome:
        """See PickPorts."""
        frame, segmentation = self._frames[view.stamp_ns]
        with self._world():
            executed = self._executor.execute_grasp(
                grasp, frame, segmentation.labels == segment_id, lift_height=LIFT_HEIGHT, force=force, cancel=abort.event,
                on_stage=on_stage)
        self._world_seconds -= executed.planning_ms / 1000
        self.planning_seconds[-1] += executed.planning_ms / 1000
        return GraspOutcome(executed.outcome, executed.message, executed.stage, executed.gripper_width, executed.planning_ms,
                            dict(executed.stage_seconds))

    def gripper_width(self) -> float:
        """See PickPorts."""
        return self._gripper.width()

    def stop(self) -> None:
        """See PickPorts."""
        self._arm.stop()

    def snapshot(self, name: str) -> bytes | None:
        """See PickPorts."""
        with self._world():
            if name == "scene":
                return _jpeg(self._cell.render_view("front", 640, 480))
            if name == "color":
                return _jpeg(self._cell.render().color)
            if name == "overlay" and self._latest is not None:
                frame, segmentation = self._frames[self._latest]
                return _jpeg(draw_overlay(frame.color, segmentation.labels, self._captions))
        return None

    def picture_grasp(self, view: View, grasp: Grasp) -> bytes | None:
        """See PickPorts."""
        frame, _ = self._frames[view.stamp_ns]
        return _jpeg(draw_grasp(frame.color, grasp, frame.camera, frame.T_base_camera, self._lib.layout.gripper))

    def record(self, record: PickRecord) -> None:
        """See PickPorts."""
        self._lib.gallery.record_pick(record)

    @contextmanager
    def _world(self) -> Iterator[None]:
        """Wall time spent inside is the simulator's, not the stack's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._world_seconds += time.perf_counter() - started


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(encoded)
