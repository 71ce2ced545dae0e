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

"""Work on the newest image of a camera in a thread of its own, so that no callback waits and no image queues up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Frame = TypeVar("Frame")

FRESH_SHARE = 0.1    # of a period: of a frame that came longer before its turn, the next is awaited ...
LONGEST_WAIT = 0.25  # ... but not for longer than this [s]


class NewestFrameWorker(Generic[Frame]):
    """Calls `work` with the newest frame that was offered, at most at a rate.

    When a turn comes, the newest frame has waited already, for up to the camera's own period: 0.2 s at 5 Hz. Then the next
    one is awaited, for a while: a camera that stopped has its last frame worked on all the same.

    Args:
        name: of the thread.
        work: called with a frame, in the thread; must not raise.
        max_rate: calls a second on average at most [Hz]; asked at every turn.
        idle: called, in the thread, whenever no frame came for idle_period; None: nothing is.
        idle_period: [s].
    """

    def __init__(self, name: str, work: Callable[[Frame], None], max_rate: Callable[[], float], *,
                 idle: Callable[[], None] | None = None, idle_period: float = 0.5) -> None:
        self._work, self._max_rate, self._idle, self._idle_period = work, max_rate, idle, idle_period
        self._changed = threading.Condition()
        self._newest: tuple[float, Frame] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Take a frame in place of the one that waits; returns at once."""
        with self._changed:
            self._newest = time.monotonic(), frame
            self._changed.notify_all()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; a call under way is waited for, at most `timeout` [s]."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        turn = float("-inf")
        while True:
            period = 1.0 / self._max_rate()
            with self._changed:
                newest = self._await(turn, period)
                if self._stopped:
                    return
            if newest is not None:
                # Counted on from the turn: what was lost by awaiting a fresh frame is made up for, within half a period.
                turn = max(turn + period, time.monotonic() + period / 2)
                self._work(newest)
            elif self._idle is not None:
                self._idle()

    def _await(self, turn: float, period: float) -> Frame | None:
        """The frame to work on; None when none came, or at the end. The lock is held."""
        def has_fresh() -> bool:
            return self._newest is not None and self._newest[0] >= turn - FRESH_SHARE * period
        self._wait_until(turn, lambda: False)
        if self._newest is None:
            self._wait_until(time.monotonic() + self._idle_period, has_fresh)
        else:
            self._wait_until(turn + min(period, LONGEST_WAIT), has_fresh)
        newest, self._newest = self._newest, None
        return None if newest is None else newest[1]

    def _wait_until(self, moment: float, condition: Callable[[], bool]) -> None:
        """Wait for the condition or the end, until the moment [s] at most; the lock is held."""
        if (seconds := moment - time.monotonic()) > 0:
            self._changed.wait_for(lambda: self._stopped or condition(), seconds)
