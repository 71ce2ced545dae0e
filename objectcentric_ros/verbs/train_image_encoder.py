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

"""``objectcentric train image-encoder``: train paper B's image encoder from a recipe."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
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
  objectcentric train image-encoder image_cpu_self_supervised --data out/identification
  objectcentric train image-encoder image_cpu_incremental --data out/identification --out models/mine.safetensors
  objectcentric train image-encoder image_paper --data armbench --devices 8
  objectcentric train image-encoder image_quick --set training.steps=50

RECIPE is a file, or a name in config/identification. The rows of paper B's table I follow from each other: supervised recipes
start from the self-supervised model (--set start=FILE for another place). Every two minutes a checkpoint is written; a training
that was killed goes on there with --resume, and starts over without. Only the split `train` of the manifest is trained on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_recipe_options(parser, "identification", "out/identification_models/NAME.safetensors")
    parser.add_argument("--data", type=Path, metavar="DIR", help="dataset, a folder with manifest.csv (default: the recipe's)")
    add_device_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    try:
        import lightly  # noqa: F401
        import lightning
        import timm  # noqa: F401
    except ImportError as error:
        print(f"objectcentric train image-encoder: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    # Of lightly's and Lightning's own making; nobody who trains can do anything about them.
    for text in (".*weight_norm.* is deprecated.*", ".*LeafSpec.*", ".*in eval mode at the start.*",
                 ".*exists and is not empty.*", ".*does not have many workers.*"):
        warnings.filterwarnings("ignore", text)
    from objectcentric_ros.identification.image_recipe import ImageRecipe
    from objectcentric_ros.identification.image_training import train
    from objectcentric_ros.identification.manifest import read_manifest
    from objectcentric_ros.recipe import load_recipe

    try:
        overrides = overrides_of(arguments.overrides)
        recipe = load_recipe(recipe_file(arguments.recipe, "identification"), ImageRecipe, overrides)
        manifest = read_manifest(arguments.data or Path(recipe.data.manifest))
        output = arguments.output or Path("out") / "identification_models" / f"{recipe.name}.safetensors"
        work = work_folder(arguments, output)
        terminal = sys.stderr.isatty()
        options = {**device_options(arguments), "callbacks": [] if terminal else [_lines(lightning)]}
        card = train(recipe, manifest, output, work, trainer=options, progress=terminal, caching=_caching,
                     filling=_filling)
    except (ValueError, OSError) as error:
        print(f"objectcentric train image-encoder: {error}", file=sys.stderr)
        return 2
    looked = card["validation_split"]
    print(f"wrote {output} after {card['steps']} steps, {card['seconds']} s")
    for when in ("before", "after"):
        if looked[when]:
            print(f"top-1 {when}, {looked['objects']} objects of the fusion split: "
                  + ", ".join(f"{name} {value:.3f}" for name, value in looked[when].items()))
    return 0


def _caching(done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        print(f"images in the cache: {done} of {total}", file=sys.stderr, flush=True)


def _filling(done: int, total: int) -> None:
    if done == total or done % 1600 == 0:
        print(f"images in the gallery: {done} of {total}", file=sys.stderr, flush=True)


def _lines(lightning: Any) -> Any:
    """A callback that tells how far the training is, a line at a time, where there is no terminal for a bar."""
    class Lines(lightning.Callback):
        """Prints step, loss, time left and the latest validation every 30 s."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.began = self.told = time.monotonic()
            self.first = trainer.global_step

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            now, step = time.monotonic(), trainer.global_step
            if now - self.told < 30 or not trainer.is_global_zero:
                return
            self.told = now
            left = (now - self.began) / max(step - self.first, 1) * (trainer.max_steps - step)
            figures = {name: float(value) for name, value in trainer.callback_metrics.items()
                       if name.startswith("train/")}
            looked = {f"top-1 {name}": value for name, value in pl_module.validated.items() if not name.endswith("_all")}
            print(f"step {step} of {trainer.max_steps}, {left / 60:.1f} min left, "
                  + ", ".join(f"{name.removeprefix('train/')} {value:.3f}" for name, value in {**figures, **looked}.items()),
                  flush=True)

    return Lines()
