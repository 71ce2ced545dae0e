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

"""The gallery that queries are trained to be found in."""

from __future__ import annotations

import pytest

pytest.importorskip("lightly")
pytest.importorskip("timm")

import torch
import torch.nn.functional as F

from objectcentric_ros.identification.dino_loss import gallery_nce
from objectcentric_ros.identification.image_bank import ImageBank
from objectcentric_ros.identification.image_cache import cached_images
from objectcentric_ros.identification.image_network import ImageEncoder
from objectcentric_ros.identification.image_recipe import ImageNetworkConfig
from objectcentric_ros.identification.manifest import Manifest

SOURCES = ("query", "tray", "tray", "catalog", "query", "tray")
OBJECTS = (0, 0, 0, 0, 1, 1)


def bank() -> ImageBank:
    torch.manual_seed(0)
    made = ImageBank(OBJECTS, SOURCES, 3)
    made.update(torch.arange(6), F.normalize(torch.randn(6, 3), dim=1))
    return made


def test_the_loss_is_the_mean_over_sources_and_directions() -> None:
    made = bank()
    queries, references = F.normalize(torch.randn(2, 3), dim=1), F.normalize(torch.randn(2, 3), dim=1)
    objects, places = torch.tensor([0, 1]), torch.tensor([3, 5])
    fresh = made.vectors.clone()
    fresh[places] = references
    numbers = torch.tensor(OBJECTS)
    tray, catalog, asked = ([index for index, name in enumerate(SOURCES) if name == source]
                            for source in ("tray", "catalog", "query"))
    forward = (gallery_nce(queries @ fresh[tray].T / 0.1, objects, numbers[tray])
               + gallery_nce(queries @ fresh[catalog].T / 0.1, objects, numbers[catalog])) / 2
    back = gallery_nce(references @ made.vectors[asked].T / 0.1, objects, numbers[asked])
    assert made.loss(queries, references, objects, places, 0.1).item() == pytest.approx(((forward + back) / 2).item(), rel=1e-5)


def test_queries_and_references_are_moved_and_the_bank_is_not() -> None:
    made = bank()
    before = made.vectors.clone()
    queries, references = (F.normalize(torch.randn(1, 3), dim=1).requires_grad_() for _ in range(2))
    made.loss(queries, references, torch.tensor([0]), torch.tensor([1]), 0.1).backward()
    assert queries.grad.any() and references.grad.any() and torch.equal(made.vectors, before)


def test_images_that_nothing_is_known_of_are_no_negatives() -> None:
    made = ImageBank(OBJECTS, SOURCES, 3)
    made.update(torch.tensor([0, 1]), F.normalize(torch.randn(2, 3), dim=1))
    z = F.normalize(torch.randn(1, 3), dim=1)
    assert made.loss(z, z, torch.tensor([0]), torch.tensor([1]), 0.1).item() == pytest.approx(0.0, abs=1e-6)


def test_a_filled_bank_has_the_embeddings_of_whole_images(pictures: Manifest) -> None:
    cache = cached_images(pictures.select("train"), 40)
    encoder = ImageEncoder(ImageNetworkConfig(backbone="test_efficientnet", side=40, embedding=4, mean=(127.0,) * 3,
                                              std=(128.0,) * 3))
    made = ImageBank.of(cache, encoder.dimension)
    made.fill(encoder, cache)
    image = torch.from_numpy(cache.images[5].copy()).permute(2, 0, 1)[None].float()
    assert made.known.all() and encoder.training
    assert torch.allclose(made.vectors[5], F.normalize(encoder.eval()(image), dim=1)[0], atol=1e-5)
    assert made.objects.tolist()[:2] == [0, 0] and len(made.objects.unique()) == len({row.object_id for row in cache.rows})
