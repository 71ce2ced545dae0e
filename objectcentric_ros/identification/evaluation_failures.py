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

"""Where identification fails (paper B, figure 8): look-alikes whose tray image is known, and sure answers that are wrong."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.coverage import apply_coverage
from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.evaluation_cases import Cases, RowDistances
from objectcentric_ros.identification.evaluation_methods import Answers
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SOURCES

_OF_ONE_OBJECT = 2           # examples of the same true object that are shown


@dataclass(frozen=True)
class ObjectFacts:
    """What objects.csv says of an object; empty where it says nothing."""

    title: str = ""
    kind: str = ""


def read_objects(folder: Path) -> dict[str, ObjectFacts]:
    """Titles and kinds of objects.csv, which a dataset need not have.

    Raises:
        ValueError: the file can't be read.
    """
    path = folder / "objects.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["object_id"]: ObjectFacts(row.get("title") or "", row.get("kind") or "") for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise ValueError(f"{path} is no table of objects: {error}") from error


@dataclass(frozen=True)
class HiddenContents:
    """M cases of figure 8.

    Args:
        cases: candidates and, as the last column, the look-alike.
        coverage: (M, K + 1, 4) of them: the true one has catalog picture and title only, the look-alike everything.
        distances: (M, K + 1, 4) float32, so covered.
        usual: (M, K + 1, 4) float32 the same but for the true object, which is covered like the others.
        sizes: (M, K + 1, 2) float32 size evidence.
    """

    cases: Cases
    coverage: NDArray[np.bool_]
    distances: NDArray[np.float32]
    usual: NDArray[np.float32]
    sizes: NDArray[np.float32]


def hidden_contents(cases: Cases, row: RowDistances, coverage: NDArray[np.bool_]) -> HiddenContents:
    """Those cases whose true object has a look-alike, which joins the candidates.

    Args:
        cases: of the evaluation.
        row: distances, measured with the kinds of objects.
        coverage: (N, K, 4) as the scenario has it.
    """
    rows = np.flatnonzero(row.look_alike_object >= 0)
    alike, truth, index = row.look_alike_object[rows], cases.truth[rows], np.arange(len(rows))
    others = np.where(cases.candidates[rows] == alike[:, None], -1, cases.candidates[rows])       # it comes once
    joined = replace(cases, queries=cases.queries[rows], truth_object=cases.truth_object[rows], truth=truth,
                     candidates=np.concatenate([others, alike[:, None]], axis=1), substitute=cases.substitute[rows])
    usual = np.concatenate([coverage[rows] & (others >= 0)[..., None], np.ones((len(rows), 1, len(REFERENCE_SOURCES)), bool)],
                           axis=1)
    hidden = usual.copy()
    hidden[index, truth] = [source in ("catalog", "text") for source in REFERENCE_SOURCES]
    distances = np.concatenate([row.candidates[rows], row.look_alike[rows][:, None]], axis=1)
    return HiddenContents(joined, hidden, apply_coverage(distances, hidden).astype(np.float32),
                          apply_coverage(distances, usual).astype(np.float32),
                          np.concatenate([row.sizes[rows], row.look_alike_sizes[rows][:, None]], axis=1))


@dataclass(frozen=True)
class Shown:
    """A picture or title of an example.

    Args:
        source: one of SOURCES.
        path: of the picture; empty for a title.
        text: the title; empty for a picture.
        distance: from the query, None for the query itself.
        covered: whether the gallery of the case had it.
    """

    source: str
    path: str = ""
    text: str = ""
    distance: float | None = None
    covered: bool = True


@dataclass(frozen=True)
class Failure:
    """A sure answer that is wrong.

    Args:
        confidence: of the answer.
        query: what was seen.
        truth, predicted: ids.
        truth_references: the nearest one a source, those that were not covered too.
        predicted_references: the nearest one a covered source, the nearest of all first.
    """

    confidence: float
    query: Shown
    truth: str
    predicted: str
    truth_references: tuple[Shown, ...]
    predicted_references: tuple[Shown, ...]


def surest_failures(cases: Cases, embedded: EmbeddedSet, coverage: NDArray[np.bool_], answers: Answers,
                    count: int) -> list[Failure]:
    """The wrong answers of the highest confidence, one a query and at most two an object.

    Args:
        cases: that were answered.
        embedded: of the main row.
        coverage: (N, K, 4).
        answers: to all cases.
        count: at most so many.
    """
    wrong = np.flatnonzero(~answers.correct & (answers.chosen >= 0))
    queries = embedded.select(sources=("query",))
    found: list[Failure] = []
    seen_queries: set[int] = set()
    objects: dict[int, int] = {}
    for case in wrong[np.argsort(-answers.confidence[wrong], kind="stable")].tolist():
        query, truth = int(cases.queries[case]), int(cases.truth_object[case])
        if len(found) >= count:
            break
        if query in seen_queries or objects.get(truth, 0) >= _OF_ONE_OBJECT:
            continue
        seen_queries.add(query)
        objects[truth] = objects.get(truth, 0) + 1
        column = int(answers.chosen[case])
        true_id, predicted_id = cases.objects[truth], cases.objects[int(cases.candidates[case, column])]
        vector = queries.vectors[query]
        predicted = [shown for shown in nearest_references(embedded, predicted_id, vector, coverage[case, column])
                     if shown.covered]
        found.append(Failure(
            float(answers.confidence[case]), Shown("query", path=str(queries.paths[query])), true_id, predicted_id,
            tuple(nearest_references(embedded, true_id, vector, coverage[case, int(cases.truth[case])])),
            tuple(sorted(predicted, key=lambda shown: shown.distance or 0.0))))
    return found


def nearest_references(embedded: EmbeddedSet, object_id: str, query: NDArray[np.float32],
                       covered: Sequence[bool] | NDArray[np.bool_]) -> list[Shown]:
    """The nearest reference of an object by each source that it has, in the order of REFERENCE_SOURCES."""
    rows = np.flatnonzero(embedded.object_ids == object_id)
    shown = []
    for index, source in enumerate(REFERENCE_SOURCES):
        mine = rows[embedded.sources[rows] == SOURCES.index(source)]
        if len(mine):
            distances = 1.0 - embedded.vectors[mine] @ query
            best = mine[distances.argmin()]
            what = str(embedded.paths[best])
            shown.append(Shown(source, "" if source == "text" else what, what if source == "text" else "",
                               max(float(distances.min()), 0.0), bool(covered[index])))
    return shown
