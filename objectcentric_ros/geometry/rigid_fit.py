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

"""Rigid transform between two sets of matched points: Kabsch, and RANSAC around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.geometry.se3 import transform_points

# A second singular value below this share of the first one means that the points lie on a line.
_RANK_TOLERANCE = 1e-6


class DegenerateFit(ValueError):
    """The points don't fix a rotation: fewer than three, all on one line, or no consensus."""


def kabsch(source: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Least-squares rigid transform between matched points (Kabsch 1976; no reflection, no scale).

    Minimises sum_i w_i |T x_i - y_i|^2.

    Args:
        source: (N, 3) [m], N >= 3.
        target: (N, 3) [m], row i belongs to row i of source.
        weights: (N,) >= 0, or None for equal weights.

    Returns:
        T_target_source, (4, 4) float64.

    Raises:
        ValueError: shapes differ, a value is not finite or a weight negative.
        DegenerateFit: the weighted points don't fix a rotation.
    """
    source, target = _matched(source, target)
    weight = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (len(source),) or not np.all(np.isfinite(weight)) or np.any(weight < 0):
        raise ValueError(f"weights must be ({len(source)},), finite and not negative, got {weight.shape}")
    if np.count_nonzero(weight) < 3:
        raise DegenerateFit(f"a rigid fit needs 3 points with weight, got {np.count_nonzero(weight)}")
    weight = weight / weight.sum()
    source_mean, target_mean = weight @ source, weight @ target
    source_centred, target_centred = source - source_mean, target - target_mean
    for name, centred in (("source", source_centred), ("target", target_centred)):
        spread = np.linalg.svd(centred * np.sqrt(weight)[:, None], compute_uv=False)
        if spread[1] <= _RANK_TOLERANCE * max(spread[0], 1e-12):
            raise DegenerateFit(f"the {name} points lie on one line (spreads {spread.round(9).tolist()} m): "
                                "the rotation about it is free")
    U, _, Vt = np.linalg.svd((target_centred * weight[:, None]).T @ source_centred)
    # Without this sign, mirrored or coplanar noisy points would give a reflection.
    handedness = np.sign(np.linalg.det(U @ Vt))
    rotation = U @ np.diag([1.0, 1.0, handedness]) @ Vt
    T_target_source = np.eye(4)
    T_target_source[:3, :3] = rotation
    T_target_source[:3, 3] = target_mean - rotation @ source_mean
    return T_target_source


def ransac_rigid_fit(source: ArrayLike, target: ArrayLike, threshold: float, rng: np.random.Generator,
                     iterations: int = 200) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rigid transform of matched points of which some are wrong (Fischler and Bolles 1981).

    Samples of three points vote; the winner is refitted on its inliers until they no longer change.

    Args:
        source: (N, 3) [m], N >= 3.
        target: (N, 3) [m], row i belongs to row i of source.
        threshold: largest distance of an inlier [m].
        rng: source of the samples.
        iterations: number of samples.

    Returns:
        T_target_source (4, 4) float64 and the inliers, (N,) bool.

    Raises:
        ValueError: bad shapes or values, or a threshold or iterations that are not positive.
        DegenerateFit: no sample of three has at least three inliers that fix a rotation.
    """
    source, target = _matched(source, target)
    if not threshold > 0 or iterations < 1:
        raise ValueError(f"threshold and iterations must be positive, got {threshold} and {iterations}")
    if len(source) < 3:
        raise DegenerateFit(f"a rigid fit needs 3 points, got {len(source)}")
    best: NDArray[np.bool_] | None = None
    best_cost = np.inf
    for _ in range(iterations):
        sample = rng.choice(len(source), 3, replace=False)
        try:
            candidate = kabsch(source[sample], target[sample])
        except DegenerateFit:
            continue
        distance = np.linalg.norm(transform_points(candidate, source) - target, axis=1)
        cost = float(np.minimum(distance, threshold).sum())  # MSAC: among equal counts the tighter one wins
        if cost < best_cost:
            best, best_cost = distance < threshold, cost
    if best is None or np.count_nonzero(best) < 3:
        raise DegenerateFit(f"no rigid transform brings 3 of {len(source)} pairs within {threshold} m")
    T_target_source = kabsch(source[best], target[best])
    for _ in range(10):
        inliers = np.linalg.norm(transform_points(T_target_source, source) - target, axis=1) < threshold
        if np.array_equal(inliers, best) or np.count_nonzero(inliers) < 3:
            break
        T_target_source, best = kabsch(source[inliers], target[inliers]), inliers
    return T_target_source, best


def _matched(source: ArrayLike, target: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if source.ndim != 2 or source.shape[1] != 3 or source.shape != target.shape:
        raise ValueError(f"source and target must both be (N, 3), got {source.shape} and {target.shape}")
    if not (np.all(np.isfinite(source)) and np.all(np.isfinite(target))):
        raise ValueError("points must be finite: drop pairs with missing depth first")
    return source, target
