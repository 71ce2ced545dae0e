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

"""Stepping back for other processes: in a session of its own, in a shared one, and never forward."""

from __future__ import annotations

import os
import subprocess
import sys

from objectcentric_ros.nodes.priority import AUTOGROUP

REPORT = """
import os
from objectcentric_ros.nodes.priority import AUTOGROUP, step_back
{before}
step_back({nice})
print(os.getpriority(os.PRIO_PROCESS, 0), ((AUTOGROUP.read_text() if AUTOGROUP.exists() else "").split() or ["none"])[-1])
"""


def _stepped_back(nice: int, *, own_session: bool, before: str = "") -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", REPORT.format(nice=nice, before=before)], capture_output=True, text=True,
                          check=True, start_new_session=own_session, timeout=60)
    niceness, group = done.stdout.split()
    return int(niceness), group


def _group() -> str:
    """Niceness of this session; the first one of a machine may have none."""
    return ((AUTOGROUP.read_text() if AUTOGROUP.exists() else "").split() or ["none"])[-1]


def test_session_of_its_own_steps_back_as_a_whole() -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)
    niceness, group = _stepped_back(7, own_session=True)
    assert niceness == max(7, here)
    assert group == ("7" if AUTOGROUP.exists() else "none")


def test_shared_session_is_left_as_it_was() -> None:
    before = _group()
    niceness, group = _stepped_back(7, own_session=False)
    assert niceness >= 7
    assert group == before == _group()


def test_nobody_pushes_forward() -> None:
    niceness, _ = _stepped_back(3, own_session=True, before="os.nice(9)")
    assert niceness >= 9
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert _stepped_back(0, own_session=True) == (here, "0" if AUTOGROUP.exists() else "none")
