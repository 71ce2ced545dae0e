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


"""``objectcentric capture``: photographs with masks, to train descriptors on, from the running graph."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

EXAMPLES = """examples:
  objectcentric bringup perception                                   # in another terminal
  objectcentric capture my-cap
  objectcentric capture my-cap --count 8 --every 3                   # turn the object in between
  objectcentric capture my-cap --segment 4 --folder photos
  objectcentric train descriptors cpu --set data.folder=photos

Takes the segment nearest to the image's centre. Each view is colour, mask, depth and intrinsics in FOLDER/NAME; pictures that
are there already stay."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("instance", metavar="NAME", help="which object it is: letters, digits, - and _")
    parser.add_argument("--folder", type=Path, default=Path("photos"), metavar="FOLDER", help="default photos")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="views to take (default 1)")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between two (default 2)")
    parser.add_argument("--segment", type=int, metavar="ID", help="segment to take (default: nearest to the centre)")


def run(arguments: argparse.Namespace) -> int:
    """Take the views; returns the exit code."""
    from objectcentric_ros.descriptors.views import write_view
    from objectcentric_ros.nodes.capture import CaptureClient

    if arguments.count < 1 or not 0.0 <= arguments.every <= 3600.0:
        print("objectcentric capture: --count must be 1 or more, --every 0 to 3600 seconds", file=sys.stderr)
        return 2
    place = arguments.folder / arguments.instance
    number = len(list(place.glob("*.color.*"))) if place.is_dir() else 0
    try:
        with CaptureClient() as client:
            for index in range(arguments.count):
                if index:
                    time.sleep(arguments.every)
                while any(place.glob(f"{number:04d}.color.*")):
                    number += 1
                view = client.view(arguments.instance, f"{number:04d}", arguments.segment)
                path = write_view(arguments.folder, view)
                print(f"{index + 1} of {arguments.count}: {path}, {int(view.mask.sum())} pixels of the object")
    except ValueError as error:
        print(f"objectcentric capture: {error}", file=sys.stderr)
        return 2
    return 0
