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


"""Where the nearest descriptor is: exact search among all pixels of an image, or those of a mask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.interpolation import dense_rows

BLOCK = 8192    # pixels whose descriptors are compared at once

Points = NDArray[np.float64]
Blocks = Iterator[tuple[Points, NDArray[np.float32]]]


def match(query: ArrayLike, image: DescriptorImage, mask: NDArray[np.bool_] | None = None) -> Points:
    """The pixel whose descriptor is nearest (L2), for each query, among all pixels of the image or of the mask.

    Args:
        query: (M, D) descriptors.
        image: where to look.
        mask: (H, W) bool; None: everywhere.

    Returns:
        (M, 2) float64, whole pixels (u, v).

    Raises:
        ValueError: the dimensions differ, a descriptor is not finite, or the mask is empty or has another size.
    """
    return nearest(query, image, mask)[0]


def nearest(query: ArrayLike, image: DescriptorImage, mask: NDArray[np.bool_] | None = None,
            truth: Points | None = None) -> tuple[Points, NDArray[np.float64]]:
    """As `match`, and how many pixels are better than the true one.

    |q - b|^2 = |q|^2 - (2 q.b - |b|^2): the pixel with the largest score 2 q.b - |b|^2 is the nearest.

    Args:
        query: (M, D) descriptors.
        image: where to look.
        mask: (H, W) bool; None: everywhere.
        truth: (M, 2) pixels (u, v) that the queries should find.

    Returns:
        (M, 2) float64 found pixels, and (M,) float64 the share of the searched pixels that are nearer than the descriptors at
        `truth`, 0..1 (0 without truth).

    Raises:
        ValueError: as `match`.
    """
    query = _checked_query(query, image)
    # Distances don't change when all descriptors move; near their mean, single precision suffices.
    mean = image.features.mean(axis=(0, 1), dtype=np.float64).astype(np.float32) if not image.unit else np.float32(0.0)
    moved = query - mean
    weights = np.concatenate([2 * moved, np.full((len(moved), 1), -1, np.float32)], axis=1)
    if truth is None:
        limits = np.full(len(moved), np.inf, np.float32)
    else:
        there = image.at(truth) - mean
        lengths = np.sum(there * there, axis=1)
        # The true pixel itself must not count as nearer because of rounding.
        limits = 2 * np.sum(moved * there, axis=1) - lengths + 2e-6 * (np.sum(moved * moved, axis=1) + lengths)
    best = np.full(len(moved), -np.inf, np.float32)
    points, nearer, total = np.zeros((len(moved), 2)), np.zeros(len(moved)), 0
    for pixels, descriptors in _blocks(image, mask):
        descriptors = descriptors - mean
        lengths = np.einsum("nd,nd->n", descriptors, descriptors)
        scores = weights @ np.concatenate([descriptors, lengths[:, None]], axis=1).T
        index = scores.argmax(axis=1)
        score = scores[np.arange(len(moved)), index]
        better = score > best
        best[better], points[better] = score[better], pixels[index[better]]
        total += len(pixels)
        if truth is not None:
            nearer += np.count_nonzero(scores > limits[:, None], axis=1)
    return _settled(query, image, mask, points), nearer / total


def _blocks(image: DescriptorImage, mask: NDArray[np.bool_] | None) -> Blocks:
    """Pixels (B, 2) and their descriptors (B, D), until all that are searched have come."""
    if mask is not None:
        pixels = _mask_pixels(image, mask)
        for start in range(0, len(pixels), BLOCK):
            yield pixels[start:start + BLOCK], image.at(pixels[start:start + BLOCK])
        return
    step = max(1, BLOCK // image.width)
    for start in range(0, image.height, step):
        rows = dense_rows(image, start, min(start + step, image.height))
        v, u = np.mgrid[start:start + len(rows), :image.width]
        yield np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float64), rows.reshape(-1, rows.shape[2])


def _settled(query: NDArray[np.float32], image: DescriptorImage, mask: NDArray[np.bool_] | None, points: Points) -> Points:
    """The best of the 3x3 pixels around each point in double precision: neighbours may be nearer to each other than rounding."""
    v, u = np.mgrid[-1:2, -1:2]
    around = points[:, None] + np.stack([u.ravel(), v.ravel()], axis=1)
    around = np.clip(around, 0, [image.width - 1, image.height - 1])
    there = image.at(around).reshape(*around.shape[:2], -1).astype(np.float64)
    distances = np.sum((there - query[:, None]) ** 2, axis=2)
    if mask is not None:
        cells = around.astype(int)
        distances[~mask[cells[..., 1], cells[..., 0]]] = np.inf
    return around[np.arange(len(points)), distances.argmin(axis=1)]


def _mask_pixels(image: DescriptorImage, mask: NDArray[np.bool_]) -> Points:
    if mask.shape != (image.height, image.width):
        raise ValueError(f"the mask must be {(image.height, image.width)} like the image, got {mask.shape}")
    v, u = np.nonzero(mask)
    if not len(u):
        raise ValueError("the mask is empty: there is no pixel to search")
    return np.stack([u, v], axis=1).astype(np.float64)


def _checked_query(query: ArrayLike, image: DescriptorImage) -> NDArray[np.float32]:
    query = np.asarray(query, dtype=np.float32)
    if query.ndim != 2 or query.shape[1] != image.dimension:
        raise ValueError(f"queries must be (M, {image.dimension}) like the image's descriptors, got {query.shape}")
    if not (np.all(np.isfinite(query)) and np.all(np.isfinite(image.features))):
        raise ValueError("descriptors must be finite: the network or its weights are broken")
    return query
