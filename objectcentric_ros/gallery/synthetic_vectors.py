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

"""Made-up embeddings with the build of real ones, to measure a gallery with: families of objects, views, sources.

    centre  = 0.8 family + 0.6 own
    vector  = unit(centre + 0.35 source + 0.6 view)

where family, own, source and view are independent Gaussians of unit length on average, whose k-th axis has standard deviation
proportional to (k + 1)^-0.35, as the axes of trained embeddings fall off. A view is then about 0.3 from others of its object,
0.5 from the object's family and 0.5 to 1 from the rest (cosine distance).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.records import SOURCES

FAMILY = 8          # objects that look alike
_SHARES = (0.5, 0.35, 0.125, 0.025)      # of an object's references, by source
_OWN, _FAMILY, _SOURCE, _QUERY = range(4)


@dataclass(frozen=True)
class SyntheticVectors:
    """A gallery's embeddings, the same ones at each call.

    Args:
        objects: number of objects.
        references: of each object.
        dimension: of a vector.
        seed: of all randomness.
    """

    objects: int
    references: int = 40
    dimension: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.objects, self.references) < 1 or not 2 <= self.dimension <= 2000:
            raise ValueError(f"objects and references must be positive and dimension 2..2000, got {self}")

    @property
    def sources(self) -> tuple[str, ...]:
        """Source of each reference of an object, alike for all."""
        ends = np.round(np.cumsum(_SHARES) * self.references).astype(int)
        return tuple(SOURCES[int(np.searchsorted(ends, number, side="right"))] for number in range(self.references))

    def vectors(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, references, dimension) float32 unit vectors of a range of objects."""
        offsets = np.stack([self._draw(_SOURCE, SOURCES.index(source)) for source in self.sources])
        out = np.empty((stop - start, self.references, self.dimension), np.float32)
        for row, number in enumerate(range(start, stop)):
            rng = np.random.default_rng((self.seed, _OWN, number))
            views = rng.standard_normal((self.references + 1, self.dimension), np.float32) * self._spread
            out[row] = self._centre(number, views[-1]) + 0.35 * offsets + 0.6 * views[:-1]
        return out / np.linalg.norm(out, axis=-1, keepdims=True)

    def queries(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(count, dimension) float32 unit vectors of new views, and whose they are."""
        rng = np.random.default_rng((self.seed, _QUERY))
        numbers = rng.integers(0, self.objects, count)
        own = [np.random.default_rng((self.seed, _OWN, int(number))).standard_normal(
            (self.references + 1, self.dimension), np.float32)[-1] * self._spread for number in numbers]
        centres = np.stack([self._centre(int(number), mine) for number, mine in zip(numbers, own, strict=True)])
        views = rng.standard_normal((count, self.dimension), np.float32) * self._spread
        queries = centres + 0.35 * self._draw(_SOURCE, len(SOURCES)) + 0.6 * views
        return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32), numbers

    def _centre(self, number: int, own: NDArray[np.float32]) -> NDArray[np.float32]:
        return (0.8 * self._draw(_FAMILY, number // FAMILY) + 0.6 * own).astype(np.float32)

    def _draw(self, *what: int) -> NDArray[np.float32]:
        return np.random.default_rng((self.seed, *what)).standard_normal(self.dimension, np.float32) * self._spread

    @property
    def _spread(self) -> NDArray[np.float32]:
        spread = np.arange(1, self.dimension + 1) ** -0.35
        return (spread / np.linalg.norm(spread)).astype(np.float32)
