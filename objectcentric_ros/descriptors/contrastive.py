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


"""Losses that pull matching pixels together and push others apart (torch), and the sampling that they share.

Cell (i, j) (column, row) of a feature map of stride s is centred on pixel (s * i, s * j). Points are pixels (u, v), u first.
Every loss is a scalar of the features' type; masks, pairs and matches are the caller's affair.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.1


def sample(features: Tensor, points: Tensor, stride: int, unit: bool) -> Tensor:
    """Descriptors at pixels, (B, M, D): bilinear between the cells, clamped beyond the border, exact at the cells.

    Args:
        features: (B, D, h, w).
        points: (B, M, 2) pixels (u, v), finite.
        stride: pixels from cell to cell.
        unit: scale to length 1 after interpolation.

    Raises:
        ValueError: shapes don't fit together.
    """
    if features.ndim != 4 or points.ndim != 3 or points.shape[0] != features.shape[0] or points.shape[2] != 2:
        raise ValueError("features must be (B, D, h, w) and points (B, M, 2) of the same B, got "
                         f"{tuple(features.shape)} and {tuple(points.shape)}")
    batch, dimension, h, w = features.shape
    cells, weights = neighbours(points, stride, h, w)
    index = cells.reshape(batch, 1, -1).expand(-1, dimension, -1)
    corners = features.flatten(2).gather(2, index).reshape(batch, dimension, -1, 4)
    found = (corners * weights[:, None].to(features.dtype)).sum(dim=3).transpose(1, 2)
    return functional.normalize(found, dim=2) if unit else found


def neighbours(points: Tensor, stride: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The four cells around each pixel and their bilinear weights.

    Args:
        points: (..., 2) pixels (u, v), clamped to the map.
        stride: pixels from cell to cell.
        h: rows of the map.
        w: columns of the map.

    Returns:
        Flat indices row * w + column (..., 4) int64, and weights (..., 4) that sum to 1. At the border of a map a cell may occur
        twice, then with weight 0 once.
    """
    x, y = (points[..., 0] / stride).clamp(0, w - 1), (points[..., 1] / stride).clamp(0, h - 1)
    x0, y0 = x.detach().floor().long().clamp(max=max(w - 2, 0)), y.detach().floor().long().clamp(max=max(h - 2, 0))
    x1, y1 = (x0 + 1).clamp(max=w - 1), (y0 + 1).clamp(max=h - 1)
    a, b = x - x0, y - y0
    cells = torch.stack([y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1], dim=-1)
    weights = torch.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], dim=-1)
    return cells, weights


def grid_nce(d_a: Tensor, features_b: Tensor, points_b: Tensor, stride: int, temperature: float = TEMPERATURE) -> Tensor:
    """Cross entropy of "where in image B is this descriptor?" over all cells of image B's features.

    With unit descriptors a_m and unit features f_c of the cells c, logits z_mc = a_m . f_c / temperature:
    loss = mean over m of (log sum_c exp(z_mc) - sum_k weight_mk z_mk), k the four cells around points_b[m] with their bilinear
    weights (the soft target). Every cell is a negative, and no pixel-sized map is made: memory is M * h * w.

    Args:
        d_a: (M, D) descriptors in image A, of any length.
        features_b: (D, h, w), of any length.
        points_b: (M, 2) matching pixels (u, v) in image B.
        stride: pixels from cell to cell.
        temperature: of the softmax, > 0.

    Raises:
        ValueError: there is no match, or shapes don't fit together.
    """
    _check_matches(d_a, points_b, "points_b", 2)
    _check_map(d_a, features_b, "features_b")
    h, w = features_b.shape[1:]
    cells, weights = neighbours(points_b, stride, h, w)
    logits = functional.normalize(d_a, dim=1) @ functional.normalize(features_b, dim=0).flatten(1) / temperature
    # the weights sum to 1, so log softmax needs no (M, h * w) tensor of its own
    return (logits.logsumexp(dim=1) - (logits.gather(1, cells) * weights.to(logits.dtype)).sum(dim=1)).mean()


def _check_matches(d_a: Tensor, other: Tensor, name: str, columns: int) -> None:
    if d_a.ndim != 2 or other.shape != (d_a.shape[0], columns):
        raise ValueError(f"d_a must be (M, D) and {name} (M, {columns}), got {tuple(d_a.shape)} and {tuple(other.shape)}")
    if d_a.shape[0] == 0:
        raise ValueError("there is no match in this pair: skip it, or sample matches inside both masks")


def _check_map(descriptors: Tensor, image: Tensor, name: str) -> None:
    if image.ndim != 3 or image.shape[0] != descriptors.shape[1]:
        raise ValueError(f"{name} must be (D, h, w) with D = {descriptors.shape[1]}, got {tuple(image.shape)}")
