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

"""What has failed in this pick, so that the next try is of another kind and not the same once more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from objectcentric_ros.grasping.grasp import Grasp
from objectcentric_ros.grasping.grasp_history import kind_similarity

SAME_PLACE, SAME_AXIS = 0.015, np.deg2rad(25)   # grasps that differ less in place [m] and closing direction [rad] are one
OF_ONE_KIND = 0.5                               # how much of the expectation a failure takes from grasps of its kind


class FailedGrasps:
    """Ranks grasps by how likely they hold after what has failed."""

    def __init__(self) -> None:
        self._failed: list[tuple[Grasp, str]] = []

    def add(self, grasp: Grasp, item: str = "") -> None:
        """A grasp closed on nothing, slipped, or took something else; item: id of what it was planned on, empty if unknown."""
        self._failed.append((grasp, item))

    def of(self, item: str) -> int:
        """How many grasps of an item have failed."""
        return sum(failed == item for _, failed in self._failed)

    def expectation(self, grasp: Grasp, item: str = "") -> float:
        """Probability 0..1 that the grasp holds: its score, less for every failure that it resembles.

        score * prod_f (1 - similarity(grasp, f))
        """
        return float(grasp.score * np.prod([1.0 - similarity(grasp, failed, same_item=bool(item) and of == item)
                                            for failed, of in self._failed]))

    def best_first(self, grasps: Sequence[Grasp], item: str = "") -> list[Grasp]:
        """The most promising first."""
        return sorted(grasps, key=lambda grasp: self.expectation(grasp, item), reverse=True)


def similarity(one: Grasp, other: Grasp, same_item: bool = True) -> float:
    """0 (nothing in common) to 1 (the same): the same place and closing direction, or, of one item, the same kind.

    An item that slipped lies elsewhere now, turned: there the width between the fingers and the height above the base tell
    which part of it was held.
    """
    apart = float(np.linalg.norm(one.T_base_tcp[:3, 3] - other.T_base_tcp[:3, 3]))
    # The closing axis has no sign: the hand turned by pi is the same grasp.
    turned = float(np.arccos(np.clip(abs(one.T_base_tcp[:3, 1] @ other.T_base_tcp[:3, 1]), 0.0, 1.0)))
    place = np.exp(-(apart / SAME_PLACE) ** 2 - (turned / SAME_AXIS) ** 2)
    if not same_item:
        return float(0.9 * place)
    return float(max(0.9 * place, OF_ONE_KIND * kind_similarity(one, other)))
