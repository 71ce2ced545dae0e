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


"""Bilinear interpolation of whole images, the same numbers as `DescriptorImage.at` gives pixel by pixel, but faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, normalised


def upsampled(grid: NDArray[np.float32], stride: int, height: int, width: int) -> NDArray[np.float32]:
    """A map at every pixel of its image.

    Args:
        grid: (h, w) or (h, w, C) float32; cell (i, j) (column, row) is centred on pixel (stride * i, stride * j).
        stride: pixels from cell to cell.
        height: of the image [px].
        width: of the image [px].

    Returns:
        (height, width) or (height, width, C) float32, clamped beyond the last cells.
    """
    return _mixed(_mixed(grid, stride, np.arange(width), 1), stride, np.arange(height), 0)


def dense_rows(image: DescriptorImage, start: int, stop: int) -> NDArray[np.float32]:
    """Descriptors of the pixels of some rows, (stop - start, W, D) float32: `image.dense()[start:stop]`."""
    rows = _mixed(image.features, image.stride, np.arange(start, stop), 0)
    found = _mixed(rows, image.stride, np.arange(image.width), 1)
    return normalised(found) if image.unit else found


def squared_lengths(image: DescriptorImage) -> NDArray[np.float32]:
    """Squared lengths of all interpolated descriptors, before they are scaled to length 1, (H, W) float32.

    A bilinear mixture's squared length is a quadratic form of its four corners, so the corners' inner products say it without
    a descriptor for every pixel.
    """
    f = image.features
    h, w = f.shape[:2]
    right, below = np.minimum(np.arange(w) + 1, w - 1), np.minimum(np.arange(h) + 1, h - 1)
    own, beside, under = _inner(f, f), _inner(f, f[:, right]), _inner(f, f[below])
    crossed = _inner(f, f[below][:, right]) + _inner(f[:, right], f[below])
    j, b = _cells(np.arange(image.height), image.stride, h)
    b = b[:, None]
    k, c = below[j], 1 - b
    column = c * c * own[j] + b * b * own[k] + 2 * b * c * under[j]             # |mixture down column i|^2, (H, w)
    between = c * c * beside[j] + b * b * beside[k] + b * c * crossed[j]        # mixtures of columns i and i + 1
    i, a = _cells(np.arange(image.width), image.stride, w)
    d = 1 - a
    lengths = d * d * column[:, i] + a * a * column[:, right[i]] + 2 * a * d * between[:, i]
    return np.maximum(lengths, 0.0)


def _inner(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("jid,jid->ji", left, right)


def _cells(pixels: NDArray[np.intp], stride: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The cell before each pixel, and how far the pixel is on the way to the next, 0..1."""
    x = np.clip(pixels.astype(np.float32) / stride, 0, count - 1)
    before = np.minimum(x.astype(int), max(count - 2, 0))
    return before, (x - before).astype(np.float32)


def _mixed(grid: NDArray[np.float32], stride: int, pixels: NDArray[np.intp], axis: int) -> NDArray[np.float32]:
    """Linear interpolation along one axis."""
    count = grid.shape[axis]
    before, share = _cells(pixels, stride, count)
    share = share.reshape([-1 if i == axis else 1 for i in range(grid.ndim)])
    found = grid.take(before, axis=axis)
    step = grid.take(np.minimum(before + 1, count - 1), axis=axis)
    step -= found
    step *= share
    found += step
    return found
