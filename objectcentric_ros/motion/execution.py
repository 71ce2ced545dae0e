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


"""Running a grasp: plan it whole, approach, close, lift; and moving to named places. For any planner, arm and gripper.

What a motion is checked against:

- Free motions: everything, with every part of the robot.
- The straight lines into the clutter and out of it: the known cell with every part of the robot; sensed obstacles
  with the hand's body, the wrist camera and the arm, not with the fingers and the item. The fingers go down beside
  the item, where a grid of some 15 mm can't tell a gap from a neighbour: the grasp planner decided that in the depth
  image itself. And an item that is lifted starts amid its neighbours.

Nothing moves before the whole grasp is planned: an arm that got in without a planned way out would be stuck there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.geometry.frame import RgbdFrame
from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.motion.factory import make_planner
from objectcentric_ros.motion.grasp_plan import GraspPlan, MotionConfig, MotionPlanning
from objectcentric_ros.motion.obstacles import ObstacleConfig
from objectcentric_ros.motion.protocols import (
    ArmDriver,
    Gripper,
    GripperResult,
    MotionOutcome,
    Planner,
    PlanningError,
    Trajectory,
)

__all__ = ["ExecutionConfig", "GraspExecution", "GraspExecutor", "MoveExecution", "make_planner"]


@dataclass(frozen=True)
class ExecutionConfig:
    """How grasps and moves are run.

    Args:
        motion: speeds, planning time, what to do when the start is in contact.
        obstacles: how obstacles are read from depth images.
        gripper_speed: of the fingers [m/s].
        empty_width: fingers that closed to this hold nothing [m].
    """

    motion: MotionConfig = field(default_factory=MotionConfig)
    obstacles: ObstacleConfig = field(default_factory=ObstacleConfig)
    gripper_speed: float = 0.1
    empty_width: float = 0.002


@dataclass(frozen=True)
class GraspExecution:
    """How a grasp ended.

    Args:
        outcome: SUCCEEDED only with the item in the lifted hand.
        message: one sentence for a person.
        stage: the last stage reached: plan, approach, close, lift.
        gripper_width: finger opening at the end [m].
        planning_ms: obstacles and all plans [ms].
        stage_seconds: duration of every stage that began [s], on the executor's clock.
        trajectories: what was planned, in order.
    """

    outcome: MotionOutcome
    message: str
    stage: str
    gripper_width: float
    planning_ms: float
    stage_seconds: dict[str, float]
    trajectories: tuple[Trajectory, ...] = ()


@dataclass(frozen=True)
class MoveExecution:
    """How a move ended; the fields are GraspExecution's."""

    outcome: MotionOutcome
    message: str
    gripper_width: float
    planning_ms: float
    trajectories: tuple[Trajectory, ...] = ()


class _Ended(Exception):
    """Leaves a run early with its outcome."""

    def __init__(self, outcome: MotionOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class GraspExecutor:
    """Runs one grasp or move at a time; from whatever thread, but not from two at once.

    Args:
        planner: plans every motion; nobody else may use it meanwhile.
        arm: runs the trajectories.
        gripper: opens and closes.
        layout: the known cell and its named poses.
        config: speeds and thresholds.
        clock: seconds for stage_seconds; a simulated arm's own time, say.
    """

    def __init__(self, planner: Planner, arm: ArmDriver, gripper: Gripper, layout: CellLayout,
                 config: ExecutionConfig | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config or ExecutionConfig()
        self._arm, self._gripper, self._layout, self._clock = arm, gripper, layout, clock
        self._planning = MotionPlanning(planner, layout, self.config.motion, self.config.obstacles)

    @property
    def holding(self) -> bool:
        """Whether an item is taken to be in the hand."""
        return self._planning.carried is not None

    def execute_grasp(self, grasp: Grasp, frame: RgbdFrame | None = None, item_mask: NDArray[np.bool_] | None = None,
                      lift_height: float = 0.15, force: float = 30.0, cancel: threading.Event | None = None,
                      on_stage: Callable[[str], None] = lambda stage: None) -> GraspExecution:
        """Plan and run approach, close and lift.

        Args:
            grasp: a parallel hand grasps the same turned by 180 degrees: the nearer of both is run.
            frame: RGB-D frame to take obstacles from; None: the known cell only.
            item_mask: (H, W) bool, the item's pixels in frame: no obstacle.
            lift_height: straight up after closing [m].
            force: of the fingers [N].
            cancel: set it to stop the arm at once, in any stage.
            on_stage: called with plan, approach, close, lift when each begins.

        Returns:
            The outcome; with NOTHING_GRASPED and GRIPPER_FAILED the arm is back above the clutter, hand open.
        """
        cancel = cancel or threading.Event()
        stages = _Stages(self._clock, on_stage)
        plan: GraspPlan | None = None
        planning_ms = 0.0
        outcome, message = MotionOutcome.SUCCEEDED, ""
        try:
            stages.begin("plan")
            self._planning.carried = None
            started = time.perf_counter()
            try:
                plan = self._planning.grasp(self._positions(), grasp, lift_height, frame, item_mask)
            finally:
                planning_ms = (time.perf_counter() - started) * 1000.0
            self._go_on_unless(cancel)

            stages.begin("approach")
            self._command(lambda: self._gripper.move(grasp.opening, self.config.gripper_speed), "open")
            self._run((*plan.to_pregrasp, plan.approach), cancel)

            stages.begin("close")
            self._close(force, plan, grasp, cancel)

            stages.begin("lift")
            self._planning.carried = plan.carried
            self._run((plan.lift,), cancel)
            if self._gripper.width() <= self.config.empty_width:
                self._planning.carried = None
                raise _Ended(MotionOutcome.NOTHING_GRASPED, "the item slipped out of the fingers during the lift")
            message = f"lifted an item of {self._gripper.width() * 1000:.0f} mm"
        except _Ended as end:
            outcome, message = end.outcome, str(end)
        except PlanningError as error:
            outcome, message = MotionOutcome.NO_PLAN, str(error)
        return GraspExecution(outcome, message, stages.name, self._last_width(), planning_ms, stages.seconds(),
                              plan.trajectories if plan else ())

    def move_to(self, goal: str | NDArray[np.float64], frame: RgbdFrame | None = None, linear: bool = False,
                release: bool = False, cancel: threading.Event | None = None,
                on_stage: Callable[[str], None] = lambda stage: None) -> MoveExecution:
        """Move the arm with whatever it holds, and let go at the end if told to.

        Args:
            goal: name of a pose of the layout, "ready" or "home", or T_base_tcp (4, 4).
            frame: RGB-D frame to take obstacles from; None: the known cell only.
            linear: in a straight line.
            release: open the hand at the end.
            cancel: set it to stop the arm at once.
            on_stage: called with plan, move, release when each begins.
        """
        cancel = cancel or threading.Event()
        planning_ms = 0.0
        trajectories: tuple[Trajectory, ...] = ()
        outcome, message = MotionOutcome.SUCCEEDED, "arrived"
        try:
            on_stage("plan")
            started = time.perf_counter()
            try:
                trajectories = self._planning.move(self._positions(), goal, frame, linear)
            finally:
                planning_ms = (time.perf_counter() - started) * 1000.0
            on_stage("move")
            self._run(trajectories, cancel)
            if release:
                on_stage("release")
                self._go_on_unless(cancel)
                self._command(lambda: self._gripper.move(self._layout.gripper.max_width, self.config.gripper_speed), "open")
                self._planning.carried = None
        except _Ended as end:
            outcome, message = end.outcome, str(end)
        except PlanningError as error:
            outcome, message = MotionOutcome.NO_PLAN, str(error)
        return MoveExecution(outcome, message, self._last_width(), planning_ms, trajectories)

    def _positions(self) -> NDArray[np.float64]:
        try:
            return self._arm.state().positions
        except TimeoutError as error:
            raise _Ended(MotionOutcome.STALE_STATE, f"no joint state of the arm: {error}") from error

    def _run(self, trajectories: tuple[Trajectory, ...], cancel: threading.Event) -> None:
        for trajectory in trajectories:
            self._go_on_unless(cancel)
            result = self._arm.execute(trajectory, cancel)
            if result.outcome is not MotionOutcome.SUCCEEDED:
                # Every driver stops by itself; a second stop is harmless, a missing one is not.
                self._arm.stop()
                raise _Ended(result.outcome, result.message)
        self._go_on_unless(cancel)

    def _close(self, force: float, plan: GraspPlan, grasp: Grasp, cancel: threading.Event) -> None:
        result = self._gripper.grasp(force, speed=self.config.gripper_speed)
        self._go_on_unless(cancel)
        if result.width > self.config.empty_width and result.success:
            return
        # Out of the clutter with an open hand, as planned, so that the next attempt can look and plan.
        opened = self._gripper.move(grasp.opening, self.config.gripper_speed)
        self._run((plan.lift,), cancel)
        if result.width <= self.config.empty_width:
            raise _Ended(MotionOutcome.NOTHING_GRASPED, f"the fingers closed to {result.width * 1000:.1f} mm, on nothing")
        raise _Ended(MotionOutcome.GRIPPER_FAILED, f"the gripper didn't grasp: {result.message or 'no reason given'}"
                     + ("" if opened.success else f"; and didn't open again: {opened.message or 'no reason given'}"))

    def _command(self, command: Callable[[], GripperResult], what: str) -> None:
        result = command()
        if not result.success:
            raise _Ended(MotionOutcome.GRIPPER_FAILED, f"the gripper didn't {what}: {result.message or 'no reason given'}")

    def _go_on_unless(self, cancel: threading.Event) -> None:
        if cancel.is_set():
            self._arm.stop()
            raise _Ended(MotionOutcome.STOPPED, "stopped on request")

    def _last_width(self) -> float:
        try:
            return self._gripper.width()
        except TimeoutError:
            return float("nan")


class _Stages:
    """Names the stages as they begin and keeps how long each took."""

    def __init__(self, clock: Callable[[], float], on_stage: Callable[[str], None]) -> None:
        self._clock, self._on_stage = clock, on_stage
        self._began: dict[str, float] = {}
        self.name = ""

    def begin(self, name: str) -> None:
        self.name = name
        self._began[name] = self._clock()
        self._on_stage(name)

    def seconds(self) -> dict[str, float]:
        ends = [*list(self._began.values())[1:], self._clock()]
        return {name: end - start for (name, start), end in zip(self._began.items(), ends, strict=True)}
