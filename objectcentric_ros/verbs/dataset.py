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

"""``objectcentric dataset``: render images to train and test on."""

from __future__ import annotations

import argparse

from objectcentric_ros.verbs.subcommands import add_subcommands, run_subcommand

EXAMPLES = """examples:
  objectcentric dataset views caps
  objectcentric dataset views mixed --split all --views 20 --output out/views
  objectcentric dataset pairs shipped_caps
  objectcentric dataset identification --out out/identification
  objectcentric dataset import armbench armbench-object-id-0.1/ --out data/armbench

objectcentric dataset views --help, and so on, have more."""

DATASETS = {
    "views": "views of single objects with mask, depth and pose, for descriptors",
    "pairs": "a picture of training pairs of a recipe with their matches drawn (paper A, figure 1)",
    "identification": "pictures of 1500 objects in trays, in bins and in the studio, with titles (paper B)",
    "join": "several datasets for identification as one",
    "import": "a public dataset or a plain folder as a dataset for identification (paper B)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a kind of dataset."""
    add_subcommands(parser, "dataset", DATASETS)


def run(arguments: argparse.Namespace) -> int:
    """Make the dataset; returns the exit code."""
    return run_subcommand(arguments)
