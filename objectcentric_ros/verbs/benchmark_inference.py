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

"""``objectcentric benchmark inference``: what an image costs, as trained and as exported."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  objectcentric benchmark inference models/descriptors_caps.safetensors
  objectcentric benchmark inference mine.safetensors --exported models/mine --size 1280 720 --threads 4

Times of `describe`, one image at a time, PyTorch fp32 first; the programs take turns, so that whatever else the machine does
hits all alike. The masked AUC is what `objectcentric export descriptors` measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="trained network, NAME.safetensors with NAME.yaml")
    parser.add_argument("--exported", type=Path, metavar="PATH", help="what was exported of it (default: beside it)")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"), help="default 640 480")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default 2)")
    parser.add_argument("--repeats", type=int, default=20, metavar="N", help="images each (default 20)")


def run(arguments: argparse.Namespace) -> int:
    """Print the table; returns the exit code."""
    try:
        import timm  # noqa: F401
    except ImportError as error:
        print(f"objectcentric benchmark inference: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.descriptors.inference_time import inference_times, table

    width, height = arguments.size
    try:
        if min(width, height) < 1:
            raise ValueError("--size must be positive")
        times = inference_times(arguments.checkpoint, arguments.exported or arguments.checkpoint.with_suffix(""), height=height,
                                width=width, threads=arguments.threads, repeats=arguments.repeats)
    except ValueError as error:
        print(f"objectcentric benchmark inference: {error}", file=sys.stderr)
        return 2
    print(f"one image of {width}x{height}, {arguments.threads} threads\n\n{table(times)}")
    return 0
