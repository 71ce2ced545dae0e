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


"""Differentiable, batched SE(3) for training (torch): the logarithm, and Kabsch's rigid fit.

Conventions are those of geometry.se3: T_target_source maps source coordinates into target coordinates; a twist is [v, w], the
linear part first. kornia is not used: its Se3.log() reads the translation's data, and its gradient is lost.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# The first dropped terms of the series are below 1e-15 here, and the closed forms still have all but two or three digits.
_SMALL_HALF_SINE_SQUARED = 1e-4
_SMALL_ANGLE_SQUARED = 1e-2
# Smaller singular values, as a share of the largest, say nothing about the rotation: extents of 1 : 10 000.
_RANK = 1e-8


def se3_log(T: Tensor) -> Tensor:
    """Twist (..., 6) [v, w] of transforms: the inverse of exp, |w| <= pi; differentiable except at exactly pi.

    The rotation goes through a unit quaternion (x, w): w = x * 2 atan2(|x|, w) / |x|. Near the identity this is a series in
    |x|^2; near pi |x| is 1 and nothing cancels. v = (I - K / 2 + c K^2) t with K = [w]x and
    c = (1 - (a / 2) cot(a / 2)) / a^2, a = |w|, a series near 0 and finite at pi.

    Args:
        T: (..., 4, 4) rigid transforms, float32 or float64.

    Raises:
        ValueError: the shape is another.
    """
    if T.shape[-2:] != (4, 4):
        raise ValueError(f"transforms must be (..., 4, 4), got {tuple(T.shape)}")
    rotation, translation = _rotation_log(T[..., :3, :3]), T[..., :3, 3]
    square = (rotation * rotation).sum(dim=-1, keepdim=True)
    small = square < _SMALL_ANGLE_SQUARED
    half = 0.5 * torch.where(small, torch.ones_like(square), square).sqrt()    # no 0 / 0, whose gradient would be NaN
    closed = (1.0 - half * half.cos() / half.sin()) / (4.0 * half * half)
    series = 1.0 / 12.0 + square * (1.0 / 720.0 + square * (1.0 / 30240.0 + square / 1209600.0))
    once = torch.linalg.cross(rotation, translation)
    twice = torch.linalg.cross(rotation, once)
    return torch.cat([translation - 0.5 * once + torch.where(small, series, closed) * twice, rotation], dim=-1)


def inverse(T: Tensor) -> Tensor:
    """Inverse of rigid transforms (..., 4, 4), equation 7's dagger: [R^T, -R^T t; 0, 1]."""
    rotation = T[..., :3, :3].transpose(-1, -2)
    upper = torch.cat([rotation, -rotation @ T[..., :3, 3:]], dim=-1)
    return torch.cat([upper, T[..., 3:, :]], dim=-2)


def kabsch(source: Tensor, target: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The rigid transforms that map source points onto target points: argmin of sum_n w_n |R s_n + t - t_n|^2, det R = 1.

    With singular values s1 >= s2 >= s3 of the covariance and the determinant's sign d, the rotation is determined while
    s2 + d s3 > 0; only that sum is ever divided by, so equal singular values have finite gradients (torch's own svd backward
    divides by their differences).

    Args:
        source: (B, N, 3) finite.
        target: (B, N, 3) finite.
        weights: (B, N) >= 0; None: all 1.

    Returns:
        T_target_source (B, 4, 4) float64, and (B,) bool: the rotation is determined. Where it is false (rank < 2: collinear or
        coincident points, fewer than three, or no weight) the transform is one of many, its rotation has no gradient: skip it.

    Raises:
        ValueError: shapes don't fit together.
    """
    if source.ndim != 3 or source.shape[2] != 3 or source.shape != target.shape:
        raise ValueError(f"source and target must be (B, N, 3) both, got {tuple(source.shape)} and {tuple(target.shape)}")
    if weights is not None and weights.shape != source.shape[:2]:
        raise ValueError(f"weights must be {tuple(source.shape[:2])}, got {tuple(weights.shape)}")
    source, target = source.double(), target.double()
    share = torch.ones_like(source[..., :1]) if weights is None else weights.double()[..., None]
    share = share / share.sum(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    middle_source, middle_target = (share * source).sum(dim=1), (share * target).sum(dim=1)
    covariance = (share * (target - middle_target[:, None])).transpose(1, 2) @ (source - middle_source[:, None])
    rotation, determined = _Procrustes.apply(covariance)
    translation = middle_target - (rotation @ middle_source[..., None])[..., 0]
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64, device=source.device).expand(len(source), 1, 4)
    return torch.cat([torch.cat([rotation, translation[..., None]], dim=2), bottom], dim=1), determined


class _Procrustes(torch.autograd.Function):
    """The rotations (B, 3, 3) nearest to matrices (B, 3, 3), and whether each is determined.

    With M = U S V^T and d = det(U V^T), R = U diag(1, 1, d) V^T. For W = V diag(1, 1, d), s = diag(S) diag(1, 1, d) and
    A = U^T dM W the differential is dR = U B W^T, B_ij = (A_ij - A_ji) / (s_i + s_j).
    """

    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> tuple[Tensor, Tensor]:
        left, values, right = torch.linalg.svd(matrices)
        signs = torch.ones_like(values)
        signs[:, 2] = torch.linalg.det(left @ right).sign()
        right = right * signs[..., None]
        values = values * signs
        determined = values[:, 1] + values[:, 2] > _RANK * values[:, 0]
        ctx.save_for_backward(left, values, right, determined)
        ctx.mark_non_differentiable(determined)
        return left @ right, determined

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> Tensor:
        left, values, right, determined = ctx.saved_tensors
        inner = left.transpose(1, 2) @ gradient @ right.transpose(1, 2)
        sums = values[:, :, None] + values[:, None, :]
        usable = determined[:, None, None] & (sums > 0.0)
        inner = torch.where(usable, (inner - inner.transpose(1, 2)) / torch.where(usable, sums, torch.ones_like(sums)),
                            torch.zeros_like(inner))
        return left @ inner @ right


def _rotation_log(R: Tensor) -> Tensor:
    quaternion = _quaternion(R)
    quaternion = torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
    vector, scalar = quaternion[..., :3], quaternion[..., 3:]
    square = (vector * vector).sum(dim=-1, keepdim=True)
    small = square < _SMALL_HALF_SINE_SQUARED
    length = torch.where(small, torch.ones_like(square), square).sqrt()
    closed = 2.0 * torch.atan2(length, scalar) / length
    series = 2.0 * (1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0 + square * (15.0 / 336.0))))   # 2 asin(x) / x
    return vector * torch.where(small, series, closed)


def _quaternion(R: Tensor) -> Tensor:
    # Shepperd: four times the outer product of the quaternion with itself is linear in R. Its row with the largest diagonal,
    # which is at least 1, is the quaternion up to length, so nothing small is divided by.
    diagonal = R.diagonal(dim1=-2, dim2=-1)
    trace = diagonal.sum(dim=-1)
    xx, yy, zz = (1.0 - trace[..., None] + 2.0 * diagonal).unbind(dim=-1)
    xy, xz, yz = R[..., 1, 0] + R[..., 0, 1], R[..., 2, 0] + R[..., 0, 2], R[..., 2, 1] + R[..., 1, 2]
    xw, yw, zw = R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]
    rows = [xx, xy, xz, xw, xy, yy, yz, yw, xz, yz, zz, zw, xw, yw, zw, 1.0 + trace]
    outer = torch.stack(rows, dim=-1).unflatten(-1, (4, 4))
    largest = outer.detach().diagonal(dim1=-2, dim2=-1).argmax(dim=-1)[..., None, None]
    row = outer.gather(-2, largest.expand(*largest.shape[:-1], 4)).squeeze(-2)
    return row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)
