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


"""The benchmark: nothing twice, the same pairs for all, and figures that hang together."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.paths import share_dir
from objectcentric_ros.recipe import load_recipe

pytest.importorskip("lightning")
pytest.importorskip("matplotlib")

from objectcentric_ros.descriptors import benchmark, benchmark_report
from objectcentric_ros.descriptors.benchmark_recipe import BenchmarkRecipe, HeldOutConfig, Override, RowConfig, cells
from objectcentric_ros.descriptors.recipe import DescriptorRecipe

TINY = """
name: tiny
pairs: [{mode: rendered, width: 64, height: 64, matches: 32, min_matches: 8}]
network: {backbone: test_efficientnet, decoder: pyramid, output_stride: 4, width: 16}
training: {steps: 2, batch: 2, validate_every: 0, validation_pairs: 1, checkpoint_every: 1}
"""
NT_XENT = (Override("loss.method", "nt_xent"),)
ROWS = (
    RowConfig("chance in mask", "answer", "chance_in_mask"),
    RowConfig("image centre", "answer", "image_centre"),
    RowConfig("raw patch", "fixed", "raw_patch"),
    RowConfig("untrained", "untrained", "tiny", dimensions=(4,)),
    RowConfig("NT-Xent", "trained", "tiny", dimensions=(3, 4), overrides=NT_XENT, note="a baseline."),
    RowConfig("NT-Xent", "trained", "tiny", dimensions=(4,), seeds=(1,), overrides=NT_XENT),
)
RECIPE = BenchmarkRecipe("tiny", "discs", ROWS, HeldOutConfig(rendered=3, augmented=2, matches=12), main_dimension=4,
                         memory_size=64, memory_matches=16)


@pytest.fixture
def sources(views: list[ObjectView], tmp_path: Path) -> benchmark.Sources:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY)
    return benchmark.Sources(views, lambda _: views, lambda _: recipe, lambda name: tmp_path / f"{name}.safetensors",
                             lambda _: None)


def test_cells_are_measured_once_and_written_as_tables(sources: benchmark.Sources, tmp_path: Path) -> None:
    said: list[str] = []
    sources = dataclasses.replace(sources, report=said.append)
    results = benchmark.run(RECIPE, tmp_path / "work", sources)
    assert len(results) == len(cells(RECIPE)) == len(said) == 7
    assert benchmark.run(RECIPE, tmp_path / "work", sources) == results and len(said) == 7
    rows = benchmark_report.write(RECIPE, results, tmp_path / "out")
    by_name = {(row["method"], row["D"]): row for row in rows}
    assert len(rows) == 6 and by_name["NT-Xent", 4]["seeds"] == 2 and by_name["NT-Xent", 3]["auc_std"] is None
    assert by_name["NT-Xent", 4]["auc_std"] == pytest.approx(np.std([r["rendered"]["auc"] for r in results
                                                                    if r["method"] == "NT-Xent" and r["D"] == 4], ddof=1))
    assert by_name["NT-Xent", 4]["train_peak_mb"] > by_name["NT-Xent", 3]["train_peak_mb"] > 1
    assert by_name["untrained", 4]["train_peak_mb"] is None and by_name["raw patch", 147]["infer_ms"] > 0
    assert by_name["image centre", None]["paper_score"] > 0.9       # the paper's score likes it; pixels don't
    assert by_name["image centre", None]["pck"]["5"] < 0.3
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert {"method", "D", "N", "auc", "auc_std", "auc_masked", "pck", "paper_score", "train_peak_mb", "step_ms",
            "infer_ms"} <= table["rows"][0].keys()
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| NT-Xent | 4 |" in text and "- NT-Xent: a baseline." in text
    assert (tmp_path / "out" / "pck_masked.png").stat().st_size > 5000


def test_other_test_pairs_train_nothing_anew(sources: benchmark.Sources, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, rows=ROWS[4:5])
    benchmark.run(recipe, tmp_path / "work", sources)
    models = sorted((tmp_path / "work" / "models").glob("*.safetensors"))
    times = [model.stat().st_mtime_ns for model in models]
    other = dataclasses.replace(recipe, test=dataclasses.replace(recipe.test, seed=5))
    assert benchmark.run(other, tmp_path / "work", sources) != benchmark.run(recipe, tmp_path / "work", sources)
    assert [model.stat().st_mtime_ns for model in sorted((tmp_path / "work" / "models").glob("*.safetensors"))] == times


def test_wrong_rows_are_refused() -> None:
    for row in ({"kind": "magic", "source": ""}, {"kind": "fixed", "source": "orb"}, {"kind": "trained", "source": "cpu"}):
        with pytest.raises(ValueError, match="row x"):
            RowConfig("x", **row)


def recipes(folder: str, pattern: str) -> list[Path]:
    return sorted((share_dir() / "config" / folder).glob(pattern))


@pytest.mark.parametrize("path", recipes("descriptors", "*.yaml"), ids=lambda path: path.stem)
def test_training_recipes_load(path: Path) -> None:
    assert load_recipe(path, DescriptorRecipe).training.steps > 0


@pytest.mark.parametrize("path", recipes("benchmark", "descriptors*.yaml"), ids=lambda path: path.stem)
def test_benchmark_recipes_load_and_name_recipes_that_exist(path: Path) -> None:
    recipe = load_recipe(path, BenchmarkRecipe)
    for row in recipe.rows:
        if row.kind in ("trained", "untrained"):
            assert (share_dir() / "config" / "descriptors" / f"{row.source}.yaml").is_file()
