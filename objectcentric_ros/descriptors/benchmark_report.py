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


"""From a benchmark's cells to tables and plots: the paper's tables 1 to 3, redone in pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from objectcentric_ros.descriptors.benchmark_recipe import BenchmarkRecipe
from objectcentric_ros.descriptors.pck import bootstrap_difference
from objectcentric_ros.descriptors.plots import plot_against_dimension, plot_pck

SHIPPED = "shipped"
COSTS = ("train_peak_mb", "step_ms", "infer_ms")


def summarise(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table: one a method, D and N, the mean over its seeds; figures of rendered pairs of held-out instances.

    Args:
        results: of benchmark.run.

    Returns:
        Mappings with method, D, N, seeds, auc, auc_std, auc_masked, auc_masked_std, pck, pck_masked, paper_score,
        train_peak_mb, step_ms, infer_ms, augmented (auc, auc_masked), shipped_minus_this (low, high), note.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["method"], result["D"], result["N"]), []).append(result)
    shipped = next((result["rendered"]["per_image_masked"] for result in results if result["method"] == SHIPPED), None)
    rows = []
    for (method, dimension, keypoints), some in groups.items():
        rendered = [result["rendered"] for result in some]
        row: dict[str, Any] = {"method": method, "D": dimension, "N": keypoints, "seeds": len(some)}
        for name in ("auc", "auc_masked"):
            values = [figures[name] for figures in rendered]
            row[name] = float(np.mean(values))
            row[f"{name}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
        for name in ("pck", "pck_masked"):
            row[name] = {threshold: float(np.mean([figures[name][threshold] for figures in rendered]))
                         for threshold in rendered[0][name]}
        for name in ("paper_score", "paper_score_masked", "median_error_masked"):
            row[name] = float(np.mean([figures[name] for figures in rendered]))
        for name in COSTS:
            known = [result[name] for result in some if result.get(name) is not None]
            row[name] = float(np.mean(known)) if known else None
        augmented = [result["augmented"] for result in some if "augmented" in result]
        row["augmented"] = {name: float(np.mean([figures[name] for figures in augmented])) if augmented else None
                            for name in ("auc", "auc_masked")}
        row["shipped_minus_this"] = None
        if shipped is not None and method != SHIPPED:
            own = np.mean([figures["per_image_masked"] for figures in rendered], axis=0)
            row["shipped_minus_this"] = list(bootstrap_difference(shipped, own, seed=0))
        row["note"] = some[0].get("note", "")
        rows.append(row)
    return rows


def markdown(recipe: BenchmarkRecipe, rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for people."""
    test = recipe.test
    lines = [f"### {recipe.name}: descriptors of the family {recipe.family}", "",
             f"Held-out instances, {test.rendered} rendered pairs of 640x480 ({test.augmented} augmented ones apart), "
             f"{test.matches} matches each. AUC is the mean of PCK@1..100 px; masked: searched on the object only.", "",
             "| method | D | N | masked AUC | AUC | PCK@5 | PCK@10 | augmented, masked | shipped minus this "
             "| paper's cosine score | training peak MB | step ms | inference ms |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        difference = row["shipped_minus_this"]
        lines.append("| " + " | ".join([
            row["method"], _whole(row["D"]), _whole(row["N"]), _spread(row, "auc_masked"), _spread(row, "auc"),
            f"{row['pck_masked']['5']:.3f}", f"{row['pck_masked']['10']:.3f}", _fraction(row["augmented"]["auc_masked"]),
            "-" if difference is None else f"{difference[0]:+.3f} .. {difference[1]:+.3f}", f"{row['paper_score']:.3f}",
            _whole(row["train_peak_mb"]), _whole(row["step_ms"]), _whole(row["infer_ms"])]) + " |")
    notes = [f"- {row['method']}: {row['note']}" for row in {row["method"]: row for row in rows}.values() if row["note"]]
    return "\n".join([*lines, "", *notes]) + "\n"


def write(recipe: BenchmarkRecipe, results: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Write table.json, table.md and the plots; returns the rows."""
    rows = summarise(results)
    folder.mkdir(parents=True, exist_ok=True)
    document = {"benchmark": recipe.name, "family": recipe.family, "rows": rows}
    (folder / "table.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / "table.md").write_text(markdown(recipe, rows))
    floor = [result["method"] for result in results if result["kind"] == "answer"]
    main = {result["method"]: result for result in results if result["D"] in (None, recipe.main_dimension)
            or result["kind"] in ("fixed", "model")}
    plot_pck({name: result["rendered"]["curve_masked"] for name, result in main.items()}, folder / "pck_masked.png",
             f"rendered pairs of held-out {recipe.family}, search in the mask", floor)
    plot_pck({name: result["rendered"]["curve"] for name, result in main.items()}, folder / "pck.png",
             f"rendered pairs of held-out {recipe.family}, search in the image", floor)
    for name, label in (("auc_masked", "masked AUC"), ("train_peak_mb", "peak memory of a training step [MB]")):
        lines = _lines(rows, name)
        if lines:
            plot_against_dimension(lines, folder / f"{name}_by_dimension.png", f"{label}, {recipe.family}", label,
                                   logarithmic=name == "train_peak_mb")
    return rows


def _lines(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, list[tuple[int, float, float]]]:
    """(D, mean, deviation) of each trained method; of each N where a method has several."""
    trained = [row for row in rows if row["step_ms"] is not None and row["D"] and row[name] is not None]
    numbers: dict[str, set[Any]] = {}
    for row in trained:
        numbers.setdefault(row["method"], set()).add(row["N"])
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for row in trained:
        method = row["method"] if len(numbers[row["method"]]) == 1 else f"{row['method']}, N {row['N']}"
        lines.setdefault(method, []).append((int(row["D"]), float(row[name]), float(row.get(f"{name}_std") or 0.0)))
    return lines


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _fraction(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _spread(row: Mapping[str, Any], name: str) -> str:
    spread = row[f"{name}_std"]
    return f"{row[name]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
