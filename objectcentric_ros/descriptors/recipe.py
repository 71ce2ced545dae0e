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


"""What a training of descriptors is: data, network, losses, optimiser, in one file."""

from __future__ import annotations

from dataclasses import dataclass

from objectcentric_ros.descriptors.losses import KeypointLossWeights
from objectcentric_ros.descriptors.network import NetworkConfig
from objectcentric_ros.descriptors.pairs import PairConfig

METHODS = ("grid_nce", "nt_xent", "nt_xent_full", "contrastive", "distribution", "keypoints")


@dataclass(frozen=True)
class DataConfig:
    """Where the views come from.

    Args:
        family: name of a family in config/families, whose training instances the simulator renders; empty: folder.
        folder: folder of views (see views.read_views); used when there is no family.
        instances: of the folder, to train on; empty: all.
        views: rendered an instance.
        seed: of the rendered views.
    """

    family: str = ""
    folder: str = ""
    instances: tuple[str, ...] = ()
    views: int = 60
    seed: int = 0


@dataclass(frozen=True)
class LossConfig:
    """What is minimised.

    Args:
        method: grid_nce (every cell of the other image is a negative), the baselines nt_xent, nt_xent_full, contrastive and
            distribution, or keypoints (paper A: no descriptor loss at all).
        temperature: of grid_nce and NT-Xent.
        margin: of the contrastive loss.
        non_matches: a match, for the contrastive loss; half on the object, half on the background.
        keypoints: weight of paper A's keypoint losses beside a descriptor method; 1 for the method keypoints.
        detach_heads: the keypoint losses don't reach the descriptors, only the heads.
        parts: weights and settings of paper A's losses.
    """

    method: str = "grid_nce"
    temperature: float = 0.07
    margin: float = 0.5
    non_matches: int = 150
    keypoints: float = 0.0
    detach_heads: bool = False
    parts: KeypointLossWeights = KeypointLossWeights()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}: there are {', '.join(METHODS)}")


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam, and how its rate goes down.

    Args:
        rate: learning rate.
        backbone_rate: factor of it for the backbone.
        weight_decay: of Adam (L2) as in the papers.
        schedule: constant, step (times gamma every step_size steps) or cosine (to 0, after a warm-up of 2 %).
        step_size, gamma: of the step schedule.
        clip: largest norm of the gradient; 0: no limit.
    """

    rate: float = 1e-3
    backbone_rate: float = 1.0
    weight_decay: float = 0.0
    schedule: str = "cosine"
    step_size: int = 2500
    gamma: float = 0.9
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.schedule not in ("constant", "step", "cosine"):
            raise ValueError(f"unknown schedule {self.schedule!r}: there are constant, step, cosine")


@dataclass(frozen=True)
class TrainingConfig:
    """How long, and what is kept.

    Args:
        steps: optimiser steps.
        batch: pairs a step.
        seed: of weights, pairs and order.
        validate_every: steps between two looks at the validation pairs.
        validation_pairs: how many.
        checkpoint_every: steps between two checkpoints that a killed training goes on from.
        workers: processes that make pairs; 0: the training's own, which is enough for a CPU.
        freeze_batch_norm: keep the start's statistics (small batches make poor ones).
    """

    steps: int = 2000
    batch: int = 4
    seed: int = 0
    validate_every: int = 250
    validation_pairs: int = 16
    checkpoint_every: int = 250
    workers: int = 0
    freeze_batch_norm: bool = False


@dataclass(frozen=True)
class DescriptorRecipe:
    """A training.

    Args:
        name: of the model.
        data: views.
        pairs: how pairs are made; several kinds take turns.
        network: what is trained.
        loss: what is minimised.
        optimiser: how.
        training: how long.
    """

    name: str = "descriptors"
    data: DataConfig = DataConfig()
    pairs: tuple[PairConfig, ...] = (PairConfig(),)
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    training: TrainingConfig = TrainingConfig()

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("pairs must name at least one kind")
        if len({(pair.width, pair.height) for pair in self.pairs}) > 1 or not self.pairs[0].width * self.pairs[0].height:
            raise ValueError("all kinds of pairs need one width and height, above 0")
        if (self.loss.method == "keypoints" or self.loss.keypoints > 0) and not self.network.keypoints:
            raise ValueError("the keypoint losses need network.keypoints above 0")
