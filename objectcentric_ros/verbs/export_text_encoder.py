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

"""``objectcentric export text-encoder``: a trained text encoder as OpenVINO files that robots run without PyTorch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  objectcentric export text-encoder out/identification_models/text_cpu.safetensors --output models/identification_text
  objectcentric export text-encoder mine.safetensors --data out/identification

Writes OUTPUT.xml and .bin (OpenVINO, weights in 8 bits), OUTPUT_tokenizer.json, and OUTPUT.yaml, the card. It is refused when the
vector of a title turns by more than a cosine of 0.99; --data names a dataset whose titles are tried."""

MOST_TITLES = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="trained text encoder, NAME.safetensors")
    parser.add_argument("--output", type=Path, metavar="PATH", help="where to, without ending (default: beside the checkpoint)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="dataset whose titles are compared (train, fusion)")


def run(arguments: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    try:
        import nncf  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        print(f"objectcentric export text-encoder: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.identification.manifest import read_manifest
    from objectcentric_ros.identification.text_export import export_text

    try:
        titles: list[str] = []
        if arguments.data is not None:
            rows = read_manifest(arguments.data, check_files=False).select(None, "text").rows
            titles = [row.text for row in rows if row.split != "test"][:MOST_TITLES]
        export_text(arguments.checkpoint, arguments.output or arguments.checkpoint.with_suffix(""), titles)
    except (ValueError, OSError) as error:
        print(f"objectcentric export text-encoder: {error}", file=sys.stderr)
        return 2
    return 0
