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

"""Which title belongs to a query? Top-1 among a few titles and among all, for a look at a text tower while it learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.embedded_set import check_vectors

_SEED = 20


def title_top1(queries: NDArray[np.float32], owners: NDArray[np.integer], titles: NDArray[np.float32],
               title_owners: NDArray[np.integer], candidates: int | None = None, seed: int = _SEED) -> float:
    """Share of queries whose nearest title is their own object's.

    Titles that are equally near share the point: an object whose title another one has too can't be told by it.

    Args:
        queries: (Q, D) float32 of length 1.
        owners: (Q,) number of the object of each.
        titles: (T, D) float32 of length 1.
        title_owners: (T,) number of the object of each; several titles of an object count by the nearest one.
        candidates: objects that a query is compared with: its own and others drawn by chance; None: all.
        seed: of the draw.
    """
    check_vectors(queries, "queries")
    check_vectors(titles, "titles")
    objects = np.unique(title_owners)
    near = np.stack([(queries @ titles[title_owners == one].T).max(axis=1) for one in objects], axis=1)
    own = np.searchsorted(objects, owners)
    generator = np.random.default_rng(seed)
    points = 0.0
    for row, mine in zip(near, own, strict=True):
        others = np.delete(np.arange(len(objects)), mine)
        if candidates is not None and candidates - 1 < len(others):
            others = generator.choice(others, candidates - 1, replace=False)
        if row[mine] >= row[others].max(initial=-np.inf) - 1e-6:
            points += 1.0 / (1 + int((row[others] >= row[mine] - 1e-6).sum()))
    return points / len(queries)
