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

"""What a grasp is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Grasp:
    """A two-finger grasp of the hand's TCP.

    Args:
        T_base_tcp: (4, 4) TCP pose at the grasp; z = approach direction, y = closing direction.
        width: width of the item between the fingers [m].
        opening: finger opening for the approach [m].
        approach_distance: straight approach along +z of the TCP before the grasp [m].
        score: 0..1, estimated probability that the grasp holds.
        method: "geometric", "straight" or "aligned".
        reason: one sentence for a person.
    """

    T_base_tcp: NDArray[np.float64]
    width: float
    opening: float
    approach_distance: float
    score: float
    method: str
    reason: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """JSON-ready mapping, as the pick history stores it."""
        return {"T_base_tcp": self.T_base_tcp.tolist(), "width": float(self.width), "opening": float(self.opening),
                "approach_distance": float(self.approach_distance), "score": float(self.score), "method": self.method,
                "reason": self.reason}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Grasp:
        """Grasp of such a mapping."""
        return cls(**{**values, "T_base_tcp": np.asarray(values["T_base_tcp"], dtype=float)})
