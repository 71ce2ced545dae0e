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

"""objectcentric demo: the whole cell in simulation, three items picked by name, and a report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

EXAMPLES = """examples:
  objectcentric demo
  objectcentric demo --items "rubik's cube" stapler cap --seed 7 --json out/demo.json
  objectcentric demo --list                                  (what can be named)

The graph runs in its own ROS domain on this machine only; look at it meanwhile with
  ROS_DOMAIN_ID=87 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST rviz2 -d config/rviz/pick.rviz
exit code: 0 when every named item was picked, 1 when not, 2 for a wrong command line.
"""

DEFAULT_ITEMS = ("Milk carton", "Siamese cat figurine", "Toy truck")   # test items: no model was trained on them
DOMAIN = "87"   # so that a robot on this network never hears the demo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--items", nargs="+", default=list(DEFAULT_ITEMS), metavar="ITEM",
                        help=f"items to pick, title in any language or id (default: {', '.join(DEFAULT_ITEMS)})")
    parser.add_argument("--clutter", type=int, default=10, help="items in the tray (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the other items and of how all fall (default 1)")
    parser.add_argument("--views", type=int, default=8, help="photographs of each item that the gallery lacks (default 8)")
    parser.add_argument("--output", type=Path, default=Path("out/demo"), help="folder of report.html (default out/demo)")
    parser.add_argument("--json", type=Path, help="write the summary to this file as well")
    parser.add_argument("--gallery-url", default="", help="postgresql:// URL of a gallery server (default: embedded)")
    parser.add_argument("--data-dir", default="", help="folder of the embedded gallery (default: the user's data folder)")
    parser.add_argument("--verbose", action="store_true", help="show what the nodes print")
    parser.add_argument("--list", action="store_true", help="list the items that can be named, and leave")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo with a live display."""
    from rich.console import Console

    console = Console(stderr=True)
    if arguments.list:
        return _list_items()
    os.environ.setdefault("ROS_DOMAIN_ID", DOMAIN)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    from objectcentric_ros.nodes.bringup import BringupError
    from objectcentric_ros.nodes.demo import DemoOptions, Narrator, run_demo

    began = time.monotonic()
    with console.status("starting") as status:

        class Display(Narrator):
            def step(self, message: str) -> None:
                console.print(f"[{time.monotonic() - began:6.1f} s] {message}", highlight=False, markup=False)
                status.update(message)

            def progress(self, done: int, total: int, message: str) -> None:
                status.update(f"photographing {done}/{total} {message}")

            def node_output(self, name: str, line: str) -> None:
                if arguments.verbose or "[ERROR]" in line or "[FATAL]" in line:
                    console.print(f"  {name}: {line}", highlight=False, markup=False)

            def phase(self, attempt: int, phase: str, message: str) -> None:
                self.step(f"  attempt {attempt}  {phase:<9} {message}")

        options = DemoOptions(
            items=tuple(arguments.items), clutter=arguments.clutter, seed=arguments.seed, folder=arguments.output,
            views=arguments.views, gallery_url=arguments.gallery_url, gallery_data_dir=arguments.data_dir)
        try:
            summary = run_demo(options, Display())
        except ValueError as error:
            print(f"objectcentric demo: {error}", file=sys.stderr)
            return 2
        except BringupError as error:
            print(f"objectcentric demo: the graph did not come up: {error}", file=sys.stderr)
            return 1
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text((arguments.output / "demo.json").read_text())
    console.print(f"{summary['picked']} of {summary['asked']} picked in {time.monotonic() - began:.0f} s; "
                  f"look at {arguments.output / 'report.html'}", highlight=False)
    return 0 if summary["picked"] == summary["asked"] else 1


def _list_items() -> int:
    from objectcentric_ros.simulation.catalogue import Catalogue

    for item in Catalogue.load().items:
        size = " x ".join(f"{100 * edge:.1f}" for edge in item.size)
        print(f"{item.id:<28} {item.title:<32} {size} cm  {item.translations.get('de', '')}")
    return 0
