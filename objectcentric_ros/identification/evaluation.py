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

"""The evaluation of identification: tables I to III, precision against ID rate by coverage, the open set (paper B, IV to VI).

Two loops: encoders turn the dataset into vectors once (evaluation_rows.py), and everything here is computed from those, in
seconds. Every encoder and every method is asked about the same candidate sets with the same coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.coverage import apply_coverage
from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.evaluation_cases import Cases, RowDistances, case_coverage, draw_cases, row_distances
from objectcentric_ros.identification.evaluation_failures import (
    Failure,
    HiddenContents,
    ObjectFacts,
    hidden_contents,
    surest_failures,
)
from objectcentric_ros.identification.evaluation_methods import (
    Answers,
    Fused,
    Method,
    MinDistance,
    Pictures,
    Reliability,
    answer,
    histogram,
    reliability,
    source_correct,
)
from objectcentric_ros.identification.evaluation_recipe import FUSED, MIN_DISTANCE, EvaluationRecipe, ScenarioConfig
from objectcentric_ros.identification.local_bank import LocalBank, told_in_steps
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SOURCES, Manifest
from objectcentric_ros.identification.precision_curve import (
    METRICS,
    Bootstrap,
    PrecisionCurve,
    auroc,
    false_accept_at,
    precision_curve,
)
from objectcentric_ros.identification.size_evidence import SizeTable

MIXED = "coverage scenarios, mixed"
OPEN_SET = ("auroc", "false_accept_at_95")
Report = Callable[[str], None]
"""Told what was just measured."""


@dataclass
class Evaluation:
    """What was found.

    Args:
        figures: all numbers, as JSON has them.
        curves: (scenario, method) -> precision against ID rate.
        histograms: source -> edges, densities of the distances of true and of other candidates.
        reliability: scenario -> of the fused probability.
        failures: the surest wrong answers, under the title of the group they are shown in.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    curves: dict[tuple[str, str], PrecisionCurve] = field(default_factory=dict)
    histograms: dict[str, tuple[NDArray[np.float64], ...]] = field(default_factory=dict)
    reliability: dict[str, Reliability] = field(default_factory=dict)
    failures: dict[str, list[Failure]] = field(default_factory=dict)


def evaluate(recipe: EvaluationRecipe, manifest: Manifest, rows: Mapping[str, EmbeddedSet], fusions: Sequence[Fused],
             objects: Mapping[str, ObjectFacts], report: Report = lambda text: None,
             sizes: SizeTable | None = None, cache: Path | None = None) -> Evaluation:
    """Measure everything.

    Args:
        recipe: what is measured.
        manifest: of the split.
        rows: embedded manifest by name of the row, the main one among them.
        fusions: models for the main row's distances.
        objects: titles and kinds, as far as they are known.
        report: told about progress.
        sizes: of queries and objects, as far as they are known.
        cache: folder for the points that pictures were found to have in common; None: they are looked for every time.

    Raises:
        TooFewObjects: the data gives no candidate sets.
    """
    cases = draw_cases(manifest, recipe.cases)
    bank = None
    if any(fusion.model.verifies for fusion in fusions) and recipe.main in rows:
        bank = LocalBank(rows[recipe.main], manifest.root, cases.objects, cache, told_in_steps(report))
    evaluator = _Evaluator(recipe, cases, Evaluation(), bank)
    evaluator.describe(manifest)
    kinds = [facts.kind if (facts := objects.get(name)) and facts.kind in recipe.failures.kinds else "" for name in cases.objects]
    for row in (row for row in recipe.rows if row.name in rows):
        main = row.name == recipe.main
        distances = row_distances(cases, rows[row.name], kinds if main else None, sizes)
        evaluator.top1(row.name, distances, has_titles=SOURCES.index("text") in rows[row.name].sources)
        report(f"top-1 of {row.name}")
        if main:
            evaluator.main(distances, [MinDistance(), *fusions], report)
            evaluator.distance_histograms(distances)
            evaluator.show_failures(rows[row.name], distances, [MinDistance(), *fusions])
            if bank is not None:
                bank.save()
        elif row.curves:
            for scenario in recipe.scenarios:
                if scenario.group == "coverage":
                    evaluator.scenario(scenario, MinDistance(f"{MIN_DISTANCE}, {row.name}"), distances)
            report(f"curves of {row.name}")
    places = [scenario.name for scenario in recipe.scenarios]
    evaluator.result.figures["scenarios"].sort(key=lambda entry: (places.index(entry["name"]), "," in entry["method"]))
    return evaluator.result


class _Evaluator:
    """Fills an Evaluation, step by step, about the same cases."""

    def __init__(self, recipe: EvaluationRecipe, cases: Cases, result: Evaluation, bank: LocalBank | None = None) -> None:
        self.recipe, self.cases, self.result, self.bank = recipe, cases, result, bank
        options = (recipe.bootstrap.replicates, recipe.cases.seed, recipe.bootstrap.share)
        self.bootstrap = Bootstrap(np.unique(cases.queries, return_inverse=True)[1], *options)
        self.by_object = Bootstrap(np.unique(cases.truth_object, return_inverse=True)[1], *options)
        self.gallery_bootstrap: Bootstrap | None = None
        self.options = options
        self.coverage = {scenario.name: case_coverage(cases, scenario.rates, recipe.cases.seed) for scenario in recipe.scenarios}
        result.figures.update(per_source_top1={}, per_source_top1_gallery={}, scenarios=[], margins=[], open_set={}, intervals={
            "per_source_top1": {}, "per_source_top1_gallery": {}})

    def describe(self, manifest: Manifest) -> None:
        """Protocol and counts."""
        cases, recipe = self.cases, self.recipe
        sizes = cases.present.sum(axis=1)
        per_source = {source: sum(row.source == source for row in manifest.rows) for source in SOURCES}
        self.result.figures["protocol"] = {
            "recipe": recipe.name, "data": str(manifest.root), "split": recipe.data.split, "seed": recipe.cases.seed,
            "main": recipe.main, "candidates": list(recipe.cases.candidates), "cases_per_query": recipe.cases.per_query,
            "bootstrap": f"{recipe.bootstrap.replicates} samples of queries with all their cases; intervals hold "
                         f"{100 * recipe.bootstrap.share:g} %",
            "distance": "1 - cos, least over the references of a source", "sources": list(cases.sources),
            "ties": "cases of equal confidence are accepted together; candidates of equal score by mean distance, then by id",
            "no_answer": "counts as wrong and stays in the denominator"}
        self.result.figures["counts"] = {
            "objects": len(cases.objects), "queries": int(len(np.unique(cases.queries))), "queries_left_out": cases.left_out,
            "cases": len(cases), "mean_candidates": float(sizes.mean()), "chance": float((1.0 / sizes).mean()), **per_source}

    def top1(self, name: str, row: RowDistances, has_titles: bool) -> None:
        """Tables I to III: the nearest candidate, and the nearest object of the gallery, by one source alone."""
        figures = self.result.figures
        sampled: dict[str, float | None] = {}
        gallery: dict[str, float | None] = {}
        ranges: dict[str, Any] = {}
        gallery_ranges: dict[str, Any] = {}
        for index, source in enumerate(REFERENCE_SOURCES):
            if source not in self.cases.sources or (source == "text" and not has_titles):
                sampled[source] = gallery[source] = None
                continue
            correct = source_correct(row.candidates, self.cases.truth, index)
            sampled[source], ranges[source] = float(correct.mean()), self.bootstrap.mean(correct).pair
            found = row.gallery[source]
            if self.gallery_bootstrap is None:
                self.gallery_bootstrap = Bootstrap(np.arange(len(found)), *self.options)
            gallery[source], gallery_ranges[source] = float(found.mean()), self.gallery_bootstrap.mean(found).pair
        figures["per_source_top1"][name], figures["per_source_top1_gallery"][name] = sampled, gallery
        figures["intervals"]["per_source_top1"][name] = ranges
        figures["intervals"]["per_source_top1_gallery"][name] = gallery_ranges

    def scenario(self, scenario: ScenarioConfig, method: Method, row: RowDistances) -> tuple[Answers, NDArray[np.float64]]:
        """One curve of figure 7, and the bootstrap's samples of its figures."""
        covered = apply_coverage(row.candidates, self.coverage[scenario.name]).astype(np.float32)
        answers = answer(method, covered, self.cases.truth, row.sizes, self._pictures(self.cases))
        curve = precision_curve(answers.confidence, answers.correct)
        samples = self.bootstrap.curve_metrics(answers.confidence, answers.correct)
        self.result.curves[scenario.name, method.name] = curve
        self.result.figures["scenarios"].append({
            "name": scenario.name, "method": method.name, "group": scenario.group, **curve.metrics(),
            "answered": float((answers.chosen >= 0).mean()), "intervals": self._ranges(samples, METRICS)})
        return answers, samples

    def main(self, row: RowDistances, methods: Sequence[Method], report: Report) -> None:
        """All scenarios and the open set, with the main row's distances."""
        answered: dict[str, dict[str, tuple[Answers, Answers]]] = {}
        for scenario in self.recipe.scenarios:
            found: dict[str, tuple[Answers, NDArray[np.float64]]] = {}
            for method in methods:
                found[method.name] = self.scenario(scenario, method, row)
                unknown = self._open_set(scenario, method, row, found[method.name][0])
                answered.setdefault(method.name, {})[scenario.name] = found[method.name][0], unknown
                if isinstance(method, Fused):
                    self.margin(scenario, method.name, found[method.name], found[MIN_DISTANCE])
                report(f"{scenario.name}, {method.name}")
            if FUSED in found:
                self.result.reliability[scenario.name] = reliability(found[FUSED][0])
        self._headline_open_set(FUSED if any(method.name == FUSED for method in methods) else MIN_DISTANCE)
        self.result.figures["thresholds"] = [entry for method in methods if isinstance(method, Fused)
                                             for entry in self.promises(method, answered[method.name])]
        self.result.figures["reliability"] = [
            {"name": name, "ece": measured.ece, "counts": measured.counts.tolist(),
             "confidence": _finite(measured.confidence), "precision": _finite(measured.precision)}
            for name, measured in self.result.reliability.items()]

    def margin(self, scenario: ScenarioConfig, name: str, fused: tuple[Answers, NDArray[np.float64]],
               nearest: tuple[Answers, NDArray[np.float64]]) -> None:
        """Fused minus min_distance: paired, over queries and, more carefully, over objects."""
        one, other = (precision_curve(answers.confidence, answers.correct).metrics() for answers, _ in (fused, nearest))
        entry: dict[str, Any] = {"name": scenario.name, "method": name, "against": MIN_DISTANCE, "group": scenario.group,
                                 **{metric: one[metric] - other[metric] for metric in METRICS},
                                 "intervals": self._ranges(fused[1] - nearest[1], METRICS)}
        difference = fused[0].correct.astype(np.float64) - nearest[0].correct
        entry["precision_at_100_interval_by_object"] = self.by_object.mean(difference).pair
        entry["outside_interval"] = entry["intervals"]["precision_at_100"][0] > 0.0
        self.result.figures["margins"].append(entry)

    def _open_set(self, scenario: ScenarioConfig, method: Method, row: RowDistances, known: Answers) -> Answers:
        """The same cases with another object in the true one's place, with the coverage of that place."""
        candidates, sizes, place = row.candidates.copy(), row.sizes.copy(), (np.arange(len(row.candidates)), self.cases.truth)
        candidates[place], sizes[place] = row.substitutes, row.substitute_sizes
        covered = apply_coverage(candidates, self.coverage[scenario.name]).astype(np.float32)
        objects = self.cases.candidates.copy()
        objects[place] = self.cases.substitute
        shown = self._pictures(replace(self.cases, candidates=objects))
        unknown = answer(method, covered, np.full(len(candidates), -1), sizes, shown)
        samples = self.bootstrap.open_set(known.confidence, unknown.confidence)
        self.result.figures["open_set"].setdefault("all", []).append({
            "name": scenario.name, "method": method.name, "auroc": auroc(known.confidence, unknown.confidence),
            "false_accept_at_95": false_accept_at(known.confidence, unknown.confidence),
            "intervals": self._ranges(samples, OPEN_SET)})
        return unknown

    def _headline_open_set(self, method: str) -> None:
        first = next(entry for entry in self.result.figures["open_set"]["all"] if entry["method"] == method)
        self.result.figures["open_set"].update(
            {"auroc": first["auroc"], "false_accept_at_95": first["false_accept_at_95"], "method": method,
             "scenario": first["name"], "intervals": first["intervals"]})

    def promises(self, method: Fused, answered: Mapping[str, tuple[Answers, Answers]]) -> list[dict[str, Any]]:
        """What the calibrated thresholds keep of their promised precision.

        Args:
            method: with thresholds in its card.
            answered: scenario -> answers to its cases, and to the same with another object in the true one's place.
        """
        coverage = [scenario.name for scenario in self.recipe.scenarios if scenario.group == "coverage"]
        groups = {**{name: [answered[name]] for name in coverage}, MIXED: [answered[name] for name in coverage]}
        entries = []
        for target, threshold in sorted(method.model.card["thresholds"].items(), key=lambda item: float(item[0])):
            for name, pairs in groups.items() if coverage else ():
                share = self.recipe.open_set_share if name == MIXED else 0.0
                entry: dict[str, Any] = {"name": name, "method": method.name, "promised": float(target), "threshold": threshold,
                                         "open_set_share": share}
                if threshold is not None:
                    entry.update(self._kept(pairs, share, float(target), float(threshold)))
                entries.append(entry)
        return entries

    def _kept(self, pairs: Sequence[tuple[Answers, Answers]], share: float, target: float, threshold: float) -> dict[str, Any]:
        """Precision and ID rate at a threshold, where a share of the cases is of the open set."""
        known = np.mean([one.confidence >= threshold for one, _ in pairs], axis=0) * (1 - share)
        right = np.mean([one.correct & (one.confidence >= threshold) for one, _ in pairs], axis=0) * (1 - share)
        accepted = known + share * np.mean([other.confidence >= threshold for _, other in pairs], axis=0)
        if not accepted.any():
            return {"answered": 0.0, "precision": None}
        precision = float(np.sum(right) / accepted.sum())
        samples = self.bootstrap.samples(lambda w: [float((w * right).sum() / max((w * accepted).sum(), 1e-9))])
        return {"answered": float(accepted.mean()), "precision": precision, "kept": precision >= target,
                "interval": self.bootstrap.interval(samples[:, 0]).pair}

    def distance_histograms(self, row: RowDistances) -> None:
        """Figure 7, left: distances of true and of other candidates by source."""
        index = np.arange(len(self.cases))
        others = self.cases.present.copy()
        others[index, self.cases.truth] = False
        medians = {}
        for number, source in enumerate(REFERENCE_SOURCES):
            positive, negative = row.candidates[index, self.cases.truth, number], row.candidates[..., number][others]
            if np.isfinite(positive).any() and np.isfinite(negative).any():
                self.result.histograms[source] = histogram([positive, negative], self.recipe.distance_bins)
                medians[source] = {"true": float(np.nanmedian(positive)), "other": float(np.nanmedian(negative))}
        self.result.figures["median_distance"] = medians

    def show_failures(self, embedded: EmbeddedSet, row: RowDistances, methods: Sequence[Method]) -> None:
        """Figure 8, and the surest wrong answers."""
        top = next((method for method in methods if method.name == self.recipe.failures.top), methods[0])
        scenario = self.recipe.scenarios[0]
        coverage = self.coverage[scenario.name]
        answers = answer(top, apply_coverage(row.candidates, coverage).astype(np.float32), self.cases.truth, row.sizes,
                         self._pictures(self.cases))
        self.result.failures[f"{scenario.name}, {top.name}"] = surest_failures(
            self.cases, embedded, coverage, answers, self.recipe.failures.examples)
        hidden = hidden_contents(self.cases, row, coverage)
        self.result.figures["hidden_contents"] = self._hidden_figures(hidden, methods)
        if len(hidden.cases):
            answers = answer(top, hidden.distances, hidden.cases.truth, hidden.sizes, self._pictures(hidden.cases))
            self.result.failures[f"hidden contents (figure 8), {top.name}"] = surest_failures(
                hidden.cases, embedded, hidden.coverage, answers, self.recipe.failures.examples // 2)

    def _hidden_figures(self, hidden: HiddenContents, methods: Sequence[Method]) -> dict[str, Any]:
        cases, count = hidden.cases, len(hidden.cases)
        found: dict[str, Any] = {"kinds": list(self.recipe.failures.kinds), "cases": count,
                                 "objects": int(len(np.unique(cases.truth_object))), "methods": []}
        if not count:
            return found
        bootstrap = Bootstrap(np.unique(cases.queries, return_inverse=True)[1], *self.options)
        for method in methods:
            usual = answer(method, hidden.usual, cases.truth, hidden.sizes, self._pictures(cases))
            answers = answer(method, hidden.distances, cases.truth, hidden.sizes, self._pictures(cases))
            found["methods"].append({
                "method": method.name, **precision_curve(answers.confidence, answers.correct).metrics(),
                "precision_at_100_interval": bootstrap.mean(answers.correct).pair,
                "precision_at_100_usual_coverage": float(usual.correct.mean()),
                "look_alike_answered": float((answers.chosen == hidden.distances.shape[1] - 1).mean())})
        return found

    def _pictures(self, cases: Cases) -> Pictures | None:
        return None if self.bank is None else Pictures(self.bank, cases.queries, cases.candidates)

    def _ranges(self, samples: NDArray[np.float64], names: Sequence[str]) -> dict[str, list[float]]:
        return {name: self.bootstrap.interval(samples[:, index]).pair for index, name in enumerate(names)}


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
