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

"""The pick: look, segment, identify, choose, plan, approach, close, lift, verify, place, record."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.records import CROP_IMAGE, AttemptRecord, PickRecord
from objectcentric_ros.geometry.layout import top_down
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.picking.clearing import blockers
from objectcentric_ros.picking.config import PickConfig
from objectcentric_ros.picking.crop_to_learn import crop_to_learn
from objectcentric_ros.picking.failed_grasps import FailedGrasps
from objectcentric_ros.picking.outcome import AbortSwitch, PickEnded, PickOutcome
from objectcentric_ros.picking.ports import GraspOutcome, KnownObject, LookAgain, Naming, PickPorts, View
from objectcentric_ros.picking.verification import came_along, named_there, seen_elsewhere, still_there

__all__ = ["Attempt", "PickConfig", "PickProcedure", "PickReport", "PickRequest"]

GRAVITY = 9.81
LOOKS = 3   # images that are tried before identification has failed


@dataclass(frozen=True)
class PickRequest:
    """What to pick: an id or title; candidates = ids of what may be in the tray (empty: the whole gallery)."""

    object: str
    candidates: tuple[str, ...] = ()
    destination: str = ""
    max_attempts: int = 0


@dataclass
class Attempt:
    """One try: what was chosen, how it ended, how long each phase took [s], and whether something was set aside."""

    number: int
    grasp: Grasp | None = None
    confidence: float = 0.0
    gripper_width: float = float("nan")
    outcome: PickOutcome = PickOutcome.ABORTED
    message: str = ""
    phases: list[tuple[str, float]] = field(default_factory=list)
    cleared: bool = False


@dataclass(frozen=True)
class PickReport:
    """How a pick ended, with its attempts and the evidence (JPEG by name)."""

    outcome: PickOutcome
    message: str
    pick_id: str
    object_id: str
    attempts: tuple[Attempt, ...]
    evidence: dict[str, bytes]
    recorded: bool


class PickProcedure:
    """Runs one pick after another over the same ports; one at a time."""

    def __init__(self, ports: PickPorts, config: PickConfig | None = None) -> None:
        self._ports = ports
        self._config = config or PickConfig()

    def run(self, request: PickRequest, abort: AbortSwitch,
            on_phase: Callable[[int, str, str], None] = lambda attempt, phase, message: None) -> PickReport:
        """Pick one item; never raises for anything that can go wrong with a pick, the outcome says it.

        Args:
            request: what to pick.
            abort: ends the pick from another thread; the arm is at rest when this returns.
            on_phase: called as (attempt, phase, message) when a phase begins.
        """
        return _Pick(self._ports, self._config, request, abort, on_phase).run()


class _Pick:
    """The state of one running pick."""

    def __init__(self, ports: PickPorts, config: PickConfig, request: PickRequest, abort: AbortSwitch,
                 on_phase: Callable[[int, str, str], None]) -> None:
        self._ports, self._config, self._request, self._abort, self._on_phase = ports, config, request, abort, on_phase
        self._target = KnownObject("", request.object)
        self._attempts: list[Attempt] = []
        self._evidence: dict[str, bytes] = {}
        self._failed_grasps = FailedGrasps()
        self._moved: list[NDArray[np.float64]] = []
        self._phase_started: tuple[str, float] | None = None
        self._crop: bytes | None = None

    def run(self) -> PickReport:
        pick_id, started = str(uuid.uuid4()), time.time()
        try:
            outcome, message = self._try_until_picked()
        except PickEnded as ending:
            outcome, message = ending.outcome, ending.message
            self._ports.stop()
            if self._attempts:
                self._attempts[-1].outcome, self._attempts[-1].message = outcome, message
        self._end_phase()
        recorded = self._record(pick_id, started, outcome)
        if not recorded:
            message += " The pick history could not be written."
        return PickReport(outcome, message, pick_id, self._target.object_id, tuple(self._attempts), self._evidence, recorded)

    def _try_until_picked(self) -> tuple[PickOutcome, str]:
        self._target = self._ports.resolve(self._request.object)
        candidates = list(self._request.candidates) or self._ports.all_objects()
        if self._target.object_id not in candidates:
            return PickOutcome.NOT_FOUND, f"{self._target.title!r} is not among the {len(candidates)} candidates of this tray."
        look = 0
        for number in range(1, (self._request.max_attempts or self._config.max_attempts) + 1):
            attempt = Attempt(number)
            self._attempts.append(attempt)
            self._attempt(attempt, self._config.look_poses[look % len(self._config.look_poses)], candidates)
            self._end_phase()
            if attempt.outcome is PickOutcome.PICKED:
                return attempt.outcome, attempt.message
            # Another view helps where the item was not seen well; after something was moved the first view is the best again.
            look = look + 1 if attempt.grasp is None and not attempt.cleared else 0
        last = self._attempts[-1]
        return last.outcome, f"{last.message} Gave up after {last.number} attempts."

    def _attempt(self, attempt: Attempt, pose: str, candidates: Sequence[str]) -> None:
        view, namings = self._see(attempt, pose, candidates)
        if attempt.number == 1 and self._config.held_width < self._ports.gripper_width() < self._config.open_width:
            self._lay_down(attempt, view)
            view, namings = self._see(attempt, pose, candidates)
        self._begin(attempt, "choose")
        chosen = self._choose(attempt, view, namings)
        if chosen is None:
            # One more view first: clearing moves things, looking does not.
            if attempt.number > 1 and attempt.outcome is PickOutcome.NOT_IDENTIFIED:
                self._clear_the_way(attempt, view, None)
            return
        attempt.confidence = chosen.probabilities[self._target.object_id]
        executed = self._grasp(attempt, view, chosen.segment_id)
        if executed is None:
            if attempt.outcome in (PickOutcome.NO_GRASP, PickOutcome.NO_PLAN) and not attempt.cleared:
                self._clear_the_way(attempt, view, chosen.segment_id)
            return
        if not self._verify(attempt, view, namings, chosen, candidates):
            return
        self._place(attempt)

    def _lay_down(self, attempt: Attempt, view: View) -> None:
        """Lay what an earlier pick that was cut off has left in the hand into the tray."""
        self._begin(attempt, "clear", "something is in the hand")
        spot = self._ports.free_spot(view, 0.0)
        if spot is None:
            raise PickEnded(PickOutcome.ABORTED, "Something is in the hand from before, and the tray has no room for it.")
        laid = self._ports.put_down(top_down([*spot, self._config.lay_down_height], 0.0), self._abort)
        if laid.outcome is not MotionOutcome.SUCCEEDED:
            raise PickEnded(_ending_of(laid.outcome), f"What is in the hand from before could not be laid down: {laid.message}")

    def _see(self, attempt: Attempt, pose: str, candidates: Sequence[str]) -> tuple[View, tuple[Naming, ...]]:
        self._begin(attempt, "look", f"from {pose}")
        moved = self._ports.move_to(pose, self._abort)
        if moved.outcome is not MotionOutcome.SUCCEEDED:
            raise PickEnded(_ending_of(moved.outcome), f"Could not move to {pose!r}: {moved.message}")
        for chance in range(LOOKS):
            self._begin(attempt, "segment")
            view = self._ports.segment(pose, self._abort)
            self._begin(attempt, "identify", f"{len(view.segments)} segments")
            try:
                namings = self._ports.identify(view, candidates, self._abort) if view.segments else ()
            except LookAgain as lost:
                if chance == LOOKS - 1:
                    raise PickEnded(PickOutcome.ABORTED, f"Identification failed: {lost}") from lost
                continue
            break
        self._keep(f"overlay_{attempt.number}", "overlay")
        return view, namings

    def _choose(self, attempt: Attempt, view: View, namings: Sequence[Naming]) -> Naming | None:
        """The segment that is most probably the item; None, with the attempt's outcome set, when none is believable."""
        if not view.segments:
            attempt.outcome, attempt.message = PickOutcome.NOT_FOUND, "The tray is empty."
            return None
        target = self._target.object_id
        believable = [naming for naming in namings if naming.best == target
                      and naming.probabilities[target] >= self._config.min_probability]
        if not believable and attempt.number > 1 and self._request.candidates:
            believable = [naming for naming in namings if naming.likeliest == target
                          and naming.probabilities[target] >= self._config.weak_probability]
        if not believable:
            best = max((naming.probabilities.get(target, 0.0) for naming in namings), default=0.0)
            attempt.outcome = PickOutcome.NOT_IDENTIFIED
            attempt.message = f"None of {len(view.segments)} segments is believably {self._target.title!r} (best {best:.0%})."
            return None
        return max(believable, key=lambda naming: naming.probabilities[target])

    def _grasp(self, attempt: Attempt, view: View, segment_id: int) -> GraspOutcome | None:
        """Grasp the segment; None, with the attempt's outcome set, when nothing is held afterwards."""
        self._begin(attempt, "plan")
        grasps, why = self._ports.plan_grasps(view, segment_id, self._target.object_id, self._abort)
        if not grasps:
            attempt.outcome, attempt.message = PickOutcome.NO_GRASP, why or "No grasp fits the hand."
            return None
        grasps = self._failed_grasps.best_first(grasps, self._target.object_id)
        unlikely = self._failed_grasps.expectation(grasps[0], self._target.object_id) < self._config.clear_below
        if unlikely and self._clear_the_way(attempt, view, segment_id):
            attempt.outcome, attempt.message = PickOutcome.NO_GRASP, "No grasp was likely to hold among the neighbours."
            return None
        executed: GraspOutcome | None = None
        for grasp in grasps[: self._config.grasps_per_look]:
            attempt.grasp = grasp
            self._keep_picture(f"grasp_{attempt.number}", self._ports.picture_grasp(view, grasp))
            executed = self._ports.execute_grasp(
                grasp, view, segment_id, self._force(), self._abort, lambda stage: self._mark(attempt, stage))
            if executed.outcome is not MotionOutcome.NO_PLAN:
                break
        assert executed is not None and attempt.grasp is not None
        attempt.gripper_width = executed.gripper_width
        if executed.outcome is MotionOutcome.SUCCEEDED:
            self._keep(f"lift_{attempt.number}", "scene")
            return executed
        self._failed_grasps.add(attempt.grasp, self._target.object_id)
        attempt.outcome, attempt.message = _ending_of(executed.outcome), executed.message
        if attempt.outcome is PickOutcome.ABORTED:
            self._abort.check()
            raise PickEnded(attempt.outcome, executed.message)
        return None

    def _clear_the_way(self, attempt: Attempt, view: View, target_id: int | None) -> bool:
        """Set one item aside in the tray that covers the named one or leaves the hand no room; whether something was moved."""
        self._begin(attempt, "clear")
        if sum(earlier.cleared for earlier in self._attempts) >= self._config.most_cleared:
            return False
        for blocker in blockers(view, target_id, self._moved)[: self._config.most_blockers]:
            grasps, _ = self._ports.plan_grasps(view, blocker, "", self._abort)
            grasps = [grasp for grasp in self._failed_grasps.best_first(grasps)
                      if self._failed_grasps.expectation(grasp) >= self._config.aside_score]
            for grasp in grasps[: self._config.grasps_per_look]:
                places = self._ports.places(view, blocker, grasp, target_id)
                if not places:
                    continue
                executed = self._ports.execute_grasp(
                    grasp, view, blocker, self._config.grasp_force, self._abort, lambda stage: None)
                if executed.outcome is MotionOutcome.NO_PLAN:
                    continue
                attempt.cleared = True
                if executed.outcome is MotionOutcome.SUCCEEDED:
                    self._keep(f"cleared_{attempt.number}", "scene")
                    self._put_aside(grasp, places)
                else:
                    self._abort.check()
                    self._failed_grasps.add(grasp)
                return True
        return False

    def _put_aside(self, grasp: Grasp, places: Sequence[NDArray[np.float64]]) -> None:
        """Put down at the first place that the arm can reach with the item, or else where the item was."""
        put: GraspOutcome | None = None
        for place in (*places, grasp.T_base_tcp):
            put = self._ports.put_down(place, self._abort)
            if put.outcome is MotionOutcome.SUCCEEDED:
                self._moved.append(place[:2, 3])
                return
            self._abort.check()
        assert put is not None
        raise PickEnded(_ending_of(put.outcome), f"What was in the way could not be put down: {put.message}")

    def _verify(self, attempt: Attempt, before: View, names_before: Sequence[Naming], chosen: Naming,
                candidates: Sequence[str]) -> bool:
        """Gripper width and a second look: is it held, is it the item, and nothing else?"""
        self._begin(attempt, "verify")
        assert attempt.grasp is not None
        lifted_width = attempt.gripper_width
        moved = self._ports.move_to(before.pose, self._abort)
        if moved.outcome is not MotionOutcome.SUCCEEDED:
            raise PickEnded(_ending_of(moved.outcome), f"Could not take a second look: {moved.message}")
        attempt.gripper_width = self._ports.gripper_width()
        if attempt.gripper_width <= self._config.held_width:
            self._failed_grasps.add(attempt.grasp, self._target.object_id)
            attempt.outcome, attempt.message = PickOutcome.GRASP_LOST, "The item slipped out of the fingers."
            return False
        if lifted_width - attempt.gripper_width > self._config.creep:
            attempt.outcome = PickOutcome.GRASP_LOST
            nearer = 1000 * (lifted_width - attempt.gripper_width)
            attempt.message = f"The fingers came {nearer:.1f} mm nearer since the lift: the item was slipping, and was put back."
            self._put_back(attempt, before, chosen.segment_id)
            return False
        seen_twice = True
        after = self._ports.segment(before.pose, self._abort)
        self._keep(f"verify_{attempt.number}", "color")
        wrong = ""
        if still_there(before, chosen.segment_id, after):
            wrong = f"Something is in the hand, but {self._target.title!r} is still in the tray."
        elif after.segments:
            try:
                namings = self._ports.identify(after, candidates, self._abort)
            except LookAgain:
                namings, seen_twice = (), False   # the gripper and the empty place have spoken already
            believed = self._config.min_probability
            rival = seen_elsewhere(self._target.object_id, attempt.confidence, namings, believed)
            if named_there(self._target.object_id, before, chosen.segment_id, after, namings, believed):
                wrong = f"Something is in the hand, but {self._target.title!r} is seen where it was."
            elif rival is not None:
                wrong = (f"Segment {rival.segment_id} of the tray looks more like {self._target.title!r} "
                         f"({rival.probabilities[self._target.object_id]:.0%}) than what was taken ({attempt.confidence:.0%}).")
            other = came_along(before, names_before, after, namings, chosen.segment_id, self._config.sure_probability)
            if not wrong and namings and other is not None:
                wrong = f"{other!r} is gone from the tray as well: two items hang in the hand."
        if not wrong:
            if seen_twice and attempt.confidence >= self._config.learn_probability:
                self._crop = crop_to_learn(before, chosen.segment_id)
            return True
        attempt.outcome, attempt.message = PickOutcome.WRONG_ITEM, wrong
        self._put_back(attempt, before, chosen.segment_id)
        return False

    def _put_back(self, attempt: Attempt, before: View, segment_id: int) -> None:
        """Put what the attempt has taken where there is room for the next try, and remember not to take it so again."""
        assert attempt.grasp is not None
        self._failed_grasps.add(attempt.grasp, self._target.object_id)
        places = self._ports.places(before, segment_id, attempt.grasp, None)
        try:
            self._put_aside(attempt.grasp, places)
        except PickEnded as ending:
            self._abort.check()
            raise PickEnded(attempt.outcome, f"{attempt.message} {ending.message}") from ending

    def _place(self, attempt: Attempt) -> None:
        """Carry the item to the place pose and let go; GRASP_LOST when the fingers hold nothing there."""
        assert attempt.grasp is not None
        pose = self._request.destination or self._config.place_pose
        self._begin(attempt, "place")
        carried = self._ports.move_to(pose, self._abort)
        if carried.outcome is not MotionOutcome.SUCCEEDED:
            raise PickEnded(_ending_of(carried.outcome), f"Placing failed: {carried.message}")
        attempt.gripper_width = self._ports.gripper_width()
        if attempt.gripper_width <= self._config.held_width:
            self._failed_grasps.add(attempt.grasp, self._target.object_id)
            attempt.outcome, attempt.message = PickOutcome.GRASP_LOST, "The item was lost on the way to the place pose."
            return
        placed = self._ports.move_to(pose, self._abort, release=True)
        if placed.outcome is not MotionOutcome.SUCCEEDED:
            raise PickEnded(_ending_of(placed.outcome), f"Letting go failed: {placed.message}")
        self._keep("placed", "scene")
        attempt.outcome, attempt.message = PickOutcome.PICKED, f"Picked {self._target.title!r}."

    def _force(self) -> float:
        """Grasp force [N] that holds the known mass twice over by friction of two fingers, and more after each failure."""
        needed = 0.0 if self._target.mass is None else 2.0 * self._target.mass * GRAVITY / (2.0 * self._config.friction)
        firm = max(needed, self._config.grasp_force) * self._config.firmer ** self._failed_grasps.of(self._target.object_id)
        return float(min(firm, self._config.max_force))

    def _begin(self, attempt: Attempt, phase: str, message: str = "") -> None:
        self._abort.check()
        self._mark(attempt, phase, message)

    def _mark(self, attempt: Attempt, phase: str, message: str = "") -> None:
        """Begin a phase without a look at the switch: ports call this from their own threads, where nobody would catch it."""
        self._end_phase()
        self._phase_started = (phase, self._ports.clock())
        self._on_phase(attempt.number, phase, message)

    def _end_phase(self) -> None:
        if self._phase_started is not None and self._attempts:
            phase, started = self._phase_started
            self._attempts[-1].phases.append((phase, self._ports.clock() - started))
        self._phase_started = None

    def _keep(self, name: str, view: str) -> None:
        self._keep_picture(name, self._ports.snapshot(view))

    def _keep_picture(self, name: str, picture: bytes | None) -> None:
        if picture is not None:
            self._evidence[name] = picture

    def _record(self, pick_id: str, started: float, outcome: PickOutcome) -> bool:
        attempts = tuple(
            AttemptRecord(
                outcome=attempt.outcome.label, grasp=attempt.grasp.to_mapping() if attempt.grasp else None,
                gripper_width=None if np.isnan(attempt.gripper_width) else float(attempt.gripper_width),
                confidence=attempt.confidence, phases=tuple(attempt.phases), message=attempt.message)
            for attempt in self._attempts)
        self._on_phase(len(attempts), "record", "")
        images = dict(self._evidence)
        if outcome is PickOutcome.PICKED and self._crop is not None:
            images[CROP_IMAGE] = self._crop
        try:
            self._ports.record(PickRecord(
                pick_id=pick_id, object_id=self._target.object_id or self._request.object, request=self._request.object,
                outcome=outcome.label, started=started, finished=max(started, time.time()), attempts=attempts,
                images=images))
        except PickEnded:
            return False
        return True


def _ending_of(outcome: MotionOutcome) -> PickOutcome:
    """What a motion that did not succeed means for the pick."""
    return {
        MotionOutcome.NO_PLAN: PickOutcome.NO_PLAN,
        MotionOutcome.NOTHING_GRASPED: PickOutcome.GRASP_LOST,
        MotionOutcome.GRIPPER_FAILED: PickOutcome.GRASP_LOST,
    }.get(outcome, PickOutcome.ABORTED)
