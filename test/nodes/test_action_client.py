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

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("rclpy")

from rclpy.action import ActionClient

from objectcentric_ros.nodes.action_client import PatientActionClient


def test_an_answer_waits_until_its_request_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is taken while the goal is being sent, before rclpy has noted it."""
    sent, noted, order = threading.Event(), threading.Event(), []

    def send(self: ActionClient) -> str:
        sent.set()
        assert not noted.wait(0.2)         # the other thread must not get past the barrier meanwhile
        order.append("noted")
        return "future"

    async def execute(self: ActionClient, taken: object) -> None:
        order.append("answered")
        noted.set()

    monkeypatch.setattr(ActionClient, "__init__", lambda self: None)
    monkeypatch.setattr(ActionClient, "__del__", lambda self: None, raising=False)
    monkeypatch.setattr(ActionClient, "send_goal_async", send)
    monkeypatch.setattr(ActionClient, "execute", execute)
    client = PatientActionClient()
    executor = threading.Thread(target=lambda: (sent.wait(), asyncio.run(client.execute({}))))
    executor.start()
    assert client.send_goal_async() == "future"
    executor.join(5)
    assert order == ["noted", "answered"]
