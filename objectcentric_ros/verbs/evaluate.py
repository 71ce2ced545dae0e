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


"""``objectcentric evaluate``: measure segmentation, whole picks or the graph's time and memory in simulation."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from typing import Any

EXAMPLES = """examples:
  objectcentric evaluate segmentation --scenes 40
  objectcentric evaluate picks --scenes 20 --items 10 --json picks.json
  objectcentric evaluate latency --seconds 20

objectcentric evaluate segmentation --help, and so on, have more."""

MEASUREMENTS = {
    "segmentation": "recall, precision and IoU of the segments of cluttered trays",
    "picks": "how many picks by name succeed, and how long they take",
    "latency": "time from image to segments, time of an identification, and memory of the running nodes",
}


class _OnDemand(argparse.ArgumentParser):
    """Sub-parser that asks its verb's module for arguments only when it is used: the others are not imported."""

    def parse_known_args(  # type: ignore[override]  # argparse has overloads that no caller needs
            self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        module = _module(self.get_default("measurement"))
        if self.epilog is None:
            self.epilog = module.EXAMPLES
            module.add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a measurement."""
    commands = parser.add_subparsers(required=True, metavar="|".join(MEASUREMENTS), parser_class=_OnDemand)
    for name, text in MEASUREMENTS.items():
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=argparse.RawDescriptionHelpFormatter)
        command.set_defaults(measurement=name)


def run(arguments: argparse.Namespace) -> int:
    """Run the measurement; returns the exit code."""
    return int(_module(arguments.measurement).run(arguments))


def _module(measurement: str) -> Any:
    return importlib.import_module(f"objectcentric_ros.verbs.evaluate_{measurement}")
