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


"""Keypoints from a network's logits, without torch: paper A's expectations."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import Keypoints

PEAK_RADIUS = 12.0    # [px]


def keypoints_from_logits(logits: NDArray[np.floating], depths: NDArray[np.floating] | None, stride: int,
                          mask: NDArray[np.bool_] | None = None) -> Keypoints:
    """Expectations of place and depth: p = softmax of the logits over all cells, [u, v] = sum p (u, v), d = sum p depth.

    Args:
        logits: (N, h, w).
        depths: (N, h, w) [m], or None.
        stride: pixels from cell to cell.
        mask: (H, W), where the object is; the other cells get no probability. None: all.

    Raises:
        ValueError: no cell's centre is on the mask.
    """
    count, h, w = logits.shape
    flat = logits.reshape(count, -1).astype(np.float64)
    if mask is not None:
        # A cell counts when the object covers any of its pixels: thin parts would be lost otherwise.
        covered = cv2.resize(mask.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA).ravel() > 0.0
        if not covered.any():
            raise ValueError("the mask is empty: there is nothing to find keypoints on")
        flat = np.where(covered[None, :], flat, -np.inf)
    flat = np.exp(flat - flat.max(axis=1, keepdims=True))
    probability = flat / flat.sum(axis=1, keepdims=True)
    v, u = np.mgrid[:h, :w] * stride
    cells = np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float64)
    points = probability @ cells
    near = np.linalg.norm(cells[None] - points[:, None], axis=2) <= max(PEAK_RADIUS, 1.5 * stride)
    peaks = (probability * near).sum(axis=1)
    if depths is None:
        return Keypoints(points, peaks, np.full(count, np.nan))
    return Keypoints(points, peaks, (probability * depths.reshape(count, -1)).sum(axis=1))
