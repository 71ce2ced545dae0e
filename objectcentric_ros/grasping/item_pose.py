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

"""The pose of an item from matched points, also of an item that looks the same all around an axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.geometry.rigid_fit import DegenerateFit, kabsch, ransac_rigid_fit
from objectcentric_ros.geometry.se3 import invert, transform_points

Points = NDArray[np.float64]


@dataclass(frozen=True)
class PoseConfig:
    """When a pose is believed.

    Args:
        threshold: largest distance of a pair that fits the pose [m].
        iterations: of RANSAC.
        min_inliers: pairs that must fit.
        min_share: of all pairs that must fit.
        directions: of a symmetry axis that a search begins with.
        sweeps: of alternating between azimuths and pose.
    """

    threshold: float = 0.008
    iterations: int = 600
    min_inliers: int = 8
    min_share: float = 0.2
    directions: int = 24
    sweeps: int = 25


@dataclass(frozen=True)
class ItemPose:
    """Where an item is.

    Args:
        T_base_item: (4, 4).
        inliers: pairs that fit.
        pairs: all pairs.
        error: root mean square distance of those that fit [m].
    """

    T_base_item: NDArray[np.float64]
    inliers: int
    pairs: int
    error: float


class NoPose(ValueError):
    """The pairs don't give a pose that can be believed; the sentence says why."""


def fit_pose(item: ArrayLike, seen: ArrayLike, rng: np.random.Generator, symmetry_axis: ArrayLike | None = None,
             config: PoseConfig | None = None) -> ItemPose:
    """Pose from pairs of points, of which some are wrong.

    Args:
        item: (M, 3) in the item's frame [m].
        seen: (M, 3) the same points as seen [m, base frame].
        rng: source of RANSAC's samples.
        symmetry_axis: (3,) unit vector through the origin of the item's frame: a pair then only fixes its distance from the
            axis and its place along it, and the rotation about the axis is any; None: none.
        config: when a pose is believed.

    Raises:
        NoPose: too few pairs, or too few of them fit.
        ValueError: shapes differ or a value isn't finite.
    """
    config = config or PoseConfig()
    item, seen = np.asarray(item, dtype=np.float64), np.asarray(seen, dtype=np.float64)
    if len(item) < config.min_inliers:
        raise NoPose(f"only {len(item)} pairs of points were found, at least {config.min_inliers} are needed")
    try:
        if symmetry_axis is None:
            T_base_item, fitting = ransac_rigid_fit(item, seen, config.threshold, rng, config.iterations)
            matched = item
        else:
            T_base_item, fitting, matched = fit_about_axis(item, seen, np.asarray(symmetry_axis, dtype=np.float64), config)
    except DegenerateFit as error:
        raise NoPose(str(error)) from error
    count = int(fitting.sum())
    if count < config.min_inliers or count < config.min_share * len(item):
        raise NoPose(f"only {count} of {len(item)} pairs of points agree on a pose, at least "
                     f"{max(config.min_inliers, int(np.ceil(config.min_share * len(item))))} are needed")
    distance = np.linalg.norm(transform_points(T_base_item, matched[fitting]) - seen[fitting], axis=1)
    return ItemPose(T_base_item, count, len(item), float(np.sqrt(np.mean(distance**2))))


def fit_about_axis(item: Points, seen: Points, axis: Points,
                   config: PoseConfig) -> tuple[NDArray[np.float64], NDArray[np.bool_], Points]:
    """Pose of an item that looks the same all around an axis.

    Alternates between turning each of the item's points about the axis to the side where it is seen, and the rigid fit of what
    fits best so far (a trimmed ICP whose partners lie on circles), from many directions of the axis.

    Returns:
        T_base_item (4, 4), the pairs that fit (M,) bool, and the item's points turned to where they are seen (M, 3).

    Raises:
        DegenerateFit: the points lie on the axis or on one line.
    """
    best: tuple[float, NDArray[np.float64]] | None = None
    for direction in _directions(config.directions):
        T_base_item = np.eye(4)
        T_base_item[:3, :3] = _turn(axis, direction)
        T_base_item[:3, 3] = np.median(seen, axis=0) - T_base_item[:3, :3] @ np.median(item, axis=0)
        try:
            cost, T_base_item = _settle(T_base_item, item, seen, axis, config)
        except DegenerateFit:
            continue
        if best is None or cost < best[0]:
            best = (cost, T_base_item)
    if best is None:
        raise DegenerateFit("the points don't fix the pose of the axis: they lie on it, or on one line")
    turned = _turned(best[1], item, seen, axis)
    fitting = np.linalg.norm(transform_points(best[1], turned) - seen, axis=1) < config.threshold
    return best[1], fitting, turned


def _settle(T_base_item: NDArray[np.float64], item: Points, seen: Points, axis: Points,
            config: PoseConfig) -> tuple[float, NDArray[np.float64]]:
    """Truncated cost (mean, [m]) and pose after alternating; the truncation tightens on the way."""
    for sweep in range(config.sweeps):
        turned = _turned(T_base_item, item, seen, axis)
        distance = np.linalg.norm(transform_points(T_base_item, turned) - seen, axis=1)
        scale = max(config.threshold, 0.05 * 0.8**sweep)
        weight = 1 / (1 + (distance / scale) ** 2) ** 2        # Geman-McClure: pairs that are wrong lose their say
        T_base_item = kabsch(turned, seen, weight)
    turned = _turned(T_base_item, item, seen, axis)
    distance = np.linalg.norm(transform_points(T_base_item, turned) - seen, axis=1)
    return float(np.minimum(distance, 2 * config.threshold).mean()), T_base_item


def _turned(T_base_item: NDArray[np.float64], item: Points, seen: Points, axis: Points) -> Points:
    """The item's points, each turned about the axis to the azimuth at which it is seen."""
    there = transform_points(invert(T_base_item), seen)
    along = item @ axis
    radius = np.linalg.norm(item - along[:, None] * axis, axis=1)
    outward = there - (there @ axis)[:, None] * axis
    length = np.linalg.norm(outward, axis=1, keepdims=True)
    own = item - along[:, None] * axis
    outward = np.where(length > 1e-9, outward / np.maximum(length, 1e-9), own / np.maximum(radius, 1e-9)[:, None])
    return along[:, None] * axis + radius[:, None] * outward


def _turn(axis: Points, direction: Points) -> NDArray[np.float64]:
    """A rotation (3, 3) that takes one unit vector to another."""
    cross, cosine = np.cross(axis, direction), float(axis @ direction)
    if cosine < -1 + 1e-9:      # opposite: half a turn about anything square to it
        other = np.cross(axis, [1.0, 0, 0]) if abs(axis[0]) < 0.9 else np.cross(axis, [0, 1.0, 0])
        other /= np.linalg.norm(other)
        return 2 * np.outer(other, other) - np.eye(3)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def _directions(count: int) -> Points:
    """Unit vectors (count, 3) spread over the sphere (Fibonacci), the first one up."""
    number = np.arange(count)
    z = 1 - 2 * number / max(count - 1, 1)
    azimuth = number * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(np.maximum(1 - z**2, 0))
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)
