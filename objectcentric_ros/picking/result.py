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

"""How a pick over the action ended, for the people who asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from objectcentric_ros.picking.outcome import PickOutcome


@dataclass(frozen=True)
class PickResult:
    """How a pick ended.

    Args:
        outcome: the named outcome.
        message: one sentence.
        seconds: from the call to the end [s].
        details: PickObject.Result, None when the action gave none.
    """

    outcome: PickOutcome
    message: str
    seconds: float
    details: Any = None

    def to_mapping(self) -> dict[str, Any]:
        """JSON-ready summary, without the pictures."""
        details = self.details
        return {
            "outcome": self.outcome.label, "message": self.message, "seconds": round(self.seconds, 3),
            "pick_id": details.pick_id if details else None, "object_id": details.object_id if details else None,
            "attempts": [{
                "outcome": attempt.outcome, "message": attempt.message, "confidence": round(float(attempt.confidence), 4),
                "method": attempt.grasp.method, "grasp_score": round(float(attempt.grasp.score), 3),
                "grasp_reason": attempt.grasp.reason,
                "phases": [[phase, round(float(seconds), 3)]
                           for phase, seconds in zip(attempt.phases, attempt.seconds, strict=True)],
            } for attempt in (details.attempts if details else ())]}

    def pictures(self) -> dict[str, bytes]:
        """JPEG by name; the names come over the network, so only their last path component counts."""
        if self.details is None:
            return {}
        return {name.replace("\\", "/").rsplit("/", 1)[-1]: bytes(image.data)
                for name, image in zip(self.details.image_names, self.details.images, strict=True)}
