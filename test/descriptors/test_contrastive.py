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


"""Contrastive losses against hand-computed values, their gradients, and the numpy sampling of inference."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from objectcentric_ros.descriptors import contrastive  # noqa: E402
from objectcentric_ros.descriptors.descriptor_image import DescriptorImage  # noqa: E402


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("h", "w"), [(3, 4), (1, 1), (1, 3)])
@pytest.mark.parametrize("unit", [False, True])
def test_training_samples_as_inference_does(h: int, w: int, unit: bool) -> None:
    features = random(2, 5, h, w).float()
    points = torch.tensor([[0.0, 0.0], [8.0, 0.0], [3.3, 9.1], [100.0, -5.0], [-1.0, 100.0], [23.9, 15.2]]).expand(2, 6, 2)
    found = contrastive.sample(features, points, 8, unit)
    for image, descriptors, at in zip(features, found, points, strict=True):
        expected = DescriptorImage(image.permute(1, 2, 0).numpy(), 8, 8 * h, 8 * w, unit).at(at.numpy())
        np.testing.assert_allclose(descriptors.numpy(), expected, atol=1e-6)


def test_sampling_is_exact_at_the_cells() -> None:
    features = random(1, 3, 4, 5)
    rows, columns = torch.meshgrid(torch.arange(4), torch.arange(5), indexing="ij")
    points = 16.0 * torch.stack([columns, rows], dim=-1).reshape(1, -1, 2)
    assert torch.equal(contrastive.sample(features, points, 16, False), features.flatten(2).transpose(1, 2))


def test_sampling_has_the_right_gradients() -> None:
    points = torch.tensor([[[3.0, 5.0], [11.5, 1.0]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, p: contrastive.sample(f, p, 8, True),
                                    (random(1, 2, 2, 3).requires_grad_(), points))


def test_grid_nce_by_hand() -> None:
    # two cells, (1, 0) and (0, 1); the query is the first; the target lies a quarter of the way to the second
    features = torch.eye(2)[:, None, :] * 3.0
    loss = contrastive.grid_nce(torch.tensor([[5.0, 0.0]]), features, torch.tensor([[2.0, 0.0]]), 8, temperature=0.5)
    assert loss.item() == pytest.approx(math.log(math.exp(2) + 1) - 0.75 * 2, rel=1e-6)


def test_grid_nce_is_least_at_the_match() -> None:
    features = random(4, 3, 3)
    query = features[:, 1, 2][None]
    cells = [torch.tensor([[4.0 * i, 4.0 * j]]) for j in range(3) for i in range(3)]
    at = [contrastive.grid_nce(query, features, cell, 4).item() for cell in cells]
    assert int(np.argmin(at)) == 5


def test_grid_nce_has_the_right_gradients() -> None:
    points = torch.tensor([[3.0, 5.0], [11.5, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d, f: contrastive.grid_nce(d, f, points, 8),
                                    (random(2, 3).requires_grad_(), random(3, 2, 3, seed=1).requires_grad_()))


@pytest.mark.parametrize(("stride", "height", "width"), [(4, 13, 18), (4, 10, 30), (1, 3, 4)])
@pytest.mark.parametrize("unit", [False, True])
def test_full_map_is_what_sampling_gives_at_every_pixel(stride: int, height: int, width: int, unit: bool) -> None:
    features = random(2, 3, 3, 4)
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack([u.flatten(), v.flatten()], dim=1).double().expand(2, -1, 2)
    expected = contrastive.sample(features, points, stride, unit).transpose(1, 2).unflatten(2, (height, width))
    torch.testing.assert_close(contrastive.upsampled(features, stride, height, width, unit), expected)


def test_pixelwise_contrastive_by_hand() -> None:
    # match at distance 0.5; non-matches at 0.2 and 0.4 (hard) and 0.9 (not): 0.25 + (0.3^2 + 0.1^2) / 2; second pair: 0 + 0
    d_a = torch.zeros(2, 1, 1)
    non_b = torch.tensor([[[[0.2], [-0.4], [0.9]]], [[[0.9], [0.8], [0.7]]]])
    loss = contrastive.pixelwise_contrastive(d_a, torch.tensor([[[0.5]], [[0.0]]]), non_b)
    assert loss.item() == pytest.approx((0.25 + 0.05 + 0.0) / 2)


def test_pixelwise_contrastive_without_non_matches_is_the_match_loss() -> None:
    d_a = torch.ones(1, 2, 3)
    assert contrastive.pixelwise_contrastive(d_a, 0 * d_a, torch.zeros(1, 2, 0, 3)).item() == pytest.approx(3.0)


def test_pixelwise_contrastive_has_the_right_gradients() -> None:
    tensors = [0.3 * random(*shape, seed=seed) for seed, shape in enumerate([(2, 3, 2), (2, 3, 2), (2, 3, 4, 2)])]
    assert torch.autograd.gradcheck(contrastive.pixelwise_contrastive, [each.requires_grad_() for each in tensors])


def test_pixelwise_distribution_by_hand() -> None:
    # two cells 8 px apart at squared distances 0 and 1 from the query: p of the second is 1 / (1 + e)
    image = torch.tensor([[[2.0, 3.0]]])
    u = 8.0 / (1.0 + math.e)
    query = torch.tensor([[2.0]])
    torch.testing.assert_close(contrastive.expected_points(query, image, 8), torch.tensor([[u, 0.0]]))
    loss = contrastive.pixelwise_distribution(query, image, torch.tensor([[u + 3.0, 4.0]]), 8)
    assert loss.item() == pytest.approx(5.0)


def test_pixelwise_distribution_has_the_right_gradients() -> None:
    targets = torch.tensor([[3.0, 5.0], [11.5, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d, f: contrastive.pixelwise_distribution(d, f, targets, 8),
                                    (random(2, 3).requires_grad_(), random(3, 2, 3, seed=1).requires_grad_()))


def test_nt_xent_by_hand() -> None:
    # orthogonal descriptors that match perfectly: each sees its match (cosine 1) and two negatives (cosine 0)
    d = torch.eye(2)
    assert contrastive.nt_xent(3.0 * d, d, 0.5).item() == pytest.approx(math.log(1.0 + 2.0 * math.exp(-2.0)))
    assert contrastive.nt_xent(d, d.flip(0), 0.5).item() == pytest.approx(math.log(2.0 + math.exp(2.0)))


def test_nt_xent_of_one_match_is_zero() -> None:
    assert contrastive.nt_xent(torch.tensor([[1.0, 2.0]]), torch.tensor([[-1.0, 2.0]])).item() == 0.0


def test_nt_xent_has_the_right_gradients() -> None:
    assert torch.autograd.gradcheck(contrastive.nt_xent, (random(3, 2).requires_grad_(), random(3, 2, seed=1).requires_grad_()))


@pytest.mark.parametrize("tiled", [False, True])
def test_nt_xent_of_a_full_image_by_hand(tiled: bool) -> None:
    # 2 x 2 pixels: the match at (u, v) = (1, 0), two orthogonal ones, one opposite
    image = torch.tensor([[[0.0, 2.0], [0.0, -1.0]], [[1.0, 0.0], [4.0, 0.0]]])
    loss = contrastive.nt_xent_full_image(torch.tensor([[3.0, 0.0]]), image, torch.tensor([[1.0, 0.0]]), 0.5, tiled)
    assert loss.item() == pytest.approx(math.log(math.exp(2) + 2 + math.exp(-2)) - 2)


def test_tiles_change_memory_only() -> None:
    arguments = random(3, 4).requires_grad_(), random(4, 5, 6, seed=1).requires_grad_()
    targets = torch.tensor([[1.0, 0.0], [5.0, 4.0], [3.0, 3.0]])
    both = [torch.autograd.grad(contrastive.nt_xent_full_image(*arguments, targets, tiled=tiled), arguments)
            for tiled in (False, True)]
    torch.testing.assert_close(both[0], both[1])
    assert torch.autograd.gradcheck(lambda d, f: contrastive.nt_xent_full_image(d, f, targets), arguments)


def losses_of(features: torch.Tensor) -> list[torch.Tensor]:
    height, width = features.shape[2:]
    points = torch.tensor([[[0.0, 0.0], [width - 1.0, height - 1.0]]], dtype=torch.float64)
    d = contrastive.sample(features, points, 1, unit=True)
    return [
        contrastive.grid_nce(d[0], features[0], points[0], 1),
        contrastive.pixelwise_contrastive(d, d, d[:, :, None]),
        contrastive.pixelwise_distribution(d[0], features[0], points[0]),
        contrastive.nt_xent(d[0], d[0]),
        contrastive.nt_xent_full_image(d[0], features[0], points[0]),
        contrastive.nt_xent_full_image(d[0], features[0], points[0], tiled=False)]


@pytest.mark.parametrize(("dimension", "height", "width"), [(1, 3, 4), (3, 2, 2), (1, 1, 1)])
def test_one_dimension_and_tiny_images_have_finite_losses_and_gradients(dimension: int, height: int, width: int) -> None:
    features = random(1, dimension, height, width).requires_grad_()
    for loss in losses_of(features):
        (gradient,) = torch.autograd.grad(loss, features, retain_graph=True)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()


def test_a_pair_without_matches_is_an_error() -> None:
    none, image, points = torch.zeros(0, 3), torch.zeros(3, 4, 5), torch.zeros(0, 2)
    for loss in (lambda: contrastive.grid_nce(none, image, points, 8),
                 lambda: contrastive.pixelwise_contrastive(none[None], none[None], torch.zeros(1, 0, 2, 3)),
                 lambda: contrastive.pixelwise_distribution(none, image, points),
                 lambda: contrastive.nt_xent(none, none),
                 lambda: contrastive.nt_xent_full_image(none, image, points)):
        with pytest.raises(ValueError, match="no match in this pair"):
            loss()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"points \(B, M, 2\)"):
        contrastive.sample(torch.zeros(1, 3, 4, 5), torch.zeros(6, 2), 8, True)
    with pytest.raises(ValueError, match="D = 3"):
        contrastive.grid_nce(torch.zeros(2, 3), torch.zeros(4, 5, 6), torch.zeros(2, 2), 8)
    with pytest.raises(ValueError, match="points_b"):
        contrastive.grid_nce(torch.zeros(2, 3), torch.zeros(3, 5, 6), torch.zeros(3, 2), 8)
    with pytest.raises(ValueError, match="non_b"):
        contrastive.pixelwise_contrastive(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 3, 2, 3))
