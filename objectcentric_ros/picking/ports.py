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

"""What the pick procedure needs from the outside: eyes, names, grasps, an arm and a memory.

`nodes/pick.py` fills the ports over DDS, `picking/local.py` in one process over the libraries.
A port that can't do its part raises PickEnded with the outcome that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.records import PickRecord
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.picking.outcome import AbortSwitch


@dataclass(frozen=True)
class SeenSegment:
    """One segment of a view: its label, area [px] and centroid (3,) [m, base frame]."""

    id: int
    area: int
    centroid: NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """One look at the tray.

    Args:
        stamp_ns: time of the image [ns]; the key under which every node knows this view.
        pose: name of the arm pose it was seen from; centroids of two views compare only when it is equal.
        labels: (H, W) uint16 label image.
        segments: one entry a label.
        color: (H, W, 3) uint8 RGB image, None where there is none.
    """

    stamp_ns: int
    pose: str
    labels: NDArray[np.uint16]
    segments: tuple[SeenSegment, ...]
    color: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Naming:
    """What a segment is: probability of each candidate id, and whether the answer is "none of these"."""

    segment_id: int
    probabilities: dict[str, float]
    none_of_these: bool
    reason: str = ""

    @property
    def best(self) -> str | None:
        """The most probable candidate, None for "none of these" or an empty ranking."""
        return None if self.none_of_these else self.likeliest

    @property
    def likeliest(self) -> str | None:
        """The most probable candidate, whether it is believed or not; None for an empty ranking."""
        return max(self.probabilities, key=lambda name: self.probabilities[name], default=None)


@dataclass(frozen=True)
class KnownObject:
    """What the gallery knows of the object that was asked for; mass [kg] is None when unknown."""

    object_id: str
    title: str
    mass: float | None = None


@dataclass(frozen=True)
class GraspOutcome:
    """How an execution ended: gripper_width [m] after it, stage_seconds of plan, approach, close and lift [s]."""

    outcome: MotionOutcome
    message: str
    stage: str
    gripper_width: float
    planning_ms: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)


class LookAgain(Exception):
    """This view can't be identified, because an image of it got lost, say; the next one may."""


class PickPorts(Protocol):
    """Everything a pick touches. Blocking calls end early, with PickEnded, when the switch is triggered."""

    def clock(self) -> float:
        """Time [s] for the durations of phases; only differences mean something."""
        ...

    def resolve(self, text: str) -> KnownObject:
        """The object with this id or title, in any language; PickEnded(NOT_FOUND) names the nearest titles."""
        ...

    def all_objects(self) -> list[str]:
        """Ids of every object of the gallery: the candidates when none are given."""
        ...

    def move_to(self, pose: str, abort: AbortSwitch, release: bool = False) -> GraspOutcome:
        """Move to a named pose, then open the gripper when asked to."""
        ...

    def put_down(self, T_base_tcp: NDArray[np.float64], abort: AbortSwitch) -> GraspOutcome:
        """Lower what is held to where the hand has this pose (4, 4), open the gripper and go up; see picking.put_down."""
        ...

    def free_spot(self, view: View, radius: float) -> tuple[float, float] | None:
        """Centre (x, y) [m, base frame] of a free circle of the tray's floor; None when there is none of that radius [m]."""
        ...

    def places(self, view: View, segment_id: int, grasp: Grasp, keep_clear: int | None) -> list[NDArray[np.float64]]:
        """Where what the grasp holds of a segment can be put down, best first: T_base_tcp (4, 4) each; see picking.clearing."""
        ...

    def segment(self, pose: str, abort: AbortSwitch) -> View:
        """Segments of an image taken after this call, seen from the named pose."""
        ...

    def identify(self, view: View, candidates: Sequence[str], abort: AbortSwitch) -> tuple[Naming, ...]:
        """What every segment of the view is; raises LookAgain when this view can't be used."""
        ...

    def plan_grasps(self, view: View, segment_id: int, object_id: str, abort: AbortSwitch) -> tuple[list[Grasp], str]:
        """Ranked grasps on a segment, and one sentence (why there is none, when there is none)."""
        ...

    def execute_grasp(self, grasp: Grasp, view: View, segment_id: int, force: float, abort: AbortSwitch,
                      on_stage: Callable[[str], None]) -> GraspOutcome:
        """Plan, approach, close and lift; on_stage is called with plan, approach, close and lift as they begin."""
        ...

    def gripper_width(self) -> float:
        """Finger opening now [m]."""
        ...

    def stop(self) -> None:
        """Bring the arm to rest, now; never raises."""
        ...

    def snapshot(self, name: str) -> bytes | None:
        """JPEG of what the named view shows now (color, overlay, scene), None when there is no such picture."""
        ...

    def picture_grasp(self, view: View, grasp: Grasp) -> bytes | None:
        """JPEG of the view with the grasp drawn into it, None when there is no picture."""
        ...

    def record(self, record: PickRecord) -> None:
        """Store the finished pick, all of it or nothing."""
        ...
