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

"""objectcentric bringup: start the nodes of a task and keep them running until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from objectcentric_ros.nodes.table import TASKS

EXAMPLES = """examples:
  objectcentric bringup pick
  objectcentric bringup pick --set simulation.seed=7 --set simulation.item_count=12
  objectcentric bringup pick --real                  (with franka_ros2 and realsense2_camera running)
  objectcentric bringup perception --real --camera   (with our own camera node)
  objectcentric bringup replay --bag my_bag

exit code: 0 after Ctrl-C, 1 when a required node can't be kept running, 2 for a wrong command line.
"""
COLOURS = (36, 32, 33, 35, 34, 31, 96, 92)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("task", choices=tuple(TASKS), help="; ".join(f"{name}: {text}" for name, text in TASKS.items()))
    parser.add_argument("--real", action="store_true", help="no simulated cell: the drivers of robot and camera run already")
    parser.add_argument("--camera", action="store_true", help="with --real: read the D435 with our own camera node")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NODE.PARAMETER=VALUE",
                        help="set a node's parameter; may be given again")
    parser.add_argument("--params-file", type=Path, help="ROS parameter file (default: config/nodes.yaml)")
    parser.add_argument("--namespace", default="", help="namespace of all nodes")
    parser.add_argument("--bag", type=Path, help="with replay: play this bag once the nodes are there")
    parser.add_argument("--timeout", type=float, default=60.0, help="how long the nodes may take to become active in seconds")


def run(arguments: argparse.Namespace) -> int:
    """Bring the graph up and wait."""
    from objectcentric_ros.nodes import MissingRosPackage

    try:
        from objectcentric_ros.nodes.bringup import Bringup, BringupError
    except MissingRosPackage as error:
        print(f"objectcentric bringup: {error}", file=sys.stderr)
        return 2
    try:
        bringup = Bringup(arguments.task, simulated=not arguments.real, camera=arguments.camera, bag=arguments.bag,
                          settings=_settings(arguments.settings), params_file=arguments.params_file,
                          namespace=arguments.namespace, output=prefixed_output())
    except ValueError as error:
        print(f"objectcentric bringup: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)   # a shell starts background jobs with SIGINT ignored
    failure = ""
    try:
        bringup.start()
        seconds = bringup.wait_until_active(arguments.timeout)
        print(f"{len(bringup.names)} nodes are active after {seconds:.1f} s: {', '.join(bringup.names)}", flush=True)
        failure = bringup.wait()
    except BringupError as error:
        failure = str(error)
    except KeyboardInterrupt:
        print("stopping", flush=True)
    bringup.stop()
    if failure:
        print(f"objectcentric bringup: {failure}", file=sys.stderr)
        return 1
    return 0


def prefixed_output(stream: Any = None) -> Any:
    """Function that prints (node, line) with the node's name in front, in its colour on a terminal."""
    stream = stream or sys.stdout
    coloured = stream.isatty()
    colours: dict[str, int] = {}
    lock = threading.Lock()

    def write(name: str, line: str) -> None:
        with lock:
            colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
            label = f"\x1b[{colour}m{name:>14}\x1b[0m" if coloured else f"{name:>14}"
            print(f"{label} | {line}", file=stream, flush=True)
    return write


def _settings(texts: list[str]) -> dict[str, Any]:
    from objectcentric_ros.nodes.bringup import RawValue

    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text}: expected NODE.PARAMETER=VALUE")
        settings[key] = RawValue(value)
    return settings
