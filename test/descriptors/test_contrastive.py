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
    at = [contrastive.grid_nce(query, features, torch.tensor([[4.0 * i, 4.0 * j]]), 4).item() for j in range(3) for i in range(3)]
    assert int(np.argmin(at)) == 5


def test_grid_nce_has_the_right_gradients() -> None:
    points = torch.tensor([[3.0, 5.0], [11.5, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d, f: contrastive.grid_nce(d, f, points, 8),
                                    (random(2, 3).requires_grad_(), random(3, 2, 3, seed=1).requires_grad_()))
