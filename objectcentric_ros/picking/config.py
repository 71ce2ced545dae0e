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

"""How a pick tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PickConfig:
    """How a pick tries.

    Args:
        max_attempts: looks-and-grasps before the pick gives up.
        grasps_per_look: grasps that are tried on one view while no motion is found for them.
        timeout: whole pick [s].
        look_poses: named arm poses to look from; the second and later ones when the item is not identified.
        place_pose: named pose above the place bin.
        min_probability: identification below this is not acted on.
        weak_probability: the same from the second look on, where candidates were named and it is the likeliest of them: the
            item is said to be there, so "none of these" counts for less. The second look at the hand still decides.
        sure_probability: a neighbour that was named with less is not missed when it is gone: it may have been a part of the
            item.
        learn_probability: an item that was named with this probability and picked is offered to the gallery to learn from;
            above 1 = never.
        held_width: finger opening above which something is held [m].
        creep: fingers that come this much nearer between the lift and the second look are losing the item [m].
        open_width: finger opening above which the hand is open [m].
        lay_down_height: TCP height at which something left in the hand by an earlier pick is let go of over the tray [m].
        grasp_force: force for light items and items of unknown mass [N].
        max_force: the most force ever used [N].
        friction: friction coefficient for the force that a known mass needs.
        firmer: the force grows by this factor with every grasp that did not hold.
        clear_below: while the best grasp is less likely to hold than this, neighbours are set aside first.
        most_cleared: neighbours that are set aside in one pick at most.
        most_blockers: neighbours that are considered for being set aside when the item can't be seen or grasped; 0 = never.
        aside_score: a neighbour is set aside only by a grasp that is this likely to hold.
    """

    max_attempts: int = 10
    grasps_per_look: int = 6
    timeout: float = 180.0
    look_poses: tuple[str, ...] = ("look", "look_left", "look_right")
    place_pose: str = "place"
    min_probability: float = 0.5
    weak_probability: float = 0.2
    sure_probability: float = 0.8
    learn_probability: float = 0.8
    held_width: float = 0.002
    creep: float = 0.0015
    open_width: float = 0.076
    lay_down_height: float = 0.14
    grasp_force: float = 40.0
    max_force: float = 70.0
    friction: float = 0.4
    firmer: float = 1.25
    clear_below: float = 0.4
    most_cleared: int = 6
    most_blockers: int = 4
    aside_score: float = 0.5
