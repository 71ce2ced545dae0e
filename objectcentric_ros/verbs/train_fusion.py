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

"""``objectcentric train fusion``: train the fusion of reference sources and calibrate what it promises."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from objectcentric_ros.identification.fusion_recipe import FusionRecipe
from objectcentric_ros.verbs.training_options import overrides_of, recipe_file

if TYPE_CHECKING:
    from objectcentric_ros.identification.embedded_set import EmbeddedSet

EXAMPLES = """examples:
  objectcentric train fusion fusion --data out/identification
  objectcentric train fusion fusion --set features=distances --out out/identification_models/fusion_paper.ubj
  objectcentric train fusion fusion --embeddings embeddings.npz
  objectcentric train fusion fusion --data armbench --set data.image=efficientnet_lite0 --set data.text=

RECIPE is a file, or a name in config/identification. Only the split `fusion` of the manifest is used: objects that no encoder
was trained on. The encoders are those of data.image and data.text, as robots load them; a model serves these encoders alone. The
thresholds that it promises, or why it can't promise one, are in the card beside the model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file, or its name in config/identification")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="another value for a key of the recipe, such as trees.count=100; may be repeated")
    parser.add_argument("--data", type=Path, metavar="DIR", help="dataset, a folder with manifest.csv (default: the recipe's)")
    parser.add_argument("--embeddings", type=Path, metavar="FILE",
                        help="embedded set (.npz), instead of encoding a dataset; sizes and pictures are those of --data, if "
                             "it is given")
    parser.add_argument("--out", type=Path, metavar="FILE", help="model file (default: out/identification_models/NAME.ubj)")


def run(arguments: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    try:
        import mapie  # noqa: F401
        import xgboost  # noqa: F401
    except ImportError as error:
        print(f"objectcentric train fusion: {error.name} is missing: `pip install -r requirements/train.txt`", file=sys.stderr)
        return 2
    from objectcentric_ros.identification.embedded_set import EmbeddedSet
    from objectcentric_ros.identification.fusion_training import train_fusion
    from objectcentric_ros.identification.size_evidence import read_size_table
    from objectcentric_ros.recipe import load_recipe

    try:
        recipe = load_recipe(recipe_file(arguments.recipe, "identification"), FusionRecipe, overrides_of(arguments.overrides))
        output = arguments.out or Path("out") / "identification_models" / f"{recipe.name}.ubj"
        if output.suffix != ".ubj":
            raise ValueError(f"--out must be an .ubj file, got {output}")
        embedded = EmbeddedSet.load(arguments.embeddings) if arguments.embeddings else _embed(recipe, arguments.data)
        # An embedded set alone has no sizes and no pictures; beside it, the dataset that it was made of may be named.
        known = arguments.data is not None or arguments.embeddings is None
        sizes = read_size_table(arguments.data or Path(recipe.data.manifest)) if known else None
        pictures = _folder(arguments.data or Path(recipe.data.manifest)) if known else None
        card = train_fusion(embedded, recipe, output, lambda text: print(text, file=sys.stderr, flush=True), sizes, pictures)
    except (ValueError, OSError) as error:
        print(f"objectcentric train fusion: {error}", file=sys.stderr)
        return 2
    thresholds = ", ".join(f"{target:g}: {'none' if value is None else format(value, '.3f')}"
                           for target, value in card["thresholds"].items())
    print(f"wrote {output}: {card['features']}, {card['trees']} trees, {card['rows']} rows of {card['queries']} queries, "
          f"{card['seconds']} s; thresholds by precision: {thresholds}")
    return 0


def _embed(recipe: FusionRecipe, data: Path | None) -> EmbeddedSet:
    from objectcentric_ros.identification.embedded_set import embed_manifest
    from objectcentric_ros.identification.evaluation_rows import open_image_encoder, open_text_encoder
    from objectcentric_ros.identification.manifest import read_manifest

    manifest = read_manifest(data or Path(recipe.data.manifest))
    cache = Path(recipe.data.cache) if recipe.data.cache else manifest.root / ".cache" / "embeddings"
    image = open_image_encoder(recipe.data.image)
    text = open_text_encoder(recipe.data.text) if recipe.data.text else None
    return embed_manifest(manifest.select(split=recipe.data.split), image, text, cache, _progress, recipe.data.quarter_turns,
                          recipe.data.views)


def _folder(data: Path) -> Path:
    return data.parent if data.is_file() else data


def _progress(done: int, total: int) -> None:
    if done == total or done % 512 == 0:
        print(f"encoded {done} of {total}", file=sys.stderr, flush=True)
