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

"""Thin ROS nodes; the only folder that imports rclpy.

Importing it checks that ROS is here and says what to do when it is not. Submodules without ROS in them (the table of
nodes) must import on a machine without ROS too, so the check runs where a node module asks for it: `require()`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from types import ModuleType

from objectcentric_ros.paths import share_dir

# Read when NumPy is loaded, which comes after. Its matrix products wait for their slowest thread, which on a busy machine hasn't
# begun: identification took 212 ms with two threads and 53 to 79 with one, beside seven other nodes on two cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_ROS = "source /opt/ros/jazzy/setup.bash on a ROS 2 Jazzy machine, or run `make setup` on any other"
REMEDIES = {
    "rclpy": _ROS,
    "objectcentric_interfaces": "run `colcon build --packages-select objectcentric_interfaces` in the root of the repository and"
                                " source install/setup.bash, or run `make setup` on a machine without ROS",
    "tf2_msgs": "run `sudo apt install ros-jazzy-tf2-msgs`, or `make setup` on a machine without ROS",
    "franka_msgs": "run `sudo apt install ros-jazzy-franka-msgs` (or build franka_ros2), or `make setup` without ROS",
}


class MissingRosPackage(ImportError):
    """A ROS package that a node needs is not importable; the message says how to get it."""


PROFILES_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"
PORT_VARIABLE = "OBJECTCENTRIC_DDS_PORT"
FIRST_PORT, PORTS = 41, 40        # beyond what Fast DDS gives the first fifteen participants of a machine, within a domain's 250


def dds_port(pid: int) -> int:
    """Offset of a process's own ports from its ROS domain's first one; odd, since the even ones are for discovery.

    A killed process leaves its port of shared memory behind. By Fast DDS' own count the process that is started in its place
    takes the same one, and who had sent to the old one goes on sending there: the new process is deaf to it for good (3 of 119
    restarts amid images, none of 120 with ports of their own).
    """
    return FIRST_PORT + 2 * (pid % PORTS)


def _prepare_fast_dds() -> None:
    """Point Fast DDS to config/fastdds.xml, unless the person has a profile of their own; other middleware ignores it."""
    os.environ[PORT_VARIABLE] = str(dds_port(os.getpid()))       # never inherited
    with contextlib.suppress(FileNotFoundError):
        os.environ.setdefault(PROFILES_VARIABLE, str(share_dir() / "config" / "fastdds.xml"))


def require(*packages: str) -> None:
    """Check that ROS packages are importable.

    Raises:
        MissingRosPackage: names the first missing package and the command that installs it.
    """
    _prepare_fast_dds()   # before the first participant is made
    for package in packages:
        _import(package)


def _import(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        remedy = REMEDIES.get(package, f"run `sudo apt install ros-jazzy-{package.replace('_', '-')}`")
        raise MissingRosPackage(f"the Python package {package!r} can't be imported ({error}): {remedy}") from error
