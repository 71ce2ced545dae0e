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

"""objectcentric pick: pick one named item with a running graph."""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from objectcentric_ros.picking.outcome import PickOutcome
from objectcentric_ros.picking.result import PickResult

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """examples:
  objectcentric pick "rubik's cube"
  objectcentric pick "Zauberwürfel" --candidates rubiks_cube cup stapler
  objectcentric pick cup --pictures out/pick --json out/pick.json

exit code: 0 picked, else 10 + the outcome (11 not_found, 12 not_identified, 13 no_grasp, 14 no_plan, 15 grasp_lost,
16 wrong_item, 17 aborted, 18 node_lost, 19 timeout). Ctrl-C cancels the pick and waits until the arm is at rest.
"""

FAILURE_EXIT = 10   # keeps 1 and 2 for what they mean everywhere else


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("item", help="title in any catalogued language, or object id")
    parser.add_argument("--candidates", nargs="+", default=(), metavar="ID",
                        help="what may be in the tray (default: the whole gallery)")
    parser.add_argument("--destination", default="", help="named place pose (default: the place bin)")
    parser.add_argument("--attempts", type=int, default=0, help="most attempts (default: the node's)")
    parser.add_argument("--timeout", type=float, default=0.0, help="of the whole pick in seconds (default: the node's)")
    parser.add_argument("--namespace", default="", help="namespace of the graph")
    parser.add_argument("--json", type=Path, help="write outcome, attempts and phase times to this file")
    parser.add_argument("--pictures", type=Path, help="write the evidence (JPEG) to this folder")


def run(arguments: argparse.Namespace) -> int:
    """Pick with a live phase display."""
    from rich.console import Console

    from objectcentric_ros.nodes.pick_client import PickClient

    console = Console(stderr=True)
    with PickClient(arguments.namespace) as robot, console.status(f"picking {arguments.item!r}") as status:
        began = time.monotonic()

        def on_phase(attempt: int, phase: str, message: str) -> None:
            console.print(f"{time.monotonic() - began:6.1f} s  attempt {attempt}  {phase:<9} {message}", highlight=False)
            status.update(f"picking {arguments.item!r}: {phase}")

        box: list[PickResult] = []
        worker = threading.Thread(daemon=True, target=lambda: box.append(robot.pick(
            arguments.item, arguments.candidates, arguments.destination, arguments.attempts, arguments.timeout, on_phase)))
        worker.start()
        while worker.is_alive():
            try:
                worker.join(timeout=0.2)
            except KeyboardInterrupt:
                console.print("cancelling")
                robot.cancel()
    return finish(box[0], arguments.json, arguments.pictures, console)


def finish(result: PickResult, json_file: Path | None, pictures: Path | None, console: Console) -> int:
    """Say how it ended, write what was asked for, and return the exit code."""
    console.print(f"{result.outcome.label}: {result.message} ({result.seconds:.1f} s)", highlight=False)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result.to_mapping(), indent=2))
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        for name, picture in result.pictures().items():
            (pictures / f"{name}.jpg").write_bytes(picture)
    return 0 if result.outcome is PickOutcome.PICKED else FAILURE_EXIT + int(result.outcome)
