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

"""``objectcentric train joined-encoder``: make one image encoder of several trained ones."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from objectcentric_ros.verbs.training_options import overrides_of, recipe_file, with_progress

EXAMPLES = """examples:
  objectcentric train joined-encoder joined_cpu
  objectcentric train joined-encoder joined_cpu --set dimension=0 --out models/mine.safetensors

RECIPE is a file, or a name in config/identification; it names trained encoders. Their vectors are put side by side, so that a
distance is the mean of theirs, and projected to the recipe's number of dimensions, along the principal directions of images of
the split `train`. Two minutes on one thread."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file, or its name in config/identification")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="another value for a key of the recipe, such as dimension=384; may be repeated")
    parser.add_argument("--data", type=Path, metavar="DIR", help="dataset, a folder with manifest.csv (default: the recipe's)")
    parser.add_argument("--out", "--output", type=Path, metavar="FILE", dest="output",
                        help="model file (default: out/identification_models/NAME.safetensors)")


def run(arguments: argparse.Namespace) -> int:
    """Join and write the model; returns the exit code."""
    try:
        import timm  # noqa: F401
    except ImportError as error:
        print(f"objectcentric train joined-encoder: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.identification.joined_encoder import JoinedRecipe
    from objectcentric_ros.identification.joined_training import join_encoders
    from objectcentric_ros.identification.manifest import read_manifest
    from objectcentric_ros.recipe import load_recipe

    try:
        recipe = load_recipe(recipe_file(arguments.recipe, "identification"), JoinedRecipe, overrides_of(arguments.overrides))
        output = arguments.output or Path("out") / "identification_models" / f"{recipe.name}.safetensors"
        if output.suffix != ".safetensors":
            raise ValueError(f"--out must be a .safetensors file, got {output}")
        manifest = read_manifest(arguments.data or Path(recipe.manifest))
        card = with_progress("images", lambda told: join_encoders(recipe, manifest, output, told))
    except (ValueError, OSError) as error:
        print(f"objectcentric train joined-encoder: {error}", file=sys.stderr)
        return 2
    print(f"wrote {output}, joined of {len(recipe.parts)} encoders")
    if looked := card["validation_split"]["after"]:
        print(f"top-1, {card['validation_split']['objects']} objects of the fusion split: "
              + ", ".join(f"{name} {value:.3f}" for name, value in looked.items()))
    return 0
