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

from objectcentric_ros.paths import share_dir

EXAMPLES = """examples:
  objectcentric train descriptors cpu --set data.folder=photos --output models/mine.safetensors
  objectcentric train descriptors shipped_caps
  objectcentric train descriptors paper --devices 4 --set data.family=mixed
  objectcentric train descriptors quick --set training.steps=50

RECIPE is a file, or a name in config/descriptors. A folder of photographs has NAME.color.jpg with NAME.mask.png, one
sub-folder an object (`objectcentric capture` makes them). A training that was killed goes on where it was when it is
called again; --fresh starts over."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file, or its name in config/descriptors")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="another value for a key of the recipe, such as training.steps=100; may be repeated")
    parser.add_argument("--output", type=Path, metavar="FILE", help="model file (default: out/descriptors/NAME.safetensors)")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="checkpoints and logs (default: beside the model)")
    parser.add_argument("--fresh", action="store_true", help="start over, whatever a killed training left")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes or GPUs on this machine (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1; see Lightning's documentation)")
    parser.add_argument("--accelerator", default="auto", metavar="NAME", help="cpu, cuda, … as Lightning has them (default auto)")
    parser.add_argument("--strategy", default="auto", metavar="NAME", help="ddp, … as Lightning has them (default auto)")


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
    except ValueError as error:
        print(f"objectcentric train descriptors: {error}", file=sys.stderr)
        return 2
    output = arguments.output or Path("out") / "descriptors" / f"{recipe.name}.safetensors"
    work = arguments.work or output.with_suffix("")
    if arguments.fresh:
        for path in work.glob("*.ckpt"):
            path.unlink()
    options: dict[str, Any] = {"devices": arguments.devices, "num_nodes": arguments.nodes, "accelerator": arguments.accelerator,
                               "strategy": arguments.strategy}
    try:
        card = train(recipe, views, output, work, trainer=options)
    except ValueError as error:
        print(f"objectcentric train descriptors: {error}", file=sys.stderr)
        return 2
    figures = ", ".join(f"{name} {value:.3f}" for name, value in card["validation_on_training_instances"].items())
    print(f"wrote {output} after {card['steps']} steps, {card['seconds']} s; on pairs of the training's own objects: {figures}")
    return 0


def recipe_file(name: str, folder: str = "descriptors") -> Path:
    """The recipe of this path, or of this name in config.

    Raises:
        ValueError: there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    place = share_dir() / "config" / folder
    if (place / f"{name}.yaml").is_file():
        return place / f"{name}.yaml"
    there = ", ".join(sorted(path.stem for path in place.glob("*.yaml")))
    raise ValueError(f"there is no recipe file {name}, nor a recipe of that name; the names are {there}")


def overrides_of(texts: list[str]) -> dict[str, Any]:
    """KEY=VALUE texts as a mapping, values as YAML has them."""
    import yaml

    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ValueError(f"--set wants KEY=VALUE, got {text!r}")
        found[key] = yaml.safe_load(value)
    return found


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


