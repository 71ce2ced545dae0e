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


"""``objectcentric train``: train a model of the stack."""

from __future__ import annotations

import argparse

from objectcentric_ros.verbs.subcommands import add_subcommands, run_subcommand

EXAMPLES = """examples:
  objectcentric train segmentation
  objectcentric train descriptors cpu --set data.folder=photos
  objectcentric train descriptors config/descriptors/shipped_caps.yaml
  objectcentric train image-encoder image_cpu_self_supervised --data out/identification
  objectcentric train text-encoder text_cpu --image-model models/identification_image.xml

objectcentric train segmentation --help, and so on, have more. Needs the packages of requirements/train.txt."""

MODELS = {
    "segmentation": "the segmenter, from simulated trays",
    "descriptors": "dense descriptors and keypoints, from photographs with masks or rendered views",
    "image-encoder": "the image encoder of identification, from a manifest of queries and references",
    "joined-encoder": "one image encoder of several trained ones",
    "text-encoder": "the title encoder of identification, into the space of an image encoder",
    "fusion": "the fusion of reference sources of identification, and the precision that it promises",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a model."""
    add_subcommands(parser, "train", MODELS)


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    return run_subcommand(arguments)
