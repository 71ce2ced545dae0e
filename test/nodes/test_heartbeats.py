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

"""Who is alive."""

from __future__ import annotations

from objectcentric_ros.nodes.heart import WARN
from objectcentric_ros.nodes.heartbeats import Heartbeats
from objectcentric_ros.nodes.stack_node import StackNode

from .node_bench import NodeBench


class BeatingNode(StackNode):
    NODE_NAME = "beating"


def test_beating_node_is_known_and_a_ghost_is_lost(bench: NodeBench) -> None:
    heartbeats = Heartbeats(bench.client, ["beating", "ghost"], timeout=1.2)
    assert heartbeats.lost() == []
    node = bench.add(BeatingNode)
    bench.wait_for(lambda: heartbeats.inactive() == ["ghost"], "beating is active")
    bench.wait_for(lambda: heartbeats.lost() == ["ghost"], "the ghost is lost")
    node.report(WARN, "tired", hours=3)
    beat = bench.wait_for(lambda: (b := heartbeats.get("beating")) and b.level == 1 and b, "the warning")
    assert (beat.state, beat.message, beat.values["hours"]) == ("active", "tired", "3")
    assert beat.age < 1.2


def test_silent_node_is_lost_after_the_timeout_and_found_again(bench: NodeBench) -> None:
    heartbeats = Heartbeats(bench.client, ["beating"], timeout=1.0)
    node = bench.add(BeatingNode)
    bench.wait_for(lambda: heartbeats.inactive() == [], "active")
    node._heart.stop()   # as dead as a killed process, for who listens
    bench.wait_for(lambda: heartbeats.lost() == ["beating"], "lost", timeout=4.0)
    bench.add(BeatingNode)
    bench.wait_for(lambda: heartbeats.lost() == [] and heartbeats.inactive() == [], "found again")


def test_node_that_said_goodbye_is_lost_at_once(bench: NodeBench) -> None:
    heartbeats = Heartbeats(bench.client, ["beating"], timeout=60.0)
    node = bench.add(BeatingNode)
    bench.wait_for(lambda: heartbeats.inactive() == [], "active")
    node.bring_down()
    bench.wait_for(lambda: heartbeats.lost() == ["beating"], "goodbye")


def test_namesake_in_another_namespace_is_somebody_else(bench: NodeBench) -> None:
    heartbeats = Heartbeats(bench.client, ["/cell/beating", "beating"], timeout=60.0)
    bench.add(BeatingNode)
    bench.wait_for(lambda: heartbeats.get("beating"), "the one here")
    assert heartbeats.get("/cell/beating") is None
