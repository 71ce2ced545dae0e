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

"""DINO's loss against lightly's and against numbers by hand; InfoNCE against its formula."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("lightly")

import torch
from lightly.loss import DINOLoss

from objectcentric_ros.identification.dino_loss import ComparedCropsLoss, compared_crops, gallery_nce, info_nce
from objectcentric_ros.identification.image_recipe import DinoConfig


@pytest.mark.parametrize("locals_", [0, 1, 4])
def test_all_but_identical_crops_is_lightlys_loss(locals_: int) -> None:
    torch.manual_seed(locals_)
    config = DinoConfig(teacher_temperature=0.05, student_temperature=0.2, centre_momentum=0.8)
    own = ComparedCropsLoss(7, config)
    theirs = DINOLoss(7, teacher_temp=0.05, student_temp=0.2, center_momentum=0.8)
    for _ in range(3):        # the centre moves
        teacher, student = torch.randn(2, 5, 7), torch.randn(2 + locals_, 5, 7)
        loss = own.between(teacher, student, compared_crops("self_supervised", locals_), 0.05)
        assert loss.item() == pytest.approx(theirs(list(teacher), list(student), teacher_temp=0.05).item(), rel=1e-5)
        assert torch.allclose(own.center, theirs.center)


def test_identical_crops_are_left_out_by_hand() -> None:
    """K = 2, one object, τ = 1, centre 0: teacher (a, b), student (a, b); only H(a, b) and H(b, a) count."""
    loss = ComparedCropsLoss(2, DinoConfig(student_temperature=1.0))
    teacher = torch.tensor([[[math.log(3.0), 0.0]], [[0.0, 0.0]]])               # softmax (3/4, 1/4) and (1/2, 1/2)
    student = torch.tensor([[[0.0, 0.0]], [[0.0, math.log(4.0)]]])               # softmax (1/2, 1/2) and (1/5, 4/5)
    first = -(0.75 * math.log(0.2) + 0.25 * math.log(0.8))                       # teacher's a, student's b
    second = -math.log(0.5)                                                      # teacher's b, student's a
    value = loss.between(teacher, student, compared_crops("self_supervised", 0), 1.0)
    assert value.item() == pytest.approx((first + second) / 2, rel=1e-6)
    # The centre is 0.9 · 0 + 0.1 · mean of the teacher's outputs.
    assert loss.center.flatten().tolist() == pytest.approx([0.1 * math.log(3.0) / 2, 0.0])


def test_which_crops_are_compared() -> None:
    assert compared_crops("self_supervised", 2).int().tolist() == [[0, 1, 1, 1], [1, 0, 1, 1]]
    assert compared_crops("supervised", 1).int().tolist() == [[0, 1, 1, 1], [1, 0, 1, 1]]
    assert compared_crops("supervised", 2, cross_image_only=True).int().tolist() == [[0, 1, 0, 0, 1, 1], [1, 0, 1, 1, 0, 0]]


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of"):
        ComparedCropsLoss(2, DinoConfig()).between(torch.zeros(2, 1, 2), torch.zeros(2, 1, 2), torch.zeros(2, 2, dtype=bool), 1.0)


def test_no_gradient_reaches_the_teacher() -> None:
    teacher, student = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, 4, requires_grad=True)
    ComparedCropsLoss(4, DinoConfig()).between(teacher, student, compared_crops("supervised", 0), 0.04).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0


def unit(*angles: float) -> torch.Tensor:
    return torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles])


def test_info_nce_by_hand() -> None:
    """Two objects at right angles, τ = 1: every query's similarities are 1 and 0."""
    loss = info_nce(unit(0, math.pi / 2), unit(0, math.pi / 2), torch.tensor([0, 1]), 1.0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-5)


def test_the_same_object_is_no_negative() -> None:
    assert info_nce(unit(0, 0.3), unit(0.1, 0.2), torch.tensor([4, 4]), 0.07).item() == pytest.approx(0, abs=1e-6)
    assert info_nce(unit(0.0), unit(1.0), torch.tensor([0]), 0.07).item() == 0      # one object: nothing to tell apart


def test_the_queue_adds_negatives_of_other_objects_only() -> None:
    objects = torch.tensor([0])
    queue = (unit(math.pi / 2, 0), torch.tensor([1, 0]))        # another object at a right angle; the object itself
    loss = info_nce(unit(0), unit(0), objects, 1.0, [queue, queue])
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-5)


def test_keys_of_an_object_share_the_positive_by_hand() -> None:
    """One embedding, cosines 1 and 0 to its own keys and 0.5 to another's, τ = 1."""
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, math.sqrt(0.75)]])
    loss = gallery_nce(torch.tensor([[1.0, 0.0]]) @ keys.T, torch.tensor([4]), torch.tensor([4, 4, 7]))
    own = math.e + 1.0
    assert loss.item() == pytest.approx(-math.log(own / (own + math.exp(0.5))), rel=1e-6)


def test_an_object_without_keys_counts_nothing() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    keys, key_objects = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 2])
    both = gallery_nce(2 * embeddings @ keys.T, torch.tensor([1, 9]), key_objects)
    one = gallery_nce(2 * embeddings[:1] @ keys.T, torch.tensor([1]), key_objects)
    assert both.item() == pytest.approx(one.item() / 2)
    nothing = gallery_nce(2 * embeddings @ keys.T, torch.tensor([8, 9]), key_objects)
    nothing.backward()
    assert nothing.item() == 0 and not embeddings.grad.any()


def test_the_gradient_prefers_the_nearest_key() -> None:
    """A query between two of its references, which show different sides, goes to the nearer one."""
    query = torch.tensor([[math.cos(0.4), math.sin(0.4)]], requires_grad=True)
    keys = torch.tensor([[1.0, 0.0], [math.cos(1.4), math.sin(1.4)], [-1.0, 0.0]])
    gallery_nce(query @ keys.T / 0.07, torch.tensor([0]), torch.tensor([0, 0, 1])).backward()
    assert query.grad is not None
    assert float((-query.grad) @ keys[0]) > 0 > float((-query.grad) @ (keys[1] - keys[0]))
