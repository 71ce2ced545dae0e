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

"""``objectcentric train text-encoder``: train titles into the space of an image encoder."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from objectcentric_ros.verbs.training_options import (
    add_recipe_options,
    overrides_of,
    recipe_file,
    with_progress,
    work_folder,
)

EXAMPLES = """examples:
  objectcentric train text-encoder text_cpu --data out/identification --image-model models/identification_image.xml
  objectcentric train text-encoder text_cpu --images out/vectors.npz --set training.steps=200
  objectcentric train text-encoder text_clip --out models/my_titles.safetensors
  objectcentric train text-encoder text_quick --image-model efficientnet_lite0

RECIPE is a file, or a name in config/identification that begins with text_. The regime text (recommended) leaves the image
encoder alone: its vectors come from --images, or are computed once with --image-model and kept in the dataset's .cache. The
regimes image_text and clip train an image encoder too and write it beside the text encoder, as NAME_image.safetensors. A
training that was killed goes on where it was with --resume, and starts over without: what the folder holds may be of another
recipe or image encoder."""

IMAGE_MODEL = "models/identification_image.xml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_recipe_options(parser, "identification", "out/identification_models/NAME.safetensors")
    parser.add_argument("--data", type=Path, default=Path("out/identification"), metavar="FOLDER",
                        help="dataset with its manifest (default out/identification)")
    towers = parser.add_mutually_exclusive_group()
    towers.add_argument("--images", type=Path, metavar="FILE", help="vectors of the dataset's pictures, an embedded set (.npz)")
    towers.add_argument("--image-model", metavar="NAME", help="image encoder: a trained .safetensors, an exported .xml, or the "
                        f"name of one (default for the regime text: {IMAGE_MODEL}); the start of the regime image_text")


def run(arguments: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    try:
        import lightning  # noqa: F401
        import open_clip  # noqa: F401
        import timm  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        print(f"objectcentric train text-encoder: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.identification.text_recipe import TextRecipe
    from objectcentric_ros.identification.text_training import train_text
    from objectcentric_ros.recipe import load_recipe

    try:
        recipe = load_recipe(recipe_file(arguments.recipe, "identification"), TextRecipe, overrides_of(arguments.overrides))
        if recipe.regime == "image_text" and arguments.image_model:
            recipe = replace(recipe, images=replace(recipe.images, start=arguments.image_model))
        material = _material(recipe, arguments)
        output = arguments.output or Path("out") / "identification_models" / f"{recipe.name}.safetensors"
        work = work_folder(arguments, output)
        card = train_text(recipe, material, output, work, progress=sys.stderr.isatty())
    except (ValueError, OSError) as error:
        print(f"objectcentric train text-encoder: {error}", file=sys.stderr)
        return 2
    figures = ", ".join(f"{name} {value:.3f}" for name, value in card["validation"]["after"].items()) or "none"
    print(f"wrote {output} after {card['steps']} steps, {card['seconds']} s; on the fusion split's objects: {figures}")
    return 0


def _material(recipe: Any, arguments: argparse.Namespace) -> Any:
    """What is trained on, with a progress bar while pictures are encoded or made small."""
    from objectcentric_ros.identification.embedded_set import EmbeddedSet, embed_manifest
    from objectcentric_ros.identification.manifest import SOURCES, Manifest, read_manifest
    from objectcentric_ros.identification.text_material import frozen_material, image_material

    manifest = read_manifest(arguments.data)
    if recipe.regime != "text":
        if arguments.images is not None:
            raise ValueError(f"the regime {recipe.regime} trains an image encoder: it needs pictures, not --images")
        return with_progress("pictures", lambda told: image_material(manifest, recipe, progress=told))
    if arguments.images is not None:
        return frozen_material(manifest, EmbeddedSet.load(arguments.images))
    encoder = image_encoder(arguments.image_model or IMAGE_MODEL)
    pictures = Manifest(manifest.root, tuple(row for row in manifest.rows if row.split != "test" and row.source in SOURCES[:4]))
    cache = arguments.data / ".cache" / "embedded"
    embedded = with_progress("vectors", lambda told: embed_manifest(pictures, encoder, cache=cache, progress=told))
    return frozen_material(manifest, embedded)


def image_encoder(name: str) -> Any:
    """A trained image encoder's file, or an encoder by name.

    Raises:
        ValueError: there is neither.
    """
    from objectcentric_ros.identification.encoder import make_encoder
    from objectcentric_ros.identification.image_model import load_torch_encoder

    if name.endswith(".safetensors"):
        if not Path(name).is_file():
            raise ValueError(f"there is no image encoder {name}: train one with `objectcentric train image-encoder`, or name one "
                             "with --image-model")
        return load_torch_encoder(Path(name))
    return make_encoder(name)
