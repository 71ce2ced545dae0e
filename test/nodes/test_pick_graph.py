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

"""The whole graph as separate processes over DDS: a pick by name, and what a pick is worth when a node dies in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from objectcentric_interfaces.srv import ResetScene
from sensor_msgs.msg import JointState

from objectcentric_ros.geometry.layout import CellLayout
from objectcentric_ros.nodes.bringup import Bringup
from objectcentric_ros.nodes.calls import call
from objectcentric_ros.nodes.gallery_client import GalleryClient
from objectcentric_ros.nodes.graph_client import GraphClient
from objectcentric_ros.nodes.pick_client import PickClient
from objectcentric_ros.picking.enrolment import record_of, tray_references
from objectcentric_ros.picking.outcome import AbortSwitch, PickOutcome
from objectcentric_ros.picking.result import PickResult
from objectcentric_ros.segmentation import make_segmenter
from objectcentric_ros.simulation.catalogue import Catalogue

from .conftest import FAILED

TRAY = ("rubiks-cube", "stapler", "medicine-box")
SEED = 4
pytestmark = pytest.mark.timeout(300)


class Cell:
    """The graph that the tests share, started when the first one asks for it and anew after one that failed."""

    def __init__(self, folder: Path) -> None:
        self._settings = {"simulation.items": list(TRAY), "simulation.seed": SEED,
                          **{f"{node}.gallery_data_dir": str(folder) for node in ("gallery", "identification", "grasp_planner")}}
        self._graph: Bringup | None = None

    def graph(self) -> Bringup:
        if self._graph is None:
            self._graph = Bringup("pick", settings=self._settings)
            self._graph.start()
            self._graph.wait_until_active(120)
            self._teach()
        return self._graph

    def close(self) -> None:
        if self._graph is not None:
            self._graph.stop()
            self._graph = None

    def _teach(self) -> None:
        catalogue, segmenter = Catalogue.load(), make_segmenter("rgbd", CellLayout.load())
        with GalleryClient() as gallery:
            for name in TRAY:
                item = catalogue.get(name)
                gallery.add(record_of(item), "tray", tray_references(item, 3, segmenter))


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    cell = Cell(tmp_path_factory.mktemp("gallery"))
    yield cell
    cell.close()


@pytest.fixture
def graph(cell: Cell, request: pytest.FixtureRequest) -> Iterator[Bringup]:
    yield cell.graph()
    if request.node.stash.get(FAILED, False):
        cell.close()      # what failed may be broken for good: no other test's business, nor this one's when it runs again


@pytest.fixture
def robot(graph: Bringup) -> Iterator[PickClient]:
    """A client, with the tray as it was at first: what a test left in the hand or in the bin is no other test's business."""
    graph.wait_until_active(60)
    with PickClient() as robot:
        reset = robot.node.create_client(ResetScene, "simulation/reset_scene")
        answer = call(reset, ResetScene.Request(object_ids=list(TRAY), seed=SEED), AbortSwitch(), 30.0)
        assert answer.success, answer.message
        yield robot


class Joints(GraphClient):
    """Watches how fast the arm moves."""

    def __init__(self) -> None:
        super().__init__("joints")
        self.speed = float("nan")
        self.node.create_subscription(JointState, "/joint_states", self._on_state, 10)

    def _on_state(self, message: JointState) -> None:
        arm = [v for name, v in zip(message.name, message.velocity, strict=True) if name.startswith("fr3_joint")]
        if arm:
            self.speed = float(np.max(np.abs(arm)))

    def wait_for_rest(self, timeout: float) -> bool:
        deadline, slow_since = time.monotonic() + timeout, None
        while time.monotonic() < deadline:
            now = time.monotonic()
            slow_since = (slow_since or now) if self.speed < 0.01 else None
            if slow_since and now - slow_since > 0.5:
                return True
            time.sleep(0.02)
        return False


def pick_until(robot: PickClient, item: str, phase: str, act: Callable[[], None]) -> tuple[PickResult, float]:
    """Start a pick, act when the phase begins; the result and the seconds from the act to the end."""
    began: list[float] = []
    lock = threading.Lock()

    def on_phase(attempt: int, name: str, message: str) -> None:
        with lock:
            if name == phase and not began:
                began.append(time.monotonic())
                act()

    result = robot.pick(item, TRAY, timeout=80.0, on_phase=on_phase)
    assert began, f"the pick never came to {phase}: {result.outcome.label}: {result.message}"
    return result, time.monotonic() - began[0]


@pytest.mark.parametrize(("node", "phase"), [
    ("segmentation", "segment"), ("identification", "identify"), ("grasp_planner", "plan"), ("gallery", "approach"),
    ("motion", "approach"), ("pick", "approach")])
def test_a_killed_node_ends_the_pick_with_the_arm_at_rest_and_comes_back(
        graph: Bringup, robot: PickClient, node: str, phase: str):
    victim = graph.pid_of(node)
    result, seconds = pick_until(robot, "rubiks-cube", phase, lambda: os.kill(victim, signal.SIGKILL))
    assert result.outcome in (PickOutcome.NODE_LOST, PickOutcome.PICKED), result.message
    assert result.outcome is PickOutcome.PICKED or seconds < 10.0
    with Joints() as joints:
        assert joints.wait_for_rest(10.0)
    graph.wait_until_active(60)
    assert graph.pid_of(node) != victim


@pytest.mark.parametrize("phase", ["look", "approach", "lift"])
def test_cancel_leaves_the_arm_at_rest(robot: PickClient, phase: str):
    result, seconds = pick_until(robot, "rubiks-cube", phase, robot.cancel)
    assert result.outcome is PickOutcome.ABORTED
    assert seconds < 5.0
    with Joints() as joints:
        assert joints.wait_for_rest(5.0)


def test_an_unknown_item_is_not_found_and_the_message_names_the_nearest(robot: PickClient):
    result = robot.pick("rubix cub", TRAY)
    assert result.outcome is PickOutcome.NOT_FOUND
    assert "Rubik's cube" in result.message


def test_the_item_is_picked_by_its_name_in_another_language(graph: Bringup, robot: PickClient):
    # Tacker is German for stapler.
    result = robot.pick("tacker", TRAY)
    assert result.outcome is PickOutcome.PICKED, result.message
    assert {"overlay_1", "grasp_1", "placed"} <= set(result.pictures())
    with GalleryClient() as gallery:
        assert gallery.known("stapler").picks_succeeded == 1


def test_the_nodes_are_processes_of_their_own_and_fit_in_the_memory(graph: Bringup):
    pids = {name: graph.pid_of(name) for name in graph.names}
    assert len(set(pids.values())) == len(pids)
    resident = {name: psutil.Process(pid).memory_info().rss / 2**20 for name, pid in pids.items() if name != "simulation"}
    assert sum(resident.values()) < 2500, resident
