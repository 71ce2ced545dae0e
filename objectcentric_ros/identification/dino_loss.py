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

"""Losses of the image encoder: DINO's between chosen crops (paper B, section IV), and InfoNCE between images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from lightly.loss import DINOLoss
from torch import Tensor

from objectcentric_ros.identification.image_recipe import DinoConfig


class ComparedCropsLoss(DINOLoss):
    """DINO's loss over chosen pairs of crops; over all but the identical ones it is lightly's.

    The mean over the batch and over the compared pairs (t, s) of the cross-entropy
    H(softmax((T_t - c) / τ_t), softmax(S_s / τ_s)) of the teacher's output for crop t and the student's for crop s; c is the
    centre, a moving mean of the teacher's outputs.

    Args:
        prototypes: K.
        config: temperatures and the centre's momentum.
    """

    def __init__(self, prototypes: int, config: DinoConfig) -> None:
        super().__init__(output_dim=prototypes, teacher_temp=config.teacher_temperature, warmup_teacher_temp_epochs=1,
                         warmup_teacher_temp=config.teacher_temperature, student_temp=config.student_temperature,
                         center_momentum=config.centre_momentum)

    def between(self, teacher: Tensor, student: Tensor, compared: Tensor, teacher_temperature: float) -> Tensor:
        """The loss; moves the centre.

        Args:
            teacher: (T, B, K) outputs for the global crops.
            student: (S, B, K) outputs for the global crops in the same order, then for the local ones.
            compared: (T, S) truth values; see compared_crops.
            teacher_temperature: τ_t.

        Raises:
            ValueError: no pair is compared.
        """
        if not bool(compared.any()):
            raise ValueError(f"none of {tuple(compared.shape)} pairs of crops is compared")
        expected = F.softmax((teacher - self.center) / teacher_temperature, dim=-1).detach()
        said = F.log_softmax(student / self.student_temp, dim=-1)
        terms = -torch.einsum("tbk,sbk->ts", expected, said)
        loss = terms[compared].sum() / (int(compared.sum()) * teacher.shape[1])
        self.update_center(teacher)
        return loss


def compared_crops(mode: str, locals_of_an_image: int, cross_image_only: bool = False) -> Tensor:
    """Which crops of the teacher are compared to which of the student.

    The teacher sees two global crops; the student the same two, then the local ones: of the one image (self_supervised), or of
    the query and then of the reference (supervised). Identical crops are never compared: the answer would be known.

    Args:
        mode: self_supervised or supervised.
        locals_of_an_image: n.
        cross_image_only: supervised; leave out pairs of crops of the same image.

    Returns:
        (2, 2 + n) or, supervised, (2, 2 + 2 n) truth values.
    """
    if mode == "supervised":
        image = torch.tensor([0, 1] + [0] * locals_of_an_image + [1] * locals_of_an_image)
    else:
        image = torch.zeros(2 + locals_of_an_image, dtype=torch.long)
    compared = torch.ones(2, len(image), dtype=torch.bool)
    compared[0, 0] = compared[1, 1] = False
    if mode == "supervised" and cross_image_only:
        compared &= image[:2, None] != image[None]
    return compared


def info_nce(queries: Tensor, references: Tensor, objects: Tensor, temperature: float,
             others: Sequence[tuple[Tensor, Tensor]] = ()) -> Tensor:
    """Symmetric InfoNCE: of all references in the batch, find the query's, and the other way round.

    Args:
        queries: (B, D) of length 1.
        references: (B, D) of length 1, row i of the same object as query i.
        objects: (B,) numbers of the objects; another row of the same object is no negative.
        temperature: τ.
        others: further negatives, (N, D) embeddings of length 1 and (N,) numbers of objects: first those that queries are
            compared to, then those that references are compared to; nothing: the batch alone.

    Returns:
        The mean of both directions; 0 when there is no negative.
    """
    losses = []
    for index, (own, opposite) in enumerate(((queries, references), (references, queries))):
        candidates, numbers = opposite, objects
        if len(others):
            candidates, numbers = torch.cat([opposite, others[index][0]]), torch.cat([objects, others[index][1]])
        same = objects[:, None] == numbers[None]
        same[:, :len(objects)].fill_diagonal_(False)      # the positive itself
        logits = (own @ candidates.T / temperature).masked_fill(same, -torch.inf)
        losses.append(F.cross_entropy(logits, torch.arange(len(objects), device=objects.device)))
    return (losses[0] + losses[1]) / 2


def gallery_nce(logits: Tensor, objects: Tensor, key_objects: Tensor) -> Tensor:
    """InfoNCE against a gallery in which an object has any number of keys; they share the positive.

    -log(Σ_{k of the object} exp(z·k / τ) / Σ_k exp(z·k / τ)): the nearest key of the object counts most, so that a query isn't
    drawn to references that show another side of it.

    Args:
        logits: (B, N) z·k / τ of B embeddings and N keys of length 1.
        objects: (B,) objects of the embeddings.
        key_objects: (N,) those of the keys.

    Returns:
        The mean over the B embeddings, of which those whose object has no key count as 0.
    """
    same = objects[:, None] == key_objects[None]
    there = same.any(dim=1)
    if not bool(there.any()):
        return (logits * 0).sum()
    own = torch.logsumexp(logits[there].masked_fill(~same[there], -torch.inf), dim=1)
    return (torch.logsumexp(logits[there], dim=1) - own).sum() / len(logits)
