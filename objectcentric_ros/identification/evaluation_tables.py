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

"""Tables of an evaluation, as rows of texts: for the terminal, Markdown and the report alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from objectcentric_ros.identification.evaluation_recipe import TABLES, EvaluationRecipe, RowConfig
from objectcentric_ros.identification.evaluation_rows import NotHere
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES

COLUMNS = {"I": ("tray", "bin", "catalog"), "II": ("text",), "III": REFERENCE_SOURCES}
NOT_HERE = "not here"


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        title: above it.
        header: of the columns; the first one is text, the others are figures.
        rows: as many texts as the header has.
        notes: sentences below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """For READMEs."""
        lines = [f"### {self.title}", "", _line(self.header), _line(["---", *["---:"] * (len(self.header) - 1)])]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, "", *[f"{note}\n" for note in self.notes]])


def tables(figures: Mapping[str, Any], recipe: EvaluationRecipe, absent: Sequence[NotHere]) -> list[Table]:
    """All tables of an evaluation's figures.

    Args:
        figures: as JSON has them.
        recipe: that they were measured by.
        absent: rows and models whose files are missing.
    """
    found = [table for name in TABLES for table in _top1(name, figures, recipe, absent)]
    found += [_scenarios(figures, "coverage", "Precision and ID rate by coverage (figure 7, middle)", recipe, absent),
              _scenarios(figures, "ablation", "With and without catalog pictures and titles (figure 7, right)", recipe, absent)]
    coverage = {scenario.name for scenario in recipe.scenarios if scenario.group == "coverage"}
    found += [_margins(figures), _open_set(figures, coverage), _thresholds(figures), _hidden(figures)]
    return [table for table in found if table.rows]


def facts(figures: Mapping[str, Any]) -> dict[str, str]:
    """What was measured on, by name."""
    counts, protocol = figures["counts"], figures["protocol"]
    low, high = protocol["candidates"]
    return {"Data": f"{protocol['data']}, split {protocol['split']}", "Objects": f"{counts['objects']}",
            "Queries": f"{counts['queries']}", "Cases": f"{counts['cases']}, {protocol['cases_per_query']} a query",
            "Candidates": f"{low} to {high}", "Chance": _percent(counts["chance"]), "Seed": f"{protocol['seed']}",
            "Main row": protocol["main"]}


def _top1(name: str, figures: Mapping[str, Any], recipe: EvaluationRecipe, absent: Sequence[NotHere]) -> list[Table]:
    """A table of the paper twice: among candidate sets, and against the whole gallery."""
    configs = [row for row in recipe.rows if name in row.tables]
    lacking = {one.name: one for one in absent}
    notes = tuple(lacking[row.name].sentence + "." for row in configs if row.name in lacking)
    notes += tuple(f"{row.name}: {row.note}" for row in configs if row.note)
    counts, protocol = figures["counts"], figures["protocol"]
    low, high = protocol["candidates"]
    result = []
    for key, among in (("per_source_top1", f"of {low} to {high} candidates"),
                       ("per_source_top1_gallery", f"of all {counts['objects']} objects")):
        rows = tuple(_top1_row(row, figures[key].get(row.name), figures["intervals"][key].get(row.name, {}), COLUMNS[name])
                     for row in configs)
        result.append(Table(f"Table {name}: {TABLES[name]}, top-1 {among} [%]", ("", *COLUMNS[name]), rows,
                            notes if key == "per_source_top1" else ()))
    return result if configs else []


def _top1_row(row: RowConfig, values: Mapping[str, float | None] | None, ranges: Mapping[str, Sequence[float]],
              columns: Sequence[str]) -> tuple[str, ...]:
    if values is None:
        return (row.name, *[NOT_HERE] * len(columns))
    return (row.name, *[_percent(values[source], ranges.get(source)) for source in columns])


def _scenarios(figures: Mapping[str, Any], group: str, title: str, recipe: EvaluationRecipe, absent: Sequence[NotHere]) -> Table:
    rows, notes = [], []
    whole = [scenario.name for scenario in recipe.scenarios if scenario.group == "coverage"][-1:]     # what is taken away from
    entries = [entry for entry in figures["scenarios"] if entry["group"] == group]
    if group == "ablation" and entries:
        methods = {entry["method"] for entry in entries}
        entries = [entry for entry in figures["scenarios"] if entry["name"] in whole and entry["method"] in methods] + entries
    for entry in entries:
        ranges = entry["intervals"]
        rows.append((f"{entry['name']}, {entry['method']}", _percent(entry["precision_at_100"], ranges["precision_at_100"]),
                     *[_percent(entry[f"precision_at_{rate}"]) for rate in (95, 90, 80)],
                     _percent(entry["id_rate_at_99"], ranges["id_rate_at_99"]), _percent(entry["id_rate_at_99_5"]),
                     f"{entry['aurc']:.4f}"))
    if group == "coverage":
        names = {fusion.name for fusion in recipe.fusions}
        notes += [one.sentence + "." for one in absent if one.name in names]
        notes += [f"{fusion.name}: {fusion.note}" for fusion in recipe.fusions if fusion.note]
        notes.append("The paper's fused model reaches a precision at 100 % ID rate of 97.1, 95.9 and 92.4 % on ARMBench (its "
                     "second scenario's coverage is not printed): other data and encoders, the same protocol of cases.")
    return Table(title + " [%]", ("tray-bin-catalog-text, method", "precision at 100 % ID rate", "at 95 %", "at 90 %", "at 80 %",
                                  "ID rate at 99 % precision", "at 99.5 %", "AURC"), tuple(rows), tuple(notes))


def _margins(figures: Mapping[str, Any]) -> Table:
    rows = tuple((f"{entry['name']}, {entry['method']} minus {entry['against']}",
                  f"{100 * entry['precision_at_100']:+.1f}", _range(entry["intervals"]["precision_at_100"]),
                  _range(entry["precision_at_100_interval_by_object"]), f"{100 * entry['id_rate_at_99']:+.1f}",
                  f"{entry['aurc']:+.4f}", "yes" if entry["outside_interval"] else "no") for entry in figures["margins"])
    return Table("What the fusion gains, paired on the same cases [percentage points]", (
        "", "precision at 100 % ID rate", "interval, over queries", "over objects", "ID rate at 99 % precision", "AURC",
        "above 0"), rows)


def _open_set(figures: Mapping[str, Any], scenarios: Collection[str]) -> Table:
    rows = tuple((f"{entry['name']}, {entry['method']}",
                  f"{entry['auroc']:.3f} ({entry['intervals']['auroc'][0]:.3f} to {entry['intervals']['auroc'][1]:.3f})",
                  _percent(entry["false_accept_at_95"], entry["intervals"]["false_accept_at_95"]))
                 for entry in figures["open_set"].get("all", ()) if entry["name"] in scenarios)
    return Table("Open set: the true object is not among the candidates", (
        "tray-bin-catalog-text, method", "AUROC", "unknown accepted where 95 % of the known are [%]"), rows)


def _thresholds(figures: Mapping[str, Any]) -> Table:
    rows = []
    for entry in figures.get("thresholds", ()):
        name = f"{entry['name']}, {entry['method']}"
        if entry["open_set_share"]:
            name += f", {100 * entry['open_set_share']:g} % open set"
        promised = f"{100 * entry['promised']:g}"
        if entry["threshold"] is None:
            row = (entry["method"], promised, "none can promise it", "", "", "")
            rows += [row] if row not in rows else []
            continue
        reached = "" if entry["precision"] is None else _percent(entry["precision"], entry.get("interval"))
        kept = {True: "yes", False: "no", None: ""}[entry.get("kept")]
        rows.append((name, promised, f"{entry['threshold']:.4f}", reached, _percent(entry["answered"]), kept))
    return Table("Calibrated thresholds: precision promised and reached [%]", (
        "", "promised", "threshold", "reached", "answered", "kept"), tuple(rows),
        ("A promise was made for the mix of scenarios and open set that its model's card names; single scenarios are shown "
         "beside it.",) if rows else ())


def _hidden(figures: Mapping[str, Any]) -> Table:
    hidden = figures.get("hidden_contents", {})
    rows = tuple((entry["method"], _percent(entry["precision_at_100"], entry["precision_at_100_interval"]),
                  _percent(entry["precision_at_100_usual_coverage"]), _percent(entry["look_alike_answered"]),
                  _percent(entry["id_rate_at_99"])) for entry in hidden.get("methods", ()))
    kinds = " and ".join(kind.replace("_", " ") for kind in hidden.get("kinds", ()))
    return Table(f"Hidden contents (figure 8): {kinds}; truth has catalog picture and title only, a look-alike everything [%]", (
        "", "precision at 100 % ID rate", "truth covered as usual", "look-alike answered", "ID rate at 99 % precision"), rows,
        (f"{hidden.get('cases', 0)} cases of {hidden.get('objects', 0)} objects, reported apart: they are no part of the tables "
         "above.",) if rows else ())


def _percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f}" + (f" ({_range(interval)})" if interval else "")


def _range(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
