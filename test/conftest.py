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

"""Isolation of a test run: own ROS domain on loopback, own data folder and logs, headless rendering.

The environment is set when pytest imports this file, before any test imports rclpy or MuJoCo.
"""

from __future__ import annotations

import atexit
import ctypes.util
import faulthandler
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

FIRST_DOMAIN, LAST_DOMAIN = 1, 101  # above 101 the discovery ports reach into Linux' ephemeral range


def _claim_ros_domain() -> tuple[int, IO[str]]:
    """A ROS domain that no other test run on this machine has: the lock lasts as long as the returned file is open."""
    count = LAST_DOMAIN - FIRST_DOMAIN + 1
    for attempt in range(count):
        domain = FIRST_DOMAIN + (os.getpid() + attempt) % count
        lock = open(Path(tempfile.gettempdir()) / f"objectcentric-ros-domain-{domain}.lock", "a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        return domain, lock
    raise RuntimeError(f"all ROS domains {FIRST_DOMAIN}..{LAST_DOMAIN} are taken by other test runs: end one of them")


_domain, _domain_lock = _claim_ros_domain()
_run_folder = Path(tempfile.mkdtemp(prefix="objectcentric-test-"))
atexit.register(shutil.rmtree, _run_folder, ignore_errors=True)
faulthandler.enable()

# Always replaced, never inherited: a test must not move a robot that happens to listen on the person's domain.
os.environ.update(
    ROS_DOMAIN_ID=str(_domain),
    ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    ROS_LOG_DIR=str(_run_folder / "ros-log"),
    OBJECTCENTRIC_DATA=str(_run_folder / "data"),
)
os.environ.pop("ROS_LOCALHOST_ONLY", None)  # the deprecated variable overrides the discovery range
os.environ.setdefault("MUJOCO_GL", "egl" if ctypes.util.find_library("EGL") else "osmesa")
os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(scope="session")
def ros_domain_id() -> int:
    """The ROS domain of this test run."""
    return _domain


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty OBJECTCENTRIC_DATA folder for one test."""
    folder = tmp_path / "data"
    monkeypatch.setenv("OBJECTCENTRIC_DATA", str(folder))
    yield folder
