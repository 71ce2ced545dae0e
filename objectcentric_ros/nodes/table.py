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

"""The one table of nodes: launch/*.launch.py and `objectcentric bringup` both start what it says. No ROS in here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from objectcentric_ros.paths import share_dir

PACKAGE = "objectcentric_ros"
TASKS = {
    "pick": "everything that picking needs; with simulated:=false beside a running franka_ros2 and realsense2_camera",
    "perception": "segmentation, gallery, identification and grasp planning on a camera",
    "simulation": "the simulated cell alone, in place of a robot and its camera",
    "replay": "the perception nodes on a recorded bag, with the bag's clock",
}


@dataclass(frozen=True)
class NodeEntry:
    """One node of the graph.

    Args:
        name: node name, module below objectcentric_ros.nodes, console script and section of the parameter file.
        tasks: tasks that start it.
        source: what it stands in for: "" a node of the pipeline, "simulation" robot and camera, "camera" the camera.
        required: the task is pointless without it: bringup fails when it can't be kept running.
        respawn: restart it when it dies.
    """

    name: str
    tasks: tuple[str, ...]
    source: str = ""
    required: bool = True
    respawn: bool = True

    @property
    def module(self) -> str:
        """Python module with main()."""
        return f"{PACKAGE}.nodes.{self.name}"

    @property
    def executable(self) -> str:
        """Console script below lib/objectcentric_ros, for ros2 run."""
        return self.name

    def use_sim_time(self, task: str, simulated: bool) -> bool:
        """Whether it follows /clock; the simulation is the one that publishes it."""
        return self.source != "simulation" and (simulated or task == "replay")


# In the order of starting: what others wait for comes first. Stopping goes the other way, so the arm loses its client first.
NODES = (
    NodeEntry("simulation", ("pick", "perception", "simulation"), source="simulation"),
    NodeEntry("camera", ("pick", "perception"), source="camera"),
    NodeEntry("gallery", ("pick", "perception", "replay")),
    NodeEntry("segmentation", ("pick", "perception", "replay")),
    NodeEntry("identification", ("pick", "perception", "replay")),
    NodeEntry("grasp_planner", ("pick", "perception", "replay")),
    NodeEntry("descriptors", ("pick", "perception", "replay"), required=False),
    NodeEntry("motion", ("pick",)),
    NodeEntry("pick", ("pick",)),
)


def nodes_of(task: str, simulated: bool = True, camera: bool = False) -> tuple[NodeEntry, ...]:
    """The nodes of a task, in the order of starting.

    Args:
        task: one of TASKS.
        simulated: with the simulated cell; without it, robot and camera drivers are expected to run.
        camera: our own camera node instead of realsense2_camera; only without the simulation.

    Raises:
        ValueError: an unknown task, or both the simulation's camera and our own.
    """
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}: expected {', '.join(TASKS)}")
    if simulated and camera and task in ("pick", "perception"):
        raise ValueError("the simulated cell has a camera already: a camera node goes with simulated:=false")
    wanted = {"", *(("simulation",) if simulated or task == "simulation" else ()), *(("camera",) if camera else ())}
    return tuple(entry for entry in NODES if task in entry.tasks and entry.source in wanted)


def parameters_file() -> Path:
    """The parameter file that both kinds of start use when none is given."""
    return share_dir() / "config" / "nodes.yaml"
