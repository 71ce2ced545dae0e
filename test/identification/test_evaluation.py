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

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.evaluation import Evaluation, evaluate
from objectcentric_ros.identification.evaluation_cases import Cases, TooFewObjects, case_coverage, draw_cases, row_distances
from objectcentric_ros.identification.evaluation_failures import ObjectFacts, hidden_contents, read_objects
from objectcentric_ros.identification.evaluation_methods import Fused, MinDistance, Pictures, answer, reliability, source_correct
from objectcentric_ros.identification.evaluation_recipe import (
    BootstrapConfig,
    CaseConfig,
    EvaluationRecipe,
    FusionConfig,
    RowConfig,
    ScenarioConfig,
)
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SOURCES, Manifest, ManifestRow
from objectcentric_ros.identification.size_evidence import SizeTable

QUERIES = 3


def made_up(objects: int = 40, noise: float = 0.4, seed: int = 0, dimension: int = 16, shuffled: bool = False
            ) -> tuple[Manifest, EmbeddedSet]:
    """Objects at random directions, with references by all sources, ever farther away: tray, bin, catalog, text."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(objects, dimension))
    rows, vectors = [], []
    for number in range(objects):
        for source, count, spread in (("query", QUERIES, 1.0), ("tray", 2, 1.0), ("bin", 2, 2.0), ("catalog", 1, 3.0),
                                      ("text", 1, 3.0)):
            for copy in range(count):
                place = "" if source == "text" else f"o{number:02}_{source}_{copy}.png"
                rows.append(ManifestRow(f"o{number:02}", source, place, f"title {number}" if source == "text" else "", "test"))
                centre = rng.normal(size=dimension) if shuffled else centres[number]
                vectors.append(centre + spread * noise * rng.normal(size=dimension))
    array = np.array(vectors, np.float32)
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    embedded = EmbeddedSet(np.array([row.object_id for row in rows]),
                           np.array([SOURCES.index(row.source) for row in rows], np.int8), array,
                           np.array([row.split for row in rows]), np.array([row.text or row.path for row in rows]), "made-up")
    return Manifest(Path("/nowhere"), tuple(rows)), embedded


class Softmin:
    """As if a fusion model: knows how noisy every source is, and sums what all of them say, sizes too where they are known."""

    card = {"thresholds": {0.9: 0.5, 0.99: None}}
    scale = np.array([0.1, 0.3, 0.6, 0.6])
    verifies = False

    def batch(self, distances: NDArray[np.float32], sizes: NDArray[np.float32], verify: object = None
              ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        known = ~np.isnan(distances)
        evidence = np.where(known, (0.5 - distances) / self.scale, 0.0).sum(axis=-1)
        evidence -= 10 * np.abs(np.nan_to_num(sizes)).sum(axis=-1)
        weights = np.where(known.any(axis=-1), np.exp(np.clip(2 * evidence, -30, 30)), 0.0)
        total = 1.0 + weights.sum(axis=-1)
        return weights / total[..., None], 1.0 / total


def recipe(**changes: Any) -> EvaluationRecipe:
    values: dict[str, Any] = {
        "name": "made_up", "main": "good", "rows": (RowConfig("good", "made_up", "titles", ("I", "III")),),
        "fusions": (FusionConfig("fused", "model.ubj"),),
        "scenarios": (ScenarioConfig((70, 85, 100, 100)), ScenarioConfig((25, 50, 100, 100)),
                      ScenarioConfig((25, 50, 0, 0), "ablation")),
        "cases": CaseConfig((5, 9), 2), "bootstrap": BootstrapConfig(30)}
    return EvaluationRecipe(**{**values, **changes})


def measured(**changes: Any) -> Evaluation:
    manifest, embedded = made_up(noise=0.55)
    facts = {f"o{number:02}": ObjectFacts(f"title {number}", "white_bag" if number < 8 else "can") for number in range(40)}
    return evaluate(recipe(**changes), manifest, {"good": embedded}, [Fused("fused", Softmin())], facts)  # type: ignore[arg-type]


def test_candidate_sets_hold_the_truth_once_and_differ_by_seed() -> None:
    manifest, _ = made_up()
    cases = draw_cases(manifest, CaseConfig((5, 9), 2, seed=1))
    assert len(cases) == 40 * QUERIES * 2 and cases.left_out == 0
    sizes = cases.present.sum(axis=1)
    assert sizes.min() == 5 and sizes.max() == 9
    for row in range(len(cases)):
        members = cases.candidates[row, :sizes[row]].tolist()
        assert members == sorted(set(members)) and cases.candidates[row, cases.truth[row]] == cases.truth_object[row]
        assert cases.substitute[row] not in members
    assert (np.diff(cases.queries) >= 0).all()
    again, other = (draw_cases(manifest, CaseConfig((5, 9), 2, seed=seed)) for seed in (1, 2))
    assert (again.candidates == cases.candidates).all()
    assert other.candidates.shape != cases.candidates.shape or (other.candidates != cases.candidates).any()


def test_the_other_candidates_are_drawn_evenly() -> None:
    manifest, _ = made_up(objects=12)
    cases = draw_cases(manifest, CaseConfig((4, 4), 400))
    counts = np.bincount(cases.candidates.ravel(), minlength=12) - np.bincount(cases.truth_object, minlength=12)
    expected = 3 * len(cases) / 12
    assert np.abs(counts / expected - 1).max() < 0.1


def test_candidates_have_every_source_and_other_queries_are_counted() -> None:
    manifest, _ = made_up()
    rows = tuple(row for row in manifest.rows if not (row.object_id == "o03" and row.source == "bin"))
    cases = draw_cases(Manifest(manifest.root, rows), CaseConfig((5, 9), 2))
    assert cases.left_out == QUERIES and cases.objects.index("o03") not in np.unique(cases.candidates)


def test_a_dataset_without_some_sources_is_measured_by_the_others() -> None:
    manifest, embedded = made_up()
    kept = [index for index, row in enumerate(manifest.rows) if row.source in ("query", "tray", "text")]
    partial = Manifest(manifest.root, tuple(manifest.rows[index] for index in kept))
    assert draw_cases(partial, CaseConfig((5, 9), 1)).sources == ("tray", "text")
    result = evaluate(recipe(fusions=()), partial, {"good": embedded.take(np.array(kept))}, [], {})
    top1 = result.figures["per_source_top1"]["good"]
    assert top1["tray"] > 0.5 and top1["bin"] is None and top1["catalog"] is None
    assert result.figures["open_set"]["method"] == "min_distance"


@pytest.mark.parametrize("objects", [0, 5])
def test_too_few_objects_are_an_error_that_says_so(objects: int) -> None:
    manifest, _ = made_up(objects=max(objects, 1))
    rows = manifest.rows if objects else ()
    with pytest.raises(TooFewObjects, match="objects"):
        draw_cases(Manifest(manifest.root, tuple(rows)), CaseConfig((5, 9), 1))


def test_coverage_has_its_rates_is_nested_and_spares_nobody() -> None:
    manifest, _ = made_up()
    cases = draw_cases(manifest, CaseConfig((5, 9), 40))
    high, low = (case_coverage(cases, rates, 0) for rates in ((0.7, 0.85, 1, 1), (0.25, 0.5, 1, 1)))
    for coverage, rates in ((high, (0.7, 0.85, 1, 1)), (low, (0.25, 0.5, 1, 1))):
        assert coverage[cases.present].mean(axis=0) == pytest.approx(rates, abs=0.02)
        assert coverage[np.arange(len(cases)), cases.truth].mean(axis=0) == pytest.approx(rates, abs=0.03)
        assert not coverage[~cases.present].any()
    assert not (low & ~high).any()


def test_distances_of_cases_are_those_of_their_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, embedded = made_up()
    cases = draw_cases(manifest, CaseConfig((5, 9), 2))
    whole = row_distances(cases, embedded)
    monkeypatch.setattr("objectcentric_ros.identification.evaluation_cases._MEMORY", 16 * 40 * 7)     # 7 queries a block
    row = row_distances(cases, embedded)
    np.testing.assert_allclose(row.candidates, whole.candidates, atol=1e-6)
    np.testing.assert_array_equal(row.gallery["bin"], whole.gallery["bin"])
    queries = embedded.select(sources=["query"]).vectors
    for case, column in ((0, 2), (77, 0), (239, 4)):
        name = cases.objects[cases.candidates[case, column]]
        for index, source in enumerate(REFERENCE_SOURCES):
            mine = embedded.select(sources=[source])
            near = 1 - (mine.vectors[mine.object_ids == name] @ queries[cases.queries[case]]).max()
            assert row.candidates[case, column, index] == pytest.approx(near, abs=1e-5)
    assert np.isnan(row.candidates[~cases.present]).all()


def test_single_sources_by_hand() -> None:
    distances = np.array([[[0.3, np.nan], [0.2, np.nan]], [[np.nan, 0.5], [0.4, 0.5]]], np.float32)
    truth = np.array([1, 0])
    assert source_correct(distances, truth, 0).tolist() == [True, False]
    assert source_correct(distances, truth, 1).tolist() == [False, True]        # nobody is nearest; a tie goes to the first


def test_min_distance_by_hand() -> None:
    nan = np.nan
    distances = np.array([[[0.3, nan, nan, 0.9], [nan, 0.2, nan, nan]],          # the second by its bin image
                          [[0.2, nan, 0.6, nan], [0.2, nan, 0.4, nan]],          # a tie: the lower mean
                          [[nan, nan, nan, nan], [0.9, nan, nan, nan]],          # only one can be answered
                          [[nan, nan, nan, nan], [nan, nan, nan, nan]]], np.float32)
    answers = answer(MinDistance(), distances, np.array([1, 1, 0, 0]))
    assert answers.chosen.tolist() == [1, 1, 1, -1]
    assert answers.correct.tolist() == [True, True, False, False]
    assert answers.confidence == pytest.approx([-0.2, -0.2, -0.9, -np.inf])


@pytest.mark.parametrize("method", [MinDistance(), Fused("fused", Softmin())])          # type: ignore[arg-type]
def test_vectors_that_say_nothing_give_chance(method: Any) -> None:
    manifest, embedded = made_up(objects=60, shuffled=True)
    cases = draw_cases(manifest, CaseConfig((5, 9), 10))
    row = row_distances(cases, embedded)
    for rates in ((1, 1, 1, 1), (0.25, 0.5, 0.5, 0.5)):
        coverage = case_coverage(cases, rates, 3)
        answers = answer(method, np.where(coverage, row.candidates, np.nan).astype(np.float32), cases.truth)
        chance = (1 / cases.present.sum(axis=1)).mean()
        assert answers.correct.mean() == pytest.approx(chance, abs=0.05)


def test_equal_distances_do_not_give_the_truth_away() -> None:
    manifest, _ = made_up(objects=30)
    cases = draw_cases(manifest, CaseConfig((5, 9), 20))
    distances = np.where(cases.present[..., None], np.float32(0.5), np.float32(np.nan)) * np.ones(4, np.float32)
    chance = (1 / cases.present.sum(axis=1)).mean()
    assert answer(MinDistance(), distances, cases.truth).correct.mean() == pytest.approx(chance, abs=0.03)


def test_reliability_by_hand() -> None:
    answers = SimpleNamespace(confidence=np.array([0.95, 0.95, 0.55, -np.inf]), correct=np.array([True, False, True, False]))
    measured = reliability(answers)                                             # type: ignore[arg-type]
    assert measured.counts.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert measured.precision[[5, 9]].tolist() == [1.0, 0.5]
    assert measured.ece == pytest.approx((2 * 0.45 + 0.45 + 0) / 4)


def test_figures_have_the_promised_keys_and_are_plain_json() -> None:
    result = measured()
    figures = json.loads(json.dumps(result.figures, allow_nan=False))
    assert set(figures["per_source_top1"]["good"]) == {"tray", "bin", "catalog", "text"}
    assert {(entry["name"], entry["method"]) for entry in figures["scenarios"]} == {
        (name, method) for name in ("70-85-100-100", "25-50-100-100", "25-50-0-0") for method in ("min_distance", "fused")}
    for entry in figures["scenarios"]:
        assert {"name", "method", "precision_at_100", "precision_at_90", "id_rate_at_99", "aurc"} <= set(entry)
        low, high = entry["intervals"]["precision_at_100"]
        assert low <= entry["precision_at_100"] <= high
        assert 0 <= entry["precision_at_100"] <= entry["answered"] <= 1
    assert {"auroc", "false_accept_at_95"} <= set(figures["open_set"]) and figures["open_set"]["method"] == "fused"
    assert set(result.histograms) == set(REFERENCE_SOURCES)


def test_what_should_be_better_is() -> None:
    figures = measured().figures
    top1 = figures["per_source_top1"]["good"]
    assert top1["tray"] > top1["bin"] > top1["catalog"] > figures["counts"]["chance"]
    assert all(figures["per_source_top1_gallery"]["good"][source] < top1[source] for source in ("tray", "bin", "catalog"))
    by_name = {(entry["name"], entry["method"]): entry["precision_at_100"] for entry in figures["scenarios"]}
    assert by_name["70-85-100-100", "fused"] > by_name["70-85-100-100", "min_distance"]
    assert by_name["25-50-100-100", "fused"] > by_name["25-50-0-0", "fused"]
    unanswered = 1 - next(entry["answered"] for entry in figures["scenarios"] if entry["name"] == "25-50-0-0")
    assert unanswered == 0.0 or by_name["25-50-0-0", "min_distance"] <= 1 - unanswered
    margin = figures["margins"][0]
    assert margin["precision_at_100"] == pytest.approx(
        by_name["70-85-100-100", "fused"] - by_name["70-85-100-100", "min_distance"])
    assert margin["outside_interval"] == (margin["intervals"]["precision_at_100"][0] > 0)
    assert figures["open_set"]["auroc"] > 0.7


def test_promised_precision_is_compared_with_what_is_reached() -> None:
    entries = measured().figures["thresholds"]
    first = next(entry for entry in entries if entry["name"] == "70-85-100-100" and entry["promised"] == 0.9)
    mixed = next(entry for entry in entries if entry["open_set_share"] > 0 and entry["promised"] == 0.9)
    assert first["kept"] == (first["precision"] >= 0.9) and 0 < first["answered"] < 1
    assert mixed["precision"] < first["precision"]                              # of the open set, no answer is right
    assert all("precision" not in entry for entry in entries if entry["promised"] == 0.99)


def test_the_same_seed_gives_the_same_figures_and_another_seed_others() -> None:
    one, two = measured(), measured()
    other = measured(cases=CaseConfig((5, 9), 2, seed=5))
    assert one.figures == two.figures
    assert one.figures["scenarios"][0]["aurc"] != other.figures["scenarios"][0]["aurc"]


def test_a_second_row_is_measured_on_the_same_cases() -> None:
    manifest, embedded = made_up()
    rows = (*recipe().rows, RowConfig("again", "x", "y", ("I",), curves=True), RowConfig("without titles", "x", curves=False))
    result = evaluate(recipe(rows=rows, fusions=()), manifest, {
        "good": embedded, "again": embedded, "without titles": embedded.select(sources=SOURCES[:4])}, [], {})
    top1 = result.figures["per_source_top1"]
    assert top1["again"] == top1["good"] and top1["without titles"] == {**top1["good"], "text": None}
    curve = {entry["method"]: entry["aurc"] for entry in result.figures["scenarios"] if entry["name"] == "70-85-100-100"}
    assert curve == {"min_distance": curve["min_distance"], "min_distance, again": curve["min_distance"]}


def looked_alike() -> tuple[Cases, EmbeddedSet, list[str]]:
    manifest, embedded = made_up()
    kinds = ["brown_box" if number < 5 else "white_bag" if number < 8 else "" for number in range(40)]
    return draw_cases(manifest, CaseConfig((5, 9), 2)), embedded, kinds


def test_a_look_alike_is_the_nearest_of_the_same_kind_by_tray() -> None:
    cases, embedded, kinds = looked_alike()
    row = row_distances(cases, embedded, kinds)
    full = row_distances(dataclasses.replace(cases, candidates=np.tile(np.arange(40), (len(cases), 1))), embedded)
    for case in range(len(cases)):
        truth = cases.truth_object[case]
        same = [number for number in range(40) if kinds[number] and kinds[number] == kinds[truth] and number != truth]
        expected = min(same, key=lambda number: full.candidates[case, number, 0]) if same else -1
        assert row.look_alike_object[case] == expected


def test_hidden_contents_take_tray_and_bin_from_the_truth_alone() -> None:
    cases, embedded, kinds = looked_alike()
    row = row_distances(cases, embedded, kinds)
    hidden = hidden_contents(cases, row, case_coverage(cases, (0.7, 0.85, 1, 1), 0))
    index = np.arange(len(hidden.cases))
    assert len(hidden.cases) == 8 * QUERIES * 2
    assert np.isnan(hidden.distances[index, hidden.cases.truth][:, :2]).all()
    assert np.isfinite(hidden.distances[index, hidden.cases.truth][:, 2:]).all()
    assert np.isfinite(hidden.distances[:, -1]).all()
    assert (hidden.cases.candidates[index, hidden.cases.truth] == hidden.cases.truth_object).all()
    for members in hidden.cases.candidates:
        present = members[members >= 0].tolist()
        assert len(present) == len(set(present))


def test_failures_are_wrong_sure_and_one_a_query() -> None:
    result = measured()
    ordinary, hidden = result.failures.values()
    assert ordinary and hidden and result.figures["hidden_contents"]["cases"] == 8 * QUERIES * 2
    for failures in (ordinary, hidden):
        assert [failure.confidence for failure in failures] == sorted((failure.confidence for failure in failures), reverse=True)
        assert len({failure.query.path for failure in failures}) == len(failures)
        for failure in failures:
            assert failure.truth != failure.predicted and failure.query.path.startswith(failure.truth)
            assert failure.predicted_references[0].path.startswith(failure.predicted) or failure.predicted_references[0].text
            distances = [shown.distance for shown in failure.predicted_references]
            assert distances == sorted(distances, key=float)                    # type: ignore[arg-type]
    assert all([shown.covered for shown in failure.truth_references] == [False, False, True, True] for failure in hidden)


def test_objects_without_a_table_are_unknown_and_a_bad_table_is_named(tmp_path: Path) -> None:
    assert read_objects(tmp_path) == {}
    (tmp_path / "objects.csv").write_text("object_id,title,kind\na,A can,can\n")
    assert read_objects(tmp_path) == {"a": ObjectFacts("A can", "can")}
    (tmp_path / "objects.csv").write_text("name\nx\n")
    with pytest.raises(ValueError, match=r"objects\.csv"):
        read_objects(tmp_path)


@pytest.mark.parametrize(("change", "said"), [
    ({"main": "nobody"}, "good"), ({"rows": (RowConfig("good", "a"), RowConfig("good", "b"))}, "same name"),
    ({"scenarios": ()}, "scenario"), ({"open_set_share": 1.0}, "open_set_share")])
def test_a_recipe_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        recipe(**change)


@pytest.mark.parametrize("bad", [
    lambda: ScenarioConfig((70, 85, 100, 101)), lambda: ScenarioConfig((0, 0, 0, 0)), lambda: RowConfig("a", "b", tables=("IV",)),
    lambda: RowConfig("a", "b.xml", features=224), lambda: RowConfig("a", "b.safetensors", features=8),
    lambda: FusionConfig("min_distance", "x"), lambda: CaseConfig((1, 4)), lambda: CaseConfig((9, 4))])
def test_parts_that_cannot_be_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError):
        bad()


def test_sizes_reach_every_question_of_the_evaluation() -> None:
    """With directions that say nothing, sizes alone name the object, in the scenarios and in the open set."""
    manifest, embedded = made_up(shuffled=True)
    cases = draw_cases(manifest, CaseConfig((5, 9), 2))
    queries = [row for row in manifest.rows if row.source == "query"]
    extents = {name: (0.1 * 1.3**number,) * 3 for number, name in enumerate(cases.objects)}
    table = SizeTable({row.path: (extents[row.object_id][0],) * 2 for row in queries}, extents)
    row = row_distances(cases, embedded, None, table)
    index = np.arange(len(cases))
    assert (np.nanargmin(np.abs(row.sizes[..., 0]), axis=1) == cases.truth).all()
    assert np.allclose(row.sizes[index, cases.truth], 0.0, atol=1e-5) and (np.abs(row.substitute_sizes) > 0.2).all()
    assert np.isnan(row.sizes[~cases.present]).all()
    figures = evaluate(recipe(), manifest, {"good": embedded}, [Fused("fused", Softmin())], {}, sizes=table).figures
    fused = {entry["name"]: entry for entry in figures["scenarios"] if entry["method"] == "fused"}
    assert fused["70-85-100-100"]["precision_at_100"] > 0.95 and figures["open_set"]["auroc"] > 0.95
    without = evaluate(recipe(), manifest, {"good": embedded}, [Fused("fused", Softmin())], {}).figures
    assert next(e for e in without["scenarios"] if e["method"] == "fused")["precision_at_100"] < 0.4


class Looks(Softmin):
    """As if a fusion model that verifies: nothing but points in common counts, of every candidate that has a picture."""

    verifies = True

    def batch(self, distances: NDArray[np.float32], sizes: NDArray[np.float32], verify: Any = None
              ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        p, none = super().batch(np.where(np.isnan(distances), np.nan, 0.5).astype(np.float32), sizes)
        rows, columns = np.nonzero(~np.isnan(distances).all(axis=-1))
        points = np.nan_to_num(verify(rows, columns)).max(axis=1)
        p[rows, columns] *= np.exp(points / 10)
        return p / (p.sum(axis=-1) + none)[:, None], none / (p.sum(axis=-1) + none)


class Shown:
    """As if points in common: 60 of a query, one of QUERIES an object, and its object's pictures; in real order of both."""

    def __init__(self, embedded: EmbeddedSet, root: Path, objects: tuple[str, ...], cache: Path | None, *_: Any) -> None:
        self.shows = [objects.index(name) for name in embedded.select(sources=("query",)).object_ids.tolist()]
        self.cache, self.saved, self.objects = cache, 0, len(objects)

    def evidence(self, queries: NDArray[np.intp], objects: NDArray[np.intp], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
        assert len(queries) == len(objects) == len(covered) and covered.shape[1] == 3 and 0 <= objects.min(initial=0)
        same = np.array(self.shows)[queries] == objects
        return np.where(covered.repeat(2, axis=1), 60.0 * same[:, None], np.nan).astype(np.float32)

    def save(self) -> None:
        self.saved += 1


def test_methods_that_verify_are_told_who_is_in_the_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Vectors say nothing here; points in common do wherever the true object has a picture, in every figure."""
    banks: list[Shown] = []

    def bank(*arguments: Any) -> Shown:
        banks.append(Shown(*arguments))
        return banks[-1]

    monkeypatch.setattr("objectcentric_ros.identification.evaluation.LocalBank", bank)
    monkeypatch.setattr("objectcentric_ros.identification.evaluation_methods._BLOCK", 7)
    manifest, embedded = made_up(shuffled=True)
    order = np.random.default_rng(0).permutation(len(embedded))             # the manifest's order is not that of the objects
    manifest, embedded = Manifest(manifest.root, tuple(manifest.rows[row] for row in order)), embedded.take(order)
    facts = {f"o{number:02}": ObjectFacts(f"title {number}", "white_bag" if number < 8 else "can") for number in range(40)}
    fused = Fused("fused", Looks())                                         # type: ignore[arg-type]
    figures = evaluate(recipe(), manifest, {"good": embedded}, [fused], facts, cache=tmp_path).figures
    [made] = banks
    assert made.cache == tmp_path and made.saved == 1
    scores = {(line["name"], line["method"]): line["precision_at_100"] for line in figures["scenarios"]}
    assert scores["70-85-100-100", "fused"] == 1.0 > 0.4 > scores["70-85-100-100", "min_distance"]
    unknown = {(line["name"], line["method"]): line["auroc"] for line in figures["open_set"]["all"]}
    assert unknown["70-85-100-100", "fused"] > 0.95 > 0.7 > unknown["70-85-100-100", "min_distance"]
    hidden = {line["method"]: line["precision_at_100"] for line in figures["hidden_contents"]["methods"]}
    assert hidden["fused"] == 1.0 > hidden["min_distance"]


def test_nobody_looks_at_pictures_for_methods_that_do_not_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectcentric_ros.identification.evaluation.LocalBank", lambda *_: pytest.fail("a bank was opened"))
    assert measured().figures["scenarios"]


def test_blocks_of_cases_are_asked_about_their_own_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectcentric_ros.identification.evaluation_methods._BLOCK", 2)
    asked: list[tuple[list[int], list[int], list[list[bool]]]] = []

    def evidence(queries: NDArray[np.intp], objects: NDArray[np.intp], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
        asked.append((queries.tolist(), objects.tolist(), covered.tolist()))
        return np.where(objects == 4, 60.0, 0.0)[:, None].repeat(6, axis=1).astype(np.float32)

    distances = np.full((3, 2, 4), 0.5, np.float32)
    distances[2, 0, 1:] = distances[1, 1] = np.nan
    pictures = Pictures(SimpleNamespace(evidence=evidence), np.array([7, 5, 9]),                     # type: ignore[arg-type]
                        np.array([[1, 4], [3, 2], [4, 6]]))
    answers = answer(Fused("fused", Looks()), distances, np.array([1, 0, 0]), pictures=pictures)     # type: ignore[arg-type]
    assert answers.chosen.tolist() == [1, 0, 0] and answers.correct.all()
    assert asked == [([7, 7, 5], [1, 4, 3], [[True] * 3] * 3), ([9, 9], [4, 6], [[True, False, False], [True] * 3])]
