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

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.fusion import FEATURES, FusionError, FusionModel
from objectcentric_ros.identification.fusion_cases import draw_cases, query_pool
from objectcentric_ros.identification.fusion_recipe import (
    FusionCaseConfig,
    FusionDataConfig,
    FusionRecipe,
    PromiseConfig,
    TreeConfig,
)
from objectcentric_ros.identification.fusion_training import (
    TooFewObjects,
    answers,
    cross_fit,
    fold_parts,
    train_fusion,
    training_cases,
)
from objectcentric_ros.identification.fusion_trees import TrainingRows, candidate_loss, fit_trees, training_rows
from objectcentric_ros.identification.size_evidence import SizeTable
from objectcentric_ros.identification.verification import VerificationConfig

pytest.importorskip("xgboost")
pytest.importorskip("mapie")

RECIPE = FusionRecipe(folds=3, cases=FusionCaseConfig(candidates=(5, 10), per_query=4),
                      trees=TreeConfig(count=30, depth=3, early_stopping=5),
                      promises=PromiseConfig(targets=(0.6, 0.999), draws=3))
COUNTS, NOISE = (2, 2, 2, 1, 1), (1.2, 0.7, 0.9, 1.2, 1.5)       # query, tray, bin, catalog, text


def synthetic_embeddings(objects: int = 45, split: str = "fusion", seed: int = 0, turns: int = 1) -> EmbeddedSet:
    """Noisy copies of one direction an object; pictures of the catalogue and titles lie apart from the others."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, centre in enumerate(rng.normal(size=(objects, 24))):
        for source, (count, noise) in enumerate(zip(COUNTS, NOISE, strict=True)):
            for picture in range(count):
                for _ in range(turns if 1 <= source <= 3 else 1):
                    vector = centre / np.linalg.norm(centre) + noise * rng.normal(size=24) / np.sqrt(24)
                    vector[source] += (0.0, 0.0, 0.0, 0.5, 1.5)[source]
                    rows.append((f"object{number}", source, vector / np.linalg.norm(vector), f"{number}/{source}/{picture}"))
    ids, sources, vectors, paths = zip(*rows, strict=True)
    return EmbeddedSet(np.array(ids), np.array(sources, np.int8), np.array(vectors, np.float32), np.array([split] * len(ids)),
                       np.array(paths), "image-1+text-1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    path = tmp_path_factory.mktemp("fusion") / "model.ubj"
    return path, train_fusion(synthetic_embeddings(), RECIPE, path)


def test_a_trained_model_beats_the_nearest_reference(trained: tuple[Path, dict]) -> None:
    path, card = trained
    fused, nearest = (card["validation"][name] for name in (card["features"], "min_distance"))
    for scenario in ("50-70-100-100", "25-50-100-100"):
        assert fused[scenario]["aurc"] < 0.7 * nearest[scenario]["aurc"]
    assert fused["25-50-100-100"]["precision_at_100"] > nearest["25-50-100-100"]["precision_at_100"] + 0.01
    assert fused["open_set_auroc"] > 0.8
    other = query_pool(synthetic_embeddings(seed=7))           # objects that it has nothing of
    cases = training_cases(other, RECIPE, np.random.default_rng(0))
    model = FusionModel.load(path)
    _, correct = answers(cases, model.batch(cases.distances)[0])
    assert correct[cases.truth >= 0].mean() > 0.6


def test_the_card_says_what_robots_and_people_need(trained: tuple[Path, dict]) -> None:
    path, card = trained
    model = FusionModel.load(path)
    assert (model.image_key, model.text_key, model.quarter_turns) == ("image-1", "text-1", 1)
    assert 0 < model.threshold(0.6) < 1 and model.threshold(0.999) is None       # type: ignore[operator]
    assert card["n"] == card["objects"] == 45 and card["queries"] == 90 and card["confidence"] == 0.9
    assert "70-85-100-100" in card["scenario"] and "10%" in card["scenario"]
    assert card["rows"] > 10 * card["queries"] and 1 <= card["trees"] <= 30
    assert card["recipe"]["folds"] == 3
    assert card["features"] == min(("distances", "distances+gaps"), key=lambda name: card["validation"][name]["mean_aurc"])


def test_the_same_seed_trains_the_same_model(trained: tuple[Path, dict], tmp_path: Path) -> None:
    again = train_fusion(synthetic_embeddings(), RECIPE, tmp_path / "again.ubj")
    assert again["sha256"] == trained[1]["sha256"] and again["thresholds"] == trained[1]["thresholds"]


def test_permuted_distances_are_worth_a_guess() -> None:
    """With the objects' distances shuffled nothing is left but coverage, which must not tell who is right."""
    pool = query_pool(synthetic_embeddings(90))
    order = np.argsort(np.random.default_rng(0).random(pool.distances.shape[:2]), axis=1)
    shuffled = replace(pool, distances=np.take_along_axis(pool.distances, order[..., None], axis=1))
    recipe = replace(RECIPE, promises=PromiseConfig(scenarios=((25.0, 25.0, 25.0, 25.0),), per_query=20, open_set=0.0))
    judged, _ = cross_fit(shuffled, fold_parts(90, recipe), "distances+gaps", recipe)
    cases, rows = judged.cases, np.arange(len(judged.cases))
    guess = np.where(cases.covered[rows, cases.truth], 1 / np.maximum(cases.covered.sum(axis=1), 1), 0.0).mean()
    _, correct = answers(cases, 1 / (1 + np.exp(-judged.log_odds)))
    assert 0.1 < guess < 0.2 and correct.mean() == pytest.approx(guess, abs=0.05)   # the 180 queries spread by 0.02
    seen = draw_cases(np.random.default_rng(0), pool, np.arange(180), (5, 10), np.ones(4))
    assert answers(seen, 2.0 - np.nanmin(seen.distances, axis=-1, initial=2.0))[1].mean() > 0.7       # unshuffled, they tell


@pytest.mark.parametrize("objective", ["rows", "candidates"])
def test_a_model_of_each_objective_is_read_back(tmp_path: Path, objective: str) -> None:
    recipe = replace(RECIPE, features="distances", trees=replace(RECIPE.trees, objective=objective))
    card = train_fusion(synthetic_embeddings(), recipe, tmp_path / "model.ubj")
    model = FusionModel.load(tmp_path / "model.ubj")
    p, none = model.probabilities(np.array([[0.05, 0.1, 0.3, 0.5], [0.9, 0.9, 1.0, 0.9]], np.float32))
    assert p[0] > 0.5 > p[1] and p.sum() + none == pytest.approx(1.0)
    assert card["recipe"]["trees"]["objective"] == objective


def test_folds_share_no_object() -> None:
    parts = fold_parts(45, RECIPE)
    assert sorted(np.concatenate(parts).tolist()) == list(range(45)) and len(parts) == 3


def test_rows_are_the_candidates_that_have_a_reference() -> None:
    cases = training_cases(query_pool(synthetic_embeddings()), RECIPE, np.random.default_rng(0))
    rows = training_rows(cases, "distances")
    assert len(rows.features) == len(rows.labels) == cases.covered.sum() and not np.isnan(rows.features).all(axis=1).any()
    true_covered = cases.covered[np.arange(len(cases)), cases.truth] & (cases.truth >= 0)
    assert rows.labels.sum() == true_covered.sum()
    assert np.bincount(rows.cases, minlength=len(cases)).tolist() == cases.covered.sum(axis=1).tolist()


def test_the_likelihood_of_a_case_by_hand() -> None:
    """One case of two candidates with odds 3 and 1, the first one true; one of a single candidate with odds 1 and none true."""
    rows = TrainingRows(np.zeros((3, 4), np.float32), FEATURES["distances"], np.array([1, 0, 0], np.float32), np.array([0, 0, 1]))
    loss, gradient, hessian = candidate_loss(np.log([3.0, 1.0, 1.0]), rows)
    assert loss == pytest.approx((-np.log(3 / 5) - np.log(1 / 2)) / 2)
    assert gradient.tolist() == pytest.approx([3 / 5 - 1, 1 / 5, 1 / 2])
    assert hessian.tolist() == pytest.approx([6 / 25, 4 / 25, 1 / 4])


def test_the_gradient_of_the_likelihood_is_its_slope_even_far_out() -> None:
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.integers(0, 6, 40))
    labels = np.zeros(40, np.float32)
    labels[[int(np.flatnonzero(numbers == case)[0]) for case in (0, 2, 3)]] = 1
    rows, z = TrainingRows(np.zeros((40, 4), np.float32), FEATURES["distances"], labels, numbers), rng.normal(0, 3, 40)
    _, gradient, _ = candidate_loss(z, rows)
    for index in range(0, 40, 7):
        step = np.zeros(40)
        step[index] = 1e-5
        slope = (candidate_loss(z + step, rows)[0] - candidate_loss(z - step, rows)[0]) / 2e-5 * 6
        assert slope == pytest.approx(gradient[index], abs=1e-6)
    assert np.isfinite(candidate_loss(1000 * z, rows)[0])


def test_trees_for_the_candidates_beat_trees_for_rows_at_their_own_likelihood() -> None:
    pool = query_pool(synthetic_embeddings(90))
    first, second = (training_rows(training_cases(pool.part(part), RECIPE, np.random.default_rng(0)), "distances")
                     for part in (np.arange(60), np.arange(60, 90)))
    losses = {}
    for objective in ("rows", "candidates"):
        booster = fit_trees(first, replace(RECIPE.trees, objective=objective), 0, 30, second)
        losses[objective] = candidate_loss(booster.inplace_predict(second.features, predict_type="margin"), second)[0]
    assert losses["candidates"] < losses["rows"]
    with pytest.raises(ValueError, match="unknown objective 'pairs'"):
        TreeConfig(objective="pairs")


def test_too_few_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooFewObjects, match="20 objects"):
        train_fusion(synthetic_embeddings(20), RECIPE, tmp_path / "model.ubj")
    with pytest.raises(ValueError, match="0 queries"):
        train_fusion(synthetic_embeddings(split="train"), RECIPE, tmp_path / "model.ubj")
    assert list(tmp_path.iterdir()) == []


def test_embeddings_in_other_orientations_are_refused(tmp_path: Path) -> None:
    turned = synthetic_embeddings(turns=4)
    with pytest.raises(ValueError, match="4 rows a reference image"):
        train_fusion(turned, RECIPE, tmp_path / "model.ubj")
    recipe = replace(RECIPE, features="distances", data=FusionDataConfig(quarter_turns=4))
    card = train_fusion(turned, recipe, tmp_path / "model.ubj")
    assert card["quarter_turns"] == 4 and "distances+gaps" not in card["validation"]


@pytest.mark.parametrize("make", [lambda: FusionRecipe(features="colours"), lambda: FusionRecipe(folds=2),
                                  lambda: FusionDataConfig(quarter_turns=3), lambda: FusionDataConfig(split="rest"),
                                  lambda: FusionCaseConfig(candidates=(30, 10)), lambda: FusionCaseConfig(near=2.0),
                                  lambda: TreeConfig(rate=0.0), lambda: PromiseConfig(scenarios=((70.0, 85.0),)),
                                  lambda: PromiseConfig(targets=(1.0,))])
def test_recipes_without_meaning_are_refused(make) -> None:
    with pytest.raises(ValueError):
        make()


def test_sizes_tell_apart_what_pictures_do_not(tmp_path: Path) -> None:
    """Pairs of objects look the same and differ in size alone: half of the answers without sizes, all with them."""
    rng = np.random.default_rng(0)
    rows = []
    centres = np.repeat(rng.normal(size=(30, 24)), 2, axis=0)
    for number, centre in enumerate(centres):
        for source, count in enumerate(COUNTS):
            for picture in range(count):
                vector = centre + rng.normal(size=24) * (0.05 if source else 0.3)
                rows.append((f"o{number}", source, vector / np.linalg.norm(vector), f"{number}-{source}-{picture}"))
    ids, sources, vectors, paths = zip(*rows, strict=True)
    embedded = EmbeddedSet(np.array(ids), np.array(sources, np.int8), np.array(vectors, np.float32),
                           np.array(["fusion"] * len(rows)), np.array(paths), "made-up")
    extents = {f"o{number}": (0.1, 0.05, 0.05) if number % 2 else (0.2, 0.1, 0.1) for number in range(60)}
    measured = {path: (0.98 * extents[name][0], 0.98 * extents[name][1]) for name, source, _, path in rows if source == 0}
    # Look-alikes are among each other's candidates where candidates are nearly all objects.
    recipe = replace(RECIPE, features="best", cases=replace(RECIPE.cases, candidates=(18, 19), sized=1.0),
                     promises=PromiseConfig(targets=(0.6,), draws=3, scenarios=((100, 100, 100, 100),)))
    card = train_fusion(embedded, recipe, tmp_path / "model.ubj", sizes=SizeTable(measured, extents))
    with_sizes, without = (card["validation"][name]["100-100-100-100"]["precision_at_100"]
                           for name in ("distances+size", "distances"))
    assert card["features"] == "distances+size" and with_sizes > 0.97 > 0.9 > without
    model = FusionModel.load(tmp_path / "model.ubj")
    near = np.full((2, 4), 0.05, np.float32)
    p, _ = model.probabilities(near, np.array([[0.0, 0.0], [0.7, 0.7]], np.float32))
    assert p[0] > 5 * p[1]
    p, _ = model.probabilities(near)                                       # nothing was measured: no error, and a tie
    assert p[0] == pytest.approx(p[1])
    with pytest.raises(FusionError, match="need sizes of shape"):
        model.probabilities(near, np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="need sizes: the dataset has no"):
        train_fusion(embedded, replace(recipe, features="distances+size"), tmp_path / "other.ubj")


class Shown:
    """As if points in common: many of a query and its own object's pictures, whatever order the embeddings are in."""

    def __init__(self, embedded: EmbeddedSet, root: Path, objects: tuple[str, ...], cache: Path | None, *_: Any) -> None:
        self.shows = np.array([objects.index(name) if name in objects else -1
                               for name in embedded.select(sources=("query",)).object_ids.tolist()])
        self.root, self.cache, self.saved = root, cache, 0

    def evidence(self, queries: NDArray[np.intp], objects: NDArray[np.intp], covered: NDArray[np.bool_]) -> NDArray[np.float32]:
        assert covered.shape == (len(queries), 3) and objects.min() >= 0
        same = self.shows[queries] == objects
        return np.where(covered.repeat(2, axis=1), 5.0 + 55.0 * same[:, None], np.nan).astype(np.float32)

    def save(self) -> None:
        self.saved += 1


def test_points_in_common_tell_apart_what_vectors_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of objects have the same vectors. Some queries are of objects without any reference, some of another split."""
    rng = np.random.default_rng(0)
    rows = []
    for number, centre in enumerate(np.repeat(rng.normal(size=(30, 24)), 2, axis=0)):
        for source, count in enumerate(COUNTS):
            for picture in range(count):
                vector = centre + rng.normal(size=24) * (0.05 if source else 0.3)
                rows.append((f"o{number}", source, vector / np.linalg.norm(vector), "fusion", f"{number}-{source}-{picture}"))
        if number % 4 == 0:
            vector = np.eye(24)[0]
            rows += [(f"bare{number}", 0, vector, "fusion", f"bare-{number}"), (f"o{number}", 0, vector, "train", f"t-{number}")]
    rows = [rows[row] for row in rng.permutation(len(rows))]
    ids, sources, vectors, splits, paths = zip(*rows, strict=True)
    embedded = EmbeddedSet(np.array(ids), np.array(sources, np.int8), np.array(vectors, np.float32), np.array(splits),
                           np.array(paths), "made-up")
    banks: list[Shown] = []

    def bank(*arguments: Any) -> Shown:
        banks.append(Shown(*arguments))
        return banks[-1]

    monkeypatch.setattr("objectcentric_ros.identification.fusion_training.LocalBank", bank)
    recipe = replace(RECIPE, features="distances", cases=replace(RECIPE.cases, candidates=(18, 19)),
                     promises=PromiseConfig(targets=(0.6,), draws=3, scenarios=((100, 100, 100, 100),)),
                     verification=VerificationConfig(trees=40, min_child_weight=5.0))
    card = train_fusion(embedded, recipe, tmp_path / "model.ubj", pictures=tmp_path)
    figures = {name: card["validation"][name]["100-100-100-100"]["precision_at_100"] for name in ("distances", "verified")}
    assert figures["verified"] > 0.97 > 0.8 > figures["distances"]
    [made] = banks
    assert made.root == tmp_path and made.cache == tmp_path / ".cache" / "embeddings" and made.saved == 1
    model = FusionModel.load(tmp_path / "model.ubj")
    assert model.verifies and model.card["verification"]["candidates"] == 5 and model.card["verification"]["cases"] > 100
    own = [(model.card["temperature"], model.card["none_weight"]),
           (model.card["verification"]["temperature"], model.card["verification"]["none_weight"])]
    assert own[0] != own[1] and min(map(min, own)) > 0                  # fitted apart
    near = np.full((1, 2, 4), 0.05, np.float32)
    p, _ = model.batch(near, verify=lambda rows, columns: np.where(columns == 1, 60, 5)[:, None].repeat(6, axis=1))
    assert p[0, 1] > 5 * p[0, 0] and model.threshold(0.6) is not None
    for change, pictures in ((recipe, None), (replace(recipe, verification=VerificationConfig(candidates=0)), tmp_path)):
        without = train_fusion(embedded, change, tmp_path / "model.ubj", pictures=pictures)     # in the place of the first
        assert "verified" not in without["validation"] and not FusionModel.load(tmp_path / "model.ubj").verifies
        assert without["sha256"] == card["sha256"]
    assert len(banks) == 1 and not list(tmp_path.glob("*verification*"))
