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


"""Paper A's losses: hand-computed values, gradients, degenerate inputs, and whether depths may collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from objectcentric_ros.descriptors import losses  # noqa: E402
from objectcentric_ros.descriptors.losses import KeypointLossWeights, KeypointView  # noqa: E402
from objectcentric_ros.geometry import se3  # noqa: E402

K = torch.tensor([[400.0, 0.0, 100.0], [0.0, 400.0, 80.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
I = torch.eye(3, dtype=torch.float64)  # noqa: E741


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def motion(translation: tuple[float, float, float] = (0.1, -0.05, 0.02), rotation: float = 0.4) -> torch.Tensor:
    return tensor(se3.exp([0, 0, 0, 0.2 * rotation, -0.3 * rotation, rotation])
                  + np.pad(np.array(translation)[:, None], ((0, 1), (3, 0))))[None]


def seen(T_b_a: torch.Tensor, count: int = 6) -> tuple[torch.Tensor, ...]:
    """Points and depths of a cloud half a metre away, in both cameras."""
    X_a = 0.1 * random(1, count, 3) + tensor([0.0, 0.0, 0.5])
    X_b = X_a @ T_b_a[:, :3, :3].transpose(1, 2) + T_b_a[:, None, :3, 3]
    found = []
    for X in (X_a, X_b):
        image = X @ K.T
        found += [image[..., :2] / image[..., 2:], X[..., 2]]
    return tuple(found)


def test_expectations_by_hand() -> None:
    logits = torch.full((1, 1, 2, 3), -torch.inf, dtype=torch.float64)
    logits[0, 0, 0, 1], logits[0, 0, 1, 2] = 0.0, math.log(3.0)         # 1/4 at (8, 0), 3/4 at (16, 8)
    depths = torch.full_like(logits, 2.0)
    depths[0, 0, 1, 2] = 4.0
    points, depth, probability = losses.expectations(logits, depths, 8)
    torch.testing.assert_close(points, tensor([[[14.0, 6.0]]]))
    torch.testing.assert_close(depth, tensor([[3.5]]))
    torch.testing.assert_close(probability, tensor([[[[0, 0.25, 0], [0, 0, 0.75]]]]))
    assert losses.expectations(logits, None, 8)[1] is None
    assert losses.variance_loss(probability, points, 8).item() == pytest.approx(0.25 * (36 + 36) + 0.75 * (4 + 4))


def test_expectations_have_the_right_gradients() -> None:
    assert torch.autograd.gradcheck(lambda x, d: losses.expectations(x, d, 4),
                                    (random(1, 2, 2, 3).requires_grad_(), random(1, 2, 2, 3, seed=1).requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_pixels_stay_exact_in_half_precision(dtype: torch.dtype) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        points, depth, probability = losses.expectations(torch.zeros(1, 1, 60, 80, dtype=dtype), torch.ones(1, 1, 60, 80), 8)
        X = losses.lifted(points, depth, K)
    assert probability.dtype == X.dtype == torch.float32
    torch.testing.assert_close(points, torch.tensor([[[316.0, 236.0]]]), rtol=1e-5, atol=0.0)
    torch.testing.assert_close(X, torch.tensor([[[0.54, 0.39, 1.0]]]), rtol=1e-5, atol=0.0)


def test_silhouette_by_hand() -> None:
    probability = tensor([[[[0.5, 0.25], [0.25, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]])
    mask = torch.tensor([[[True, False], [True, False]]])      # touches the border on three sides
    loss = losses.silhouette_loss(probability, mask)
    assert loss.item() == pytest.approx(-(math.log(0.75) + math.log(1e-12)) / 2)


def test_variance_is_that_of_a_uniform_square() -> None:
    points, _, probability = losses.expectations(torch.zeros(2, 1, 4, 4), None, 2)
    assert losses.variance_loss(probability, points, 2).item() == pytest.approx(2 * 4 * 15 / 12)


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 1.5), ("mean", 0.5)])
def test_separation_by_hand(reduction: str, expected: float) -> None:
    # distances 0.5, 5.0 and more: one pair is 1.5 px short of the margin
    points = tensor([[[0.0, 0.0], [0.3, 0.4], [3.0, -4.0]]])
    assert losses.separation_loss(points, 2.0, reduction).item() == pytest.approx(expected)


def test_consistency_by_hand() -> None:
    # X_A = (1, 2, 1) * 2 moves by (1, 0, 0) to (3, 4, 2); X_B = (3, 4.5, 2.25): errors 0, 0.5 (linear) and 0.25 (square)
    T = torch.eye(4, dtype=torch.float64)[None].clone()
    T[0, 0, 3] = 1.0
    loss = losses.consistency_loss(tensor([[[1.0, 2.0]]]), tensor([[2.0]]), tensor([[[3.0 / 2.25, 2.0]]]), tensor([[2.25]]),
                                   I, I[None], T, 0.3)
    assert loss.item() == pytest.approx((0.3 * (0.5 - 0.15) + 0.25**2 / 2) / 3)


def test_consistency_of_the_truth_is_zero_and_not_of_the_inverse() -> None:
    T = motion()
    assert losses.consistency_loss(*seen(T), K, K, T).item() == pytest.approx(0.0, abs=1e-15)
    assert losses.consistency_loss(*seen(T), K, K, torch.linalg.inv(T)).item() > 1e-4


def test_pose_by_hand() -> None:
    # the points moved by T; the truth is called a translation of 0.3 m, or a rotation of 0.2 rad about the camera, more
    T = motion()
    assert losses.pose_loss(*seen(T), K, K, T).item() == pytest.approx(0.0, abs=1e-7)
    shifted = T.clone()
    shifted[0, :3, 3] += tensor([0.3, 0.0, 0.0])
    assert losses.pose_loss(*seen(T), K, K, shifted).item() == pytest.approx(0.3)
    assert losses.pose_loss(*seen(T), K, K, shifted, metres_per_radian=0.1).item() == pytest.approx(3.0)
    turned = T @ tensor(se3.exp([0, 0, 0, 0, 0.2, 0]))
    assert losses.pose_loss(*seen(T), K, K, turned, metres_per_radian=0.1).item() == pytest.approx(0.2)


def test_noise_disturbs_the_pose_a_little() -> None:
    T = motion()
    torch.manual_seed(0)
    assert 1e-5 < losses.pose_loss(*seen(T), K, K, T, noise=1e-4).item() < 1e-1


def test_depth_by_hand() -> None:
    depth, measured = tensor([[1.0, 2.0, 3.0]]), tensor([[1.005, math.nan, 2.5]])
    assert losses.depth_loss(depth, measured).item() == pytest.approx((0.005**2 / 2 + 0.01 * (0.5 - 0.005)) / 2)
    image = torch.tensor([[[1.0, 2.0], [0.0, torch.nan]]])
    found = losses.measured_depths(image, torch.tensor([[[0.6, -3.0], [0.4, 0.2], [0.0, 1.0], [9.0, 9.0]]]))
    torch.testing.assert_close(found, torch.tensor([[2.0, 1.0, torch.nan, torch.nan]]), equal_nan=True)


def test_each_loss_has_the_right_gradients() -> None:
    mask = torch.tensor([[[True, False, True], [True, True, False]]])
    probability = random(1, 2, 6).softmax(dim=2).unflatten(2, (2, 3)).requires_grad_()
    points = random(1, 3, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: losses.silhouette_loss(p, mask), probability)
    assert torch.autograd.gradcheck(lambda p, x: losses.variance_loss(p, x[:, :2], 4), (probability, points))
    assert torch.autograd.gradcheck(lambda x: losses.separation_loss(x, 2.0, "mean"), points)
    assert torch.autograd.gradcheck(lambda d: losses.depth_loss(d, tensor([[1.0, math.nan, 0.2]])), tensor([[1.003, 1.0, 1.0]])
                                    .requires_grad_())
    pair = [(each + 0.01 * random(*each.shape, seed=2)).requires_grad_() for each in seen(motion())]
    assert torch.autograd.gradcheck(lambda *x: losses.consistency_loss(*x, K, K, motion()), pair)
    assert torch.autograd.gradcheck(lambda *x: losses.pose_loss(*x, K, K, motion(), 0.3), pair)


# --- degenerate inputs ---


def test_one_keypoint_has_neither_pose_nor_separation() -> None:
    T = motion()
    pair = [each.requires_grad_() for each in seen(T, count=1)]
    loss = losses.pose_loss(*pair, K, K, T)
    loss = loss + losses.separation_loss(pair[0]) + losses.separation_loss(pair[0], reduction="mean")
    assert loss.item() == 0.0
    loss.backward()
    assert all(torch.isfinite(each.grad).all() for each in pair if each.grad is not None)


def test_keypoints_on_a_line_have_no_pose_and_do_not_spoil_the_batch() -> None:
    T = motion()
    good = seen(T)
    line = torch.linspace(0, 50, 6, dtype=torch.float64)[None, :, None].expand(1, 6, 2)
    bad = line, torch.full((1, 6), 0.5, dtype=torch.float64), line, torch.full((1, 6), 0.5, dtype=torch.float64)
    batch = [torch.cat(each).requires_grad_() for each in zip(good, bad, strict=True)]
    shifted = T.clone()
    shifted[0, 2, 3] += 0.2
    loss = losses.pose_loss(*batch, K, K, shifted.expand(2, 4, 4))
    assert loss.item() == pytest.approx(0.2)
    loss.backward()
    assert all(torch.isfinite(each.grad).all() and not each.grad[1].any() for each in batch)


def test_missing_depths_are_left_out() -> None:
    T = motion()
    points_a, depth_a, points_b, depth_b = seen(T)
    wrong = points_a.clone()
    wrong[0, 0] += 40.0
    depth_a[0, 0] = torch.nan
    depth_b[0, 1] = torch.nan
    pair = [each.requires_grad_() for each in (wrong, depth_a, points_b, depth_b)]
    loss = losses.pose_loss(*pair, K, K, T) + losses.consistency_loss(*pair, K, K, T)
    assert loss.item() == pytest.approx(0.0, abs=1e-7)
    loss.backward()
    assert all(torch.isfinite(each.grad).all() for each in pair)


def test_without_any_depth_the_losses_are_zero() -> None:
    T = motion()
    pair = [(each if index % 2 == 0 else each * torch.nan).requires_grad_() for index, each in enumerate(seen(T))]
    loss = losses.pose_loss(*pair, K, K, T) + losses.consistency_loss(*pair, K, K, T)
    loss = loss + losses.depth_loss(torch.ones(1, 3, requires_grad=True), torch.full((1, 3), torch.nan))
    loss.backward()
    assert loss.item() == 0.0
    assert all(torch.isfinite(each.grad).all() for each in pair)


def test_an_empty_mask_is_named() -> None:
    mask = torch.ones(3, 2, 2)
    mask[1] = 0
    with pytest.raises(ValueError, match=r"the mask of view b is empty in batch entries \[1\]"):
        losses.silhouette_loss(torch.full((3, 1, 2, 2), 0.25), mask, "the mask of view b")
    with pytest.raises(ValueError, match=r"mask must be \(B, h, w\)"):
        losses.silhouette_loss(torch.full((3, 1, 2, 2), 0.25), torch.ones(3, 16, 16))


@pytest.mark.parametrize(("weights", "message"), [
    ({"variance": -1.0}, "variance must be 0 or more"), ({"pose": math.nan}, "pose must be 0 or more"),
    ({"metres_per_radian": 0.0}, "metres_per_radian must be more than 0"), ({"reduction": "max"}, "sum or mean")])
def test_weights_that_make_no_sense_are_errors(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeypointLossWeights(**weights)


# --- all together ---


def view(h: int = 3, w: int = 4, count: int = 5, seed: int = 0, **other: object) -> KeypointView:
    values = {"logits": random(2, count, h, w, seed=seed).requires_grad_(),
              "depths": random(2, count, h, w, seed=seed + 9).exp().requires_grad_(),
              "mask": torch.arange(h * w).view(1, h, w).expand(2, h, w) % 3 == 0, "K": K, **other}
    return KeypointView(**values)


def test_total_is_the_weighted_sum_and_reaches_both_views() -> None:
    a, b = view(), view(seed=1, measured=torch.full((2, 24, 32), 0.7))
    weights = KeypointLossWeights(variance=0.25, pose=2.0, depth=3.0)
    parts = losses.keypoint_loss(a, b, motion().expand(2, 4, 4), 8, weights)
    expected = sum(getattr(weights, part) * value for part, value in parts.items() if part != "total")
    torch.testing.assert_close(parts["total"], expected)
    assert all(value > 0 for value in parts.values())
    points, depth, probability = losses.expectations(b.logits, b.depths, 8)
    torch.testing.assert_close(parts["depth"], 0.5 * losses.depth_loss(depth, tensor(0.7).expand(2, 5)))
    other = losses.expectations(a.logits, a.depths, 8)
    variances = [losses.variance_loss(p, x, 8) for p, x in ((probability, points), (other[2], other[0]))]
    torch.testing.assert_close(parts["variance"], sum(variances) / 2)
    parts["total"].backward()
    assert all(each.grad.abs().sum() > 0 for each in (a.logits, a.depths, b.logits, b.depths))


def test_the_papers_weights() -> None:
    weights = KeypointLossWeights()
    assert (weights.silhouette, weights.separation, weights.consistency, weights.pose) == (1.0, 1.0, 1.0, 1.0)
    assert (weights.variance, weights.depth, weights.margin, weights.reduction) == (1e-3, 0.0, 2.0, "sum")


def test_parts_of_weight_zero_need_nothing() -> None:
    weights = KeypointLossWeights(silhouette=0.0, consistency=0.0, pose=0.0)
    parts = losses.keypoint_loss(view(depths=None, mask=torch.zeros(2, 3, 4)), view(depths=None, seed=1), None, 8, weights)
    assert parts["silhouette"] == parts["pose"] == parts["consistency"] == 0.0
    assert parts["total"] > 0.0


def test_what_a_weight_needs_is_said() -> None:
    with pytest.raises(ValueError, match="give the network a depth head and the pair its motion"):
        losses.keypoint_loss(view(depths=None), view(), motion().expand(2, 4, 4), 8)
    with pytest.raises(ValueError, match="give the network a depth head and the pair its motion"):
        losses.keypoint_loss(view(), view(), None, 8)
    with pytest.raises(ValueError, match="the mask of view a is empty"):
        losses.keypoint_loss(view(mask=torch.zeros(2, 3, 4)), view(), motion().expand(2, 4, 4), 8)


@pytest.mark.parametrize(("h", "w", "count"), [(2, 2, 5), (1, 1, 3), (3, 4, 1), (1, 5, 4)])
def test_tiny_images_and_one_keypoint_have_finite_losses_and_gradients(h: int, w: int, count: int) -> None:
    a, b = view(h, w, count), view(h, w, count, seed=1)
    parts = losses.keypoint_loss(a, b, motion().expand(2, 4, 4), 1)
    parts["total"].backward()
    assert all(torch.isfinite(value) for value in parts.values())
    assert all(torch.isfinite(each.grad).all() for each in (a.logits, a.depths, b.logits, b.depths))


def test_mask_at_cells_has_the_networks_size() -> None:
    mask = torch.zeros(1, 30, 41)
    mask[0, 29, 40] = mask[0, 16, 8] = 1
    found = losses.mask_at_cells(mask, 8)
    assert found.shape == (1, 4, 6) and found.nonzero().tolist() == [[0, 2, 1]]


# --- collapse of the depths ---


def slope(scale: float, T: torch.Tensor, pixels: float, weights: dict[str, float]) -> float:
    """Derivative of the losses by the logarithm of a factor on all depths, with noise on the points of view B."""
    factor = tensor(math.log(scale)).requires_grad_()
    points_a, depth_a, points_b, depth_b = seen(T)
    points_b = points_b + pixels * random(1, 6, 2, seed=3)
    pair = points_a, factor.exp() * depth_a, points_b, factor.exp() * depth_b
    loss = tensor(0.0)
    if "consistency" in weights:
        loss = loss + weights["consistency"] * losses.consistency_loss(*pair, K, K, T)
    if "pose" in weights:
        loss = loss + weights["pose"] * losses.pose_loss(*pair, K, K, T)
    if "depth" in weights:
        loss = loss + weights["depth"] * losses.depth_loss(pair[1], depth_a)
    return torch.autograd.grad(loss, factor)[0].item()


def test_pose_loss_of_collapsed_depths_is_the_whole_translation() -> None:
    T = motion()
    points_a, depth_a, points_b, depth_b = seen(T)
    length = torch.linalg.vector_norm(T[0, :3, 3]).item()
    for scale in (1e-6, 0.3, 0.9):
        loss = losses.pose_loss(points_a, scale * depth_a, points_b, scale * depth_b, K, K, T)
        assert loss.item() == pytest.approx((1 - scale) * length)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.1])
def test_collapse_is_no_minimum_with_the_pose_loss(scale: float) -> None:
    # a rotation with little translation, seen by keypoints that are 40 px wrong: consistency alone likes small depths
    T = motion((0.03, 0.0, 0.0))
    assert slope(1.0, T, 40.0, {"consistency": 1.0}) > 0
    assert slope(scale, T, 40.0, {"consistency": 1.0, "pose": 1.0}) < 0


def test_collapse_is_a_minimum_for_mere_rotations_unless_depths_are_measured() -> None:
    T = motion((0.0, 0.0, 0.0))
    for scale in (1e-3, 0.1, 1.0):
        assert slope(scale, T, 40.0, {"consistency": 1.0}) > 0
    for scale in (1e-3, 0.1):
        assert slope(scale, T, 40.0, {"consistency": 1.0, "depth": 1.0}) < 0
