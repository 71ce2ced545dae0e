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

"""``objectcentric dataset identification``: make the pictures that identification is trained and measured on."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  objectcentric dataset identification --out out/identification
  objectcentric dataset identification --out out/fresh --seed 7 --split test        other objects, to measure on
  objectcentric dataset identification --out out/small --objects 100 --workers 1
  objectcentric dataset identification --out out/identification_more --seed 7 --split train --objects 3000 --light \\
      --apart-from out/identification                                              more objects to train on

Each object has about 5 query crops and 4 other crops of a cluttered tray, 5 pictures in a bin, 1 catalog picture and a title.
manifest.csv names them, and is kept up to date with what is finished. An interrupted run goes on where it stopped when the same
command is given again; the same seed gives the same data, however many workers. 1500 objects take about 0.2 GB, and 25
minutes on two cores. README.md in the folder says more, ATTRIBUTION.md who made the models; preview.png shows some objects."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the sub-command."""
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new, or of an interrupted run")
    parser.add_argument("--objects", type=int, default=1500, metavar="N", help="objects of all splits together (default 1500)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the objects and the pictures (default 0)")
    parser.add_argument("--split", choices=("train", "fusion", "test", "all"), default="all",
                        help="make only the objects of this split (default all)")
    parser.add_argument("--apart-from", type=Path, nargs="+", default=(), metavar="FOLDER",
                        help="only objects that these datasets lack, and nothing akin to what they have in another split")
    parser.add_argument("--variants", action="store_true",
                        help="instead of the benchmark's objects, items and miniatures in other colours and proportions")
    parser.add_argument("--light", action="store_true", help="4 trays an object instead of 7, for training")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default 2)")


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing; 1 when something failed, 2 when the command line or the folder is at fault, 130 when stopped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from objectcentric_ros.simulation.identification_block import LIGHT
    from objectcentric_ros.simulation.identification_dataset import make_dataset

    before = signal.signal(signal.SIGTERM, _stop)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn(compact=True))
    console = Console(stderr=True)
    every_minute = _Lines(console)
    try:
        if arguments.workers < 1:
            raise ValueError(f"--workers must be 1 or more, got {arguments.workers}")
        with Progress(*columns, console=console, speed_estimate_period=300) as bar:
            task = bar.add_task("trays, bins, studio", total=None)

            def show(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)
                every_minute(done, total)

            result = make_dataset(arguments.out, arguments.objects, arguments.seed,
                                  None if arguments.split == "all" else arguments.split, arguments.workers,
                                  LIGHT if arguments.light else None, show, arguments.apart_from,
                                  arguments.variants)
    except (ValueError, OSError) as error:
        print(f"objectcentric dataset identification: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; {arguments.out}/manifest.csv has what is finished, the same command goes on", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    for name, text in result.failures.items():
        print(f"objectcentric dataset identification: {name} failed:\n{text}", file=sys.stderr)
    _print(result)
    return 1 if result.failures else 0


class _Lines:
    """A line a minute where there is no terminal for a bar."""

    def __init__(self, console: Any) -> None:
        import time
        self._console, self._clock = console, time.monotonic
        self._began = self._last = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._first is None:
            self._first = done
        now = self._clock()
        if not self._console.is_terminal and now - self._last > 60 and done > self._first:
            self._last = now
            left = (now - self._began) / (done - self._first) * (total - done)
            print(f"{done} of {total} units after {(now - self._began) / 60:.0f} min, about {left / 60:.0f} min left",
                  file=sys.stderr, flush=True)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _print(result: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    sources = ("query", "tray", "bin", "catalog", "text")
    table = Table(title=f"pictures and titles in {result.folder}")
    table.add_column("split")
    for source in sources:
        table.add_column(source, justify="right")
    for split in ("train", "fusion", "test"):
        table.add_row(split, *(str(result.pictures.get((split, source), 0)) for source in sources))
    console = Console()
    console.print(table)
    console.print("work: " + ", ".join(f"{kind} {seconds / 60:.1f} min" for kind, seconds in result.seconds.items()))
    console.print(result.folder / "manifest.csv")
