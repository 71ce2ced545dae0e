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

"""``objectcentric benchmark``: compare models and measure what they cost."""

from __future__ import annotations

import argparse

from objectcentric_ros.verbs.subcommands import add_subcommands, run_subcommand

EXAMPLES = """examples:
  objectcentric benchmark descriptors descriptors_shipped
  objectcentric benchmark inference models/descriptors_caps.safetensors
  objectcentric benchmark gallery --objects 50000 --keep out/gallery_2m

objectcentric benchmark descriptors --help, and so on, have more. Needs the packages of requirements/train.txt."""

BENCHMARKS = {
    "descriptors": "methods of dense description on objects that no training saw: the paper's tables, in pixels",
    "inference": "what an image costs, as trained and as exported",
    "gallery": "what a gallery costs at a size, up to millions of vectors",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a benchmark."""
    add_subcommands(parser, "benchmark", BENCHMARKS)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit code."""
    return run_subcommand(arguments)
