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

"""Lifecycle, parameters, heartbeat and the end of a node."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from objectcentric_ros.nodes import MissingRosPackage, require
from objectcentric_ros.nodes.heart import ERROR, OK, WARN
from objectcentric_ros.nodes.parameters import ParameterError
from objectcentric_ros.nodes.stack_node import StackConfig, StackNode, parameter

from .node_bench import NodeBench


@dataclasses.dataclass(frozen=True)
class Filter:
    """A config of a library.

    Args:
        radius: how far it reaches
            around [m].
    """

    radius: float = 0.1


@dataclasses.dataclass(frozen=True)
class ProbeConfig(StackConfig):
    rate: float = parameter(5.0, "how often [Hz]", minimum=0.5, maximum=30.0)
    count: int = parameter(3, "how many", minimum=1)
    names: tuple[str, ...] = parameter((), "names")
    mode: str = parameter("good", "what setup does", choices=("good", "broken", "broken start"), read_only=False)
    filter: Filter = Filter()

    def __post_init__(self) -> None:
        if self.count > 100 * self.rate:
            raise ValueError("count is too large for rate")


class ProbeNode(StackNode):
    NODE_NAME = "probe"
    Config = ProbeConfig

    def setup(self) -> None:
        self.calls = [*getattr(self, "calls", []), "setup"]
        self.text = self.create_publisher(String, "probe_text", 1)
        if self.config.mode == "broken":
            raise ValueError("the model is missing: run make models")

    def start(self) -> None:
        self.calls.append("start")
        self.create_service(Trigger, "probe_fail", self._surprise)
        self.create_service(Trigger, "probe_hang", self._hang)
        self.create_timer(10.0, lambda: None)
        self.release = threading.Event()
        if self.config.mode == "broken start":
            raise RuntimeError("the port is taken")

    def pause(self) -> None:
        self.calls.append("pause")

    def teardown(self) -> None:
        self.calls.append("teardown")

    def _surprise(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        raise KeyError("surprise")

    def _hang(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.release.wait(20.0)
        return response


def change(bench: NodeBench, number: int, label: str = "") -> bool:
    request = ChangeState.Request(transition=Transition(id=number, label=label))
    return bool(bench.call(ChangeState, "/probe/change_state", request).success)


def test_hooks_run_in_lifecycle_order(bench: NodeBench) -> None:
    node = bench.add(ProbeNode)
    assert node.state_label == "active"
    assert change(bench, Transition.TRANSITION_DEACTIVATE)
    assert change(bench, Transition.TRANSITION_CLEANUP)
    assert change(bench, 0, "configure")
    assert change(bench, Transition.TRANSITION_ACTIVATE)
    assert change(bench, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert node.calls == ["setup", "start", "pause", "teardown", "setup", "start", "pause", "teardown"]
    assert node.state_label == "finalized"


def test_what_a_hook_creates_goes_with_its_state(bench: NodeBench) -> None:
    node = bench.add(ProbeNode, start=False)

    def entities() -> tuple[int, int, int]:
        return len(list(node.services)), len(list(node.timers)), len(list(node.publishers))
    before = entities()
    assert node.configure_and_activate()
    assert entities() == (before[0] + 2, before[1] + 1, before[2] + 1)
    assert change(bench, Transition.TRANSITION_DEACTIVATE)
    assert entities() == (before[0], before[1], before[2] + 1)
    assert change(bench, Transition.TRANSITION_CLEANUP)
    assert entities() == before


def test_transition_that_the_state_has_not_is_refused_and_the_node_stays(bench: NodeBench) -> None:
    node = bench.add(ProbeNode)
    assert not change(bench, Transition.TRANSITION_CONFIGURE)
    assert not change(bench, 0, "no such transition")
    assert bench.call(GetState, "/probe/get_state", GetState.Request()).current_state.label == "active"
    assert not node.ended.is_set()


def test_failed_setup_says_why_and_can_be_tried_again(bench: NodeBench) -> None:
    node = bench.add(ProbeNode, start=False, mode="broken")
    assert not node.configure_and_activate()
    assert node.state_label == "unconfigured"
    assert node.calls == ["setup", "teardown"]
    bench.wait_for_status("probe", ERROR, "can't configure", "the model is missing: run make models")
    node.set_parameters([Parameter("mode", value="good")])
    assert node.configure_and_activate()
    bench.wait_for_status("probe", OK, "active")


def test_failed_start_leaves_the_node_inactive(bench: NodeBench) -> None:
    node = bench.add(ProbeNode, start=False, mode="broken start")
    assert not node.configure_and_activate()
    assert node.state_label == "inactive"
    assert not [s for s in node.services if s.srv_name == "/probe_hang"]
    bench.wait_for_status("probe", ERROR, "can't activate", "the port is taken")


def test_callback_that_raises_is_reported_and_the_node_goes_on(bench: NodeBench) -> None:
    bench.add(ProbeNode)
    client = bench.client.create_client(Trigger, "probe_fail")
    assert client.wait_for_service(5.0)
    client.call_async(Trigger.Request())
    bench.wait_for_status("probe", ERROR, "a callback failed", "surprise")
    assert bench.call(GetState, "/probe/get_state", GetState.Request()).current_state.label == "active"


def test_heartbeat_and_lifecycle_answer_while_every_other_callback_hangs(bench: NodeBench) -> None:
    node = bench.add(ProbeNode, threads=4)
    client = bench.client.create_client(Trigger, "probe_hang")
    assert client.wait_for_service(5.0)
    futures = [client.call_async(Trigger.Request()) for _ in range(3)]
    assert bench.call(GetState, "/probe/get_state", GetState.Request()).current_state.label == "active"
    seen = len(bench.diagnostics["probe"])
    bench.wait_for(lambda: len(bench.diagnostics["probe"]) >= seen + 3, "three heartbeats", timeout=5.0)
    node.release.set()
    bench.finish(futures[0])


def test_report_goes_out_at_once_with_its_values(bench: NodeBench) -> None:
    node = bench.add(ProbeNode)
    node.report(WARN, "slow", ms=12, items="3 of 4")
    status = bench.wait_for_status("probe", WARN, "slow")
    values = {value.key: value.value for value in status.values}
    assert values["state"] == "active" and values["pid"] == str(os.getpid())
    assert values["ms"] == "12" and values["items"] == "3 of 4"


def test_describe_tells_description_type_and_range(bench: NodeBench) -> None:
    bench.add(ProbeNode, start=False)
    names = ["rate", "count", "names", "mode", "filter.radius"]
    rate, count, texts, mode, radius = bench.call(DescribeParameters, "/probe/describe_parameters",
                                                  DescribeParameters.Request(names=names)).descriptors
    assert (rate.description, rate.type, rate.read_only) == ("how often [Hz]", ParameterType.PARAMETER_DOUBLE, True)
    assert (rate.floating_point_range[0].from_value, rate.floating_point_range[0].to_value) == (0.5, 30.0)
    assert count.integer_range[0].from_value == 1
    assert texts.type == ParameterType.PARAMETER_STRING_ARRAY
    assert mode.additional_constraints == "one of good, broken, broken start" and not mode.read_only
    assert radius.description == "how far it reaches around [m]."


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("rate", 99.0, "parameter 'rate' of node 'probe' is 99.0, expected float from 0.5 to 30.0"),
    ("rate", "fast", "parameter 'rate' of node 'probe' is 'fast', expected float"),
    ("rat", 5.0, "has no parameter 'rat': did you mean 'rate'"),
    ("nonsense", 5.0, "has no parameter 'nonsense': it has autostart, count, filter.radius"),
    ("mode", "bad", "'mode' is 'bad', expected one of 'good'"),
    ("count", 5000, "count is too large for rate"),
    ("filter.radius", "big", "parameter 'filter.radius'"),
])
def test_wrong_parameter_is_named(bench: NodeBench, name: str, value: object, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence.replace("(", r"\(")):
        ProbeNode(context=bench.context, parameter_overrides=[Parameter(name, value=value)])


def test_given_parameters_arrive_typed(bench: NodeBench) -> None:
    node = bench.add(ProbeNode, start=False, rate=7, names=["a", "b"], filter__radius=1)
    assert node.config == ProbeConfig(rate=7.0, names=("a", "b"), filter=Filter(1.0))
    assert isinstance(node.config.rate, float) and isinstance(node.config.filter.radius, float)


def test_running_node_takes_good_changes_and_refuses_bad_ones(bench: NodeBench) -> None:
    node = bench.add(ProbeNode)
    (refused,) = node.set_parameters([Parameter("mode", value="bad")])
    assert not refused.successful and "expected one of" in refused.reason
    (taken,) = node.set_parameters([Parameter("mode", value="broken")])
    assert taken.successful and node.config.mode == "broken"
    (fixed,) = node.set_parameters([Parameter("rate", value=1.0)])
    assert not fixed.successful and node.config.rate == 5.0


def test_field_without_description_is_a_programming_error(bench: NodeBench) -> None:
    @dataclasses.dataclass(frozen=True)
    class Nameless(StackConfig):
        size: int = 3

    class NamelessNode(StackNode):
        NODE_NAME = "nameless"
        Config = Nameless

    with pytest.raises(TypeError, match="size needs a description"):
        NamelessNode(context=bench.context)


def test_missing_package_names_the_command() -> None:
    with pytest.raises(MissingRosPackage, match="sudo apt install ros-jazzy-no-such-msgs"):
        require("no_such_msgs")


# -- as a process ---------------------------------------------------------------------------------------------------------

PROGRAM = textwrap.dedent("""
    import sys
    from objectcentric_ros.nodes.stack_node import StackNode, run

    class ProcessNode(StackNode):
        NODE_NAME = "process_probe"

        def own_process(self):
            print(f"own process, {self.state_label}", flush=True)

        def start(self):
            print("started", flush=True)

        def pause(self):
            print("paused", flush=True)

        def teardown(self):
            print("torn down", flush=True)

    sys.exit(run(ProcessNode))
""")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "process_probe.py"
    path.write_text(PROGRAM)
    return path


def _start(program: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True,
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_process_in_order(program: Path, number: signal.Signals) -> None:
    process = _start(program)
    assert process.stdout is not None
    before = []
    for line in process.stdout:
        if "started" in line:
            break
        before.append(line.strip())
    assert "own process, unconfigured" in before
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20.0)
    assert rest.splitlines() == ["paused", "torn down"] or rest.splitlines()[-2:] == ["paused", "torn down"]
    assert process.returncode == 0


def test_hanging_callback_does_not_keep_the_process(program: Path, bench: NodeBench) -> None:
    hang = ("    def hang(self):\n        import time\n        print('started', flush=True)\n        time.sleep(600)\n\n"
            "    def pause")
    starting = PROGRAM.replace('print("started", flush=True)', "self.create_timer(0.1, self.hang)")
    program.write_text(starting.replace("    def pause", hang))
    process = _start(program)
    assert process.stdout is not None
    for line in process.stdout:
        if "started" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20.0)
    assert "torn down" in rest and "a callback still runs after 2.0 s" in rest
    assert process.returncode == 0


def test_wrong_parameter_ends_the_process_with_2(program: Path) -> None:
    process = _start(program, "--ros-args", "-p", "speed:=3.0")
    output, _ = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert "node 'process_probe' has no parameter 'speed': it has autostart" in output


def test_process_without_autostart_stays_unconfigured(program: Path, bench: NodeBench) -> None:
    process = _start(program, "--ros-args", "-p", "autostart:=false")
    try:
        bench.wait_for(lambda: bench.status("process_probe"), "a heartbeat", timeout=20.0)
        values = {value.key: value.value for value in bench.status("process_probe").values}
        assert values["state"] == "unconfigured" and values["pid"] == str(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20.0)
    assert "started" not in output


def test_process_whose_supervisor_is_gone_ends(program: Path) -> None:
    process = _start(program, OBJECTCENTRIC_SUPERVISOR="1")   # nobody's child is a child of process 1 here
    began = time.monotonic()
    output, _ = process.communicate(timeout=20.0)
    assert "the supervisor is gone" in output and process.returncode == 0
    assert time.monotonic() - began < 15.0
