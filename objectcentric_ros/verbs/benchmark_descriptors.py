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


"""``objectcentric benchmark descriptors``: the paper's tables, in pixels, on objects that no training saw."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from objectcentric_ros.paths import cache_dir, share_dir

EXAMPLES = """examples:
  objectcentric benchmark descriptors descriptors_shipped
  objectcentric benchmark descriptors descriptors_shipped --seed 7 --json table.json
  objectcentric benchmark descriptors config/benchmark/descriptors_mixed.yaml --only shipped sift xfeat

Writes table.json, table.md and plots into --output. What is finished is kept (--work) and never computed again: a benchmark
that was killed goes on, and another --seed of the test pairs trains nothing anew."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", metavar="RECIPE", help="benchmark recipe, or its name in config/benchmark")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: out/benchmark/NAME")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="finished cells and trained models (default: in the cache)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there as well")
    parser.add_argument("--seed", type=int, metavar="S", help="of the test's views and pairs (default: the recipe's)")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="leave out the other methods")
    parser.add_argument("--pairs", type=int, metavar="N", help="rendered test pairs (default: the recipe's)")


def run(arguments: argparse.Namespace) -> int:
    """Measure and write the table; returns the exit code."""
    import dataclasses

    from objectcentric_ros.verbs.train_descriptors import family_views, training_views
    from objectcentric_ros.verbs.training_options import recipe_file
    try:
        import lightning  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        print(f"objectcentric benchmark descriptors: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.descriptors import benchmark, benchmark_report
    from objectcentric_ros.descriptors.benchmark_recipe import BenchmarkRecipe
    from objectcentric_ros.recipe import load_recipe

    began = time.monotonic()

    def report(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def model_file(name: str) -> Path:
        path = Path(name) if Path(name).is_file() else share_dir() / "models" / f"{name}.safetensors"
        if not path.is_file():
            raise ValueError(f"there is no model {name}, nor {path}")
        return path

    try:
        recipe = load_recipe(recipe_file(arguments.recipe, "benchmark"), BenchmarkRecipe)
        test = recipe.test
        if arguments.seed is not None:
            test = dataclasses.replace(test, seed=arguments.seed)
        if arguments.pairs is not None:
            test = dataclasses.replace(test, rendered=arguments.pairs)
        rows = recipe.rows
        if arguments.only:
            known = {row.method for row in rows}
            if missing := sorted(set(arguments.only) - known):
                raise ValueError(f"the recipe has no method {', '.join(missing)}; it has {', '.join(sorted(known))}")
            rows = tuple(row for row in rows if row.method in arguments.only)
        recipe = dataclasses.replace(recipe, test=test, rows=rows)
        views = family_views(recipe.family, test.split, test.views, test.seed)
        sources = benchmark.Sources(views, training_views, recipe_file, model_file, report)
        results = benchmark.run(recipe, arguments.work or cache_dir() / "benchmark" / recipe.name, sources)
        output = arguments.output or Path("out") / "benchmark" / recipe.name
        benchmark_report.write(recipe, results, output)
    except ValueError as error:
        print(f"objectcentric benchmark descriptors: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(output / "table.json", arguments.json)
    print((output / "table.md").read_text())
    print(f"wrote {output}/table.json, table.md and plots in {time.monotonic() - began:.0f} s")
    return 0
