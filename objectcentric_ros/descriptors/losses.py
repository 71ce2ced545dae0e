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


"""Paper A's keypoint losses (section 3.3, after KeypointNet), as pure functions (torch).

A batch is B pairs of views; a view has N keypoints, each a softmax over the h x w cells of the network, whose cell (i, j)
(column, row) is pixel (stride * i, stride * j). Points are (B, N, 2) pixels (u, v), depths (B, N) metres. A depth that isn't
finite is missing: its keypoint is left out of the losses that need one. T_b_a maps camera A's coordinates into camera B's.

What keeps depths from collapsing to 0 is the metric translation of T_b_a. Pairs without one (mere rotations of the camera)
can't, neither through the consistency nor through the pose: train those with `depth_loss`, or mix them with others.

Sums and products by element instead of matrix products keep pixels and metres exact under torch.autocast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from objectcentric_ros.descriptors.se3_torch import inverse, kabsch, se3_log

_TINY = 1e-12


@dataclass(frozen=True)
class KeypointLossWeights:
    """Weights of the six parts (0: not computed) and their settings; the paper's, where it says them.

    Args:
        silhouette: weight.
        variance: weight, per px^2.
        separation: weight, per px.
        consistency: weight.
        pose: weight.
        depth: weight of the measured depth, which the paper does not use.
        margin: distance that keypoints keep [px].
        reduction: of the separation's pairs, sum or mean.
        huber_delta: where the consistency and the depth turn from square to linear [m].
        metres_per_radian: translation that costs as much as a rotation of 1 rad; the paper's norm of the twist is 1.
        pose_noise: standard deviation of noise on the points of the pose loss [m].

    Raises:
        ValueError: a weight or the noise is negative, margin, delta or metres_per_radian isn't positive, or no such reduction.
    """

    silhouette: float = 1.0
    variance: float = 1e-3
    separation: float = 1.0
    consistency: float = 1.0
    pose: float = 1.0
    depth: float = 0.0
    margin: float = 2.0
    reduction: str = "sum"
    huber_delta: float = 0.01
    metres_per_radian: float = 1.0
    pose_noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("silhouette", "variance", "separation", "consistency", "pose", "depth", "pose_noise"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("margin", "huber_delta", "metres_per_radian"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}")
        _check_reduction(self.reduction)


@dataclass(frozen=True)
class KeypointView:
    """One side of a batch of pairs.

    Args:
        logits: (B, N, h, w).
        depths: (B, N, h, w) [m]; None: the network has no depth head.
        mask: (B, h, w) bool or 0..1, the object at the cells (`mask_at_cells`).
        K: (B, 3, 3) or (3, 3) camera matrix.
        measured: (B, H, W) [m] depth image, NaN where invalid; None: there is none, and `depth` is 0.
    """

    logits: Tensor
    depths: Tensor | None
    mask: Tensor
    K: Tensor
    measured: Tensor | None = None


def keypoint_loss(a: KeypointView, b: KeypointView, T_b_a: Tensor | None, stride: int,
                  weights: KeypointLossWeights | None = None) -> dict[str, Tensor]:
    """All of paper A's losses: silhouette, variance, separation, consistency, pose, depth, and total, their weighted sum.

    The first three and depth are the mean of the two views. A part of weight 0 is 0 and not computed.

    Args:
        a: the one view.
        b: the other.
        T_b_a: (B, 4, 4) true motion; None: not known, which needs weights without consistency and pose.
        stride: pixels from cell to cell.
        weights: None: the paper's.

    Raises:
        ValueError: a mask is empty, or a weight needs depths or a motion that there aren't.
    """
    weights = weights or KeypointLossWeights()
    zero = a.logits.new_zeros(())
    parts = dict.fromkeys(("silhouette", "variance", "separation", "consistency", "pose", "depth"), zero)
    seen = []
    for name, view in (("a", a), ("b", b)):
        points, depth, probability = expectations(view.logits, view.depths, stride)
        seen.append((points, depth))
        for part, value in _view_losses(view, points, depth, probability, stride, weights, name).items():
            parts[part] = parts[part] + 0.5 * value
    if weights.consistency or weights.pose:
        (points_a, depth_a), (points_b, depth_b) = seen
        if depth_a is None or depth_b is None or T_b_a is None:
            raise ValueError("consistency and pose need depths and T_b_a: give the network a depth head and the pair its "
                             "motion, or set both weights to 0")
        pair = points_a, depth_a, points_b, depth_b, a.K, b.K, T_b_a
        if weights.consistency:
            parts["consistency"] = consistency_loss(*pair, weights.huber_delta)
        if weights.pose:
            parts["pose"] = pose_loss(*pair, weights.metres_per_radian, weights.pose_noise)
    parts["total"] = sum((getattr(weights, part) * value for part, value in parts.items()), zero)
    return parts


def expectations(logits: Tensor, depths: Tensor | None, stride: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """Equation 4: p = softmax of the logits over the cells, [u, v] = sum p (u, v), d = sum p depth.

    Args:
        logits: (B, N, h, w).
        depths: (B, N, h, w) [m]; None: there are none.
        stride: pixels from cell to cell.

    Returns:
        Points (B, N, 2) [px], depth (B, N) [m] or None, probability (B, N, h, w) that sums to 1. Never less than float32.
    """
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    probability = logits.flatten(2).softmax(dim=2)
    depth = None if depths is None else (probability * depths.flatten(2)).sum(dim=2)
    probability = probability.view_as(logits)
    points = torch.stack([(share * axis).sum(dim=2) for share, axis in _marginals(probability, stride)], dim=2)
    return points, depth, probability


def mask_at_cells(mask: Tensor, stride: int) -> Tensor:
    """An image's mask (B, H, W) at the centres of the network's cells, (B, ceil(H / stride), ceil(W / stride))."""
    return mask[..., ::stride, ::stride]


def measured_depths(depth: Tensor, points: Tensor) -> Tensor:
    """Depth images (B, H, W) [m] at the nearest pixels of points (B, N, 2), (B, N) [m]; NaN where invalid or not positive."""
    height, width = depth.shape[1:]
    u, v = points.detach().round().long().unbind(dim=2)
    u, v = u.clamp(0, width - 1), v.clamp(0, height - 1)
    found = depth.flatten(1).gather(1, v * width + u)
    return torch.where(torch.isfinite(found) & (found > 0), found, torch.nan)


def silhouette_loss(probability: Tensor, mask: Tensor, name: str = "mask") -> Tensor:
    """Keypoints lie on the object: mean over B, N of -log(sum over the cells of p mask + 1e-12).

    Args:
        probability: (B, N, h, w).
        mask: (B, h, w), bool or 0..1.
        name: how to call the mask in an error.

    Raises:
        ValueError: a mask is empty, or shapes don't fit together.
    """
    if mask.shape != (probability.shape[0], *probability.shape[2:]):
        raise ValueError(f"{name} must be (B, h, w) as the probability {tuple(probability.shape)}, got {tuple(mask.shape)}")
    empty = (mask.flatten(1) == 0).all(dim=1)
    if empty.any():
        raise ValueError(f"{name} is empty in batch entries {empty.nonzero().flatten().tolist()}: the object must cover a cell")
    inside = (probability * mask[:, None].to(probability.dtype)).sum(dim=(2, 3))
    return -(inside + _TINY).log().mean()


def variance_loss(probability: Tensor, points: Tensor, stride: int) -> Tensor:
    """Each keypoint is one place: mean over B, N of sum over the cells of p |(u, v) - E|^2 [px^2].

    Args:
        probability: (B, N, h, w).
        points: (B, N, 2) its expectations [px].
        stride: pixels from cell to cell.
    """
    # u and v apart; sum p |(u, v)|^2 - |E|^2 would be shorter, and the difference of large numbers
    squares = [share * (axis - middle[..., None]).square()
               for (share, axis), middle in zip(_marginals(probability, stride), points.unbind(dim=2), strict=True)]
    return sum((square.sum(dim=2).mean() for square in squares), probability.new_zeros(()))


def separation_loss(points: Tensor, margin: float = 2.0, reduction: str = "sum") -> Tensor:
    """Keypoints keep apart: max(0, margin - |E_i - E_j|) over i < j [px], mean over B; one keypoint: 0.

    Two keypoints at exactly the same place have no gradient: they have no direction to leave in.

    Args:
        points: (B, N, 2) [px].
        margin: [px].
        reduction: sum over the pairs as in the paper, or mean, which vanishes among the 8128 pairs of 128 keypoints.

    Raises:
        ValueError: no such reduction.
    """
    _check_reduction(reduction)
    i, j = torch.triu_indices(points.shape[1], points.shape[1], offset=1, device=points.device)
    short = (margin - torch.linalg.vector_norm(points[:, i] - points[:, j], dim=2)).clamp_min(0.0)
    total = short.sum(dim=1).mean()
    return total / max(len(i), 1) if reduction == "mean" else total


def lifted(points: Tensor, depth: Tensor, K: Tensor) -> Tensor:
    """Equation 5: X = K^-1 [u, v, 1]^T d, (B, N, 3) [m].

    Args:
        points: (B, N, 2) [px].
        depth: (B, N) [m].
        K: (B, 3, 3) or (3, 3).
    """
    pixels = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
    return _transformed(torch.linalg.inv(K.to(points)), pixels) * depth[..., None]


def consistency_loss(points_a: Tensor, depth_a: Tensor, points_b: Tensor, depth_b: Tensor, K_a: Tensor, K_b: Tensor,
                     T_b_a: Tensor, delta: float = 0.01) -> Tensor:
    """Equation 6: Huber(X_B, T_b_a X_A), mean over the coordinates of the keypoints that have both depths; 0 where none has.

    Args:
        points_a: (B, N, 2) [px].
        depth_a: (B, N) [m].
        points_b: (B, N, 2) [px].
        depth_b: (B, N) [m].
        K_a: (B, 3, 3) or (3, 3).
        K_b: (B, 3, 3) or (3, 3).
        T_b_a: (B, 4, 4).
        delta: where e^2 / 2 turns into delta (|e| - delta / 2) [m].
    """
    X_a, X_b, there = _both(points_a, depth_a, points_b, depth_b, K_a, K_b)
    T = T_b_a.to(X_a)
    moved = _transformed(T[:, :3, :3], X_a) + T[:, None, :3, 3]
    errors = functional.huber_loss(X_b, moved, reduction="none", delta=delta).mean(dim=2)
    return (errors * there).sum() / there.sum().clamp_min(1)


def pose_loss(points_a: Tensor, depth_a: Tensor, points_b: Tensor, depth_b: Tensor, K_a: Tensor, K_b: Tensor,
              T_b_a: Tensor, metres_per_radian: float = 1.0, noise: float = 0.0) -> Tensor:
    """Equation 7: |log(T_b_a^-1 T_pred)| with T_pred by Kabsch from X_A to X_B, mean over the pairs [rad].

    The norm is that of [v / metres_per_radian, w]. Keypoints without a depth have no weight; a pair whose points don't
    determine a rotation (fewer than three, on a line, coincident) is left out, and without any pair the loss is 0.

    Args:
        points_a: (B, N, 2) [px].
        depth_a: (B, N) [m].
        points_b: (B, N, 2) [px].
        depth_b: (B, N) [m].
        K_a: (B, 3, 3) or (3, 3).
        K_b: (B, 3, 3) or (3, 3).
        T_b_a: (B, 4, 4) truth.
        metres_per_radian: translation that costs as much as a rotation of 1 rad [m].
        noise: standard deviation of noise that is added to both sides' points [m], as in KeypointNet; torch's generator.
    """
    X_a, X_b, there = _both(points_a, depth_a, points_b, depth_b, K_a, K_b)
    if noise > 0.0:
        X_a, X_b = X_a + noise * torch.randn_like(X_a), X_b + noise * torch.randn_like(X_b)
    predicted, determined = kabsch(X_a, X_b, there)
    twist = se3_log(inverse(T_b_a.to(predicted)) @ predicted)
    length = torch.linalg.vector_norm(torch.cat([twist[:, :3] / metres_per_radian, twist[:, 3:]], dim=1), dim=1)
    length = torch.where(determined, length, torch.zeros_like(length))
    return (length.sum() / determined.sum().clamp_min(1)).to(points_a.dtype)


def depth_loss(depth: Tensor, measured: Tensor, delta: float = 0.01) -> Tensor:
    """Huber(depth, measured), mean over the keypoints with a measured depth; 0 where none has. Not in the paper.

    Args:
        depth: (B, N) [m].
        measured: (B, N) [m], NaN where missing (`measured_depths`).
        delta: where e^2 / 2 turns into delta (|e| - delta / 2) [m].
    """
    there = torch.isfinite(measured)
    errors = functional.huber_loss(depth, torch.where(there, measured, depth.detach()), reduction="none", delta=delta)
    return errors.sum() / there.sum().clamp_min(1)


def _view_losses(view: KeypointView, points: Tensor, depth: Tensor | None, probability: Tensor, stride: int,
                 weights: KeypointLossWeights, name: str) -> dict[str, Tensor]:
    found = {}
    if weights.silhouette:
        found["silhouette"] = silhouette_loss(probability, view.mask, f"the mask of view {name}")
    if weights.variance:
        found["variance"] = variance_loss(probability, points, stride)
    if weights.separation:
        found["separation"] = separation_loss(points, weights.margin, weights.reduction)
    if weights.depth and view.measured is not None:
        if depth is None:
            raise ValueError("the depth loss needs depths: give the network a depth head, or set its weight to 0")
        found["depth"] = depth_loss(depth, measured_depths(view.measured, points), weights.huber_delta)
    return found


def _marginals(probability: Tensor, stride: int) -> list[tuple[Tensor, Tensor]]:
    """Probability (B, N, h, w) over the columns (B, N, w) with their pixels u (w,), and over the rows with theirs."""
    found = []
    for share in (probability.sum(dim=2), probability.sum(dim=3)):
        found.append((share, stride * torch.arange(share.shape[2], device=share.device, dtype=share.dtype)))
    return found


def _transformed(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Matrices (B, 3, 3) or (3, 3) times vectors (B, N, 3)."""
    return (matrices[..., None, :, :] * vectors[..., None, :]).sum(dim=-1)


def _both(points_a: Tensor, depth_a: Tensor, points_b: Tensor, depth_b: Tensor, K_a: Tensor,
          K_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both sides' points (B, N, 3) [m] and (B, N) 1 where both have a depth, else 0 and a depth that does no harm."""
    there = torch.isfinite(depth_a) & torch.isfinite(depth_b)
    X_a = lifted(points_a, torch.where(there, depth_a, torch.ones_like(depth_a)), K_a)
    X_b = lifted(points_b, torch.where(there, depth_b, torch.ones_like(depth_b)), K_b)
    return X_a, X_b, there.to(points_a.dtype)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("sum", "mean"):
        raise ValueError(f"reduction must be sum or mean, got {reduction!r}")
