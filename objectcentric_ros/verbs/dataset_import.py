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

"""``objectcentric dataset import``: a public dataset or a plain folder as a dataset for identification."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objectcentric_ros.identification.importers.found import Found

EXAMPLES = """examples:
  objectcentric dataset import armbench armbench-object-id-0.1/ --out data/armbench
  objectcentric dataset import amazon-bin bin-image-dataset/ --out data/bins
  objectcentric dataset import berkeley abo/ --out data/abo --images 4
  objectcentric dataset import folder my_photos/ --out data/mine --source catalog

Every picture and title is checked before anything is written; --skip-bad leaves out what is wrong instead of stopping. The
dataset is a folder with manifest.csv, objects.csv and the pictures, as hard links where the file system has them. Objects are
drawn for train, fusion and test by their id, unless the dataset says which are test objects. Licences differ by mirror: the
names of the licence files are printed."""

FORMATS = ("armbench", "amazon-bin", "berkeley", "folder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("format", choices=FORMATS, metavar="|".join(FORMATS), help="what FOLDER holds")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the dataset as it was unpacked")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the dataset")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw of splits (default 0)")
    parser.add_argument("--skip-bad", action="store_true", help="leave out pictures and titles that can't be used")
    parser.add_argument("--title-key", default="", metavar="KEY", help="armbench: key of the text in container.json")
    parser.add_argument("--views", default="PickRGB", metavar="A,B", help="armbench: query pictures (default PickRGB)")
    parser.add_argument("--images", type=int, default=1, metavar="N", help="berkeley: catalog pictures an object (default 1)")
    parser.add_argument("--language", default="en", help="berkeley: of the names (default en)")
    parser.add_argument("--source", default="catalog", help="folder: source of pictures outside query/, tray/, bin/ and catalog/")


def run(arguments: argparse.Namespace) -> int:
    """Import; returns the exit code."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from objectcentric_ros.identification.importers.found import DatasetError, licence_files, write_dataset

    console = Console()
    try:
        if not arguments.folder.is_dir():
            raise DatasetError(f"{arguments.folder} is no folder")
        licences = licence_files(arguments.folder)
        names = ", ".join(str(path.relative_to(arguments.folder)) for path in licences[:8])
        console.print(f"licence files: {names}" if licences else "licence files: none found; ask where the data comes from",
                      highlight=False, markup=False)
        found = _read(arguments)
        with Progress(TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("checking", total=len(found.rows))
            counts = write_dataset(found, arguments.out, arguments.seed, arguments.skip_bad,
                                   lambda done, total: bar.update(task, completed=done))
    except DatasetError as error:
        print(f"objectcentric dataset import: {error}", file=sys.stderr)
        return 2
    console.print(f"{arguments.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items()), highlight=False,
                  markup=False)
    return 0


def _read(arguments: argparse.Namespace) -> Found:
    from objectcentric_ros.identification.importers.amazon_bin import read_amazon_bin
    from objectcentric_ros.identification.importers.armbench import ArmBenchConfig, read_armbench
    from objectcentric_ros.identification.importers.berkeley import BerkeleyConfig, read_berkeley
    from objectcentric_ros.identification.importers.folder import read_folder

    if arguments.format == "armbench":
        config = ArmBenchConfig(arguments.title_key, tuple(arguments.views.split(",")), arguments.seed)
        return read_armbench(arguments.folder, config)
    if arguments.format == "amazon-bin":
        return read_amazon_bin(arguments.folder)
    if arguments.format == "berkeley":
        return read_berkeley(arguments.folder, BerkeleyConfig(arguments.images, arguments.language))
    return read_folder(arguments.folder, arguments.source)
