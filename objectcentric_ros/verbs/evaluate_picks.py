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

"""objectcentric evaluate picks: whole picks in simulation, judged by the truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from objectcentric_ros.picking.evaluation import SceneResult, evaluate_picks

EXAMPLES = """examples:
  objectcentric evaluate picks --scenes 20 --items 10 --json out/picks.json
  objectcentric evaluate picks --scenes 5 --items 6 --seed 7 --pictures out/picks   (evidence of every pick as JPEG)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--scenes", type=int, default=20, help="random scenes, one pick each (default 20)")
    parser.add_argument("--items", type=int, default=10, help="items in the tray (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scenes (default 0)")
    parser.add_argument("--split", choices=("dev", "test", "all"), default="test",
                        help="items to draw from; nothing was tuned on test items (default test)")
    parser.add_argument("--views", type=int, default=8, help="photographs of each item in the gallery (default 8)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--pictures", type=Path, help="write the evidence of every pick to this folder")


def run(arguments: argparse.Namespace) -> int:
    """Run the scenes with a progress bar; prints and writes the figures."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    if arguments.scenes < 1:
        print(f"--scenes must be at least 1, got {arguments.scenes}", file=sys.stderr)
        return 2
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("picks", total=arguments.scenes)

        def on_scene(result: SceneResult) -> None:
            progress.console.print(f"{result.target:<28} {result.outcome:<15} {result.attempts} attempts  {result.message}")
            progress.advance(task)

        try:
            figures = evaluate_picks(arguments.scenes, arguments.seed, arguments.items, arguments.split, arguments.views,
                                     arguments.pictures, on_scene)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
    print(json.dumps({key: value for key, value in figures.items() if key != "results"}, indent=2))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2))
    return 0
