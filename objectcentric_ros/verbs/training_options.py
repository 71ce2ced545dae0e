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

"""What the verbs of `objectcentric train` share: the recipe, its overrides, where the work lies, and Lightning's own options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from objectcentric_ros.paths import share_dir


def add_recipe_options(parser: argparse.ArgumentParser, folder: str, output: str) -> None:
    """RECIPE, --set, --out, --work and --resume.

    Args:
        parser: of the verb.
        folder: of the recipes in config.
        output: what the model is called where nobody says, for the help.
    """
    parser.add_argument("recipe", metavar="RECIPE", help=f"recipe file, or its name in config/{folder}")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="another value for a key of the recipe, such as training.steps=100; may be repeated")
    parser.add_argument("--out", "--output", type=Path, metavar="FILE", dest="output", help=f"model file (default: {output})")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="checkpoints and logs (default: beside the model)")
    parser.add_argument("--resume", action="store_true", help="go on where a killed training of the same model stopped")


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """--devices, --nodes, --accelerator and --strategy, as Lightning has them."""
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes or GPUs on this machine (default 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default 1; see Lightning's documentation)")
    parser.add_argument("--accelerator", default="auto", metavar="NAME",
                        help="cpu, cuda, ... as Lightning has them (default: auto)")
    parser.add_argument("--strategy", default="auto", metavar="NAME", help="ddp, ... as Lightning has them (default auto)")


def device_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Options of lightning.Trainer that `add_device_options` asked for."""
    return {"devices": arguments.devices, "num_nodes": arguments.nodes, "accelerator": arguments.accelerator,
            "strategy": arguments.strategy}


def work_folder(arguments: argparse.Namespace, output: Path) -> Path:
    """Where checkpoints lie; without --resume those of another training are removed: they may be of another recipe."""
    work: Path = arguments.work or output.with_suffix("")
    if not arguments.resume:
        for path in work.glob("*.ckpt"):
            path.unlink(missing_ok=True)     # of two processes one comes first
    return work


def recipe_file(name: str, folder: str = "descriptors") -> Path:
    """The recipe of this path, or of this name in a folder of config.

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


def with_progress(text: str, work: Callable[[Callable[[int, int], None]], Any]) -> Any:
    """Do something that tells how far it is."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        return work(lambda done, total: bar.update(task, completed=done, total=total))
