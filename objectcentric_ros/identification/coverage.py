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


"""Simulated coverage: which references of which object the gallery is made to have (paper B, section VI and fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SOURCE_COUNT = 4
"""Reference sources, in the order of gallery.records.SOURCES: tray, bin, catalog, text."""


def draw_coverage(rng: np.random.Generator, objects: int, rates: Sequence[float] | NDArray[np.floating]) -> NDArray[np.bool_]:
    """Draw which objects have references of which source.

    Every object and source is drawn by itself, the true object like any other, so that a missing source tells nothing about
    which candidate is right.

    Args:
        rng: source of the draw.
        objects: number of objects n.
        rates: (4,) share of objects that have references, tray, bin, catalog, text; (n, 4) for rates by object.

    Returns:
        (n, 4) bool, true where the object has references.

    Raises:
        ValueError: rates of another shape, or not within 0..1.
    """
    shares = np.asarray(rates, np.float64)
    if shares.shape not in ((SOURCE_COUNT,), (objects, SOURCE_COUNT)):
        raise ValueError(f"rates must be 4 numbers (tray, bin, catalog, text), got an array of shape {shares.shape}")
    if not ((shares >= 0) & (shares <= 1)).all():      # NaN fails as well
        raise ValueError(f"rates must be shares within 0..1, got {rates!r}")
    return rng.random((objects, SOURCE_COUNT)) < shares


def apply_coverage(distances: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Distances with NaN where the mask says that there are no references.

    Args:
        distances: (..., C, 4), NaN where there are none anyway; stays as it is.
        mask: (..., C, 4) bool or (C, 4), of draw_coverage.

    Returns:
        A new array of the distances' shape and dtype.

    Raises:
        ValueError: the shapes do not fit.
    """
    array = np.asarray(distances)
    try:
        fits = np.broadcast_shapes(array.shape, mask.shape) == array.shape and array.shape[-1:] == (SOURCE_COUNT,)
    except ValueError:
        fits = False
    if not fits or mask.ndim < 2:
        raise ValueError(f"distances of shape {array.shape} and a mask of shape {mask.shape} do not fit; expected (..., C, 4) "
                         "and (C, 4)")
    return np.where(mask, array, np.asarray(np.nan, array.dtype))
