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

"""``objectcentric evaluate identification``: paper B's tables and curves, on objects that no training saw."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectcentric_ros.paths import cache_dir

if TYPE_CHECKING:
    from objectcentric_ros.identification.embedded_set import EmbeddedSet
    from objectcentric_ros.identification.evaluation_methods import Fused
    from objectcentric_ros.identification.evaluation_recipe import EvaluationRecipe
    from objectcentric_ros.identification.evaluation_rows import NotHere
    from objectcentric_ros.identification.manifest import Manifest

EXAMPLES = """examples:
  objectcentric evaluate identification identification_shipped
  objectcentric evaluate identification identification_shipped --seed 7 --json out/identification.json
  objectcentric evaluate identification config/benchmark/identification_shipped.yaml --data out/other --out out/report
  objectcentric evaluate identification identification_shipped --split fusion --only "ImageNet, EfficientNet-Lite0 (start)"

RECIPE is a file, or a name in config/benchmark. Writes report.html (one file with pictures), tables.md, figures.json and plots
into --out, and prints the tables. Embeddings are kept in the cache by the weights and the pictures that they were made of: a
second run, with another seed of candidates or another fusion model, takes seconds, and a killed one goes on. Rows whose files are
missing are listed with the command that makes them. --json has per_source_top1, scenarios and open_set, and more besides."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", metavar="RECIPE", help="evaluation recipe, or its name in config/benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--data", type=Path, metavar="DIR", help="dataset, a folder with a manifest (default: the recipe's)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for report, tables and plots (default: out/evaluation/NAME)")
    parser.add_argument("--seed", type=int, metavar="S", help="of candidate sets, coverage and bootstrap (default: the recipe's)")
    parser.add_argument("--split", choices=("train", "fusion", "test"), help="whose objects are measured (default: the recipe's)")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="leave out the other rows; the first of these is the main one, "
                        "if the recipe's main row is left out")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="for embeddings (default: in the cache)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, write the report; returns the exit code."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        print(f"objectcentric evaluate identification: {error.name} is missing: `pip install -r requirements/train.txt`",
              file=sys.stderr)
        return 2
    from objectcentric_ros.identification.evaluation import evaluate
    from objectcentric_ros.identification.evaluation_failures import read_objects
    from objectcentric_ros.identification.evaluation_recipe import EvaluationRecipe
    from objectcentric_ros.identification.evaluation_report import FIGURES, PAGE, TABLES, write_figures, write_report
    from objectcentric_ros.identification.manifest import ManifestError
    from objectcentric_ros.identification.size_evidence import read_size_table
    from objectcentric_ros.recipe import load_recipe
    from objectcentric_ros.verbs.training_options import recipe_file

    began = time.monotonic()

    def report(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        recipe = _changed(load_recipe(recipe_file(arguments.recipe, "benchmark"), EvaluationRecipe), arguments)
        manifest, shared = _read(recipe)
        if shared:
            report(f"{shared} objects of the split {recipe.data.split} are in other splits as well: what was trained on those "
                   "may know them")
        cache = arguments.cache or cache_dir() / "embedded"
        rows, absent = _embed(recipe, manifest, cache)
        fusions, lacking = _fusions(recipe, rows[recipe.main])
        for one in absent + lacking:
            report(one.sentence)
        objects = read_objects(manifest.root)
        sizes = read_size_table(manifest.root)
        evaluation = evaluate(recipe, manifest, rows, fusions, objects, report, sizes, cache)
        evaluation.figures["counts"]["objects_in_other_splits"] = shared
        output = arguments.out or Path("out") / "evaluation" / recipe.name
        write_report(output, evaluation, recipe, absent + lacking, objects, manifest.root)
        if arguments.json:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            write_figures(arguments.json, evaluation)
    except (ValueError, ManifestError, OSError) as error:
        print(f"objectcentric evaluate identification: {error}", file=sys.stderr)
        return 2
    print((output / TABLES).read_text())
    print(f"wrote {output / PAGE}, {TABLES}, {FIGURES} and plots in {time.monotonic() - began:.0f} s")
    return 0


def _changed(recipe: EvaluationRecipe, arguments: argparse.Namespace) -> EvaluationRecipe:
    """The recipe with what the command line says otherwise."""
    data, cases = recipe.data, recipe.cases
    if arguments.data is not None:
        data = dataclasses.replace(data, folder=str(arguments.data))
    if arguments.split is not None:
        data = dataclasses.replace(data, split=arguments.split)
    if arguments.seed is not None:
        cases = dataclasses.replace(cases, seed=arguments.seed)
    rows, main, fusions = recipe.rows, recipe.main, recipe.fusions
    if arguments.only:
        known = [row.name for row in rows]
        if unknown := sorted(set(arguments.only) - set(known)):
            raise ValueError(f"the recipe has no row {', '.join(unknown)}; it has {', '.join(known)}")
        rows = tuple(row for row in rows if row.name in arguments.only)
        if main not in arguments.only:
            main, fusions = arguments.only[0], ()       # the fusion models are about the recipe's main row
    return dataclasses.replace(recipe, data=data, cases=cases, rows=rows, main=main, fusions=fusions)


def _read(recipe: EvaluationRecipe) -> tuple[Manifest, int]:
    """The manifest of the split, and how many of its objects are in others; an error says how a missing dataset is made."""
    from objectcentric_ros.identification.manifest import read_manifest

    try:
        manifest = read_manifest(Path(recipe.data.folder))
    except FileNotFoundError as error:
        raise ValueError(f"there is no dataset in {recipe.data.folder}; this makes it: `{recipe.data.command}`") from error
    selected = manifest.select(recipe.data.split)
    if not selected.rows:
        raise ValueError(f"{recipe.data.folder} has no objects of the split {recipe.data.split}")
    others = {row.object_id for row in manifest.rows if row.split != recipe.data.split}
    return selected, len(others.intersection(selected.objects))


def _embed(recipe: EvaluationRecipe, manifest: Manifest, cache: Path) -> tuple[dict[str, EmbeddedSet], list[NotHere]]:
    """Every row that is here, encoded, with a progress bar; and those that are not."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from objectcentric_ros.identification.evaluation_rows import NotHere, embed_row, missing

    main = next(row for row in recipe.rows if row.name == recipe.main)
    if (lacking := missing(main)) is not None:      # before anything is encoded
        raise ValueError(f"the main row {lacking.sentence}")
    embedded: dict[str, Any] = {}
    absent = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for row in recipe.rows:
            if (lacking := missing(row)) is not None:
                absent.append(lacking)
                continue
            task = bar.add_task(row.name, total=len(manifest.rows))

            def progress(done: int, total: int, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            try:
                embedded[row.name] = embed_row(row, manifest, cache, progress)
            except (ValueError, ImportError) as error:
                if row.name == recipe.main:
                    raise ValueError(f"the main row {row.name}: {error}") from error
                absent.append(NotHere(row.name, (), row.train, str(error)))
                bar.remove_task(task)
                continue
            bar.update(task, completed=len(embedded[row.name]), total=len(embedded[row.name]))
    return embedded, absent


def _fusions(recipe: EvaluationRecipe, main: EmbeddedSet) -> tuple[list[Fused], list[NotHere]]:
    """Fusion models that are here, checked against the main row's encoders; and those that are not."""
    from objectcentric_ros.identification.evaluation_methods import Fused
    from objectcentric_ros.identification.evaluation_rows import check_fusion, find, missing
    from objectcentric_ros.identification.fusion import FusionModel

    row = next(row for row in recipe.rows if row.name == recipe.main)
    fusions, absent = [], []
    for config in recipe.fusions:
        lacking, path = missing(config), find(config.model)
        if lacking is not None or path is None:
            absent += [lacking] if lacking else []
            continue
        model = FusionModel.load(path)
        check_fusion(model, row, main, config.name)
        fusions.append(Fused(config.name, model))
    return fusions, absent
