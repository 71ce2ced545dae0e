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

"""Working on the newest frame: fresh ones at a rate, the last one of a camera that stopped, an end that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from objectcentric_ros.nodes.newest_frame import NewestFrameWorker

PATIENCE = 20.0   # [s]

Start = Callable[..., NewestFrameWorker[int]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers and stops them after the test."""
    workers: list[NewestFrameWorker[int]] = []

    def begin(work: Callable[[int], None], max_rate: float, **arguments: object) -> NewestFrameWorker[int]:
        workers.append(NewestFrameWorker("worker", work, lambda: max_rate, **arguments))    # type: ignore[arg-type]
        workers[-1].start()
        return workers[-1]
    yield begin
    for worker in workers:
        worker.stop()


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_what_is_worked_on_has_just_come_although_the_camera_is_faster(start: Start) -> None:
    came: list[float] = []
    waited: list[float] = []
    worker = start(lambda number: waited.append(time.monotonic() - came[number]), 2.0)
    for number in range(20):
        came.append(time.monotonic())
        worker.offer(number)
        time.sleep(0.2)
    assert 6 <= len(waited) <= 10              # 4 s at 2 Hz
    assert np.median(waited) < 0.06            # by turn of the clock alone, 0.1 s


def test_the_last_frame_of_a_camera_that_stopped_is_worked_on(start: Start) -> None:
    worked: list[int] = []
    worker = start(worked.append, 10.0)
    worker.offer(1)
    assert eventually(lambda: worked == [1])
    worker.offer(2)
    worker.offer(3)
    assert eventually(lambda: worked == [1, 3])


def test_the_rate_is_a_limit(start: Start) -> None:
    worked: list[int] = []
    worker = start(worked.append, 0.01)
    for number in range(20):
        worker.offer(number)
        time.sleep(0.01)
    assert len(worked) == 1


def test_silence_is_noticed_again_and_again(start: Start) -> None:
    silences: list[None] = []
    start(lambda number: None, 50.0, idle=lambda: silences.append(None), idle_period=0.01)
    assert eventually(lambda: len(silences) > 3)


def test_stop_waits_for_the_work_under_way_and_nothing_follows(start: Start) -> None:
    began, worked = threading.Event(), []

    def work(number: int) -> None:
        began.set()
        time.sleep(0.1)
        worked.append(number)
    worker = start(work, 50.0)
    worker.offer(1)
    assert began.wait(PATIENCE)
    worker.offer(2)
    worker.stop()
    assert worked == [1]


def test_a_worker_that_never_started_can_be_stopped() -> None:
    NewestFrameWorker[int]("worker", lambda number: None, lambda: 1.0).stop()
