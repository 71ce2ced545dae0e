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

"""``objectcentric export descriptors``: a trained network as OpenVINO files that robots run without PyTorch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  objectcentric export descriptors models/descriptors_caps.safetensors
  objectcentric export descriptors mine.safetensors --views photos --output models/mine
  objectcentric export descriptors mine.safetensors --max-loss 0.005 --onnx out/mine.onnx

Writes OUTPUT.xml and .bin (OpenVINO, 16 bit weights), OUTPUT.int8.xml and .bin, and OUTPUT.yaml, the card. int8 is
calibrated with pairs of the training's own objects on other backgrounds, and refused when the search inside the mask loses
more than --max-loss of its AUC on further such pairs; robots use the 16 bit files then. Held-out objects take no part."""

CALIBRATION_SEED, GATE_SEED = 2_000_000, 3_000_000    # pairs that no training has seen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="trained network, NAME.safetensors with NAME.yaml")
    parser.add_argument("--output", type=Path, metavar="PATH", help="where to, without ending (default: beside the checkpoint)")
    parser.add_argument("--views", type=Path, metavar="FOLDER", help="views to calibrate and measure with (default: those that "
                        "the network was trained with)")
    parser.add_argument("--images", type=int, default=48, metavar="N", help="to calibrate with (default 48)")
    parser.add_argument("--pairs", type=int, default=40, metavar="N", help="that the accuracy is measured on (default 40)")
    parser.add_argument("--max-loss", type=float, default=0.01, metavar="X", help="of masked AUC by int8 (default 0.01)")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="keep the ONNX file here")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads of the timings (default 2)")


def run(arguments: argparse.Namespace) -> int:
    """Export, print accuracy and times; returns the exit code."""
    try:
        import nncf  # noqa: F401
        import onnx  # noqa: F401
        import timm  # noqa: F401
    except ImportError as error:
        print(f"objectcentric export descriptors: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.descriptors.export import Sample, export, masked_auc
    from objectcentric_ros.descriptors.inference_time import inference_times, table

    output = arguments.output or arguments.checkpoint.with_suffix("")
    try:
        if min(arguments.images, arguments.pairs) < 1:
            raise ValueError("--images and --pairs must be 1 or more")
        views, kind = _material(arguments.checkpoint, arguments.views)
        pairs = _pairs(views, kind, CALIBRATION_SEED, (arguments.images + 1) // 2)
        samples = [Sample(color, mask) for pair in pairs
                   for color, mask in ((pair.color_a, pair.mask_a), (pair.color_b, pair.mask_b))]
        measured = _pairs(views, kind, GATE_SEED, arguments.pairs)
        export(arguments.checkpoint, output, samples[:arguments.images], lambda model: masked_auc(model, measured),
               max_auc_loss=arguments.max_loss, onnx=arguments.onnx)
        print(table(inference_times(arguments.checkpoint, output, threads=arguments.threads)))
    except (ValueError, OSError) as error:
        print(f"objectcentric export descriptors: {error}", file=sys.stderr)
        return 2
    print(f"wrote {output}.yaml")
    return 0


def _material(checkpoint: Path, folder: Path | None) -> tuple[list[Any], Any]:
    """Views, and how pairs are made of them: as in training, but in whole images.

    Raises:
        ValueError: the checkpoint's card doesn't say what it was trained with and no folder is named, or it can't be read.
    """
    from objectcentric_ros.descriptors.deployed import REMEDY
    from objectcentric_ros.descriptors.pairs import PairConfig
    from objectcentric_ros.descriptors.pck import FRAME
    from objectcentric_ros.descriptors.recipe import DescriptorRecipe
    from objectcentric_ros.descriptors.views import read_views
    from objectcentric_ros.exported_model import card_path, read_card
    from objectcentric_ros.recipe import build
    from objectcentric_ros.verbs.train_descriptors import training_views

    if not checkpoint.is_file():
        raise ValueError(f"there is no trained network {checkpoint}")
    place = checkpoint.with_suffix("")
    recipe = read_card(place, REMEDY).get("recipe")
    if folder is not None:
        views = read_views(folder)
    elif recipe is not None:
        views = training_views(build(DescriptorRecipe, recipe, f"{card_path(place)}: recipe"))
    else:
        raise ValueError(f"{card_path(place)} doesn't say what the network was trained with: name views with --views FOLDER")
    posed = all(view.depth is not None and view.T_camera_object is not None for view in views)
    several = min(sum(other.instance == view.instance for other in views) for view in views) > 1
    if posed and several:
        return views, PairConfig(mode="rendered", width=0, height=0)    # whole views, as they were rendered
    return views, PairConfig(mode="exact", width=FRAME[0], height=FRAME[1])


def _pairs(views: list[Any], kind: Any, seed: int, count: int) -> list[Any]:
    from objectcentric_ros.descriptors.pairs import NoPair, PairGenerator

    generator, pairs = PairGenerator(views, kind, seed), []
    for number in range(3 * count):
        try:
            pairs.append(generator.pair(number))
        except NoPair:
            continue
        if len(pairs) == count:
            return pairs
    raise ValueError(f"the views gave {len(pairs)} pairs in {3 * count} tries: they hardly show the same places")
