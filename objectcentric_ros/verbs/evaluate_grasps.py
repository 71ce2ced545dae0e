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

"""objectcentric evaluate grasps: how near taught grasps land, in simulation, judged by the truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  objectcentric evaluate grasps --model models/descriptors_caps.safetensors --json out/grasps.json
  objectcentric evaluate grasps --model descriptors_caps --scenes 30 --seed 7 --picks --pictures out/grasps
  objectcentric evaluate grasps --model descriptors_caps --poses any   (they fall anyhow; a taught point may be out of sight)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", required=True, help="exported model, its name in models/, or a trained .safetensors")
    parser.add_argument("--family", default="caps", help="family of config/families (default caps)")
    parser.add_argument("--split", choices=("train", "test", "all"), default="test",
                        help="instances: test ones weren't trained on (default test)")
    parser.add_argument("--of", nargs="+", default=["cap", "hat"], metavar="ITEM",
                        help="instances of these items, which need an entry in config/grasp_points.yaml (default cap hat)")
    parser.add_argument("--scenes", type=int, default=30, help="random scenes, one item each (default 30)")
    parser.add_argument("--items", type=int, default=2, help="instances in the tray together (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="seed of scenes and reference views (default 0)")
    parser.add_argument("--poses", choices=("upright", "any"), default="upright",
                        help="stand in random places and directions, or fall anyhow (default upright)")
    parser.add_argument("--segments", choices=("rgbd", "truth"), default="rgbd", help="whose segments (default rgbd)")
    parser.add_argument("--pairs", choices=("descriptors", "keypoints", "both"), default="descriptors",
                        help="what aligned poses come from (default descriptors)")
    parser.add_argument("--views", type=int, default=8, help="views of the aligned grasp's reference (default 8)")
    parser.add_argument("--picks", action="store_true", help="execute the first grasp of every method, too")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--pictures", type=Path, help="write a picture of every scene to this folder")


def run(arguments: argparse.Namespace) -> int:
    """Run the scenes with a progress bar; prints and writes the figures."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from objectcentric_ros.grasping.aligned_grasp import AlignedConfig
    from objectcentric_ros.grasping.choice import ChoiceConfig
    from objectcentric_ros.picking.grasp_evaluation import GraspEvaluationConfig, evaluate_grasps

    for name in ("scenes", "items", "views"):
        if getattr(arguments, name) < 1:
            print(f"--{name} must be at least 1, got {getattr(arguments, name)}", file=sys.stderr)
            return 2
    config = GraspEvaluationConfig(
        arguments.family, arguments.split, tuple(arguments.of), arguments.scenes, arguments.seed, arguments.items,
        arguments.poses == "upright", arguments.segments, arguments.picks, arguments.views,
        ChoiceConfig(aligned=AlignedConfig(arguments.pairs)))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    try:
        model = _load(arguments.model)
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("grasps", total=arguments.scenes)

            def on_scene(result: dict[str, Any]) -> None:
                progress.console.print(_line(result), highlight=False, markup=False)
                progress.advance(task)

            figures = evaluate_grasps(model, config, arguments.pictures, on_scene)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps({key: value for key, value in figures.items() if key not in ("results", "errors")}, indent=2))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2))
    return 0


def _load(name: str) -> Any:
    """An exported model, or with torch a trained network."""
    if name.endswith(".safetensors"):
        from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network

        return TorchDescriptorModel(load_network(Path(name)))
    from objectcentric_ros.descriptors.deployed import load_model

    return load_model(name)


def _line(result: dict[str, Any]) -> str:
    def millimetres(value: float | None) -> str:
        return "   -" if value is None else f"{1000 * value:4.0f}"

    words = [f"{result['item']:<18}"]
    for name, entry in result["points"].items():
        seen = "" if entry["visible"] else ", hidden"
        words.append(f"{name} {millimetres(entry.get('error'))} mm ({'' if entry.get('found') else 'not believed, '}"
                     f"{entry.get('confidence', 0):.2f}{seen})")
    aligned = result.get("aligned", {})
    degrees = f"{aligned['degrees']:3.0f}" if "degrees" in aligned else "  -"
    words.append(f"pose {millimetres(aligned.get('error'))} mm {degrees} deg")
    words += [f"{method} {result[method].get('pick', result[method]['grasps'])}"
              for method in ("aligned", "straight", "geometric") if method in result]
    return "  ".join(words)
