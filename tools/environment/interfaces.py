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


"""Our interfaces, and those that no wheel carries, compiled with colcon."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from environment.machine import Checkout, Machine
from environment.progress import Log, SetupError

# Folders of the machines that the wheels were built on; their CMake files still name them.
STALE_NUMPY = re.compile(r"/opt/python/cp3\d+-cp3\d+/lib/python3\.\d+/site-packages/numpy/_core/include")
STALE_PYTHON = re.compile(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+")
GENERATED_PACKAGES = ("tf2_msgs",)
MEMORY_PER_COMPILER = 1.0e9  # bytes, for a unit of generated type support


def interface_sources(checkout: Checkout) -> Iterator[Path]:
    """Every file that the compiled interfaces depend on, in a fixed order."""
    yield from sorted(path for path in (checkout.root / "interfaces").rglob("*") if path.is_file())
    yield Path(__file__)
    yield Path(__file__).with_name("typestore_package.py")


def build_into_virtual_environment(checkout: Checkout, machine: Machine, log: Log) -> None:
    """Compile the interfaces into the prefix where the ROS wheels live: nothing needs sourcing afterwards."""
    _mend_include_folders(checkout, machine, log)
    work = checkout.venv / "interfaces"
    generator = Path(__file__).with_name("typestore_package.py")
    log.run([checkout.python, generator, work / "source", *GENERATED_PACKAGES], env=machine.environment)
    jobs = _parallel_jobs()
    environment = {
        **machine.environment,
        "PATH": f"{checkout.venv / 'bin'}{os.pathsep}{machine.environment.get('PATH', os.defpath)}",
        "AMENT_PREFIX_PATH": str(checkout.venv),
        "CMAKE_PREFIX_PATH": str(checkout.venv),
        "MAKEFLAGS": f"-j{jobs}",
    }
    own = checkout.root / "interfaces"
    log.run([
        checkout.python, "-m", "colcon", "--log-base", work / "log", "build", "--merge-install",
        "--install-base", checkout.venv, "--build-base", work / "build", "--executor", "sequential",
        "--event-handlers", "console_direct+", "console_start_end+",
        "--paths", own / "objectcentric_interfaces", own / "bare" / "franka_msgs",
        *(work / "source" / name for name in GENERATED_PACKAGES),
        "--cmake-args", f"-DPython3_EXECUTABLE={checkout.python}", "-DBUILD_TESTING=OFF",
    ], env=environment, cwd=checkout.venv)


def build_workspace(checkout: Checkout, machine: Machine, log: Log) -> None:
    """On a ROS machine: build both packages of this repository with ROS' own tools into install/.

    colcon runs in the virtual environment's Python, so the commands it installs find the pip packages as well.
    """
    log.run([checkout.python, "-m", "colcon", "build", "--symlink-install", "--event-handlers", "console_direct+",
             "--cmake-args", f"-DPython3_EXECUTABLE={checkout.python}", "-DBUILD_TESTING=OFF"],
            env=machine.environment, cwd=checkout.root)


def _mend_include_folders(checkout: Checkout, machine: Machine, log: Log) -> None:
    """Replace the build machines' include folders in the wheels' CMake files by those of this machine."""
    question = "import sysconfig, numpy; print(sysconfig.get_paths()['include']); print(numpy.get_include())"
    result = subprocess.run([checkout.python, "-c", question], env=dict(machine.environment), stdout=subprocess.PIPE, text=True)
    answer = result.stdout.splitlines()
    if result.returncode != 0 or len(answer) != 2:
        raise SetupError("numpy can't be imported from .venv. Remove the folder (`make distclean`) and run the command again.")
    python_include, numpy_include = answer
    for file in sorted((checkout.venv / "share").rglob("*.cmake")):
        text = file.read_text(errors="surrogateescape")
        mended = STALE_PYTHON.sub(python_include, STALE_NUMPY.sub(numpy_include, text))
        if mended != text:
            file.write_text(mended, errors="surrogateescape")
            log.write(f"mended the include folders in {file}")


def _parallel_jobs() -> int:
    """Compilers to run at once: one a core, as far as the memory goes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), int(memory / MEMORY_PER_COMPILER)))
