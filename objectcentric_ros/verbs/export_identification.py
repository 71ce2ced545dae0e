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

"""``objectcentric export identification``: a trained image encoder as OpenVINO files that robots run without PyTorch."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  objectcentric export identification mine.safetensors --data out/identification
  objectcentric export identification out/identification_models/mine.safetensors --output models/identification_image

Writes OUTPUT.xml and .bin (OpenVINO, 16 bit weights), OUTPUT.int8.xml and .bin, and OUTPUT.yaml, the card. int8 is calibrated
with images of the split `train`, and refused when it loses more than --max-loss of the top-1 rate (mean of tray, bin and
catalog) on the split `fusion`; robots use the 16 bit files then. The split `test` takes no part."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="trained encoder, NAME.safetensors with NAME.yaml")
    parser.add_argument("--data", type=Path, default=Path("out/identification"), metavar="DIR",
                        help="dataset to calibrate and measure with (default out/identification)")
    parser.add_argument("--output", type=Path, metavar="PATH", help="where to, without ending (default: beside the checkpoint)")
    parser.add_argument("--images", type=int, default=256, metavar="N", help="to calibrate with (default 256)")
    parser.add_argument("--objects", type=int, default=300, metavar="N", help="that the accuracy is measured on (default 300)")
    parser.add_argument("--max-loss", type=float, default=0.01, metavar="X", help="of top-1 by int8 (default 0.01)")
    parser.add_argument("--prefer", choices=("int8", "fp16"), default="int8",
                        help="what robots use where int8 passes (default int8); with fp16 no int8 files are written")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads of the timings (default 2)")


def run(arguments: argparse.Namespace) -> int:
    """Export, print accuracy and times; returns the exit code."""
    try:
        import nncf  # noqa: F401
        import onnx  # noqa: F401
        import timm  # noqa: F401
    except ImportError as error:
        print(f"objectcentric export identification: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.identification.embedded_set import read_image
    from objectcentric_ros.identification.image_export import export
    from objectcentric_ros.identification.image_validation import spread_rows, top1, validation_part
    from objectcentric_ros.identification.manifest import read_manifest

    output = arguments.output or arguments.checkpoint.with_suffix("")
    try:
        if min(arguments.images, arguments.objects) < 1:
            raise ValueError("--images and --objects must be 1 or more")
        if not arguments.checkpoint.is_file():
            raise ValueError(f"there is no trained encoder {arguments.checkpoint}")
        manifest = read_manifest(arguments.data)
        part = validation_part(manifest, "fusion", arguments.objects)
        if not part.rows:
            raise ValueError(f"{arguments.data} has no object of the split fusion with queries and references")
        measured = [read_image(part.file(row)) for row in part.rows]
        calibration = [read_image(manifest.file(row)) for row in spread_rows(manifest, arguments.images)]
        export(arguments.checkpoint, output, calibration,
               lambda encoder: top1(part.rows, encoder.encode(measured))["mean_all"], max_loss=arguments.max_loss,
               prefer=arguments.prefer)
        for line in _times(output, measured, arguments.threads):
            print(line)
    except (ValueError, OSError) as error:
        print(f"objectcentric export identification: {error}", file=sys.stderr)
        return 2
    print(f"wrote {output}.yaml")
    return 0


def _times(output: Path, images: list[Any], threads: int) -> list[str]:
    """Lines: time of one image and of twelve, each precision."""
    from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder

    lines = []
    for precision in ("fp16", "int8"):
        try:
            encoder = DeployedImageEncoder(output, precision, threads)
        except ValueError:
            continue          # int8 was refused
        parts = []
        for count in (1, 12):
            encoder.encode(images[:count])
            took = []
            for _ in range(20):
                start = time.perf_counter()
                encoder.encode(images[:count])
                took.append(time.perf_counter() - start)
            parts.append(f"{count} image{'s' * (count > 1)} {sorted(took)[len(took) // 2] * 1e3:.1f} ms")
        lines.append(f"{precision} on {threads} threads, median: {', '.join(parts)}")
    return lines
