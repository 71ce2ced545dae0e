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

"""How well an encoder retrieves: top-1 of queries by each source (paper B, table I), on objects that it was not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.embedded_set import EmbeddedSet, min_distances
from objectcentric_ros.identification.image_recipe import IMAGE_SOURCES
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SOURCES, Manifest, ManifestRow

CANDIDATES = 20
MOST_IMAGES = {"query": 2, "tray": 2, "bin": 2, "catalog": 1}


def validation_part(manifest: Manifest, split: str, objects: int, seed: int = 0,
                    images: dict[str, int] | None = None) -> Manifest:
    """A part of a split that is quick to look at: some objects, a few images each.

    Args:
        manifest: all of it.
        split: which.
        objects: how many at most, drawn at random of those that have a query and a reference image.
        seed: of the draw.
        images: how many of each source at most; MOST_IMAGES.
    """
    most = images or MOST_IMAGES
    by_object: dict[str, dict[str, list[ManifestRow]]] = defaultdict(lambda: defaultdict(list))
    for row in manifest.select(split, most).rows:
        if len(by_object[row.object_id][row.source]) < most[row.source]:
            by_object[row.object_id][row.source].append(row)
    complete = [name for name, rows in by_object.items() if rows["query"] and any(rows[source] for source in IMAGE_SOURCES)]
    chosen = np.random.default_rng(seed).permutation(len(complete))[:objects]
    return Manifest(manifest.root, tuple(row for index in sorted(chosen) for rows in by_object[complete[index]].values()
                                         for row in rows))


def spread_rows(manifest: Manifest, count: int) -> list[ManifestRow]:
    """Pictures of training objects, spread evenly over the manifest: all sources in their shares.

    Args:
        manifest: all of it.
        count: how many at most.

    Raises:
        ValueError: there is none.
    """
    rows = [row for row in manifest.select("train").rows if row.path]
    if not rows:
        raise ValueError("the manifest has no image of the split train")
    step = max(1, len(rows) // count)
    # A step that shares a factor with the images an object would take one source only.
    return [rows[index * step + index % step] for index in range(min(count, len(rows) // step))]


def top1(rows: Sequence[ManifestRow], vectors: NDArray[np.float32], seed: int = 0) -> dict[str, float]:
    """Top-1 retrieval rates by source.

    Args:
        rows: R, of pictures.
        vectors: (R, D) float32 of length 1.
        seed: of the candidate sets.

    Returns:
        By source of references, and as `mean` of them: rate among the true object and 19 drawn at random; with `_all`
        behind the name: among all objects. Queries whose object has no reference of the source are left out; a source that no
        object has is left out.
    """
    sources = np.array([SOURCES.index(row.source) for row in rows], np.int8)
    embedded = EmbeddedSet(np.array([row.object_id for row in rows]), sources, vectors, np.array([row.split for row in rows]),
                           np.array([row.path for row in rows]), "validation")
    queries, references = embedded.select(sources=("query",)), embedded.select(sources=IMAGE_SOURCES)
    objects = references.objects
    column = {name: index for index, name in enumerate(objects)}
    known = np.array([name in column for name in queries.object_ids], bool)
    truth = np.array([column.get(name, 0) for name in queries.object_ids.tolist()], int)
    distances = min_distances(queries.vectors, objects, references)
    rng = np.random.default_rng(seed)
    order = rng.random(distances.shape[:2])
    order[np.arange(len(truth)), truth] = -1.0        # the true object is always among the candidates
    drawn = order.argsort(axis=1).argsort(axis=1) < CANDIDATES
    rates: dict[str, float] = {}
    for source in IMAGE_SOURCES:
        by_source = distances[:, :, REFERENCE_SOURCES.index(source)]
        asked = known & np.isfinite(by_source[np.arange(len(truth)), truth])
        if not asked.any():
            continue
        filled = np.where(np.isfinite(by_source), by_source, np.inf)
        rates[source] = float(np.mean(np.where(drawn, filled, np.inf).argmin(axis=1)[asked] == truth[asked]))
        rates[f"{source}_all"] = float(np.mean(filled.argmin(axis=1)[asked] == truth[asked]))
    for ending in ("", "_all"):
        there = [rates[source + ending] for source in IMAGE_SOURCES if source + ending in rates]
        if there:
            rates["mean" + ending] = float(np.mean(there))
    return {name: round(rate, 4) for name, rate in rates.items()}
