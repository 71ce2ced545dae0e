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

"""Plots of an evaluation, with matplotlib (paper B, figure 7); nothing but plots needs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from objectcentric_ros.identification.evaluation import Evaluation
from objectcentric_ros.identification.evaluation_recipe import FUSED, MIN_DISTANCE, EvaluationRecipe
from objectcentric_ros.identification.precision_curve import PrecisionCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = (4.2, 3.6)    # [inch]
DOTS = 110            # an inch
COLOURS = {FUSED: "#1a7f4b", MIN_DISTANCE: "#b3372f"}
OTHERS = ("#35618e", "#a0731c", "#6a4a9c", "#2a7f86", "#8c564b", "#c05a8e", "#7f8c1f", "#5b6470")

LINES = ("-", "--", "-.", ":")      # curves that lie on each other are seen


def write_plots(evaluation: Evaluation, recipe: EvaluationRecipe, folder: Path) -> dict[str, Path]:
    """Draw what there is to draw.

    Returns:
        Caption -> picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Path] = {}
    coverage = [scenario.name for scenario in recipe.scenarios if scenario.group == "coverage"]
    ablation = [scenario.name for scenario in recipe.scenarios if scenario.group == "ablation"]
    if coverage:
        path = drawn["Precision against ID rate, by coverage tray-bin-catalog-text (figure 7, middle)"] = folder / "coverage.png"
        _coverage(evaluation, coverage, path)
    if ablation:
        path = drawn["With and without catalog pictures and titles (figure 7, right)"] = folder / "ablation.png"
        _ablation(evaluation, [*coverage[-1:], *ablation], path)
    if evaluation.histograms:
        path = drawn["Distances of true and of other candidates, by source (figure 7, left)"] = folder / "distances.png"
        _distances(evaluation, path)
    measured = [name for name in coverage if name in evaluation.reliability]
    if measured:
        path = drawn["Is a fused probability of p right in a share p of the cases?"] = folder / "reliability.png"
        _reliability(evaluation, measured, path)
    return drawn


def _coverage(evaluation: Evaluation, scenarios: Sequence[str], path: Path) -> None:
    figure, panels = _panels(len(scenarios))
    shown = [curve for (name, _), curve in evaluation.curves.items() if name in scenarios]
    for axes, name in zip(panels, scenarios, strict=True):
        others = iter(OTHERS * 9)
        for (scenario, method), curve in evaluation.curves.items():
            if scenario == name:
                _curve(axes, curve, method, COLOURS.get(method) or next(others))
        axes.set_title(name)
        _limits(axes, shown)
    panels[0].set_ylabel("precision")
    panels[0].legend(loc="lower left", fontsize=8)
    _end(figure, path)


def _ablation(evaluation: Evaluation, scenarios: Sequence[str], path: Path) -> None:
    methods = [name for name in (FUSED, MIN_DISTANCE) if any(method == name for _, method in evaluation.curves)]
    figure, panels = _panels(len(methods))
    shown = [evaluation.curves[name, method] for name in scenarios for method in methods]
    for axes, method in zip(panels, methods, strict=True):
        for name, colour, line in zip(scenarios, (COLOURS[FUSED], *OTHERS * 9), LINES * 9, strict=False):
            _curve(axes, evaluation.curves[name, method], name, colour, line)
        axes.set_title(method)
        _limits(axes, shown)
    panels[0].set_ylabel("precision")
    panels[0].legend(loc="lower left", fontsize=8, title="tray-bin-catalog-text", title_fontsize=8)
    _end(figure, path)


def _distances(evaluation: Evaluation, path: Path) -> None:
    figure, panels = _panels(len(evaluation.histograms), height=2.7)
    for axes, (source, (edges, true, other)) in zip(panels, evaluation.histograms.items(), strict=True):
        axes.stairs(true, edges, fill=True, alpha=0.55, color=COLOURS[FUSED], label="true object")
        axes.stairs(other, edges, fill=True, alpha=0.45, color="#5c6878", label="other candidates")
        axes.set_title(source)
        axes.set_xlabel("1 - cos")
        axes.set_yticks([])
    panels[0].set_ylabel("frequency")
    panels[0].legend(fontsize=8)
    _end(figure, path)


def _reliability(evaluation: Evaluation, scenarios: Sequence[str], path: Path) -> None:
    figure, panels = _panels(len(scenarios))
    for axes, name in zip(panels, scenarios, strict=True):
        measured = evaluation.reliability[name]
        known = measured.counts > 0
        axes.plot([0, 1], [0, 1], "--", color="#8a94a0", linewidth=1)
        axes.bar(measured.edges[:-1][known], measured.precision[known], np.diff(measured.edges)[known], align="edge",
                 color=OTHERS[0], alpha=0.35, edgecolor="white")
        axes.plot(measured.confidence[known], measured.precision[known], "o-", color=OTHERS[0], markersize=4)
        for x, y, count in zip(measured.confidence[known], measured.precision[known], measured.counts[known], strict=True):
            axes.annotate(f"{count}", (x, y), textcoords="offset points", xytext=(0, 5), ha="center", fontsize=7, color="#5c6878")
        axes.set_title(f"{name}, ECE {measured.ece:.3f}")
        axes.set_xlabel("fused probability of the answer")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.08)
    panels[0].set_ylabel("share of right answers")
    _end(figure, path)


def _curve(axes: Axes, curve: PrecisionCurve, label: str, colour: str, line: str = "-") -> None:
    axes.plot(curve.id_rate, curve.precision, line, color=colour, linewidth=1.8, label=label)


def _limits(axes: Axes, curves: Sequence[PrecisionCurve]) -> None:
    """The same scale for all panels: down to the lowest precision of any curve beyond its first, shaky tenth."""
    lowest = min(float(curve.precision[curve.id_rate >= min(0.1, curve.id_rate[-1])].min()) for curve in curves)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(0.0, np.floor(20 * lowest - 0.5) / 20), 1.005)
    axes.set_xlabel("ID rate")
    axes.grid(alpha=0.3)


def _panels(count: int, height: float = PANEL[1]) -> tuple[Figure, list[Axes]]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, count, figsize=(PANEL[0] * max(count, 1), height), squeeze=False)
    return figure, list(axes[0])


def _end(figure: Figure, path: Path) -> None:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, dpi=DOTS)
    pyplot.close(figure)
