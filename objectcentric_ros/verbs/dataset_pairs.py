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


"""``objectcentric dataset pairs``: look at what a recipe trains on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  objectcentric dataset pairs shipped_caps
  objectcentric dataset pairs cpu --set data.folder=photos --count 6 --output out/my_pairs.png

Each row is a pair: the object's outline, and lines between places that are the same. Paper A, figure 1."""

COLUMNS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", metavar="RECIPE", help="training recipe, or its name in config/descriptors")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="another value for a key of the recipe; may be repeated")
    parser.add_argument("--count", type=int, default=6, metavar="N", help="pairs to draw (default 6)")
    parser.add_argument("--matches", type=int, default=16, metavar="N", help="lines a pair (default 16)")
    parser.add_argument("--output", type=Path, default=Path("out") / "pairs.png", metavar="FILE", help="default out/pairs.png")


def run(arguments: argparse.Namespace) -> int:
    """Draw; returns the exit code."""
    import cv2
    import numpy as np

    from objectcentric_ros.verbs.train_descriptors import training_views
    from objectcentric_ros.verbs.training_options import overrides_of, recipe_file
    try:
        from objectcentric_ros.descriptors.data import PairDataset
        from objectcentric_ros.descriptors.recipe import DescriptorRecipe
    except ImportError as error:
        print(f"objectcentric dataset pairs: {error.name} is missing: `pip install -r requirements/train.txt`", file=sys.stderr)
        return 2
    from objectcentric_ros.descriptors.drawing import draw_pair
    from objectcentric_ros.recipe import load_recipe

    try:
        if arguments.count < 1 or arguments.matches < 1:
            raise ValueError("--count and --matches must be 1 or more")
        recipe = load_recipe(recipe_file(arguments.recipe), DescriptorRecipe, overrides_of(arguments.overrides))
        pairs = PairDataset(training_views(recipe), recipe.pairs, recipe.training.seed, arguments.count)
        drawn = [draw_pair(pairs[index], arguments.matches) for index in range(arguments.count)]
    except ValueError as error:
        print(f"objectcentric dataset pairs: {error}", file=sys.stderr)
        return 2
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % COLUMNS)
    border = [cv2.copyMakeBorder(picture, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=(255, 255, 255)) for picture in drawn]
    picture = np.vstack([np.hstack(border[start:start + COLUMNS]) for start in range(0, len(border), COLUMNS)])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(arguments.output), picture[..., ::-1]):
        print(f"objectcentric dataset pairs: can't write {arguments.output}", file=sys.stderr)
        return 2
    print(f"wrote {arguments.output}")
    return 0
