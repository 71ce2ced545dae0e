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

"""Training of the fusion model: cross-fitted gradient-boosted trees on simulated coverage (paper B, section VI).

The objects of the fusion split are few, so each is used for everything, but never for two things at once. In fold k the trees
are fitted on three fifths of the objects and stopped on a fifth; the last fifth, whose queries and references they never saw,
is judged. What is judged teaches the verification, again fold by fold, and gives the validation figures, the two numbers of
fusion.posterior and the promised thresholds. The deployed trees are then fitted on all objects, with the median of the folds'
number of trees.
"""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.fusion import FEATURES, SIZED, VERIFICATION, FusionModel, posterior, write_model
from objectcentric_ros.identification.fusion_cases import Cases, QueryPool, draw_cases, likeliest, query_pool
from objectcentric_ros.identification.fusion_recipe import BEST, FusionRecipe
from objectcentric_ros.identification.fusion_trees import fit_trees, training_rows
from objectcentric_ros.identification.local_bank import LocalBank, told_in_steps
from objectcentric_ros.identification.precision_curve import auroc, precision_curve
from objectcentric_ros.identification.reject import Promise, promise_precision
from objectcentric_ros.identification.size_evidence import SizeTable
from objectcentric_ros.identification.verification_training import (
    VerificationCases,
    cross_fit_verifier,
    fit_verifier,
    verification_section,
)
from objectcentric_ros.recipe import as_mapping

FEWEST_OBJECTS = 40          # below, a fold has not enough others to draw candidates from
Report = Callable[[str], None]


class TooFewObjects(ValueError):
    """The split can't be divided into folds that candidate sets can be drawn from."""


@dataclass(frozen=True)
class Judged:
    """Cases of objects that the trees did not see, and what the trees say.

    Args:
        cases: the cases, of all folds.
        scenarios: (N,) number of the recipe's scenario.
        log_odds: (N, C) by the trees of the case's fold, -inf where there is no reference.
    """

    cases: Cases
    scenarios: NDArray[np.intp]
    log_odds: NDArray[np.float64]

    def part(self, rows: NDArray[np.bool_]) -> Judged:
        """Some of the cases, (N,)."""
        return Judged(self.cases.part(rows), self.scenarios[rows], self.log_odds[rows])


def train_fusion(embedded: EmbeddedSet, recipe: FusionRecipe, output: Path, report: Report = lambda text: None,
                 sizes: SizeTable | None = None, pictures: Path | None = None) -> dict[str, Any]:
    """Train a model and write it with its card.

    Args:
        embedded: rows of the recipe's split; others are left out.
        recipe: the training.
        output: .ubj file; the card is beside it.
        report: gets a sentence a step.
        sizes: of the dataset; without them, features that need them aren't tried.
        pictures: folder of the dataset; without it nothing is verified.

    Returns:
        The card.

    Raises:
        TooFewObjects: fewer than FEWEST_OBJECTS objects with queries and references.
        ValueError: the embedded references are not in the recipe's number of orientations.
    """
    start = time.monotonic()
    part = embedded.select(split=recipe.data.split)
    check_turns(part, recipe.data.quarter_turns)
    pool = query_pool(part, sizes)
    objects = np.unique(pool.truth)
    if len(objects) < FEWEST_OBJECTS:
        raise TooFewObjects(f"the split {recipe.data.split!r} has {len(objects)} objects with queries; training and calibrating "
                            f"take at least {FEWEST_OBJECTS}")
    report(f"{len(pool.truth)} queries of {len(objects)} objects")
    parts = fold_parts(len(pool.objects), recipe)
    names = list(FEATURES) if recipe.features == BEST else [recipe.features]
    if pool.sizes is None and SIZED in names:
        if recipe.features == SIZED:
            raise ValueError(f"features {SIZED!r} need sizes: the dataset has no `long` and `short` in crops.csv, or no sizes of "
                             "objects in objects.csv")
        names.remove(SIZED)
    judged: dict[str, Judged] = {}
    rounds: dict[str, int] = {}
    fitted: dict[str, tuple[float, float]] = {}
    figures: dict[str, Any] = {}
    for name in names:
        judged[name], rounds[name] = cross_fit(pool, parts, name, recipe)
        fitted[name] = fit_posterior(judged[name])
        figures[name] = validation_figures(judged[name], *fitted[name], recipe)
        report(f"{name}: {rounds[name]} trees, " + _sentence(figures[name]))
    figures["min_distance"] = baseline_figures(judged[names[0]], recipe)
    report("min_distance: " + _sentence(figures["min_distance"]))
    chosen = min(names, key=lambda name: figures[name]["mean_aurc"])
    final, verifier, section = judged[chosen], None, None
    p = posterior(final.log_odds, *fitted[chosen])[0]
    if pictures is not None and recipe.verification.candidates:
        bank = LocalBank(part, pictures, pool.objects, pictures / ".cache" / "embeddings", told_in_steps(report))
        data = VerificationCases.collect(final.cases, final.log_odds, bank, recipe.verification)
        bank.save()
        folds = np.empty(len(pool.objects), np.intp)
        for number, members in enumerate(parts):
            folds[members] = number
        corrected = cross_fit_verifier(data, folds[final.cases.objects], recipe.verification, recipe.seed)
        asked = np.asarray(data.chosen.any(axis=1), bool)
        # Verified and other queries: two populations, two temperatures.
        decided = fitted[chosen] if asked.all() else fit_posterior(final.part(~asked))
        own = decided, fit_posterior(replace(final, log_odds=corrected).part(asked))
        p = np.where(asked[:, None], posterior(corrected, *own[1])[0], posterior(final.log_odds, *own[0])[0])
        fitted[chosen] = own[0]
        figures["verified"] = _figures(final, p, recipe)
        report(f"verified: {asked.mean():.1%} of the cases, " + _sentence(figures["verified"]))
        verifier = fit_verifier(data, np.ones(len(asked), bool), recipe.verification, recipe.seed)
        section = verification_section(recipe.verification, data, own[1])
    promises = make_promises(final, p, recipe)
    for promise in promises:
        report(promise.reason)
    rows = training_rows(training_cases(pool, recipe, np.random.default_rng([recipe.seed, 3])), chosen)
    booster = fit_trees(rows, recipe.trees, recipe.seed, rounds[chosen])
    counts = {"trees": rounds[chosen], "rows": len(rows.labels), "queries": len(pool.truth), "objects": len(objects),
             "seconds": round(time.monotonic() - start)}
    card = make_card(part.key, recipe, chosen, fitted[chosen], promises, figures, counts)
    if section is not None:
        card[VERIFICATION] = section
    return write_model(output, booster, card, verifier)


def check_turns(embedded: EmbeddedSet, quarter_turns: int) -> None:
    """Raise ValueError where reference images are not embedded in so many orientations, one row each."""
    images = embedded.select(sources=("tray", "bin", "catalog"))
    pairs = len(set(zip(images.object_ids.tolist(), images.paths.tolist(), strict=True)))
    if pairs and len(images) != quarter_turns * pairs:
        raise ValueError(f"the embeddings have {len(images) / pairs:.3g} rows a reference image, the recipe's quarter_turns is "
                         f"{quarter_turns}; embed them again, or set data.quarter_turns")


def fold_parts(objects: int, recipe: FusionRecipe) -> list[NDArray[np.intp]]:
    """The objects in `folds` random parts of about one size."""
    order = np.random.default_rng([recipe.seed, 1]).permutation(objects)
    return [np.sort(part).astype(np.intp) for part in np.array_split(order, recipe.folds)]


def cross_fit(pool: QueryPool, parts: Sequence[NDArray[np.intp]], features: str, recipe: FusionRecipe) -> tuple[Judged, int]:
    """Judge every object by trees that were fitted and stopped on others; also the median number of trees.

    The judged cases depend on seed, folds and scenarios alone: two recipes that share them are judged on the same ones.
    """
    cases, scenarios, log_odds, rounds = [], [], [], []
    for fold, held in enumerate(parts):
        stop = (fold + 1) % len(parts)
        fit = np.sort(np.concatenate([part for number, part in enumerate(parts) if number not in (fold, stop)]))
        rng = np.random.default_rng([recipe.seed, 2, fold])
        rows = training_rows(training_cases(pool.part(fit), recipe, rng), features)
        stop_rows = training_rows(training_cases(pool.part(parts[stop]), recipe, rng), features)
        booster = fit_trees(rows, recipe.trees, recipe.seed, recipe.trees.count, stop_rows)
        rounds.append(booster.num_boosted_rounds())
        trees = FusionModel(booster, {"features": features})
        part, rng = pool.part(held), np.random.default_rng([recipe.seed, 5, fold])
        for number, shares in enumerate(recipe.promises.scenarios):
            queries = np.repeat(np.arange(len(part.truth)), recipe.promises.per_query)
            drawn = draw_cases(rng, part, queries, recipe.cases.candidates, np.asarray(shares) / 100,
                               open_set=recipe.promises.open_set)
            drawn = replace(drawn, objects=held[drawn.objects], queries=part.numbers[drawn.queries],
                            members=np.where(drawn.members >= 0, held[drawn.members], -1))
            cases.append(_widened(drawn, recipe.cases.candidates[1]))
            scenarios.append(np.full(len(drawn), number, np.intp))
            log_odds.append(trees.log_odds(cases[-1].distances, cases[-1].sizes))
    return Judged(Cases.join(cases), np.concatenate(scenarios), np.concatenate(log_odds)), round(float(np.median(rounds)))


def training_cases(pool: QueryPool, recipe: FusionRecipe, rng: np.random.Generator) -> Cases:
    """Cases to learn from, of every query of a pool, with coverage of every kind."""
    queries = np.repeat(np.arange(len(pool.truth)), recipe.cases.per_query)
    return draw_cases(rng, pool, queries, recipe.cases.candidates, None, recipe.cases.near, recipe.cases.open_set,
                      recipe.cases.sized)


def fit_posterior(judged: Judged) -> tuple[float, float]:
    """Temperature and weight of none with the least negative log-likelihood of what is true: a candidate, or none."""
    truth = judged.cases.truth
    z = np.where(np.isfinite(judged.log_odds), judged.log_odds, -np.inf)
    rows = np.arange(len(truth))
    # Where the true object has no reference, none of those that have one is right.
    known = (truth >= 0) & np.isfinite(z[rows, truth])

    def loss(parameters: NDArray[np.float64]) -> float:
        p, none = posterior(z, math.exp(parameters[0]), math.exp(parameters[1]))
        return float(-np.log(np.maximum(np.where(known, p[rows, truth], none), 1e-12)).mean())

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", bounds=[(-2.0, 2.0), (-8.0, 8.0)],
                     options={"xatol": 1e-3, "fatol": 1e-6})
    return round(math.exp(found.x[0]), 4), round(math.exp(found.x[1]), 5)


def answers(cases: Cases, p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence of every case's answer, 0 where there is none, and whether it is right."""
    best = likeliest(p, cases.distances)
    confidences = np.where(best >= 0, p[np.arange(len(best)), best], 0.0)
    return confidences, (best == cases.truth) & (best >= 0)


def validation_figures(judged: Judged, temperature: float, none_weight: float, recipe: FusionRecipe) -> dict[str, Any]:
    """Figures of the judged cases by scenario, with fusion's posterior as confidence, and its open set."""
    p, _ = posterior(judged.log_odds, temperature, none_weight)
    own = 1.0 / (1.0 + np.exp(-judged.log_odds))
    return {**_figures(judged, p, recipe), "mean_aurc_of_own_probability": _figures(judged, own, recipe)["mean_aurc"]}


def baseline_figures(judged: Judged, recipe: FusionRecipe) -> dict[str, Any]:
    """The same figures for the nearest reference of any source (the paper's baseline)."""
    distances = judged.cases.distances
    nearest = np.where(np.isnan(distances), np.inf, distances).min(axis=-1)
    return _figures(judged, np.where(np.isfinite(nearest), 1.0 - nearest / 2, 0.0), recipe)


def _figures(judged: Judged, p: NDArray[np.float64], recipe: FusionRecipe) -> dict[str, Any]:
    confidences, correct = answers(judged.cases, p)
    closed = judged.cases.truth >= 0
    found: dict[str, Any] = {}
    curves = []
    for number, shares in enumerate(recipe.promises.scenarios):
        rows = closed & (judged.scenarios == number)
        curve = precision_curve(confidences[rows], correct[rows])
        curves.append(curve.aurc)
        found["-".join(f"{share:g}" for share in shares)] = {
            name: round(value, 4) for name, value in curve.metrics().items()
            if name in ("precision_at_100", "precision_at_90", "id_rate_at_99", "aurc")}
    first = judged.scenarios == 0
    if (first & ~closed).any():
        found["open_set_auroc"] = round(auroc(confidences[first & closed], confidences[first & ~closed]), 4)
    return {**found, "mean_aurc": round(float(np.mean(curves)), 5)}


def make_promises(judged: Judged, p: NDArray[np.float64], recipe: FusionRecipe) -> list[Promise]:
    """Thresholds for the recipe's targets, on all scenarios and the open set together; p (N, C) of the judged cases."""
    confidences, correct = answers(judged.cases, p)
    config = recipe.promises
    return [promise_precision(confidences, correct, judged.cases.objects, target, config.confidence, config.draws,
                              np.random.default_rng([recipe.seed, 4])) for target in config.targets]


def make_card(key: str, recipe: FusionRecipe, features: str, fitted: tuple[float, float], promises: Sequence[Promise],
              figures: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """The model card without the model's hash."""
    image_key, _, text_key = key.partition("+")
    config = recipe.promises
    scenarios = ", ".join("-".join(f"{share:g}" for share in shares) for shares in config.scenarios)
    return {
        "name": recipe.name,
        "used_by": "objectcentric_ros.identification.fusion.FusionModel",
        "features": features, "columns": list(FEATURES[features]),
        "temperature": fitted[0], "none_weight": fitted[1],
        "thresholds": {promise.target: None if promise.threshold is None else math.ceil(promise.threshold * 1e4) / 1e4
                       for promise in promises},
        "confidence": config.confidence, "n": promises[0].objects if promises else 0,
        "scenario": f"equal parts of the coverages {scenarios} (tray-bin-catalog-text); {config.open_set:.0%} of the cases "
                    f"without the true object; {recipe.cases.candidates[0]} to {recipe.cases.candidates[1]} candidates; "
                    f"one query of each object, {config.draws} draws, judged by trees that did not see the object",
        "promises": [_plain(asdict(promise)) for promise in promises],
        "image_key": image_key, "text_key": text_key, "quarter_turns": recipe.data.quarter_turns, "views": recipe.data.views,
        "validation": dict(figures),
        **sizes,
        "recipe": as_mapping(recipe), "library": f"xgboost-cpu {importlib.metadata.version('xgboost-cpu')}",
        "licence": "Apache-2.0"}


def _plain(promise: dict[str, Any]) -> dict[str, Any]:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in promise.items()}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in rounded.items()}


def _widened(cases: Cases, width: int) -> Cases:
    """Cases with room for `width` candidates: folds of small data have less."""
    lacking = width - cases.distances.shape[1]
    distances = np.pad(cases.distances, ((0, 0), (0, lacking), (0, 0)), constant_values=np.nan)
    return replace(cases, distances=distances,
                   sizes=np.pad(cases.sizes, ((0, 0), (0, lacking), (0, 0)), constant_values=np.nan),
                   members=np.pad(cases.members, ((0, 0), (0, lacking)), constant_values=-1))


def _sentence(figures: Mapping[str, Any]) -> str:
    scenarios = [f"{name} {value['precision_at_100']:.3f}" for name, value in figures.items() if isinstance(value, Mapping)]
    return f"precision at 100 % ID rate {', '.join(scenarios)}; mean AURC {figures['mean_aurc']:.4f}"
