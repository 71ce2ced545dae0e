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


"""The accounting of memory on cases whose bytes can be counted by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from objectcentric_ros.descriptors import contrastive  # noqa: E402
from objectcentric_ros.descriptors.memory import peak_memory  # noqa: E402

SIZE = 4000         # bytes of 1000 float32


def test_what_lived_before_is_not_counted_and_what_was_freed_no_more() -> None:
    x = torch.ones(1000)

    def chain() -> None:
        y = x.t() * 2       # 1 (the view is none)
        y = y + 1           # 2, then the first is freed
        y = y + 1           # 2
        y.add_(1)

    assert peak_memory(chain) == 2 * SIZE


def test_tensors_kept_for_the_backward_pass_count() -> None:
    w = torch.ones(1000, requires_grad=True)

    def forward() -> torch.Tensor:
        return (w.exp().exp().exp() * 1.0).sum()    # the three exponentials are kept; the product is freed after its sum

    assert peak_memory(forward) == 4 * SIZE + 4
    with torch.no_grad():
        assert peak_memory(forward) == 2 * SIZE     # an operation's argument and result; at the end one and the sum


def test_a_step_by_hand() -> None:
    w = torch.ones(1000, requires_grad=True)

    def step() -> None:
        # Forward: exp 1 is kept, the scalar follows. Backward: the scalar's gradient, expanded without memory; times exp: 2.
        w.exp().sum().backward()

    assert peak_memory(step) == 2 * SIZE + 2 * 4    # the loss and its gradient of one
    assert w.grad is not None


def test_several_results_and_views_of_one_storage_count_once() -> None:
    x = torch.arange(1000.0)

    def both() -> object:
        values, indices = x.sort()                  # float32 and int64
        return values.split(10), indices.view(10, 100).t()

    assert peak_memory(both) == 3 * SIZE


def test_tiles_of_the_full_image_loss_are_seen() -> None:
    d, image, targets = torch.randn(8, 6, requires_grad=True), torch.randn(6, 10, 12, requires_grad=True), torch.ones(8, 2)

    def step(tiled: bool) -> None:
        contrastive.nt_xent_full_image(d, image, targets, tiled=tiled).backward()

    tiled, product = peak_memory(lambda: step(True)), peak_memory(lambda: step(False))
    assert tiled >= 2 * 8 * 10 * 12 * 6 * 4         # the tiles and their product with the image
    assert product < 8 * 8 * 10 * 12 * 4            # a few matrices (M, H * W)


def test_other_devices_are_an_error() -> None:
    with pytest.raises(ValueError, match="not on meta"):
        peak_memory(lambda: None, "meta")
