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

"""Start the nodes of a task as processes, keep them running, and stop them: what ros2 launch does, where there is no launch."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import objectcentric_ros
from objectcentric_ros.nodes.graph_client import GraphClient
from objectcentric_ros.nodes.heartbeats import Heartbeat, Heartbeats
from objectcentric_ros.nodes.stack_node import EXIT_BAD_PARAMETER, SUPERVISOR_VARIABLE
from objectcentric_ros.nodes.table import PACKAGE, NodeEntry, nodes_of, parameters_file

FIRST_BACKOFF, LAST_BACKOFF = 0.5, 10.0   # wait before a restart [s], doubled every time
PROVEN_AFTER = 20.0                       # a process that lived this long starts over with the first backoff [s]
ATTEMPTS = 3                              # a required node that dies this often without ever being proven fails the bringup
STOP_TIMEOUT = 5.0                        # from SIGINT to SIGKILL [s]
SILENT = 15.0                             # a process that was heard, and is silent so long while others aren't, hangs [s]
NEVER_HEARD = 60.0                        # and so does a new one that isn't heard at all [s]
KEPT_LINES = 40                           # of output, for the sentence when a node fails

Output = Callable[[str, str], None]


class BringupError(RuntimeError):
    """The graph can't be brought up; the message names the nodes and what they said."""


class Bringup:
    """The nodes of a task as child processes.

    Args:
        task: one of table.TASKS.
        simulated: with the simulated cell; without it the drivers of robot and camera are expected to run.
        camera: our own camera node, without the simulation.
        settings: "node.parameter" -> value (bool, int, float, str or a list of one), laid over the parameter file.
        params_file: ROS parameter file; None is config/nodes.yaml.
        namespace: namespace of all nodes.
        bag: for the task replay: a bag that is played once the nodes are there.
        output: takes (node name, line) of what the processes print; None drops it.

    Raises:
        ValueError: unknown task, a setting of a node that the task doesn't have, or no such file.
    """

    def __init__(self, task: str, *, simulated: bool = True, camera: bool = False, settings: Mapping[str, Any] | None = None,
                 params_file: Path | None = None, namespace: str = "", bag: Path | None = None,
                 output: Output | None = None) -> None:
        self.task, self.simulated, self.namespace = task, simulated, namespace.strip("/")
        self.entries = nodes_of(task, simulated, camera)
        self._params_file = params_file or parameters_file()
        if not self._params_file.is_file():
            raise ValueError(f"there is no parameter file {self._params_file}")
        if bag is not None and task != "replay":
            raise ValueError(f"a bag is played by the task replay, not by {task}")
        self._settings = _by_node(settings or {}, self.names)
        self._output: Output = output if output is not None else (lambda name, line: None)
        self._bag = bag
        self._children: dict[str, _Child] = {}
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self.failure = ""
        self._client: GraphClient | None = None
        self._heartbeats: Heartbeats | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the nodes, in the order of starting."""
        return tuple(entry.name for entry in self.entries)

    def __enter__(self) -> Bringup:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start all processes; returns at once."""
        self._client = GraphClient("bringup", namespace=self.namespace)
        self._heartbeats = Heartbeats(self._client.node, self.names)
        for entry in self.entries:
            self._children[entry.name] = _Child(entry, self.command(entry.name), self)
        for child in self._children.values():
            child.start()
        threading.Thread(target=self._end_the_silent, name="bringup-silence", daemon=True).start()

    def command(self, name: str) -> list[str]:
        """Command line of a node."""
        entry = next(entry for entry in self.entries if entry.name == name)
        arguments = ["-r", f"__node:={name}"]
        if self.namespace:
            arguments += ["-r", f"__ns:=/{self.namespace}"]
        arguments += ["--params-file", str(self._params_file)]
        parameters = {"use_sim_time": entry.use_sim_time(self.task, self.simulated), **self._settings.get(name, {})}
        for parameter, value in parameters.items():
            arguments += ["-p", f"{parameter}:={value if isinstance(value, RawValue) else json.dumps(value)}"]
        return [sys.executable, "-m", entry.module, "--ros-args", *arguments]

    def wait_until_active(self, timeout: float = 60.0) -> float:
        """Wait until all nodes are active; plays the bag of a replay then.

        Returns:
            Seconds it took from this call.

        Raises:
            BringupError: a node failed to configure or activate or can't be kept running, or the time is over.
        """
        began = time.monotonic()
        while missing := [name for name in self.names if not self._is_active(name)]:
            failed = {name: beat for name in missing if (beat := self._own_beat(name)) and beat.level >= 2
                      and beat.message.startswith("can't ")}
            if self.failure or failed:
                raise BringupError(self.failure or "; ".join(f"{name} {beat.message}" for name, beat in failed.items()))
            if time.monotonic() - began > timeout:
                conditions = "; ".join(f"{name} ({self._condition(name)})" for name in missing)
                raise BringupError(f"not active after {timeout:.0f} s: {conditions}")
            assert self._heartbeats is not None
            self._heartbeats.wait_for_beat(0.1)
        if self._bag is not None and "bag" not in self._children:
            player = NodeEntry("bag", ("replay",), required=False, respawn=False)
            self._children["bag"] = _Child(player, [sys.executable, "-m", f"{PACKAGE}.cli", "replay", str(self._bag)], self)
            self._children["bag"].start()
        return time.monotonic() - began

    def pid_of(self, name: str) -> int:
        """Process id of a node now.

        Raises:
            ProcessLookupError: it is not running at the moment.
        """
        pid = self._children[name].pid
        if pid is None:
            raise ProcessLookupError(f"{name} is not running")
        return pid

    def states(self) -> dict[str, str]:
        """What every node is doing: its lifecycle state, or why it has none."""
        return {name: self._condition(name) for name in self.names}

    def wait(self) -> str:
        """Wait until the bringup has failed or was stopped; returns the failure, empty after a stop."""
        while not self._ended.wait(0.5):
            pass
        return self.failure

    def stop(self) -> None:
        """Interrupt all nodes, last started first, and kill what is still there after five seconds."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_TIMEOUT
        children = list(reversed(self._children.values()))
        for child in children:
            child.send(signal.SIGINT)
            # A head start: the arm's client ends before the arm, the arm before what it stands on.
            child.wait(0.3 if child.entry.name in ("pick", "motion") else 0.0)
        for child in children:
            if not child.wait(max(0.0, deadline - time.monotonic())):
                self._output(child.entry.name, f"did not stop within {STOP_TIMEOUT:.0f} s: killed")
                child.send(signal.SIGKILL)
                child.wait(2.0)
        if self._client is not None:
            self._client.close()
            self._client = None
        self._ended.set()

    def child_died(self, child: _Child, code: int, lifetime: float) -> float | None:
        """What becomes of a process that ended: seconds until its restart, or None when it stays down."""
        name = child.entry.name
        if self._stopping.is_set():
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        child.failures = 1 if lifetime > PROVEN_AFTER else child.failures + 1
        hopeless = code == EXIT_BAD_PARAMETER or (child.failures >= ATTEMPTS and not child.was_active)
        if not child.entry.respawn or hopeless:
            self._output(name, how)
            if child.entry.required:
                self.failure = f"{name} {how}: {child.last_words() or 'it said nothing'}"
                self._ended.set()
            return None
        backoff = min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** (child.failures - 1))
        self._output(name, f"{how}, restarting in {backoff:.1f} s")
        return backoff

    def said(self, name: str, line: str) -> None:
        """Pass on a line that a process printed."""
        self._output(name, line)

    def is_stopping(self, timeout: float = 0.0) -> bool:
        """Wait for the stop, at most so long [s]; whether it came."""
        return self._stopping.wait(timeout)

    def _end_the_silent(self) -> None:
        """Kill nodes that run but don't beat, so that they are restarted.

        A process that was killed amid a message can leave a lock of Fast DDS' shared memory taken; who asks for it next hangs.
        """
        while not self._stopping.wait(1.0):
            beats = {name: self._own_beat(name) for name in self.names}
            if not any(beat is not None and beat.age < SILENT / 2 for beat in beats.values()):
                continue                            # all are silent: it is this process that hears nothing
            for name, beat in beats.items():
                child = self._children[name]
                age = child.age if beat is None else min(beat.age, child.age)
                if child.entry.respawn and age > (NEVER_HEARD if beat is None else SILENT):
                    self._output(name, f"runs, but was silent for {age:.0f} s: killed")
                    child.send(signal.SIGKILL)

    def _own_beat(self, name: str) -> Heartbeat | None:
        """Newest heartbeat of our process: not of one that died, nor of a namesake in the same domain."""
        assert self._heartbeats is not None, "start() comes first"
        beat, child = self._heartbeats.get(name), self._children.get(name)
        return beat if beat is not None and child is not None and beat.pid == child.pid else None

    def _is_active(self, name: str) -> bool:
        beat = self._own_beat(name)
        if beat is None or beat.state != "active":
            return False
        self._children[name].was_active = True
        return True

    def _condition(self, name: str) -> str:
        child = self._children.get(name)
        if child is None or child.pid is None:
            return "not running"
        beat = self._own_beat(name)
        if beat is not None:
            return beat.state if beat.level == 0 else f"{beat.state}: {beat.message}"
        other = self._heartbeats.get(name) if self._heartbeats else None
        if other is not None and other.age < 1.5:
            return (f"silent; a node of the same name with process id {other.pid} is in ROS domain"
                    f" {os.environ.get('ROS_DOMAIN_ID', '0')}: stop it or take another ROS_DOMAIN_ID")
        return "starting"


class RawValue(str):
    """A parameter value as typed on a command line: YAML that ROS reads itself."""


class _Child:
    """One process and the thread that reads its output and restarts it."""

    def __init__(self, entry: NodeEntry, command: list[str], bringup: Bringup) -> None:
        self.entry, self._command, self._bringup = entry, command, bringup
        self._process: subprocess.Popen[str] | None = None
        self._lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._lock = threading.Lock()
        self.failures = 0
        self.was_active = False
        self._born = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"bringup-{entry.name}", daemon=True)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def age(self) -> float:
        """Seconds since the process was started; 0 while there is none."""
        return time.monotonic() - self._born if self.pid is not None else 0.0

    def start(self) -> None:
        self._launch()
        self._thread.start()

    def send(self, number: signal.Signals) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def wait(self, timeout: float) -> bool:
        """Whether the process has ended for good within so long [s]."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def last_words(self) -> str:
        """The line that says most about why it ended."""
        lines = [line for line in self._lines if line.strip()]
        telling = [line for line in lines if "[ERROR]" in line or "[FATAL]" in line or "Error" in line]
        return (telling or lines or [""])[-1]

    def _launch(self) -> None:
        root = str(Path(objectcentric_ros.__file__).resolve().parent.parent)
        search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1", SUPERVISOR_VARIABLE: str(os.getpid())}
        with self._lock:
            if self._bringup.is_stopping():
                return
            self._born = time.monotonic()
            # Its own session: a Ctrl-C in the terminal reaches bringup alone, which stops the nodes in order.
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                             errors="replace", env=environment, start_new_session=True, stdin=subprocess.DEVNULL)

    def _run(self) -> None:
        while (process := self._process) is not None:
            assert process.stdout is not None
            for line in process.stdout:
                self._lines.append(line.rstrip())
                self._bringup.said(self.entry.name, line.rstrip())
            process.stdout.close()
            delay = self._bringup.child_died(self, process.wait(), time.monotonic() - self._born)
            if delay is None or self._bringup.is_stopping(delay):
                return
            self._launch()


def _by_node(settings: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        node, dot, parameter = key.partition(".")
        if not dot or not parameter:
            raise ValueError(f"{key!r} is no setting: expected node.parameter, as in simulation.seed")
        if node not in names:
            raise ValueError(f"setting {key!r} is for node {node!r}, this task has {', '.join(names)}")
        result.setdefault(node, {})[parameter] = list(value) if isinstance(value, tuple) else value
    return result
