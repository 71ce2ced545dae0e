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

"""objectcentric record: record topics into a bag."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

EXAMPLES = """examples:
  objectcentric record --output my_tray                       until Ctrl-C: camera, transforms and joint states
  objectcentric record --output my_tray --duration 5
  objectcentric record --output labels --topics /segments /identifications

The bag is ros2 bag's: `ros2 bag info my_tray` and `ros2 bag play my_tray --clock` work as well.
exit code: 0 recorded, 1 nothing came or the output exists.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the bag; must not exist")
    parser.add_argument("--topics", nargs="+", metavar="TOPIC", help="default: camera, /tf, /tf_static and /joint_states")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="default: until Ctrl-C")
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap", help="file format (default: mcap)")
    parser.add_argument("--no-compression", action="store_true", help="write larger files in less time")


def run(arguments: argparse.Namespace) -> int:
    """Record with a live count."""
    from rich.console import Console

    from objectcentric_ros.nodes import MissingRosPackage

    console = Console(stderr=True)
    stop = threading.Event()
    try:
        from objectcentric_ros.nodes.bag import BagError
        from objectcentric_ros.nodes.bag_recording import CAMERA_TOPICS, record
    except MissingRosPackage as error:
        print(f"objectcentric record: {error}", file=sys.stderr)
        return 2
    with console.status("waiting for topics") as status, interrupting(stop):
        try:
            summary = record(arguments.output, arguments.topics or CAMERA_TOPICS, arguments.duration, arguments.storage,
                             not arguments.no_compression, stop,
                             on_progress=lambda seconds, messages, size: status.update(
                                 f"recording {seconds:.0f} s, {messages} messages, {size / 1e6:.1f} MB"))
        except BagError as error:
            print(f"objectcentric record: {error}", file=sys.stderr)
            return 1
    for topic, count in sorted(summary.counts.items()):
        console.print(f"{count:7d}  {topic}", highlight=False)
    on_disk = sum(file.stat().st_size for file in arguments.output.iterdir())
    console.print(f"{arguments.output}: {summary.duration:.1f} s, {on_disk / 1e6:.1f} MB", highlight=False)
    return 0


class interrupting:
    """Ctrl-C and SIGTERM set an event instead of tearing through a half-written file."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, lambda *_: self._event.set()) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
