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

"""The executor of the nodes: nothing runs twice, failures surface, shutdown waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.node import Node

from objectcentric_ros.nodes.executor import PoolExecutor

TIMEOUT = 10.0


class Turning:
    """A node in a PoolExecutor, with a thread that spins it."""

    def __init__(self, threads: int) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("turning", context=self.context)
        self.executor = PoolExecutor(threads, context=self.context)
        self.executor.add_node(self.node)
        self.failures: list[BaseException] = []
        self.failed = threading.Event()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self) -> None:
        while not self.ended.is_set():
            try:
                self.executor.spin_once(timeout_sec=0.2)
            except ValueError as error:
                self.failures.append(error)
                self.failed.set()

    def close(self) -> None:
        self.ended.set()
        self.thread.join(TIMEOUT)
        self.executor.shutdown(TIMEOUT)
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def turning() -> Iterator[Turning]:
    node = Turning(threads=2)
    yield node
    node.close()


def test_a_waiting_task_is_handed_to_one_worker_once(turning: Turning) -> None:
    """With both workers busy the executor must wait; MultiThreadedExecutor queues the third task thousands of times."""
    submitted = 0
    submit = turning.executor._pool.submit

    def count(*args: object) -> object:
        nonlocal submitted
        submitted += 1
        return submit(*args)

    turning.executor._pool.submit = count
    go, done = threading.Event(), [threading.Event() for _ in range(3)]
    for event in done:
        turning.executor.create_task(lambda event=event: (go.wait(TIMEOUT), event.set()))
    deadline = time.monotonic() + TIMEOUT
    while submitted < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    go.set()
    assert all(event.wait(TIMEOUT) for event in done)
    assert 3 <= submitted <= 6


def test_groups_say_what_runs_side_by_side(turning: Turning) -> None:
    barrier = threading.Barrier(2, timeout=TIMEOUT)
    met = threading.Event()

    def meet() -> None:
        try:
            barrier.wait()
            met.set()
        except threading.BrokenBarrierError:
            pass
    group = ReentrantCallbackGroup()
    for _ in range(2):
        turning.node.create_timer(0.01, meet, callback_group=group)
    assert met.wait(TIMEOUT)

    running, together, calls = 0, 0, 0

    def alone() -> None:
        nonlocal running, together, calls
        running += 1
        together = max(together, running)
        time.sleep(0.002)
        running -= 1
        calls += 1
    exclusive = MutuallyExclusiveCallbackGroup()
    for _ in range(2):
        turning.node.create_timer(0.001, alone, callback_group=exclusive)
    deadline = time.monotonic() + TIMEOUT
    while calls < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert calls >= 20 and together == 1


def test_what_a_callback_raises_reaches_who_spins(turning: Turning) -> None:
    def fail() -> None:
        raise ValueError("broken callback")
    turning.executor.create_task(fail)
    assert turning.failed.wait(TIMEOUT)
    assert str(turning.failures[0]) == "broken callback"


def test_shutdown_waits_for_callbacks_and_says_when_one_hangs() -> None:
    turning = Turning(threads=2)
    begun, go = threading.Event(), threading.Event()
    turning.executor.create_task(lambda: (begun.set(), go.wait(TIMEOUT)))
    assert begun.wait(TIMEOUT)
    turning.ended.set()
    turning.thread.join(TIMEOUT)
    assert not turning.executor.shutdown(0.05)
    go.set()
    assert turning.executor.shutdown(TIMEOUT)
    turning.close()


def test_a_future_ends_the_wait(turning: Turning) -> None:
    turning.ended.set()
    turning.thread.join(TIMEOUT)
    task = turning.executor.create_task(lambda: 7)
    turning.executor.spin_until_future_complete(task, timeout_sec=TIMEOUT)
    assert task.result() == 7
