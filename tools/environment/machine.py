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


"""What kind of machine this is, and whether the project can run on it at all."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from environment.progress import SetupError

DISTRO = "jazzy"
ROS_SETUP = Path("/opt/ros") / DISTRO / "setup.bash"
FREE_SPACE_CHECKOUT = 4.0e9  # bytes: the environment takes 2.2 GB without training, pip unpacks beside it
FREE_SPACE_TRAINING = 8.0e9  # bytes: what training adds, most of it PyTorch's CUDA libraries
FREE_SPACE_CACHE = 0.5e9  # bytes: item models, unpacked


@dataclass(frozen=True)
class Checkout:
    """The folders of one clone."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"


@dataclass(frozen=True)
class Machine:
    """Where the environment is made.

    Args:
        interpreter: the Python that virtual environments are made from.
        environment: variables for every command: on a ROS machine those of ROS' setup.bash.
        has_ros: whether ROS 2 Jazzy is installed; otherwise its wheels are used.
    """

    interpreter: Path
    has_ros: bool
    environment: Mapping[str, str] = field(repr=False)

    @property
    def prefixes(self) -> list[Path]:
        """Prefixes that ROS packages are looked up in."""
        return [Path(part) for part in self.environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if part]


def inspect_machine() -> Machine:
    """Look at this machine.

    Raises:
        SetupError: the processor, or another ROS distribution that is sourced, rules it out.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise SetupError(f"This is {platform.system()} on {platform.machine()}: the ROS 2, MuJoCo and RoboPlan wheels exist for "
                         "Linux on x86-64. Use such a machine or a container of that kind.")
    distro = os.environ.get("ROS_DISTRO")
    if distro not in (None, "", DISTRO):
        raise SetupError(f"ROS 2 {distro} is sourced in this shell, but the project is built for {DISTRO}. Open a shell that "
                         f"sources no ROS (or {ROS_SETUP}) and run the command again.")
    if distro == DISTRO:
        variables = dict(os.environ)
    elif ROS_SETUP.is_file():
        variables = _sourced(ROS_SETUP)
    else:
        return Machine(Path(sys.executable), False, _without_foreign_python(os.environ))
    interpreter = next((path for path in (sys.executable, "/usr/bin/python3") if _imports(path, "rclpy", variables)), None)
    if interpreter is None:
        raise SetupError(f"ROS 2 {DISTRO} is here, but neither {sys.executable} nor /usr/bin/python3 can import rclpy. Install "
                         f"it (`sudo apt-get install ros-{DISTRO}-ros-base`) or name ROS' Python (`make setup PYTHON=...`).")
    return Machine(Path(interpreter), True, variables)


def require_space(folder: Path, needed: float) -> None:
    """Raise SetupError if the disk of a folder (which may not exist yet) has less than `needed` bytes free."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(f"{folder} is on a disk with {free / 1e9:.1f} GB free; the set-up needs {needed / 1e9:.1f} GB there. "
                         "Make room and run the command again; it goes on where it stopped.")


def _sourced(script: Path) -> dict[str, str]:
    """The environment after sourcing a bash script."""
    result = subprocess.run(["bash", "-c", 'source "$0" >/dev/null && env -0', str(script)], stdout=subprocess.PIPE,
                            env=_without_foreign_python(os.environ), text=True)
    if result.returncode != 0:
        raise SetupError(f"Sourcing {script} failed. Mend the ROS installation (`sudo apt-get install --reinstall "
                         f"ros-{DISTRO}-ros-workspace`) and run the command again.")
    return dict(entry.split("=", 1) for entry in result.stdout.split("\0") if "=" in entry)


def _without_foreign_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables without those that would lead a command into another Python environment.

    LD_LIBRARY_PATH goes where the ROS wheels of an active virtual environment have set it at their start.
    """
    dropped = {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH",
               "COLCON_PREFIX_PATH"}
    if environment.get("_ROS_WHEELS_BOOTSTRAP_COMPLETE"):
        dropped |= {"_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH"}
    return {name: value for name, value in environment.items() if name not in dropped}


def _imports(interpreter: str, module: str, environment: Mapping[str, str]) -> bool:
    return subprocess.run([interpreter, "-c", f"import {module}"], env=dict(environment), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0
