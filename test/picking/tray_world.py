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

"""A tray without physics that keeps a pick's rules: what is lifted leaves the tray, the hand holds one thing, views go stale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from objectcentric_ros.gallery.records import PickRecord
from objectcentric_ros.geometry.layout import top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.picking.outcome import AbortSwitch, PickEnded, PickOutcome
from objectcentric_ros.picking.ports import GraspOutcome, KnownObject, LookAgain, Naming, SeenSegment, View

TITLES = {"cube": "Rubik's cube", "cup": "Cup", "cap": "Cap"}


@dataclass
class TrayWorld:
    """PickPorts over a dictionary of items, with faults to order.

    Args:
        items: item -> column of its 20 px wide segment.
        looks_like: item -> {candidate: probability}; the item itself by default.
        grasp_ends: outcomes of the next executions; SUCCEEDED when used up.
        slips: how many of the next lifts lose the item on the way.
        lifts_instead: items that the next grasps take instead of the one they are planned on.
        creeps: how much the fingers close after the next lifts [m].
        drags_along: items that hang on what the next grasps take.
        no_grasp_reason: why nothing can be grasped; empty when it can.
        blocked_by: item -> items that leave the hand no room while they are within 25 px.
        free: where there is room to set something aside.
        lost_images: how many of the next views can't be identified.
        spot_is_unreachable: nothing can be put down there.
        own_place_is_unreachable: nothing can be put down anywhere else.
    """

    items: dict[str, int] = field(default_factory=lambda: {"cube": 20, "cup": 80, "cap": 140})
    looks_like: dict[str, dict[str, float]] = field(default_factory=dict)
    grasp_ends: list[MotionOutcome] = field(default_factory=list)
    slips: int = 0
    lifts_instead: list[str] = field(default_factory=list)
    creeps: list[float] = field(default_factory=list)
    drags_along: list[str] = field(default_factory=list)
    no_grasp_reason: str = ""
    blocked_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    free: tuple[float, float] | None = (0.17, 0.0)
    spot_is_unreachable: bool = False
    own_place_is_unreachable: bool = False
    lost_images: int = 0
    on_call: Callable[[str], None] = lambda name: None
    record_fails: bool = False

    def __post_init__(self) -> None:
        self.held: str | None = None
        self.empty_width, self.held_width = 0.08, 0.03
        self.along: dict[str, int] = {}
        self.in_bin: list[str] = []
        self.records: list[PickRecord] = []
        self.tried: list[Grasp] = []
        self.forces: list[float] = []
        self.poses: list[str] = []
        self.stopped = 0
        self._now = 0.0
        self._stamp = 0

    def clock(self) -> float:
        self._now += 1.0
        return self._now

    def resolve(self, text: str) -> KnownObject:
        self.on_call("resolve")
        for name, title in TITLES.items():
            if text in (name, title):
                return KnownObject(name, title, {"cube": 0.1, "cap": 2.0}.get(name))
        raise PickEnded(PickOutcome.NOT_FOUND, f"nothing is called {text!r}")

    def all_objects(self) -> list[str]:
        return list(TITLES)

    def move_to(self, pose: str, abort: AbortSwitch, release: bool = False) -> GraspOutcome:
        self.on_call("move_to")
        abort.check()
        self.poses.append(pose)
        if self.held and self.slips:
            self.slips -= 1
            self.items[self.held], self.held, self.empty_width = 110, None, 0.0
        if self.held and self.creeps:
            self.held_width -= self.creeps.pop(0)
        if release and self.held:
            self.in_bin += [self.held, *self.along]
            self.held, self.empty_width, self.along = None, 0.08, {}
        return GraspOutcome(MotionOutcome.SUCCEEDED, "", "move", self.gripper_width())

    def free_spot(self, view: View, radius: float) -> tuple[float, float] | None:
        return self.free

    def places(self, view: View, segment_id: int, grasp: Grasp, keep_clear: int | None) -> list[np.ndarray]:
        return [] if self.free is None else [top_down([*self.free, 0.02], 0.0)]

    def put_down(self, T_base_tcp: np.ndarray, abort: AbortSwitch) -> GraspOutcome:
        self.on_call("put_down")
        assert self.held is not None
        at_spot = self.free is not None and np.allclose(T_base_tcp[:2, 3], self.free)
        if self.spot_is_unreachable if at_spot else self.own_place_is_unreachable:
            return GraspOutcome(MotionOutcome.NO_PLAN, "the carried item would hit the wall", "move", 0.03)
        self.items[self.held] = round(T_base_tcp[0, 3] * 1000)
        self.items |= self.along
        self.held, self.empty_width, self.along = None, 0.08, {}
        return GraspOutcome(MotionOutcome.SUCCEEDED, "", "move", 0.08)

    def segment(self, pose: str, abort: AbortSwitch) -> View:
        self.on_call("segment")
        abort.check()
        self._stamp += 1
        labels = np.zeros((40, 200), np.uint16)
        segments = []
        for number, (_, column) in enumerate(self.items.items(), start=1):
            labels[10:30, column:column + 20] = number
            segments.append(SeenSegment(number, 400, np.array([column / 1000, 0.0, 0.02])))
        color = np.where(labels[..., None] > 0, np.uint8(220), np.uint8(90)).repeat(3, axis=2)
        return View(self._stamp, pose, labels, tuple(segments), color)

    def identify(self, view: View, candidates: Sequence[str], abort: AbortSwitch) -> tuple[Naming, ...]:
        self.on_call("identify")
        assert view.stamp_ns == self._stamp, "a view from before the last look"
        if self.lost_images:
            self.lost_images -= 1
            raise LookAgain("no image of that stamp")
        namings = []
        for number, name in enumerate(self.items, start=1):
            probabilities = self.looks_like.get(name, {name: 0.9})
            namings.append(Naming(number, {c: probabilities.get(c, 0.02) for c in candidates}, not probabilities))
        return tuple(namings)

    def plan_grasps(self, view: View, segment_id: int, object_id: str, abort: AbortSwitch) -> tuple[list[Grasp], str]:
        self.on_call("plan_grasps")
        name = list(self.items)[segment_id - 1]
        if self.no_grasp_reason or any(abs(self.items[name] - self.items[other]) < 25 for other in self.blocked_by.get(name, ())
                                       if other in self.items):
            return [], self.no_grasp_reason or "the hand would hit something beside the item"
        column = list(self.items.values())[segment_id - 1]
        return [Grasp(top_down([column / 1000, 0.0, 0.02], yaw), 0.03, 0.05, 0.08, score, "geometric")
                for yaw, score in ((0.0, 0.9), (1.0, 0.5))], ""

    def execute_grasp(self, grasp: Grasp, view: View, segment_id: int, force: float, abort: AbortSwitch,
                      on_stage: Callable[[str], None]) -> GraspOutcome:
        self.tried.append(grasp)
        self.forces.append(force)
        for stage in ("plan", "approach", "close", "lift"):
            on_stage(stage)
            self.on_call(stage)
            if abort.event.is_set():
                return GraspOutcome(MotionOutcome.STOPPED, "stopped", stage, 0.08)
        end = self.grasp_ends.pop(0) if self.grasp_ends else MotionOutcome.SUCCEEDED
        if end is MotionOutcome.SUCCEEDED:
            name = self.lifts_instead.pop(0) if self.lifts_instead else list(self.items)[segment_id - 1]
            self.held, self.held_width = name, 0.03
            del self.items[name]
            self.along = {self.drags_along[0]: self.items.pop(self.drags_along.pop(0))} if self.drags_along else {}
        return GraspOutcome(end, f"ended {end.name}", "lift", self.gripper_width())

    def gripper_width(self) -> float:
        return self.held_width if self.held else self.empty_width

    def stop(self) -> None:
        self.stopped += 1

    def snapshot(self, name: str) -> bytes | None:
        return f"picture of {name}".encode()

    def picture_grasp(self, view: View, grasp: Grasp) -> bytes | None:
        return b"picture of a grasp"

    def record(self, record: PickRecord) -> None:
        if self.record_fails:
            raise PickEnded(PickOutcome.NODE_LOST, "the gallery is gone")
        self.records.append(record)
