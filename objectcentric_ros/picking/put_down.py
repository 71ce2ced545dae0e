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

"""Letting something down that hangs in the hand, in as many ways as it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.picking.ports import GraspOutcome

# What hangs in the hand may sit lower than when it was taken: so far above it is let go of, and higher where the line down
# ends earlier, on a wall or on another item [m].
RELEASE_HEIGHTS = (0.01, 0.04, 0.07)

Move = Callable[[NDArray[np.float64], bool, bool], GraspOutcome]


def put_down(move: Move, T_base_tcp: NDArray[np.float64], lift_height: float) -> GraspOutcome:
    """Move above a pose, down to it, open the hand, and back up.

    Args:
        move: moves the TCP to (T_base_tcp, linear, release).
        T_base_tcp: (4, 4) where the hand would hold the item if it stood there as it stood before.
        lift_height: from there up to where the line down begins [m].

    Returns:
        SUCCEEDED once the hand has let go; else why not: NO_PLAN leaves the arm where it was or above the pose.
    """
    above = _raised(T_base_tcp, RELEASE_HEIGHTS[0] + lift_height)
    moved = move(above, False, False)
    if moved.outcome is not MotionOutcome.SUCCEEDED:
        return moved
    for height in RELEASE_HEIGHTS:
        moved = move(_raised(T_base_tcp, height), True, True)
        if moved.outcome is MotionOutcome.SUCCEEDED:
            move(above, True, False)
            return moved
        # A line that ends in a collision is not begun; one that meets something unseen ends there. Both want more height.
        if moved.outcome not in (MotionOutcome.NO_PLAN, MotionOutcome.TRACKING_ERROR):
            return moved
    return moved


def _raised(T_base_tcp: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    raised = T_base_tcp.copy()
    raised[2, 3] += height
    return raised
