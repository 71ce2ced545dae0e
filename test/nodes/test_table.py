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

"""The table of nodes: launch files, bringup, set-up and parameter file agree because they read it."""

from __future__ import annotations

import ast
import importlib.util
import py_compile
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from objectcentric_ros.nodes import table
from objectcentric_ros.nodes.bringup import Bringup
from objectcentric_ros.nodes.parameters import defaults
from objectcentric_ros.nodes.table import NODES, TASKS, nodes_of
from objectcentric_ros.paths import share_dir

PIPELINE = ("gallery", "segmentation", "identification", "grasp_planner", "descriptors")


def names(task: str, **options: bool) -> tuple[str, ...]:
    return tuple(entry.name for entry in nodes_of(task, **options))


def test_nodes_of_every_task() -> None:
    assert names("pick") == ("simulation", *PIPELINE, "motion", "pick")
    assert names("pick", simulated=False) == (*PIPELINE, "motion", "pick")
    assert names("pick", simulated=False, camera=True) == ("camera", *PIPELINE, "motion", "pick")
    assert names("perception") == ("simulation", *PIPELINE)
    assert names("perception", simulated=False, camera=True) == ("camera", *PIPELINE)
    assert names("simulation") == names("simulation", simulated=False) == ("simulation",)
    assert names("replay") == names("replay", simulated=False) == PIPELINE


def test_two_cameras_and_unknown_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="simulated:=false"):
        nodes_of("pick", simulated=True, camera=True)
    with pytest.raises(ValueError, match="no task 'dance': expected pick, perception, simulation, replay"):
        nodes_of("dance")


def test_clock_is_followed_by_all_but_who_publishes_it() -> None:
    follow = {entry.name: entry.use_sim_time("pick", simulated=True) for entry in nodes_of("pick")}
    assert not follow.pop("simulation") and all(follow.values())
    assert not any(entry.use_sim_time("pick", simulated=False) for entry in nodes_of("pick", simulated=False))
    assert all(entry.use_sim_time("replay", simulated=False) for entry in nodes_of("replay"))


@pytest.mark.parametrize("task", TASKS)
def test_bringup_starts_what_the_table_says(task: str) -> None:
    bringup = Bringup(task)
    assert bringup.names == names(task)
    for entry in nodes_of(task):
        command = bringup.command(entry.name)
        assert command[1:4] == ["-m", entry.module, "--ros-args"]
        assert f"use_sim_time:={str(entry.use_sim_time(task, True)).lower()}" in command


@pytest.mark.parametrize("entry", NODES, ids=lambda entry: entry.name)
def test_every_node_has_a_module_with_main(entry: table.NodeEntry) -> None:
    specification = importlib.util.find_spec(entry.module)
    assert specification is not None and specification.origin is not None
    tree = ast.parse(Path(specification.origin).read_text())
    assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def test_console_scripts_are_the_table() -> None:
    setup = ast.parse((share_dir() / "setup.py").read_text())
    (scripts,) = (ast.literal_eval(node.value) for node in setup.body
                  if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "NODES")
    assert sorted(scripts) == sorted(entry.executable for entry in NODES)


def test_parameter_file_has_only_parameters_that_the_nodes_have() -> None:
    document = yaml.safe_load(table.parameters_file().read_text())
    for section, content in document.items():
        name = section.removeprefix("/**/")
        module = importlib.import_module(f"objectcentric_ros.nodes.{name}")
        (node,) = (value for value in vars(module).values()
                   if isinstance(value, type) and getattr(value, "NODE_NAME",
                                                          None) == name and value.__module__ == module.__name__)
        valid = defaults(node.Config)
        for key, value in flat(content["ros__parameters"]):
            assert key in valid, f"{section} has no parameter {key}"
            kind = list if isinstance(valid[key], tuple) else type(valid[key])
            assert isinstance(value, (float, int) if kind is float else kind), f"{section}: {key} is {value!r}, expected {kind}"


def flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters of a section, with the names that ROS gives to nested ones."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_table_needs_no_ros() -> None:
    program = ("import sys; sys.modules['rclpy'] = None; sys.modules['objectcentric_interfaces'] = None\n"
               "from objectcentric_ros.nodes.table import nodes_of; print(len(nodes_of('pick')))")
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                            env={"PYTHONPATH": str(share_dir())})
    assert output.stdout.strip() == "8"


def test_node_without_ros_names_package_and_command() -> None:
    program = "import sys; sys.modules['rclpy'] = None; import objectcentric_ros.nodes.stack_node"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": str(share_dir())})
    assert output.returncode != 0
    assert "'rclpy' can't be imported" in output.stderr and "make setup" in output.stderr


def test_interfaces_that_are_not_built_name_the_build_command() -> None:
    program = "import sys; sys.modules['objectcentric_interfaces'] = None; import objectcentric_ros.nodes.stack_node"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": str(share_dir())})
    assert "colcon build --packages-select objectcentric_interfaces" in output.stderr


@pytest.mark.parametrize("task", TASKS)
def test_launch_file_of_every_task_compiles_and_describes_it(task: str, tmp_path: Path) -> None:
    file = share_dir() / "launch" / f"{task}.launch.py"
    py_compile.compile(str(file), cfile=str(tmp_path / "compiled"), doraise=True)
    assert f'describe("{task}")' in file.read_text()


@pytest.mark.parametrize("name", ["pick", "descriptors"])
def test_rviz_shows_topics_that_the_nodes_publish(name: str) -> None:
    document = yaml.safe_load((share_dir() / "config" / "rviz" / f"{name}.rviz").read_text())
    displays = document["Visualization Manager"]["Displays"]
    sources = "".join(path.read_text() for path in (share_dir() / "objectcentric_ros" / "nodes").glob("*.py"))
    for topic in (display["Topic"]["Value"].lstrip("/") for display in displays if "Topic" in display):
        assert f'"{topic}"' in sources or topic.startswith("camera/camera/"), topic
