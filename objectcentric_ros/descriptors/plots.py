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


"""Plots of the benchmark's figures, with matplotlib; nothing but plots needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (7.0, 4.5)    # [inch]
DOTS = 120           # an inch


def plot_pck(curves: Mapping[str, Sequence[float]], path: Path, title: str, floor: Sequence[str] = ()) -> None:
    """Share of correct matches against the threshold.

    Args:
        curves: PCK@1..K px of each method, `Figures.curve`.
        path: picture to write, *.png or *.svg.
        title: above the plot.
        floor: methods that are drawn as dashed grey lines: chance.
    """
    figure, axes = _begin(title, "threshold [px of 640x480]", "PCK")
    for name, curve in curves.items():
        _curve(axes, np.arange(1, len(curve) + 1), curve, name, name in floor)
    axes.set_xlim(left=1)
    axes.set_ylim(0, 1)
    _end(figure, axes, path)


def plot_cumulative(values: Mapping[str, ArrayLike], path: Path, title: str, label: str, maximum: float,
                    floor: Sequence[str] = ()) -> None:
    """Share of the matches whose value is at most x: errors in space, or the share of pixels nearer than the true one.

    Args:
        values: (M,) of each method; NaN is left out, and a method that has nothing else, too.
        path: picture to write, *.png or *.svg.
        title: above the plot.
        label: of the horizontal axis, with its unit.
        maximum: where the horizontal axis ends.
        floor: methods that are drawn as dashed grey lines: chance.
    """
    figure, axes = _begin(title, label, "share of matches")
    for name, given in values.items():
        known = np.asarray(given, dtype=np.float64).ravel()
        known = np.sort(known[np.isfinite(known)])
        if len(known):
            x = np.linspace(0, maximum, 401)
            _curve(axes, x, np.searchsorted(known, x, side="right") / len(known), name, name in floor)
    axes.set_xlim(0, maximum)
    axes.set_ylim(0, 1)
    _end(figure, axes, path)


def plot_against_dimension(series: Mapping[str, Sequence[tuple[int, float, float]]], path: Path, title: str, label: str,
                           logarithmic: bool = False) -> None:
    """A figure against the descriptors' dimension D: AUC or memory, the methods or N = 16 and 128 as lines.

    Args:
        series: (D, mean, standard deviation over seeds; 0: only one) of each line.
        path: picture to write, *.png or *.svg.
        title: above the plot.
        label: of the vertical axis, with its unit.
        logarithmic: the vertical axis, as memory needs.
    """
    figure, axes = _begin(title, "dimension D", label)
    dimensions: set[int] = set()
    for name, points in series.items():
        if points:
            x, mean, deviation = (np.array(part, dtype=np.float64) for part in zip(*sorted(points), strict=True))
            axes.errorbar(x, mean, yerr=deviation if np.any(deviation > 0) else None, marker="o", capsize=3, label=name)
            dimensions |= {int(value) for value in x}
    axes.set_xscale("log", base=2)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_xticks(sorted(dimensions), [str(value) for value in sorted(dimensions)])
    axes.minorticks_off()
    _end(figure, axes, path)


def _begin(title: str, horizontal: str, vertical: str) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure  # without pyplot: no display, nothing global
    except ImportError as error:
        raise ValueError("plots need matplotlib: pip install -r requirements/train.txt") from error
    figure = Figure(figsize=SIZE, dpi=DOTS, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.grid(alpha=0.3)
    return figure, axes


def _curve(axes: Axes, x: ArrayLike, y: ArrayLike, name: str, floor: bool) -> None:
    axes.plot(np.asarray(x), np.asarray(y), label=name, color="0.6" if floor else None, linestyle="--" if floor else "-")


def _end(figure: Figure, axes: Axes, path: Path) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
