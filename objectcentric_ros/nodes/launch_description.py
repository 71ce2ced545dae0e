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

"""Launch descriptions of the tasks, from the one table of nodes; needs the ROS packages launch and launch_ros."""

from __future__ import annotations

from launch.actions import DeclareLaunchArgument, EmitEvent, ExecuteProcess, OpaqueFunction, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription
from objectcentric_ros.nodes.table import PACKAGE, NodeEntry, nodes_of, parameters_file
from objectcentric_ros.paths import share_dir

RESPAWN_DELAY = 1.0   # [s]
_TRUE = ("true", "1", "yes", "on")


def describe(task: str) -> LaunchDescription:
    """Launch description of a task: arguments with descriptions, one LifecycleNode a row of the table.

    The nodes configure and activate themselves (parameter autostart), as they do without launch.
    """
    arguments = [
        DeclareLaunchArgument("params_file", default_value=str(parameters_file()), description="ROS parameter file of all nodes"),
        DeclareLaunchArgument("namespace", default_value="", description="namespace of all nodes"),
        DeclareLaunchArgument("respawn", default_value="true", description="restart a node that dies"),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
        DeclareLaunchArgument("rviz", default_value="false", description="start rviz2 with config/rviz/pick.rviz"),
    ]
    if task in ("pick", "perception"):
        arguments += [
            DeclareLaunchArgument("simulated", default_value="true",
                                  description="true: the simulated cell; false: franka_ros2 and realsense2_camera run already"),
            DeclareLaunchArgument("camera", default_value="false",
                                  description="with simulated:=false: our own camera node instead of realsense2_camera"),
            DeclareLaunchArgument("use_sim_time", default_value=LaunchConfiguration("simulated"),
                                  description="follow /clock; true with the simulation"),
        ]
    else:
        arguments.append(DeclareLaunchArgument("use_sim_time", default_value="true", description="follow /clock"))
    if task == "replay":
        arguments.append(DeclareLaunchArgument("bag", default_value="", description="bag to play; empty: play one yourself"))
    return LaunchDescription([*arguments, OpaqueFunction(function=_actions, args=[task])])


def _actions(context: LaunchContext, task: str) -> list:
    def is_true(name: str) -> bool:
        return context.launch_configurations.get(name, "true").lower() in _TRUE

    has_robot = task in ("pick", "perception")
    entries = nodes_of(task, simulated=is_true("simulated"), camera=has_robot and is_true("camera"))
    actions = [_node(entry, is_true("respawn")) for entry in entries]
    if task == "replay" and context.launch_configurations.get("bag"):
        player = ExecuteProcess(cmd=["ros2", "run", PACKAGE, "objectcentric", "replay", LaunchConfiguration("bag")], name="bag",
                                output="screen")
        actions += [player, RegisterEventHandler(OnProcessExit(
            target_action=player, on_exit=[EmitEvent(event=Shutdown(reason="the bag has ended"))]))]
    actions.append(Node(package="rviz2", executable="rviz2", name="rviz2", output="log",
                        arguments=["-d", str(share_dir() / "config" / "rviz" / "pick.rviz")],
                        parameters=[{"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}],
                        condition=IfCondition(LaunchConfiguration("rviz"))))
    return actions


def _node(entry: NodeEntry, respawn: bool) -> LifecycleNode:
    # The simulation is what publishes /clock: it can't follow it.
    use_sim_time = False if entry.source == "simulation" else ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    return LifecycleNode(
        package=PACKAGE, executable=entry.executable, name=entry.name, namespace=LaunchConfiguration("namespace"),
        output="screen", emulate_tty=True, respawn=respawn and entry.respawn, respawn_delay=RESPAWN_DELAY,
        parameters=[LaunchConfiguration("params_file"), {"use_sim_time": use_sim_time}],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")])
