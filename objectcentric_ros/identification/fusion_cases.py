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

"""Test cases of identification: a query, a candidate set, and a gallery that knows only some references (paper B, section VI).

The fusion model is trained and calibrated on many of them, drawn from a few hundred objects that no encoder saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.coverage import SOURCE_COUNT, apply_coverage, draw_coverage
from objectcentric_ros.identification.embedded_set import EmbeddedSet, min_distances
from objectcentric_ros.identification.size_evidence import SIZE_FEATURES, SizeTable

NEAR = 1 / 8       # a look-alike is one of this share of the objects, those whose references are nearest to the query


@dataclass(frozen=True)
class QueryPool:
    """Queries and the objects that may be their candidates.

    Args:
        distances: (Q, O, 4) float32 least distance of each query to each object by source, NaN where there is no reference.
        truth: (Q,) which object each query shows.
        objects: O ids.
        sizes: (Q, O, 2) float32 from size_evidence, NaN where something isn't known; None: nothing is.
        rows: (Q,) numbers of the queries in the embedded set that they are of; None: as they come.
    """

    distances: NDArray[np.float32]
    truth: NDArray[np.intp]
    objects: tuple[str, ...]
    sizes: NDArray[np.float32] | None = None
    rows: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        if self.sizes is not None and self.sizes.shape != (*self.distances.shape[:2], len(SIZE_FEATURES)):
            raise ValueError(f"distances of shape {self.distances.shape} and sizes of shape {self.sizes.shape}")
        if self.distances.shape != (len(self.truth), len(self.objects), SOURCE_COUNT):
            raise ValueError(f"{len(self.truth)} queries of {len(self.objects)} objects need distances of shape "
                             f"{(len(self.truth), len(self.objects), SOURCE_COUNT)}, got {self.distances.shape}")

    def part(self, objects: NDArray[np.intp]) -> QueryPool:
        """The pool of some objects alone, with their queries; what a fold may see."""
        rows = np.flatnonzero(np.isin(self.truth, objects))
        place = np.full(len(self.objects), -1, np.intp)
        place[objects] = np.arange(len(objects))
        return QueryPool(self.distances[np.ix_(rows, objects)], place[self.truth[rows]],
                         tuple(self.objects[index] for index in objects),
                         None if self.sizes is None else self.sizes[np.ix_(rows, objects)], self.numbers[rows])

    @property
    def numbers(self) -> NDArray[np.intp]:
        """(Q,) numbers of the queries in the embedded set."""
        return np.arange(len(self.truth)) if self.rows is None else self.rows


def query_pool(embedded: EmbeddedSet, sizes: SizeTable | None = None) -> QueryPool:
    """The queries of an embedded set against all of its objects, with what is known of their sizes.

    Raises:
        ValueError: there are no queries, or fewer than two objects.
    """
    queries, references = embedded.select(sources=("query",)), embedded.select(sources=("tray", "bin", "catalog", "text"))
    objects = references.objects
    index = {object_id: number for number, object_id in enumerate(objects)}
    rows = np.array([row for row, object_id in enumerate(queries.object_ids.tolist()) if object_id in index], np.intp)
    if not len(rows) or len(objects) < 2:
        raise ValueError(f"{len(rows)} queries of objects with references, and {len(objects)} objects: nothing to draw "
                         "candidates from; is the split the right one?")
    queries = queries.take(rows)
    truth = np.array([index[object_id] for object_id in queries.object_ids.tolist()], np.intp)
    evidence = sizes.evidence(queries.paths.tolist(), objects) if sizes is not None else None
    if evidence is not None and np.isnan(evidence).all():
        evidence = None
    return QueryPool(min_distances(queries.vectors, objects, references), truth, objects, evidence, rows)


@dataclass(frozen=True)
class Cases:
    """Drawn test cases, all with room for the largest candidate set.

    Args:
        distances: (N, C, 4) float32, candidates in random order; rows beyond a case's own candidates are all NaN.
        truth: (N,) row of the true object, -1 where it isn't among the candidates (open set).
        objects: (N,) number of the query's object: cases of one object are not independent.
        candidates: (N,) how many there are.
        sizes: (N, C, 2) float32 from size_evidence, NaN where something isn't known.
        queries: (N,) number of the query.
        members: (N, C) numbers of the candidates' objects, -1 beyond a case's own.
    """

    distances: NDArray[np.float32]
    truth: NDArray[np.intp]
    objects: NDArray[np.intp]
    candidates: NDArray[np.intp]
    sizes: NDArray[np.float32]
    queries: NDArray[np.intp]
    members: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N, C) whether a row is a candidate at all, covered or not."""
        return np.arange(self.distances.shape[1])[None, :] < self.candidates[:, None]

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(N, C) whether a candidate has any reference."""
        return np.asarray(~np.isnan(self.distances).all(axis=-1))

    def part(self, rows: NDArray[np.bool_]) -> Cases:
        """Some of the cases, (N,)."""
        return Cases(*(getattr(self, column.name)[rows] for column in fields(self)))

    @staticmethod
    def join(parts: Sequence[Cases]) -> Cases:
        """All cases of several draws with equally large room."""
        return Cases(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Cases)))


def draw_rates(rng: np.random.Generator, cases: int) -> NDArray[np.float64]:
    """(N, 4) coverage rates for training: each source's share by itself, anything from none to all.

    A quarter of the sources are covered completely (catalogues are), a tenth hardly at all, the rest uniformly.
    """
    rates = rng.random((cases, SOURCE_COUNT))
    kind = rng.random((cases, SOURCE_COUNT))
    rates[kind < 0.25] = 1.0
    rates[kind > 0.9] *= 0.1
    return rates


def draw_cases(rng: np.random.Generator, pool: QueryPool, queries: NDArray[np.intp], candidates: tuple[int, int] = (10, 30),
               rates: Sequence[float] | NDArray[np.floating] | None = None, near: float = 0.0, open_set: float = 0.0,
               sized: float = 1.0) -> Cases:
    """Draw one case for each query.

    Args:
        rng: source of the draw.
        pool: queries and objects.
        queries: (N,) numbers of queries in the pool; one may come more than once.
        candidates: smallest and largest candidate set, the true object included; smaller than the pool in any case.
        rates: (4,) coverage, or (N, 4); None draws by draw_rates.
        near: largest share of a query's look-alikes (see NEAR) that are put among its candidates; each case draws its own.
        open_set: share of the cases whose true object is not among the candidates.
        sized: share of the candidates, and of the queries, whose sizes are known.

    Raises:
        ValueError: candidate sets that the pool is too small for.
    """
    low, high = candidates[0], min(candidates[1], len(pool.objects) - 1)
    if not 2 <= low <= high:
        raise ValueError(f"candidate sets of {candidates[0]} to {candidates[1]} can't be drawn from {len(pool.objects)} objects")
    count = len(queries)
    truth_objects = pool.truth[queries]
    how_many = rng.integers(low, high + 1, count)
    missing = rng.random(count) < open_set
    # Others in random order, look-alikes first where the draw says so: the first (size - 1) of them are the candidates.
    order = rng.random((count, len(pool.objects)))
    if near > 0:
        alike = _nearness(pool)[queries] < max(NEAR * len(pool.objects), 1)
        order -= alike & (rng.random(order.shape) < near * rng.random((count, 1)))
    order[np.arange(count), truth_objects] = np.inf
    chosen = np.argsort(order, axis=1)[:, :high]
    chosen[~missing, 0] = truth_objects[~missing]
    place = np.where(np.arange(high) < how_many[:, None], rng.random((count, high)), np.inf).argsort(axis=1)
    chosen = np.take_along_axis(chosen, place, axis=1)
    truth = np.where(missing, -1, (place == 0).argmax(axis=1))
    shares = draw_rates(rng, count) if rates is None else np.broadcast_to(np.asarray(rates, np.float64), (count, SOURCE_COUNT))
    mask = draw_coverage(rng, count * high, np.repeat(shares, high, axis=0)).reshape(count, high, SOURCE_COUNT)
    mask &= (np.arange(high) < how_many[:, None])[..., None]
    distances = apply_coverage(pool.distances[queries[:, None], chosen], mask)
    evidence = np.full((count, high, len(SIZE_FEATURES)), np.nan, np.float32)
    if pool.sizes is not None:
        evidence = pool.sizes[queries[:, None], chosen]
        evidence[np.arange(high) >= how_many[:, None]] = np.nan
        if sized < 1:
            evidence[(rng.random((count, high)) >= sized) | (rng.random((count, 1)) >= sized)] = np.nan
    members = np.where(np.arange(high) < how_many[:, None], chosen, -1).astype(np.intp)
    return Cases(distances.astype(np.float32), truth.astype(np.intp), truth_objects, how_many, evidence, queries, members)


def _nearness(pool: QueryPool) -> NDArray[np.intp]:
    """(Q, O) rank of each object by its mean distance over the sources it has, compared with the source's usual distance."""
    known = ~np.isnan(pool.distances)
    distances = np.where(known, pool.distances, 0.0)
    usual = distances.sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1)
    mean = np.where(known, distances - usual, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return np.argsort(np.argsort(np.where(known.any(axis=-1), mean, np.inf), axis=1), axis=1)


def likeliest(p: NDArray[np.floating], distances: NDArray[np.floating]) -> NDArray[np.intp]:
    """The best candidate of each case: highest probability, ties by the lowest mean of the distances that it has.

    Args:
        p: (N, C).
        distances: (N, C, 4).

    Returns:
        (N,) row, -1 where no candidate has a reference.
    """
    known = ~np.isnan(distances)
    counts = known.sum(axis=-1)
    mean = np.where(counts > 0, np.where(known, distances, 0.0).sum(axis=-1) / np.maximum(counts, 1), np.inf)
    scores = np.where(counts > 0, p, -np.inf)
    best = np.where(scores == scores.max(axis=1, keepdims=True), mean, np.inf).argmin(axis=1)
    return np.where(counts.any(axis=1), best, -1)
