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

"""``objectcentric dataset join``: several datasets for identification as one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  objectcentric dataset join out/identification out/identification_more --out out/identification_all
  objectcentric dataset join data/armbench data/mine --out data/all

The datasets may have no object in common, and objects of one family must be in one split. Pictures are hard links where the
file system has them, so that the joined dataset takes hardly any space; the parts stay as they are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="datasets, each with a manifest")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the dataset")


def run(arguments: argparse.Namespace) -> int:
    """Join; returns the exit code."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from objectcentric_ros.identification.joined_dataset import join_datasets

    console = Console(stderr=True)
    try:
        with Progress(TextColumn("pictures"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
            task = bar.add_task("pictures", total=None)
            counts = join_datasets(arguments.folders, arguments.out,
                                   lambda done, total: bar.update(task, completed=done, total=total))
    except (ValueError, OSError) as error:
        print(f"objectcentric dataset join: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.out}: " + ", ".join(f"{count} objects for {split}" for split, count in counts.items()))
    return 0
