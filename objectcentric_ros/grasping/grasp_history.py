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

"""What earlier picks say of a grasp: kinds of grasps that an item slipped out of before are expected to fail again.

An item lies elsewhere in every pick, so a grasp is compared with an earlier one by its kind: the width between the fingers and
the height above the base tell which part of the item was held. With s grasps of its kind that held and f that did not, each
counted by its likeness 0..1, a grasp's score becomes

    score * (s + a) / (s + f + a)

where a is how many successes its score is worth: without any history the score stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from objectcentric_ros.gallery.records import PickRecord
from objectcentric_ros.grasping.geometric import GraspSearch
from objectcentric_ros.grasping.grasp import Grasp

SAME_WIDTH, SAME_HEIGHT = 0.006, 0.008          # the same part of an item that has moved: its width and height there [m]
HELD, LOST = "picked", "grasp_lost"             # outcomes of attempts that say how the grasp was


@dataclass(frozen=True)
class GraspHistoryConfig:
    """How much the past counts.

    Args:
        picks: how many of an object's last picks are looked at; 0 = none.
        worth: successes that a grasp's own score is worth.
        bad_below: where the history leaves less than this share of the score, the answer says so.
    """

    picks: int = 50
    worth: float = 2.0
    bad_below: float = 0.6

    def __post_init__(self) -> None:
        if self.picks < 0 or not self.worth > 0 or not 0 <= self.bad_below <= 1:
            raise ValueError(f"picks must not be negative, worth positive and bad_below 0..1, got {self}")


@dataclass(frozen=True)
class PastGrasp:
    """A grasp that was executed on an object, and whether it held."""

    grasp: Grasp
    held: bool


def past_grasps(picks: Sequence[PickRecord]) -> tuple[PastGrasp, ...]:
    """Grasps of an object's picks that held or lost the item; attempts that ended otherwise say nothing of their grasp."""
    found = []
    for attempt in (attempt for pick in picks for attempt in pick.attempts):
        if attempt.grasp is not None and attempt.outcome in (HELD, LOST):
            try:
                grasp = Grasp.from_mapping(attempt.grasp)
            except (KeyError, TypeError, ValueError):
                continue                          # recorded by somebody else, in other words
            if grasp.T_base_tcp.shape == (4, 4):
                found.append(PastGrasp(grasp, attempt.outcome == HELD))
    return tuple(found)


def kind_similarity(one: Grasp, other: Grasp) -> float:
    """0 (another part of the item) to 1 (the same part), wherever the item lies."""
    wider, higher = one.width - other.width, one.T_base_tcp[2, 3] - other.T_base_tcp[2, 3]
    return float(np.exp(-(wider / SAME_WIDTH) ** 2 - (higher / SAME_HEIGHT) ** 2))


def trust(grasp: Grasp, past: Sequence[PastGrasp], worth: float) -> float:
    """Share 0..1 of a grasp's score that the history leaves."""
    held = sum(kind_similarity(grasp, earlier.grasp) for earlier in past if earlier.held)
    lost = sum(kind_similarity(grasp, earlier.grasp) for earlier in past if not earlier.held)
    return (held + worth) / (held + lost + worth)


def by_history(search: GraspSearch, past: Sequence[PastGrasp], config: GraspHistoryConfig) -> GraspSearch:
    """The grasps with scores by what earlier picks say, best first; those that have failed before say so in their reason."""
    if not search.grasps or not any(not earlier.held for earlier in past):
        return search
    trusts = [trust(grasp, past, config.worth) for grasp in search.grasps]
    judged = [replace(grasp, score=grasp.score * share, reason=grasp.reason if share >= config.bad_below else
                      f"{grasp.reason}{'; ' if grasp.reason else ''}grasps of this kind have lost the item before")
              for grasp, share in zip(search.grasps, trusts, strict=True)]
    order = sorted(range(len(judged)), key=lambda index: -judged[index].score)
    features = search.features[order] if len(search.features) == len(judged) else search.features
    bad = sum(share < config.bad_below for share in trusts)
    known = f"{bad} of {len(judged)} are of a kind that has lost the item before" if bad else ""
    reason = "; ".join(filter(None, (search.reason, known)))
    return replace(search, grasps=tuple(judged[index] for index in order), reason=reason, features=features)
