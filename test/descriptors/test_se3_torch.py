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


"""The torch logarithm against the numpy one and gradcheck in its three regimes; Kabsch on moved points."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from objectcentric_ros.descriptors.se3_torch import inverse, kabsch, se3_log  # noqa: E402
from objectcentric_ros.geometry import se3  # noqa: E402

AXES = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.3, 0.2, -0.9], [-1.0, 1.0, 1.0]])
ANGLES = {"zero": 0.0, "Taylor": 1e-3, "end of one series": 0.02, "end of the other": 0.1, "closed": 1.0,
          "near pi": np.pi - 1e-4}


def transforms(angle: float) -> np.ndarray:
    axes = AXES / np.linalg.norm(AXES, axis=1, keepdims=True)
    return np.stack([se3.exp(np.concatenate([[0.3, -0.2, 0.5], angle * axis])) for axis in axes])


def cloud(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("angle", ANGLES.values(), ids=ANGLES)
def test_logarithm_is_that_of_geometry(angle: float) -> None:
    T = transforms(angle)
    np.testing.assert_allclose(se3_log(torch.tensor(T)).numpy(), [se3.log(each) for each in T], atol=1e-9)
    single = se3_log(torch.tensor(T, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(single, [se3.log(each) for each in T], atol=3e-6)


def exponential(twists: torch.Tensor) -> torch.Tensor:
    """The series of the matrix exponential: rigid wherever gradcheck moves the twist (..., 6)."""
    v1, v2, v3, x, y, z = twists.unbind(dim=-1)
    o = torch.zeros_like(x)
    algebra = torch.stack([o, -z, y, v1, z, o, -x, v2, -y, x, o, v3, o, o, o, o], dim=-1)
    return torch.linalg.matrix_exp(algebra.unflatten(-1, (4, 4)))


@pytest.mark.parametrize("angle", [*ANGLES.values(), np.pi + 1e-4], ids=[*ANGLES, "beyond pi"])
def test_logarithm_has_the_right_gradients(angle: float) -> None:
    axes = torch.tensor(AXES / np.linalg.norm(AXES, axis=1, keepdims=True))
    twists = torch.cat([torch.tensor([0.3, -0.2, 0.5]).expand(4, 3), angle * axes], dim=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda xi: se3_log(exponential(xi)), twists)
    if angle < np.pi:
        jacobian = torch.autograd.functional.jacobian(lambda xi: se3_log(exponential(xi)), twists)
        np.testing.assert_allclose(jacobian.reshape(24, 24).numpy(), np.eye(24), atol=1e-7)


def test_gradient_of_the_twists_length_is_finite_at_the_identity() -> None:
    T = torch.eye(4, dtype=torch.float64).requires_grad_()
    torch.linalg.vector_norm(se3_log(T)).backward()
    assert torch.isfinite(T.grad).all()


def test_translation_keeps_its_gradient() -> None:
    T = torch.eye(4, dtype=torch.float64).requires_grad_()
    se3_log(T)[0].backward()
    assert T.grad[0, 3] == 1.0


def test_inverse() -> None:
    T = torch.tensor(transforms(2.0))
    np.testing.assert_allclose((inverse(T) @ T).numpy(), np.broadcast_to(np.eye(4), T.shape), atol=1e-12)


@pytest.mark.parametrize("flat", [False, True], ids=["solid", "planar"])
def test_kabsch_recovers_the_motion(flat: bool) -> None:
    T, source = torch.tensor(transforms(2.5)), cloud(4, 6)
    if flat:                                        # rank 2: the determinant decides
        source[..., 2] = 0.0
    found, determined = kabsch(source, source @ T[:, :3, :3].transpose(1, 2) + T[:, None, :3, 3])
    assert determined.all()
    np.testing.assert_allclose(found.numpy(), T.numpy(), atol=1e-12)


def test_kabsch_makes_no_mirror_image() -> None:
    source = cloud(3, 8)
    found, determined = kabsch(source, source * torch.tensor([1.0, 1.0, -1.0]))
    assert determined.all()
    np.testing.assert_allclose(torch.linalg.det(found[:, :3, :3]).numpy(), 1.0)


def test_weight_zero_removes_a_point() -> None:
    T, source = torch.tensor(transforms(1.0)), cloud(4, 6)
    target = source @ T[:, :3, :3].transpose(1, 2) + T[:, None, :3, 3]
    target[:, 0] += 5.0
    found, _ = kabsch(source, target, torch.tensor([0.0, 1.0, 2.0, 1.0, 1.0, 0.5]).expand(4, 6))
    np.testing.assert_allclose(found.numpy(), T.numpy(), atol=1e-12)


def test_kabsch_says_where_the_rotation_is_not_determined() -> None:
    line = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None] * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    source = torch.stack([cloud(5), line, torch.full((5, 3), 0.4, dtype=torch.float64), cloud(5)]).requires_grad_()
    weights = torch.ones(4, 5)
    weights[3] = 0.0
    found, determined = kabsch(source, source.detach() + 1.0, weights)
    assert determined.tolist() == [True, False, False, False]
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(source.grad).all()


def test_kabsch_of_equal_singular_values_has_the_right_gradients() -> None:
    # an octahedron: all three singular values are the same, where torch's svd gives NaN
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double()[None]
    target = octahedron @ torch.tensor(transforms(1.0)[2, :3, :3]).T
    T, _ = kabsch(octahedron, target)
    assert T.dtype == torch.float64
    assert torch.autograd.gradcheck(lambda s, t: kabsch(s, t)[0], (octahedron.requires_grad_(), target.requires_grad_()))


def test_kabsch_has_the_right_gradients() -> None:
    weights = torch.tensor([[1.0, 2.0, 0.5, 1.0]], dtype=torch.float64)
    for mirror in (1.0, -1.0):                      # the determinant's sign enters the gradient
        target = (cloud(1, 4) * torch.tensor([1.0, 1.0, mirror]) + 0.1 * cloud(1, 4, seed=1)).requires_grad_()
        assert torch.autograd.gradcheck(lambda s, t: kabsch(s, t, weights)[0], (cloud(1, 4).requires_grad_(), target))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 4, 4\), got \(3, 4\)"):
        se3_log(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="source and target"):
        kabsch(torch.zeros(1, 4, 3), torch.zeros(1, 5, 3))
    with pytest.raises(ValueError, match="weights"):
        kabsch(torch.zeros(1, 4, 3), torch.zeros(1, 4, 3), torch.ones(4))
