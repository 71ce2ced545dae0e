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


"""``objectcentric train descriptors``: train dense descriptors and keypoints from a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from objectcentric_ros.verbs.training_options import (
    add_device_options,
    add_recipe_options,
    device_options,
    overrides_of,
    recipe_file,
    work_folder,
)

EXAMPLES = """examples:
  objectcentric train descriptors cpu --set data.folder=photos --out models/mine.safetensors
  objectcentric train descriptors shipped_caps
  objectcentric train descriptors paper --devices 4 --set data.family=mixed
  objectcentric train descriptors quick --set training.steps=50

RECIPE is a file, or a name in config/descriptors. A folder of photographs has NAME.color.jpg with NAME.mask.png, one
sub-folder an object (`objectcentric capture` makes them). A training that was killed goes on where it was with --resume, and
starts over without."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_recipe_options(parser, "descriptors", "out/descriptors/NAME.safetensors")
    add_device_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    try:
        import lightning  # noqa: F401
        import timm  # noqa: F401
    except ImportError as error:
        print(f"objectcentric train descriptors: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.descriptors.recipe import DescriptorRecipe
    from objectcentric_ros.descriptors.training import train
    from objectcentric_ros.recipe import load_recipe

    try:
        recipe = load_recipe(recipe_file(arguments.recipe), DescriptorRecipe, overrides_of(arguments.overrides))
        views = training_views(recipe)
    except (ValueError, OSError) as error:
        print(f"objectcentric train descriptors: {error}", file=sys.stderr)
        return 2
    output = arguments.output or Path("out") / "descriptors" / f"{recipe.name}.safetensors"
    work = work_folder(arguments, output)
    try:
        card = train(recipe, views, output, work, trainer=device_options(arguments))
    except (ValueError, OSError) as error:
        print(f"objectcentric train descriptors: {error}", file=sys.stderr)
        return 2
    figures = ", ".join(f"{name} {value:.3f}" for name, value in card["validation_on_training_instances"].items())
    print(f"wrote {output} after {card['steps']} steps, {card['seconds']} s; on pairs of the training's own objects: {figures}")
    return 0


def training_views(recipe: Any) -> list[Any]:
    """Views of the recipe's family (rendered when they aren't there yet) or folder.

    Raises:
        ValueError: neither is named, or there are no views.
    """
    from objectcentric_ros.descriptors.views import read_views

    if recipe.data.family:
        return family_views(recipe.data.family, "train", recipe.data.views, recipe.data.seed)
    if recipe.data.folder:
        return read_views(Path(recipe.data.folder), list(recipe.data.instances) or None)
    raise ValueError("the recipe names no views: --set data.folder=FOLDER with photographs and masks, or data.family=caps")


def family_views(name: str, split: str, count: int, seed: int) -> list[Any]:
    """Rendered views of a family's split, with a progress bar when they must be made."""
    from rich.console import Console
    from rich.progress import Progress

    from objectcentric_ros.descriptors.views import read_views
    from objectcentric_ros.simulation.families import load_family
    from objectcentric_ros.simulation.view_dataset import ensure_views

    family = load_family(name)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"views of {name}", total=None)
        folder = ensure_views(family, split, count, seed,
                              progress=lambda _, done, total: bar.update(task, completed=done, total=total))
    return read_views(folder, [variant.name for variant in family.split(split)])


