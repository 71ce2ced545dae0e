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

"""``objectcentric dataset views``: render views of the instances of a family, each alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  objectcentric dataset views caps                       the instances that are trained on, into the cache folder
  objectcentric dataset views caps --split test --views 20
  objectcentric dataset views my_family.yaml --seed 3 --output out/views

A view is INSTANCE/NUMBER.color.png with .mask.png, .depth.png (16 bit, mm) and .yaml (camera, T_camera_object). What is there
already is not rendered again. The folder's name is printed; ATTRIBUTION.md in it says who made the models."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the sub-command."""
    parser.add_argument("family", metavar="FAMILY", help="name of a file of config/families, or path of a .yaml file")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: a folder of the family and the seed in the cache")
    parser.add_argument("--views", type=int, default=60, metavar="N", help="views an instance (default 60)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed gives the same views (default 0)")
    parser.add_argument("--split", choices=("train", "test", "all"), default="train",
                        help="instances to train on (default), held-out ones, or both")


def run(arguments: argparse.Namespace) -> int:
    """Render what is missing; 2 with a sentence when the command line or the folder is at fault."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from objectcentric_ros.simulation.view_dataset import ensure_views

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("views", total=None)
            folder = ensure_views(arguments.family, arguments.split, arguments.views, arguments.seed, arguments.output,
                                  lambda name, done, total: bar.update(task, description=name, completed=done, total=total))
    except (ValueError, FileNotFoundError) as error:
        print(f"objectcentric dataset views: {error}", file=sys.stderr)
        return 2
    print(folder)
    return 0
