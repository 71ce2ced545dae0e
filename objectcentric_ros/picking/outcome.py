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

"""How a pick can end, and the switch that ends it early."""

from __future__ import annotations

import enum
import threading


class PickOutcome(enum.IntEnum):
    """How a pick ended; values are the constants of PickObject.action."""

    PICKED = 0
    NOT_FOUND = 1
    NOT_IDENTIFIED = 2
    NO_GRASP = 3
    NO_PLAN = 4
    GRASP_LOST = 5
    WRONG_ITEM = 6
    ABORTED = 7
    NODE_LOST = 8
    TIMEOUT = 9

    @property
    def label(self) -> str:
        """The constant's name in lower case, as it is stored and shown."""
        return self.name.lower()


class PickEnded(Exception):
    """Ends the pick with an outcome and a sentence; raised by ports and by the procedure, caught by the procedure."""

    def __init__(self, outcome: PickOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


class AbortSwitch:
    """Ends a running pick from another thread: a cancel request, a lost node, the time limit. The first reason wins.

    `event` is what blocking port calls wait on and hand to the arm driver.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._lock = threading.Lock()
        self._ending: PickEnded | None = None

    def trigger(self, outcome: PickOutcome, message: str) -> None:
        """Ask for the end; returns at once."""
        with self._lock:
            if self._ending is None:
                self._ending = PickEnded(outcome, message)
        self.event.set()

    def check(self) -> None:
        """Raise PickEnded when somebody asked for the end."""
        if self.event.is_set():
            assert self._ending is not None
            raise PickEnded(self._ending.outcome, self._ending.message)
