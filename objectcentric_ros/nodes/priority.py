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

"""How much of a busy machine a process asks for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def step_back(nice: int) -> None:
    """Let other processes go first where they compete for the cores, for this thread and those that it starts from now on.

    Linux shares the cores out among sessions first where it groups them (sched(7), autogroup), and a niceness counts within one
    only. So a process that has a session to itself, as nodes of bringup do, lowers that as well; in a shared one that would slow
    down whatever else the terminal runs.

    Args:
        nice: 0 to 19; each step is about a fifth less. A thread that is lower already stays there.
    """
    if nice <= 0:
        return
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):     # no autogroups in this kernel, or none that may be changed
            AUTOGROUP.write_text(str(nice))
