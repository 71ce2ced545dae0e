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


"""Where an image looks like a descriptor (paper A, eq. 8): heat, peak, soft expectation, and whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
from objectcentric_ros.descriptors.interpolation import squared_lengths, upsampled
from objectcentric_ros.descriptors.painting import PcaBasis as PcaBasis
from objectcentric_ros.descriptors.painting import heat_overlay as heat_overlay
from objectcentric_ros.descriptors.painting import pca_image as pca_image

TEMPERATURE = 1.1
SEPARATION = 25.0    # a rival peak is at least this far from the peak [px of an image 640 wide]
CONTRAST = 8.0       # the own scale's kernel is exp(-CONTRAST d^2 / median d^2), see `QueryResult`
RIVAL = 0.7          # multimodal: the rival's kernel on the own scale is at least this share of the peak's


@dataclass(frozen=True)
class QueryResult:
    """What was found.

    The paper's kernel depends on a temperature that a person chooses for the display, and for descriptors of length 1 at the
    paper's temperature it is nearly flat (0.64..1). Confidence and multimodality are therefore taken on the image's own scale,
    which no setting changes: E(d) = exp(-8 d^2 / m), where m is the median of d^2 over the whole image, what a pixel that has
    nothing to do with the query is expected to have.

    Args:
        peak: (u, v) of the nearest descriptor [px], finer than a pixel.
        expectation: (u, v), mean of the searched pixels weighted with the kernel of the asked temperature [px].
        distance: of the descriptor at the peak, L2.
        confidence: (1 - E(rival) / E(peak)) (1 - d^2 / m), 0..1, d the distance at the peak. The first factor is 0 where two
            places fit equally well, the second where the best place fits no better than any; the rival is the best local
            optimum at least 25 px (of 640) from the peak, and where there is none, as in a small mask, its share is 0. It
            orders answers (area under the ROC curve 0.67..0.80, XFeat and SIFT on warped photographs, right within 15 px),
            but the same value means another share of right answers with another model or other images: no probability.
        multimodal: E(rival) >= 0.7 E(peak): a person should choose, or a mask restrict the search.
        rival: (u, v) of the rival in whole pixels; None: there is none.
        heatmap: (H, W) float32, the kernel exp(-(d / exp(t))^2), 0..1; 0 outside the mask; None where it wasn't asked for.
    """

    peak: tuple[float, float]
    expectation: tuple[float, float]
    distance: float
    confidence: float
    multimodal: bool
    rival: tuple[float, float] | None
    heatmap: NDArray[np.float32] | None


class PreparedImage:
    """An image for many queries: what doesn't depend on the query is computed once.

    Args:
        image: where to look.
        mask: (H, W) bool, the pixels to look at; None: all.

    Raises:
        ValueError: the mask is empty or has another size than the image, or a descriptor isn't finite.
    """

    def __init__(self, image: DescriptorImage, mask: NDArray[np.bool_] | None = None) -> None:
        if mask is not None and mask.shape != (image.height, image.width):
            raise ValueError(f"the mask must be {(image.height, image.width)} like the image, got {mask.shape}")
        if mask is not None and not mask.any():
            raise ValueError("the mask is empty: there is no pixel to search")
        if not np.all(np.isfinite(image.features)):
            raise ValueError("descriptors must be finite: the network or its weights are broken")
        self.image, self.mask = image, mask
        self._outside = None if mask is None else ~mask
        lengths = squared_lengths(image)
        self._lengths = (lengths > 1e-24).astype(np.float32) if image.unit else lengths
        self._scale = -2 / np.maximum(np.sqrt(lengths), 1e-12) if image.unit else np.float32(-2.0)

    def squared_distances(self, descriptor: NDArray[np.float32]) -> NDArray[np.float32]:
        """|d - I|^2 at every pixel, (H, W) float32, whatever the mask.

        d.I is linear in I: it is taken at the cells and interpolated, which is exact and needs no descriptor for every pixel.
        """
        image = self.image
        products = upsampled(image.features @ descriptor, image.stride, image.height, image.width)
        products *= self._scale
        products += self._lengths
        products += np.float32(descriptor @ descriptor)
        return np.maximum(products, 0.0, out=products)

    def exclude_outside(self, distances: NDArray[np.float32]) -> None:
        """Make the pixels outside the mask infinitely far, in place."""
        if self._outside is not None:
            distances[self._outside] = np.inf


def query(descriptor: ArrayLike, image: DescriptorImage | PreparedImage, temperature: float = TEMPERATURE,
          mask: NDArray[np.bool_] | None = None, heat: bool = True) -> QueryResult:
    """Look for a descriptor in an image; exact, every pixel is compared.

    Args:
        descriptor: (D,).
        image: where to look; prepare it where many queries come.
        temperature: t of the kernel exp(-(|I - d| / exp(t))^2); lower shows less of the image.
        mask: (H, W) bool, the pixels to look at; None: all, or those that the image was prepared with.
        heat: make the heatmap.

    Raises:
        ValueError: the descriptor has another dimension than the image or isn't finite, the temperature isn't finite, or the
            mask is empty or has another size.
    """
    if isinstance(image, DescriptorImage):
        image = PreparedImage(image, mask)
    elif mask is not None:
        raise ValueError("an image is prepared with its mask: pass it to PreparedImage, not to query")
    wanted = np.asarray(descriptor, dtype=np.float32)
    if wanted.shape != (image.image.dimension,):
        raise ValueError(f"the descriptor must be ({image.image.dimension},) like the image's, got {wanted.shape}")
    if not (np.all(np.isfinite(wanted)) and np.isfinite(temperature)):
        raise ValueError("the descriptor and the temperature must be finite")
    distances = image.squared_distances(wanted)
    typical = float(np.median(distances[::8, ::8]))
    image.exclude_outside(distances)
    v, u = divmod(int(distances.argmin()), distances.shape[1])
    peak, distance = _refined(wanted, image, u, v)
    rival, rival_distance = _rival(distances, u, v)
    share = 0.0 if rival is None else _share(rival_distance - distance ** 2, typical)
    kernel, expectation = _kernel(distances, float(distances[v, u]), temperature, heat)
    fit = max(0.0, 1 - distance ** 2 / typical) if typical > 0 else float(distance == 0)
    return QueryResult(peak, expectation, distance, (1 - share) * fit, share >= RIVAL, rival, kernel)


def query_batch(descriptors: ArrayLike, image: DescriptorImage | PreparedImage, temperature: float = TEMPERATURE,
                mask: NDArray[np.bool_] | None = None, heat: bool = True) -> list[QueryResult]:
    """Look for several descriptors (N, D) in one image, as `query`."""
    rows: Sequence[NDArray[np.float32]] = list(np.atleast_2d(np.asarray(descriptors, dtype=np.float32)))
    if isinstance(image, DescriptorImage):
        image, mask = PreparedImage(image, mask), None
    return [query(row, image, temperature, mask, heat) for row in rows]


def _share(margin: float, typical: float) -> float:
    """E(rival) / E(peak), 0..1."""
    if typical <= 0:    # half of the image is exactly what is looked for
        return 1.0 if margin <= 0 else 0.0
    return float(np.exp(-CONTRAST * max(margin, 0.0) / typical))


def _rival(distances: NDArray[np.float32], u: int, v: int) -> tuple[tuple[float, float] | None, float]:
    """The best local minimum that is far enough from the peak, (column, row), and its squared distance."""
    height, width = distances.shape
    lowest = cv2.erode(distances, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    rows, columns = np.nonzero((lowest == distances) & (distances < np.inf))
    far = np.hypot(columns - u, rows - v) >= SEPARATION * width / 640
    if not far.any():
        return None, np.inf
    rows, columns = rows[far], columns[far]
    best = distances[rows, columns].argmin()
    return (float(columns[best]), float(rows[best])), float(distances[rows[best], columns[best]])


def _kernel(distances: NDArray[np.float32], least: float, temperature: float,
            heat: bool) -> tuple[NDArray[np.float32] | None, tuple[float, float]]:
    """The kernel of every pixel, and the expectation; overwrites the distances.

    Everything is divided by the kernel at the peak first, because at low temperatures all kernels are 0 in single precision.
    """
    width = float(np.exp(np.clip(2 * temperature, -60.0, 60.0)))
    distances -= np.float32(least)
    distances *= np.float32(-1 / width)
    kernel = np.exp(distances, out=distances)
    columns, rows = kernel.sum(axis=0, dtype=np.float64), kernel.sum(axis=1, dtype=np.float64)
    total = columns.sum()
    expectation = (float(columns @ np.arange(len(columns)) / total), float(rows @ np.arange(len(rows)) / total))
    if not heat:
        return None, expectation
    kernel *= np.float32(np.exp(-least / width))
    return np.minimum(kernel, 1.0, out=kernel), expectation


def _refined(descriptor: NDArray[np.float32], image: PreparedImage, u: int, v: int) -> tuple[tuple[float, float], float]:
    """The best point around the best pixel, in thirds of pixels and finer, and its distance; in double precision."""
    b, a = np.mgrid[-2:3, -2:3]
    offsets = np.stack([a.ravel(), b.ravel()], axis=1).astype(np.float64)
    best, limit = np.array([u, v], dtype=np.float64), [image.image.width - 1, image.image.height - 1]
    distance = np.inf
    for step in (0.75, 0.25, 0.0625):
        points = np.clip(np.concatenate([best[None], best + step * offsets]), 0, limit)
        squared = np.sum((image.image.at(points).astype(np.float64) - descriptor) ** 2, axis=1)
        if image.mask is not None:
            cells = np.rint(points).astype(int)
            squared[~image.mask[cells[:, 1], cells[:, 0]]] = np.inf
        index = int(squared.argmin())
        best, distance = points[index], float(np.sqrt(squared[index]))
    return (float(best[0]), float(best[1])), distance
