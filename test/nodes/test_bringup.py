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

"""Processes of a task: started, watched, restarted, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from objectcentric_ros.nodes import bringup as bringup_module
from objectcentric_ros.nodes import table
from objectcentric_ros.nodes.bringup import Bringup, BringupError
from objectcentric_ros.nodes.table import NodeEntry

PROGRAM = """
import sys, time, threading
from objectcentric_ros.nodes.stack_node import StackConfig, StackNode, parameter, run
import dataclasses

@dataclasses.dataclass(frozen=True)
class Config(StackConfig):
    broken: bool = parameter(False, "setup fails")
    crash: bool = parameter(False, "setup ends the process")
    stubborn: bool = parameter(False, "pause never ends")
    mute: bool = parameter(False, "setup never ends, and nothing else runs meanwhile")
    speed: float = parameter(1.0, "a number")

class ToyNode(StackNode):
    NODE_NAME = "toy"
    Config = Config

    def setup(self):
        print("my speed is", self.config.speed, flush=True)
        if self.config.broken:
            raise ValueError("no power: plug it in")
        if self.config.mute:
            import os, signal
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.config.crash:
            print("Error: out of cheese", flush=True)
            import os
            os._exit(7)

    def pause(self):
        while self.config.stubborn:
            time.sleep(1)

sys.exit(run(ToyNode))
"""


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Replaces the table by two toy nodes."""
    (tmp_path / "toy_program.py").write_text(PROGRAM)
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("/**/toy_one:\n  ros__parameters:\n    speed: 2.5\n")
    monkeypatch.setattr(NodeEntry, "module", property(lambda entry: "toy_program"))
    monkeypatch.setattr(table, "NODES", (NodeEntry("toy_one", ("simulation",)), NodeEntry("toy_two", ("simulation",))))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    yield parameters


class Lines(list[tuple[str, str]]):
    """Collects output."""

    def __call__(self, name: str, line: str) -> None:
        self.append((name, line))

    def wait_for(self, name: str, text: str, timeout: float = 20.0) -> None:
        deadline = time.monotonic() + timeout
        while not any(n == name and text in line for n, line in self):
            assert time.monotonic() < deadline, f"{name} never said {text!r}: {self}"
            time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_nodes_come_up_with_their_parameters_and_go_down(toys: Path) -> None:
    lines = Lines()
    with Bringup("simulation", params_file=toys, settings={"toy_two.speed": 4}, namespace="cell", output=lines) as graph:
        graph.wait_until_active(30.0)
        assert graph.states() == {"toy_one": "active", "toy_two": "active"}
        pids = [graph.pid_of(name) for name in graph.names]
        lines.wait_for("toy_one", "my speed is 2.5")
        lines.wait_for("toy_two", "my speed is 4.0")
        began = time.monotonic()
    assert time.monotonic() - began < bringup_module.STOP_TIMEOUT
    assert all(gone(pid) for pid in pids)
    assert graph.failure == ""


def test_killed_node_is_restarted_and_found_again(toys: Path) -> None:
    lines = Lines()
    with Bringup("simulation", params_file=toys, output=lines) as graph:
        graph.wait_until_active(30.0)
        first, other = graph.pid_of("toy_one"), graph.pid_of("toy_two")
        os.kill(first, signal.SIGKILL)
        lines.wait_for("toy_one", "was killed by SIGKILL, restarting in 0.5 s")
        deadline = time.monotonic() + 20.0
        while True:   # the new process needs a moment before it has a pid again
            try:
                if graph.pid_of("toy_one") != first:
                    break
            except ProcessLookupError:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.05)
        graph.wait_until_active(30.0)
        assert graph.pid_of("toy_two") == other


def test_node_that_hangs_is_killed_and_restarted(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup_module, "SILENT", 4.0)
    lines = Lines()
    with Bringup("simulation", params_file=toys, output=lines) as graph:
        graph.wait_until_active(30.0)
        first, other = graph.pid_of("toy_one"), graph.pid_of("toy_two")
        os.kill(first, signal.SIGSTOP)
        lines.wait_for("toy_one", "runs, but was silent for ")
        lines.wait_for("toy_one", "was killed by SIGKILL, restarting in 0.5 s")
        graph.wait_until_active(30.0)
        assert graph.pid_of("toy_one") != first and graph.pid_of("toy_two") == other


def test_node_that_is_never_heard_is_given_up_at_last(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup_module, "NEVER_HEARD", 3.0)
    monkeypatch.setattr(bringup_module, "SILENT", 3.0)
    monkeypatch.setattr(bringup_module, "FIRST_BACKOFF", 0.05)
    lines = Lines()
    with Bringup("simulation", params_file=toys, settings={"toy_one.mute": True}, output=lines) as graph:
        with pytest.raises(BringupError, match="toy_one was killed by SIGKILL"):
            graph.wait_until_active(60.0)
        assert graph.states()["toy_two"] == "active"


def test_failed_configure_is_told_at_once(toys: Path) -> None:
    with Bringup("simulation", params_file=toys, settings={"toy_two.broken": True}) as graph:
        with pytest.raises(BringupError, match="toy_two can't configure: no power: plug it in"):
            graph.wait_until_active(30.0)


def test_wrong_parameter_ends_the_bringup(toys: Path) -> None:
    with Bringup("simulation", params_file=toys, settings={"toy_one.sped": 3.0}) as graph:
        with pytest.raises(BringupError, match="toy_one ended with exit code 2: node 'toy_one' has no parameter 'sped'"):
            graph.wait_until_active(30.0)
        assert "toy_one" in graph.wait()


def test_node_that_keeps_crashing_ends_the_bringup_with_its_last_words(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup_module, "FIRST_BACKOFF", 0.05)
    with Bringup("simulation", params_file=toys, settings={"toy_one.crash": True}) as graph:
        with pytest.raises(BringupError, match="toy_one ended with exit code 7: Error: out of cheese"):
            graph.wait_until_active(40.0)


def test_node_that_does_not_stop_is_killed(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup_module, "STOP_TIMEOUT", 1.0)
    lines = Lines()
    with Bringup("simulation", params_file=toys, settings={"toy_one.stubborn": True}, output=lines) as graph:
        graph.wait_until_active(30.0)
        pid = graph.pid_of("toy_one")
    assert gone(pid)
    assert ("toy_one", "did not stop within 1 s: killed") in lines


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"speed": 1}, "expected node.parameter"),
    ({"toy_three.speed": 1}, "is for node 'toy_three', this task has toy_one, toy_two"),
])
def test_settings_of_nobody_are_refused(toys: Path, settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Bringup("simulation", params_file=toys, settings=settings)


def test_missing_parameter_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no parameter file .*nothing\.yaml"):
        Bringup("simulation", params_file=tmp_path / "nothing.yaml")


VERB = """
import sys
from objectcentric_ros.nodes import table
from objectcentric_ros.nodes.table import NodeEntry
NodeEntry.module = property(lambda entry: "toy_program")
table.NODES = (NodeEntry("toy_one", ("simulation",)), NodeEntry("toy_two", ("simulation",)))
from objectcentric_ros.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_verb_runs_until_interrupted_and_leaves_nothing(toys: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", VERB, "bringup", "simulation", "--params-file", str(toys), "--set",
                                "toy_two.speed=3.5"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watchdog = threading.Timer(60.0, process.kill)
    watchdog.start()
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "2 nodes are active" in line:
            break
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout.split()
    assert len(children) >= 2
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20.0)
    watchdog.cancel()
    assert process.returncode == 0
    assert any("toy_two | my speed is 3.5" in line for line in seen) and "stopping" in rest
    assert all(gone(int(pid)) for pid in children)


def test_verb_fails_with_the_reason(toys: Path) -> None:
    done = subprocess.run([sys.executable, "-c", VERB, "bringup", "simulation", "--params-file", str(toys), "--set",
                           "toy_one.broken=true"],
                          capture_output=True, text=True, timeout=60.0)
    assert done.returncode == 1
    assert "toy_one can't configure: no power: plug it in" in done.stderr


def test_killed_bringup_takes_its_nodes_with_it(toys: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", VERB, "bringup", "simulation", "--params-file", str(toys)],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "2 nodes are active" in line:
            break
    children = [int(pid) for pid in
                subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout.split()]
    process.kill()
    deadline = time.monotonic() + 15.0
    while not all(gone(pid) for pid in children):
        assert time.monotonic() < deadline, "orphaned nodes run on"
        time.sleep(0.1)
