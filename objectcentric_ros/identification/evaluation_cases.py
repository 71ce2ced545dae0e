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

"""Test cases of the evaluation: candidate sets and coverages that every encoder and every method is asked about (paper B, VI).

A case is a query and 10 to 30 objects, its own among them; the sets are drawn from objects that have all reference sources, and
coverage is simulated on them. Cases are numbers of queries and objects, drawn before any encoder is loaded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.coverage import draw_coverage
from objectcentric_ros.identification.embedded_set import EmbeddedSet, ReferenceDistances
from objectcentric_ros.identification.evaluation_recipe import CaseConfig
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, Manifest
from objectcentric_ros.identification.size_evidence import SizeTable, size_evidence

_USUAL = 0.5                 # a source that fewer of the objects have is none of the dataset
_MEMORY = 64 * 2**20         # of distances of queries to the whole gallery that are held at once [bytes]


class TooFewObjects(ValueError):
    """The data can't give a single candidate set."""


@dataclass(frozen=True)
class Cases:
    """N candidate sets of up to K objects.

    Args:
        objects: O ids, sorted.
        queries: (N,) number of the query, in the order of the manifest's rows of queries; grows.
        truth_object: (N,) number of the object that the query shows.
        candidates: (N, K) numbers of objects, growing, -1 where the set is smaller.
        truth: (N,) column of the true object.
        substitute: (N,) an object that is not among the candidates: it takes the true one's place in the open set.
        sources: reference sources that the dataset has.
        left_out: queries whose object lacks one of those sources.
    """

    objects: tuple[str, ...]
    queries: NDArray[np.intp]
    truth_object: NDArray[np.intp]
    candidates: NDArray[np.intp]
    truth: NDArray[np.intp]
    substitute: NDArray[np.intp]
    sources: tuple[str, ...]
    left_out: int

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N, K) whether a column is a candidate at all."""
        return self.candidates >= 0


def draw_cases(manifest: Manifest, config: CaseConfig) -> Cases:
    """Draw the candidate sets of every query.

    Args:
        manifest: of one split.
        config: sizes and seed.

    Raises:
        TooFewObjects: there are no queries, or fewer objects with references than a candidate set and a substitute take.
    """
    has: dict[str, set[str]] = defaultdict(set)
    for row in manifest.rows:
        has[row.object_id].add(row.source)
    objects = tuple(sorted(name for name, sources in has.items() if sources - {"query"}))
    number = {name: index for index, name in enumerate(objects)}
    owned = Counter(source for name in objects for source in has[name])
    sources = tuple(source for source in REFERENCE_SOURCES if owned[source] >= _USUAL * len(objects))
    pool = np.array([index for index, name in enumerate(objects) if has[name] >= set(sources)], np.intp)
    low, high = config.candidates
    if len(pool) <= low:
        raise TooFewObjects(f"{len(pool)} of {len(objects)} objects have {', '.join(sources) or 'references'}; candidate sets of "
                            f"{low} and one more object are asked for")
    high = min(high, len(pool) - 1)
    query_objects = [row.object_id for row in manifest.rows if row.source == "query"]
    place = {int(index): row for row, index in enumerate(pool)}
    asked = [(query, number[name]) for query, name in enumerate(query_objects) if name in number and number[name] in place]
    if not asked:
        raise TooFewObjects(f"none of {len(query_objects)} queries shows one of the {len(pool)} objects that have "
                            f"{', '.join(sources)}")
    queries = np.repeat(np.array([query for query, _ in asked], np.intp), config.per_query)
    truths = np.repeat(np.array([index for _, index in asked], np.intp), config.per_query)
    rng = np.random.default_rng([config.seed, 1])
    candidates = np.full((len(queries), high), len(objects), np.intp)        # padding sorts to the end
    substitutes = np.empty(len(queries), np.intp)
    for case, (truth, size) in enumerate(zip(truths, rng.integers(low, high + 1, len(queries)), strict=True)):
        others = rng.choice(len(pool) - 1, size, replace=False)              # the last of them is the substitute
        others = pool[others + (others >= place[int(truth)])]
        candidates[case, 0], candidates[case, 1:size], substitutes[case] = truth, others[:-1], others[-1]
    candidates.sort(axis=1)
    candidates[candidates == len(objects)] = -1
    return Cases(objects, queries, truths, candidates, (candidates == truths[:, None]).argmax(axis=1), substitutes, sources,
                 len(query_objects) - len(asked))


def case_coverage(cases: Cases, rates: Sequence[float], seed: int) -> NDArray[np.bool_]:
    """(N, K, 4) which references each candidate has, drawn by object and source, the true object like any other.

    One seed draws the same numbers for all rates: what a scenario covers, one with higher rates covers as well.
    """
    rows, columns = cases.candidates.shape
    drawn = draw_coverage(np.random.default_rng([seed, 2]), rows * columns, rates)
    return drawn.reshape(rows, columns, len(REFERENCE_SOURCES)) & cases.present[..., None]


@dataclass(frozen=True)
class RowDistances:
    """What one pair of encoders says about the cases.

    Args:
        candidates: (N, K, 4) float32 least distance by source, NaN where there is no candidate or no reference.
        substitutes: (N, 4) float32 of the substitutes.
        gallery: source -> (Q,) whether the nearest object of the whole gallery, by that source, is the query's own.
        look_alike: (N, 4) float32 distances of the nearest look-alike, and
        look_alike_object: (N,) its number; -1 where there is none.
        sizes: (N, K, 2) float32 from size_evidence of the candidates, NaN where something isn't known;
        substitute_sizes, look_alike_sizes: (N, 2) the same of those.
    """

    candidates: NDArray[np.float32]
    substitutes: NDArray[np.float32]
    gallery: dict[str, NDArray[np.bool_]]
    look_alike: NDArray[np.float32]
    look_alike_object: NDArray[np.intp]
    sizes: NDArray[np.float32]
    substitute_sizes: NDArray[np.float32]
    look_alike_sizes: NDArray[np.float32]


def row_distances(cases: Cases, embedded: EmbeddedSet, kinds: Sequence[str] | None = None,
                  sizes: SizeTable | None = None) -> RowDistances:
    """Distances of every case's query to its candidates, and the nearest object of the whole gallery.

    Args:
        cases: drawn of the same manifest that was embedded.
        embedded: rows of queries in the manifest's order, and of references.
        kinds: O texts; objects of the same kind, unless it is empty, are look-alikes: the one with the nearest tray image is
            taken.
        sizes: what is known of the queries' and the objects' sizes.
    """
    queries = embedded.select(sources=("query",))
    distances = ReferenceDistances(cases.objects, embedded.select(sources=REFERENCE_SOURCES))
    count, width = cases.candidates.shape
    candidates = np.full((count, width, len(REFERENCE_SOURCES)), np.nan, np.float32)
    substitutes = np.empty((count, len(REFERENCE_SOURCES)), np.float32)
    look_alike = np.full((count, len(REFERENCE_SOURCES)), np.nan, np.float32)
    look_alike_object = np.full(count, -1, np.intp)
    number = {name: index for index, name in enumerate(cases.objects)}
    own = np.array([number.get(name, -1) for name in queries.object_ids.tolist()], np.intp)
    gallery = {source: np.zeros(len(queries), np.bool_) for source in REFERENCE_SOURCES}
    labels = np.unique(np.asarray(kinds), return_inverse=True)[1] if kinds is not None else np.arange(len(cases.objects))
    named = np.array([bool(kind) for kind in kinds]) if kinds is not None else np.zeros(len(cases.objects), bool)
    for rows, block in _blocks(queries.vectors, distances, len(cases.objects)):
        for index, source in enumerate(REFERENCE_SOURCES):
            near = np.where(np.isnan(block[..., index]), np.inf, block[..., index])
            nearest = near.argmin(axis=1)
            gallery[source][rows] = (nearest == own[rows]) & np.isfinite(near[np.arange(len(near)), nearest])
        first, last = np.searchsorted(cases.queries, [rows.start, rows.stop])
        part = slice(int(first), int(last))
        local = cases.queries[part] - rows.start
        chosen = cases.candidates[part]
        candidates[part] = np.where((chosen >= 0)[..., None], block[local[:, None], np.maximum(chosen, 0)], np.nan)
        substitutes[part] = block[local, cases.substitute[part]]
        if named.any():
            truth = cases.truth_object[part]
            alike = (labels == labels[truth][:, None]) & named & (np.arange(len(labels)) != truth[:, None])
            tray = np.where(alike & ~np.isnan(block[local, :, 0]), block[local, :, 0], np.inf)
            best = tray.argmin(axis=1)
            found = np.isfinite(tray[np.arange(len(best)), best])
            look_alike_object[part] = np.where(found, best, -1)
            look_alike[part] = np.where(found[:, None], block[local, best], np.nan)
    table = sizes or SizeTable()
    sides, extents = table.sides(queries.paths.tolist())[cases.queries], table.extents(cases.objects)
    fits = size_evidence(sides[:, None], extents[np.maximum(cases.candidates, 0)])
    return RowDistances(candidates, substitutes, gallery, look_alike, look_alike_object,
                        np.where(cases.present[..., None], fits, np.float32(np.nan)),
                        size_evidence(sides, extents[cases.substitute]),
                        np.where(look_alike_object[:, None] >= 0, size_evidence(sides, extents[np.maximum(look_alike_object, 0)]),
                                 np.float32(np.nan)))


def _blocks(vectors: NDArray[np.float32], distances: ReferenceDistances,
            objects: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Rows of queries with their distances to all objects, (q, O, 4), as many at once as there is memory for."""
    step = max(1, _MEMORY // (16 * max(objects, 1)))
    for start in range(0, len(vectors), step):
        yield slice(start, min(start + step, len(vectors))), distances(vectors[start:start + step])
