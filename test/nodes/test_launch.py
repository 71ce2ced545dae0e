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

"""The launch descriptions, where ROS's launch package is installed (a ROS machine)."""

from __future__ import annotations

import pytest

from objectcentric_ros.nodes.table import TASKS, nodes_of

launch = pytest.importorskip("launch", reason="the launch package comes with ROS: sudo apt install ros-jazzy-launch-ros")
pytest.importorskip("launch_ros", reason="the launch package comes with ROS: sudo apt install ros-jazzy-launch-ros")


def started(task: str, **arguments: str) -> list[str]:
    """Executables of the nodes that a launch description would start."""
    from launch.actions import OpaqueFunction
    from launch_ros.actions import LifecycleNode

    from objectcentric_ros.nodes.launch_description import describe

    description = describe(task)
    context = launch.LaunchContext()
    for argument in description.get_launch_arguments():
        argument.execute(context)
    context.launch_configurations.update(arguments)
    (function,) = (entity for entity in description.entities if isinstance(entity, OpaqueFunction))
    actions = function.execute(context) or []
    return [action.node_executable for action in actions if isinstance(action, LifecycleNode)]


@pytest.mark.parametrize("task", TASKS)
def test_launch_starts_the_nodes_of_the_table(task: str) -> None:
    assert started(task) == [entry.executable for entry in nodes_of(task)]


def test_real_robot_leaves_the_simulation_out() -> None:
    assert started("pick", simulated="false") == [entry.executable for entry in nodes_of("pick", simulated=False)]
    assert started("pick", simulated="false", camera="true")[0] == "camera"


@pytest.mark.parametrize("task", TASKS)
def test_every_argument_has_a_description(task: str) -> None:
    from objectcentric_ros.nodes.launch_description import describe

    for argument in describe(task).get_launch_arguments():
        assert argument.description and argument.description != "no description given", argument.name
