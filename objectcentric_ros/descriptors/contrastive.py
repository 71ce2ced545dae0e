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
_TINY = 1e-12
_NO_MATCH = "there is no match in this pair: skip it, or sample matches inside both masks"


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
        Flat indices row * w + column (..., 4) int64, and weights (..., 4) that sum to 1. In a map of one row or column a cell
        occurs twice.
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


def upsampled(features: Tensor, stride: int, height: int, width: int, unit: bool = False) -> Tensor:
    """Descriptors of all pixels, (B, D, height, width): what `sample` gives at every pixel, for losses that need a full map.

    Two matrix products with the bilinear weights of rows and columns; torch's interpolate puts the cells elsewhere.

    Args:
        features: (B, D, h, w).
        stride: pixels from cell to cell.
        height: of the image [px].
        width: of the image [px].
        unit: scale to length 1 after interpolation.
    """
    rows = _axis_weights(features.shape[2], stride, height).to(features)
    columns = _axis_weights(features.shape[3], stride, width).to(features)
    found = rows @ (features @ columns.T)
    return functional.normalize(found, dim=1) if unit else found


def pixelwise_contrastive(d_a: Tensor, d_b: Tensor, non_b: Tensor, margin: float = 0.5) -> Tensor:
    """Dense Object Nets' loss with hard-negative scaling (Florence et al. 2018), mean over the pairs of a batch.

    L_m = mean over m of |a_m - b_m|^2; L_n = sum over m, k of max(0, margin - |a_m - n_mk|)^2 over the number of its terms
    that aren't 0 (at least 1); loss = L_m + L_n. Non-matches on the object and on the background are one set here; the original
    scales each by its own number. Coincident non-matches have no gradient: their distance has no direction.

    Args:
        d_a: (B, M, D) descriptors in image A.
        d_b: (B, M, D) at the matching pixels of image B.
        non_b: (B, M, K, D) at pixels of image B that don't match; K may be 0.
        margin: distance that non-matches must keep.

    Raises:
        ValueError: there is no match, or shapes don't fit together.
    """
    if d_a.ndim != 3 or d_b.shape != d_a.shape or non_b.ndim != 4 or (*non_b.shape[:2], non_b.shape[3]) != d_a.shape:
        raise ValueError("d_a and d_b must be (B, M, D) and non_b (B, M, K, D), got "
                         f"{tuple(d_a.shape)}, {tuple(d_b.shape)} and {tuple(non_b.shape)}")
    if d_a.shape[1] == 0:
        raise ValueError(_NO_MATCH)
    matches = (d_a - d_b).square().sum(dim=2).mean(dim=1)
    short = (margin - torch.linalg.vector_norm(d_a[:, :, None] - non_b, dim=3)).clamp_min(0.0)
    hard = (short.detach() > 0).sum(dim=(1, 2)).clamp_min(1)
    return (matches + short.square().sum(dim=(1, 2)) / hard).mean()


def expected_points(query: Tensor, image: Tensor, stride: int = 1) -> Tensor:
    """Where descriptors are expected in an image, (M, 2) px: sum of p (u, v) with p = K / sum K, K = exp(-|image - query|^2).

    Args:
        query: (M, D).
        image: (D, h, w); features, or with stride 1 a full-resolution map.
        stride: pixels from cell to cell.

    Raises:
        ValueError: shapes don't fit together.
    """
    _check_map(query, image, "image")
    flat = image.flatten(1)
    # -|f - q|^2 without |q|^2, which divides out, and without an (M, D, h, w) difference
    p = (2.0 * query @ flat - flat.square().sum(dim=0)).softmax(dim=1)
    v, u = torch.meshgrid(torch.arange(image.shape[1]), torch.arange(image.shape[2]), indexing="ij")
    return p @ (stride * torch.stack([u.flatten(), v.flatten()], dim=1)).to(p)


def pixelwise_distribution(query: Tensor, image: Tensor, targets: Tensor, stride: int = 1) -> Tensor:
    """Mean distance [px] of expected points from the true ones, one way (Florence 2020, chapter 4; see `expected_points`).

    Both ways, half of each, are the loss of the paper's baseline:
    (pixelwise_distribution(d_a, map_b, points_b) + pixelwise_distribution(d_b, map_a, points_a)) / 2.

    Args:
        query: (M, D) descriptors in the one image.
        image: (D, h, w) the other image's features, or with stride 1 its full-resolution map.
        targets: (M, 2) matching pixels (u, v) in the other image.
        stride: pixels from cell to cell.

    Raises:
        ValueError: there is no match, or shapes don't fit together.
    """
    _check_matches(query, targets, "targets", 2)
    return torch.linalg.vector_norm(expected_points(query, image, stride) - targets, dim=1).mean()


def nt_xent(d_a: Tensor, d_b: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """NT-Xent over sampled matches as in SimCLR: each of the 2 M descriptors against its match and 2 (M - 1) negatives.

    With z the 2 M unit descriptors, c(i) the match of i and s_ij = z_i . z_j / temperature:
    loss = mean over i of -log(exp(s_ic(i)) / sum over j != i of exp(s_ij)). One match has no negatives: 0.

    Args:
        d_a: (M, D) descriptors in image A, of any length.
        d_b: (M, D) at the matching pixels of image B.
        temperature: of the softmax, > 0.

    Raises:
        ValueError: there is no match, or shapes don't fit together.
    """
    _check_matches(d_a, d_b, "d_b", d_a.shape[-1])
    count = d_a.shape[0]
    unit = functional.normalize(torch.cat([d_a, d_b]), dim=1)
    itself = torch.eye(2 * count, dtype=torch.bool, device=unit.device)
    logits = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(2 * count, device=unit.device).roll(count))


def nt_xent_full_image(d_a: Tensor, map_b: Tensor, targets: Tensor, temperature: float = TEMPERATURE,
                       tiled: bool = True) -> Tensor:
    """NT-Xent with every pixel of image B as a negative: the baseline of the paper's memory figures.

    loss = mean over m of -log(exp(s_m,target) / sum over all pixels of exp(s_m,pixel)), s the cosine / temperature, the match
    at the nearest pixel. The author's code also takes image A's pixels as negatives, and both ways.

    Args:
        d_a: (M, D) descriptors in image A, of any length.
        map_b: (D, H, W) full-resolution map, of any length.
        targets: (M, 2) matching pixels (u, v) in image B, inside it.
        temperature: of the softmax, > 0.
        tiled: repeat each descriptor over the image, (M, H, W, D), as the author's code does; false: the same by a matrix
            product, (M, H * W).

    Raises:
        ValueError: there is no match, or shapes don't fit together.
    """
    _check_matches(d_a, targets, "targets", 2)
    _check_map(d_a, map_b, "map_b")
    height, width = map_b.shape[1:]
    if tiled:
        tiles = d_a[:, None, None, :].repeat(1, height, width, 1)
        image = map_b.permute(1, 2, 0)
        lengths = torch.linalg.vector_norm(tiles, dim=3) * torch.linalg.vector_norm(image, dim=2)
        cosines = ((tiles * image).sum(dim=3) / (lengths + _TINY)).flatten(1)
    else:
        cosines = functional.normalize(d_a, dim=1) @ functional.normalize(map_b, dim=0).flatten(1)
    u, v = targets.round().long().unbind(dim=1)
    return functional.cross_entropy(cosines / temperature, v * width + u)


def _axis_weights(cells: int, stride: int, pixels: int) -> Tensor:
    """(pixels, cells) float64 bilinear weights along one axis."""
    position = (torch.arange(pixels, dtype=torch.float64) / stride).clamp(0, cells - 1)
    return (1.0 - (position[:, None] - torch.arange(cells)).abs()).clamp_min(0.0)


def _check_matches(d_a: Tensor, other: Tensor, name: str, columns: int) -> None:
    if d_a.ndim != 2 or other.shape != (d_a.shape[0], columns):
        raise ValueError(f"d_a must be (M, D) and {name} (M, {columns}), got {tuple(d_a.shape)} and {tuple(other.shape)}")
    if d_a.shape[0] == 0:
        raise ValueError(_NO_MATCH)


def _check_map(descriptors: Tensor, image: Tensor, name: str) -> None:
    if image.ndim != 3 or image.shape[0] != descriptors.shape[1]:
        raise ValueError(f"{name} must be (D, h, w) with D = {descriptors.shape[1]}, got {tuple(image.shape)}")
