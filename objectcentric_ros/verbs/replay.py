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

"""objectcentric replay: play a bag with /clock."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from objectcentric_ros.verbs.record import interrupting

EXAMPLES = """examples:
  objectcentric replay my_tray
  objectcentric replay my_tray --rate 0.5 --loop
  objectcentric replay somebodys_file.mcap --topics /camera/camera/color/image_raw /tf_static

Nodes that should follow the bag's time need use_sim_time: `objectcentric bringup replay` sets it.
exit code: 0 played, 1 no or a broken bag.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bag", type=Path, help="folder or file of a bag (mcap or sqlite3)")
    parser.add_argument("--rate", type=float, default=1.0, help="seconds of the bag per second (default: 1)")
    parser.add_argument("--loop", action="store_true", help="start over at the end, until Ctrl-C")
    parser.add_argument("--topics", nargs="+", default=(), metavar="TOPIC", help="play only these")
    parser.add_argument("--wait-for", nargs="+", default=(), metavar="TOPIC", help="begin when somebody subscribes to these")
    parser.add_argument("--no-clock", action="store_true", help="don't publish /clock")


def run(arguments: argparse.Namespace) -> int:
    """Play with a progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from objectcentric_ros.nodes import MissingRosPackage

    console = Console(stderr=True)
    stop = threading.Event()
    try:
        from objectcentric_ros.nodes.bag import BagError, play
    except MissingRosPackage as error:
        print(f"objectcentric replay: {error}", file=sys.stderr)
        return 2
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.1f} / {task.total:.1f} s"))
    with Progress(*columns, console=console, transient=True) as progress, interrupting(stop):
        task = progress.add_task(str(arguments.bag), total=0.0)
        try:
            summary = play(arguments.bag, arguments.rate, arguments.topics, arguments.loop, not arguments.no_clock,
                           arguments.wait_for, stop,
                           lambda position, duration: progress.update(task, completed=position, total=duration),
                           lambda text: console.print(text, highlight=False))
        except BagError as error:
            print(f"objectcentric replay: {error}", file=sys.stderr)
            return 1
    console.print(f"{arguments.bag}: played {sum(summary.counts.values())} messages", highlight=False)
    return 0
