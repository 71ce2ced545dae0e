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

"""An executor whose waiting thread sleeps while its workers work."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from objectcentric_ros.nodes import require

require("rclpy")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import (  # noqa: E402
    ConditionReachedException,
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Future, Task  # noqa: E402


class PoolExecutor(Executor):
    """Runs callbacks in worker threads; callback groups say which may run side by side, as with MultiThreadedExecutor.

    rclpy's MultiThreadedExecutor (7.1) hands a ready callback to its pool and asks at once for the next one; until a worker
    has begun, it gets the same callback again, thousands of times, and keeps the GIL from the very thread that should begin
    (measured: a process with the simulator in it ran at 0.05 of real time, with 3 387 copies in the queue). This one waits
    until the callback has begun.

    Args:
        threads: workers. When all are busy, nothing more is taken from the middleware.
        context: of rclpy; None is the default one.
    """

    def __init__(self, threads: int = 4, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="callback")
        self._changed = threading.Condition()
        self._unfinished = 0
        self._failures: collections.deque[BaseException] = collections.deque()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Begin one callback.

        Args:
            timeout_sec: how long to wait for one [s]; None: until there is one.

        Raises:
            Exception: what an earlier callback raised.
        """
        self._spin_once(timeout_sec, lambda: False)

    def spin_once_until_future_complete(self, future: Future, timeout_sec: float | None = None) -> None:
        """Like spin_once; returns early when the future is done."""
        future.add_done_callback(lambda _: self.wake())
        self._spin_once(timeout_sec, future.done)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Take nothing more and wait for the callbacks that run (rclpy's own shutdown returns at once).

        Args:
            timeout_sec: how long to wait [s]; None: until all ended.

        Returns:
            Whether all ended; else nothing that they may use must be destroyed.
        """
        super().shutdown(0.0)
        deadline = None if timeout_sec is None else time.monotonic() + timeout_sec
        with self._changed:
            while self._unfinished:
                rest = None if deadline is None else deadline - time.monotonic()
                if rest is not None and rest <= 0.0:
                    return False
                self._changed.wait(rest)
        self._pool.shutdown(wait=False)
        return True

    def _spin_once(self, timeout_sec: float | None, condition: Callable[[], bool]) -> None:
        if self._failures:
            raise self._failures.popleft()
        try:
            task, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, condition)
        except (ConditionReachedException, ExternalShutdownException, ShutdownException, TimeoutException):
            return
        begun = threading.Event()
        with self._changed:
            self._unfinished += 1
        self._pool.submit(self._work, task, begun)
        begun.wait()

    def _work(self, task: Task, begun: threading.Event) -> None:
        begun.set()
        try:
            task()
        finally:
            if task.done() and (failure := task.exception()) is not None:
                self._failures.append(failure)
                self.wake()
            with self._changed:
                self._unfinished -= 1
                self._changed.notify_all()
