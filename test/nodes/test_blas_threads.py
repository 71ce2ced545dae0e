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

"""Nodes multiply matrices in one thread; see objectcentric_ros/nodes/__init__.py."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("threadpoolctl")
PROGRAM = """
import objectcentric_ros.nodes.identification
import threadpoolctl
print(*{library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"})
"""


@pytest.mark.parametrize(("wanted", "threads"), [(None, "1"), ("2", "2")])
def test_a_node_has_one_blas_thread_unless_the_person_says_otherwise(wanted: str | None, threads: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    if wanted is not None:
        environment["OPENBLAS_NUM_THREADS"] = wanted
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60.0, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [threads]
