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

"""``objectcentric export``: write a trained model in the form that robots run."""

from __future__ import annotations

import argparse

from objectcentric_ros.verbs.subcommands import add_subcommands, run_subcommand

EXAMPLES = """examples:
  objectcentric export descriptors models/descriptors_caps.safetensors
  objectcentric export identification mine.safetensors --data out/identification

objectcentric export descriptors --help has more. Needs the packages of requirements/train.txt."""

MODELS = {
    "descriptors": "dense descriptors and keypoints, to ONNX and OpenVINO, in 8 bits where that costs no accuracy",
    "identification": "the image encoder of identification, to OpenVINO, in 8 bits where that costs no accuracy",
    "text-encoder": "the title encoder of identification, to OpenVINO with weights in 8 bits",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command a model."""
    add_subcommands(parser, "export", MODELS)


def run(arguments: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    return run_subcommand(arguments)
