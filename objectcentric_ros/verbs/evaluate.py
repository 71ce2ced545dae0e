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


"""``objectcentric evaluate``: measure segmentation, grasps, picks, identification or the graph's time and memory."""

from __future__ import annotations

import argparse

from objectcentric_ros.verbs.subcommands import add_subcommands, run_subcommand

EXAMPLES = """examples:
  objectcentric evaluate segmentation --scenes 40
  objectcentric evaluate picks --scenes 20 --items 10 --json picks.json
  objectcentric evaluate grasps --model models/descriptors_caps.safetensors --scenes 30
  objectcentric evaluate identification identification_shipped --json identification.json
  objectcentric evaluate latency --seconds 20

objectcentric evaluate segmentation --help, and so on, have more."""

MEASUREMENTS = {
    "segmentation": "recall, precision and IoU of the segments of cluttered trays",
    "picks": "how many picks by name succeed, and how long they take",
    "grasps": "how near grasps land that were taught by descriptors, straight and aligned",
    "photograph": "how well an object of one real photograph is found again in another",
    "identification": "top-1 by source, precision against ID rate by coverage, open set, with a report",
    "latency": "time from image to segments, time of an identification, and memory of the running nodes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a measurement."""
    add_subcommands(parser, "evaluate", MEASUREMENTS)


def run(arguments: argparse.Namespace) -> int:
    """Run the measurement; returns the exit code."""
    return run_subcommand(arguments)
