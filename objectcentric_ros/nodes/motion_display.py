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

"""What the motion node shows: obstacles, planned and executed TCP paths."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.protocols import Box, Planner, PlanRequest, Trajectory
from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.publisher import Publisher  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from objectcentric_ros.nodes.markers import EXECUTED, PLANNED, box_markers, delete_all, path_marker  # noqa: E402

PATH_POINTS = 40        # of one trajectory
EXECUTED_STEP = 0.003   # executed path points are this far apart [m]


class MotionDisplay:
    """Collects what a motion does in the thread that does it, and publishes it from another.

    Args:
        publisher: of MarkerArray.
        frame_id: base frame.
        forward: T_base_tcp (4, 4) of joint positions (N,); called in the collecting thread only.
    """

    def __init__(self, publisher: Publisher, frame_id: str,
                 forward: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        self._publisher, self._frame_id, self._forward = publisher, frame_id, forward
        self._lock = threading.Lock()
        self._changed = False
        self.begin()

    def begin(self) -> None:
        """Forget the previous motion."""
        with self._lock:
            self._boxes: Sequence[Box] = ()
            self._planned: list[NDArray[np.float64]] = []
            self._executed: list[NDArray[np.float64]] = []
            self._changed = True

    def obstacles(self, boxes: Sequence[Box]) -> None:
        """Show these obstacles."""
        with self._lock:
            self._boxes, self._changed = tuple(boxes), True

    def plan(self, trajectory: Trajectory) -> None:
        """Add a planned trajectory to the planned path."""
        count = min(PATH_POINTS, len(trajectory.times))
        chosen = np.linspace(0, len(trajectory.times) - 1, count).round().astype(int)
        points = [self._forward(trajectory.positions[k])[:3, 3] for k in chosen]
        with self._lock:
            self._planned += points
            self._changed = True

    def state(self, positions: NDArray[np.float64]) -> None:
        """Add joint positions (N,) to the executed path."""
        point = self._forward(positions)[:3, 3]
        with self._lock:
            if not self._executed or np.linalg.norm(point - self._executed[-1]) >= EXECUTED_STEP:
                self._executed.append(point)
                self._changed = True

    def publish(self) -> None:
        """Publish what changed since the last time."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            boxes, planned, executed = self._boxes, list(self._planned), list(self._executed)
        header = Header(frame_id=self._frame_id)   # stamp 0: the base doesn't move
        array = MarkerArray(markers=[delete_all(header), *box_markers(boxes, header)])
        if len(planned) > 1:
            array.markers.append(path_marker(planned, header, "planned", PLANNED))
        if len(executed) > 1:
            array.markers.append(path_marker(executed, header, "executed", EXECUTED))
        self._publisher.publish(array)


class DisplayedPlanner:
    """A Planner that shows its obstacles and plans."""

    def __init__(self, planner: Planner, display: MotionDisplay) -> None:
        self._planner, self._display = planner, display
        self.joint_names = planner.joint_names

    def set_obstacles(self, boxes: Sequence[Box]) -> None:
        """See Planner."""
        self._planner.set_obstacles(boxes)
        self._display.obstacles(boxes)

    def attach(self, box: Box | None) -> None:
        """See Planner."""
        self._planner.attach(box)

    def plan(self, request: PlanRequest) -> Trajectory:
        """See Planner."""
        trajectory = self._planner.plan(request)
        self._display.plan(trajectory)
        return trajectory

    def forward(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Planner."""
        return self._planner.forward(positions)
