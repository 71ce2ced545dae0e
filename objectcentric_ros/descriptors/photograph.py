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


"""A real photograph: how well is an object of one picture found again in another?

The truth is a homography, so the object must be flat, or at least its photographed side. It comes from SIFT matches and RANSAC,
which the dense descriptors have no part in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.descriptors.matching import match

RATIO = 0.75          # Lowe's test
MIN_INLIERS = 12


@dataclass(frozen=True)
class Found:
    """How far from the truth an object's pixels were found.

    Args:
        median_px: [px of the scene].
        within: share of the pixels found within 5, 10 and 25 px.
        points: (M, 2) where they were found.
    """

    median_px: float
    within: dict[int, float]
    points: NDArray[np.float64]


def homography(photo: NDArray[np.uint8], scene: NDArray[np.uint8]) -> tuple[NDArray[np.float64], int]:
    """(3, 3) map of the photograph's pixels into the scene, by sparse SIFT matches and RANSAC, and how many agree with it.

    Args:
        photo: (H, W, 3) uint8, RGB, of a flat object.
        scene: (H', W', 3) uint8, RGB.

    Raises:
        ValueError: too few matches agree.
    """
    sift = cv2.SIFT.create()
    features: list[Any] = [sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None) for image in (photo, scene)]
    (points_a, descriptors_a), (points_b, descriptors_b) = features
    pairs = cv2.BFMatcher().knnMatch(descriptors_a, descriptors_b, k=2) if len(points_a) > 1 and len(points_b) > 1 else []
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
    if len(good) >= MIN_INLIERS:
        source = np.array([points_a[m.queryIdx].pt for m in good])
        target = np.array([points_b[m.trainIdx].pt for m in good])
        H, inliers = cv2.findHomography(source, target, cv2.RANSAC, 3.0)
        if H is not None and int(inliers.sum()) >= MIN_INLIERS:
            return np.asarray(H, dtype=np.float64), int(inliers.sum())
    raise ValueError(f"the object isn't found in the scene by SIFT ({len(good)} matches): there is no truth to measure against")


def true_matches(mask: NDArray[np.bool_], H: NDArray[np.float64], scene: NDArray[np.uint8], count: int, seed: int
                 ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Random pixels of the object (M, 2), and where they are in the scene (M, 2)."""
    rng = np.random.default_rng(seed)
    v, u = np.nonzero(mask)
    chosen = rng.choice(len(u), min(count, len(u)), replace=False)
    source = np.stack([u[chosen], v[chosen]], axis=1).astype(np.float64)
    mapped = source @ H[:, :2].T + H[:, 2]
    target = mapped[:, :2] / mapped[:, 2:]
    inside = np.all((target >= 0) & (target <= [scene.shape[1] - 1, scene.shape[0] - 1]), axis=1)
    return source[inside], target[inside]


def find(model: DescriptorModel, photo: NDArray[np.uint8], scene: NDArray[np.uint8], source: NDArray[np.float64],
         target: NDArray[np.float64]) -> Found:
    """Look for the photograph's pixels in the whole scene.

    Args:
        model: describes both.
        photo: (H, W, 3) uint8, RGB.
        scene: (H', W', 3) uint8, RGB.
        source: (M, 2) pixels of the photograph.
        target: (M, 2) where they truly are.
    """
    points = match(model.describe(photo).at(source), model.describe(scene))
    errors = np.linalg.norm(points - target, axis=1)
    return Found(float(np.median(errors)), {limit: float(np.mean(errors <= limit)) for limit in (5, 10, 25)}, points)
