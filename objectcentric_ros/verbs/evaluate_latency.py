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

"""``objectcentric evaluate latency``: time and memory of the graph of nodes on this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  objectcentric evaluate latency --seconds 20 --json latency.json
  objectcentric evaluate latency --queries 40 --candidates 200 --references 5

The whole graph runs with the simulated cell on this machine's cores, in a ROS domain and with a gallery of its own.

image_to_segments   from a colour image at a subscriber to the segments of its stamp there
identify            identify_object with one picture, as its caller sees it
encoder             the encoder's share of that
identify_tray       identify_object with 12 segments of a tray in one call
resident            memory of all nodes but the simulator; the database server's is not in it"""

DOMAIN = "88"   # so that a robot on this network never hears it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="how long images are watched (default 20)")
    parser.add_argument("--queries", type=int, default=100, metavar="N",
                        help="calls of identify_object for one image, and for a tray (default 100)")
    parser.add_argument("--candidates", type=int, default=30, metavar="C", help="candidates of a call (default 30)")
    parser.add_argument("--references", type=int, default=10, metavar="R", help="pictures of each candidate (default 10)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of clutter, items and pauses (default 0)")
    parser.add_argument("--pause", type=float, default=0.5, metavar="S",
                        help="longest pause between two calls, of random lengths; 0: none (default 0.5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write the file; returns the exit code."""
    for name in ("seconds", "queries", "candidates", "references"):
        value = getattr(arguments, name)
        if value <= 0:
            print(f"objectcentric evaluate latency: --{name} must be more than 0, got {value}", file=sys.stderr)
            return 2
    if arguments.pause < 0:
        print(f"objectcentric evaluate latency: --pause must not be negative, got {arguments.pause}", file=sys.stderr)
        return 2
    os.environ.setdefault("ROS_DOMAIN_ID", DOMAIN)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    from rich.console import Console

    from objectcentric_ros.nodes.bringup import BringupError
    from objectcentric_ros.nodes.latency import LatencyOptions, measure_latency
    from objectcentric_ros.picking.outcome import PickEnded

    options = LatencyOptions(arguments.seconds, arguments.queries, arguments.candidates, arguments.references, arguments.seed,
                             arguments.pause)
    try:
        with tempfile.TemporaryDirectory(prefix="objectcentric-") as folder, Console(stderr=True).status("starting") as status:
            figures = measure_latency(options, Path(folder), status.update)
    except (BringupError, PickEnded, RuntimeError) as error:
        print(f"objectcentric evaluate latency: {error}", file=sys.stderr)
        return 1
    _print(figures)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _print(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"graph on {figures['cores']} cores: {figures['images']} images, {figures['queries']} queries of "
                        f"{figures['candidates']} candidates x {figures['references']} references")
    table.add_column("figure")
    table.add_column("p50", justify="right")
    table.add_column("p95", justify="right")

    def cell(name: str) -> str:
        value = figures.get(name)
        return "-" if value is None else f"{value:.0f} ms"

    for row in ("image_to_segments", "identify", "encoder", "identify_beside_encoder", "identify_tray"):
        table.add_row(row.replace("_", " "), cell(f"{row}_ms_p50"), cell(f"{row}_ms_p95"))
    table.add_row("resident", f"{figures['resident_gb']:.2f} GB", "")
    console = Console()
    console.print(table)
    console.print("resident [MB]: " + ", ".join(f"{name} {value}" for name, value in figures["resident_mb"].items()))
