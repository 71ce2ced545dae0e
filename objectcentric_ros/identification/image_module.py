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

"""DINO's student and teacher with their losses (paper B, figure 4): what Lightning turns the crank of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from lightly.models.modules import DINOProjectionHead
from lightly.models.utils import update_momentum
from lightly.utils.scheduler import cosine_schedule, cosine_warmup_schedule
from torch import Tensor, nn

from objectcentric_ros.identification.dino_loss import ComparedCropsLoss, compared_crops, info_nce
from objectcentric_ros.identification.image_bank import ImageBank
from objectcentric_ros.identification.image_draws import Draw
from objectcentric_ros.identification.image_network import ImageEncoder, as_input
from objectcentric_ros.identification.image_recipe import ImageRecipe

Validate = Callable[[ImageEncoder], dict[str, float]]


class DinoNetwork(nn.Module):
    """An encoder with DINO's projection head.

    Args:
        recipe: the training.
        drop_path: None: the recipe's (student); 0 for the teacher.
        start: load the backbone's start.
    """

    def __init__(self, recipe: ImageRecipe, drop_path: float | None = None, start: bool = True) -> None:
        super().__init__()
        self.encoder = ImageEncoder(recipe.network, drop_path, start)
        head = recipe.head
        self.head = DINOProjectionHead(self.encoder.dimension, head.hidden, head.bottleneck, head.prototypes, freeze_last_layer=1)

    def forward(self, images: Tensor, frozen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings (B, D), of any length, and the head's outputs (B, K), of (B, H, W, 3) uint8 RGB images.

        `frozen`, what the frozen blocks gave for them, saves going through those again.
        """
        embeddings = self.encoder(as_input(images)) if frozen is None else self.encoder.from_frozen(frozen)
        return embeddings, self.head(embeddings)


class DinoModule(lightning.LightningModule):
    """A training: the student follows the losses, the teacher follows the student.

    Teacher and head are built a second time and given the student's weights: a weight-normed head can't be copied, and the
    teacher must have no drop-path.

    Args:
        recipe: the training.
        batch: draws a step, of all processes together.
        objects_at: how many objects there are at a step; for the epochs in which the last layer is frozen.
        validate: top-1 rates of an encoder.
    """

    queue: Tensor
    queue_objects: Tensor
    queue_at: Tensor

    def __init__(self, recipe: ImageRecipe, batch: int, objects_at: Callable[[int], int], validate: Validate) -> None:
        super().__init__()
        self.recipe = recipe
        # Channels last: CPUs convolve them faster.
        self.student = DinoNetwork(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = DinoNetwork(recipe, 0.0, start=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = ComparedCropsLoss(recipe.head.prototypes, recipe.loss)
        self.follow()
        self.teacher.requires_grad_(False)
        dimension, length = self.student.encoder.dimension, recipe.loss.queue
        # What the teacher said of the latest references (first) and queries: further negatives of InfoNCE.
        self.register_buffer("queue", torch.zeros(2, length, dimension))
        self.register_buffer("queue_objects", torch.full((length,), -1))
        self.register_buffer("queue_at", torch.zeros((), dtype=torch.long))
        self.bank: ImageBank | None = None        # of all training images, where the recipe's loss asks for a gallery
        self._batch, self._objects_at, self._validate = batch, objects_at, validate
        self._step = 0
        self.validated: dict[str, float] = {}

    def follow(self) -> None:
        """Give the teacher the student's weights."""
        self.teacher.load_state_dict(self.student.state_dict())

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the weight decay; draw drop-path by the step's number, so that a training that goes on draws the same."""
        self._step = self.global_step
        torch.manual_seed(((self.recipe.training.seed << 32) + (self._step << 8) + self.global_rank) % (1 << 63))
        config = self.recipe.optimiser
        decay = cosine_schedule(self._step, self.recipe.training.steps, config.weight_decay, config.final_weight_decay)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            if group["decays"]:
                group["weight_decay"] = decay
        self.teacher.train(not self.recipe.network.freeze_batch_norm)

    def training_step(self, batch: Draw, index: int) -> Tensor:
        """Loss of a batch."""
        config = self.recipe.loss
        size = len(batch.object)
        first_global, second_global = batch.globals.unbind(1)
        both = torch.cat([first_global, second_global])
        shares = self.teacher.encoder.shares_frozen
        frozen = self.teacher.encoder.frozen_features(as_input(both)) if shares else None
        with torch.no_grad():
            teacher_embeddings, teacher_out = self.teacher(both, frozen)
        embeddings, student_out = self.student(both, frozen)
        if batch.locals.shape[1]:
            small = batch.locals.transpose(0, 1).flatten(0, 1)
            student_out = torch.cat([student_out, self.student(small)[1]])
        losses: dict[str, Tensor] = {}
        if config.weight > 0:
            compared = compared_crops(config.mode, self.recipe.local_crops, config.cross_image_only).to(student_out.device)
            losses["dino"] = config.weight * self.loss.between(
                teacher_out.unflatten(0, (2, size)), student_out.unflatten(0, (-1, size)), compared, self.teacher_temperature())
        if config.contrastive > 0:
            losses["contrastive"] = config.contrastive * self._info_nce(F.normalize(embeddings, dim=1).unflatten(0, (2, size)),
                                                                        F.normalize(teacher_embeddings, dim=1), batch.object)
        if self.bank is not None and config.gallery > 0:
            self.bank.update(*self._of_all_processes(batch.place.T.flatten(), F.normalize(teacher_embeddings, dim=1)))
            queries, references = F.normalize(embeddings, dim=1).unflatten(0, (2, size)).unbind()
            losses["gallery"] = config.gallery * self.bank.loss(queries, references, batch.object, batch.place[:, 1],
                                                                config.temperature)
        total = torch.stack(list(losses.values())).sum()
        if not math.isfinite(float(total.detach())):
            raise ValueError("the loss is not finite: the learning rate is too high")
        self.log_dict({f"train/{name}": value.detach() for name, value in {**losses, "loss": total}.items()}, prog_bar=False)
        # 1: all over the sphere; 0: collapsed.
        self.log("train/spread", F.normalize(teacher_embeddings, dim=1).std(dim=0).norm())
        self.log("loss", total.detach(), prog_bar=True, logger=False)
        return total

    def _of_all_processes(self, places: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """What every process has embedded in this step, so that their banks stay the same."""
        if self.trainer.world_size == 1:
            return places, vectors
        gathered = self.all_gather((places, vectors))
        return gathered[0].flatten(), gathered[1].flatten(0, 1)

    def teacher_temperature(self) -> float:
        """τ_t of the present step: rises in a straight line during the warm-up."""
        config = self.recipe.loss
        warm = config.teacher_warm_up * self.recipe.training.steps
        done = 1.0 if warm <= 0 else min(1.0, self._step / warm)
        return config.teacher_temperature_start + done * (config.teacher_temperature - config.teacher_temperature_start)

    def momentum(self) -> float:
        """How much the teacher keeps of itself at the present step: a half cosine from the recipe's value to 1."""
        return cosine_schedule(self._step, self.recipe.training.steps, self.recipe.loss.momentum, 1.0)

    def on_after_backward(self) -> None:
        """Hold the last layer in the first epochs."""
        held = self.recipe.head.freeze_last_layer * self._objects_at(self._step)
        self.student.head.cancel_last_layer_gradients(0 if self._step * self._batch < held else 1)

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Step, then let the teacher follow: here, so that a checkpoint of the step has the teacher of the step."""
        super().optimizer_step(*arguments, **options)
        update_momentum(self.student, self.teacher, self.momentum())

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at the fusion split."""
        every, step = self.recipe.training.validate_every, self.global_step
        if every and step % every == 0 and step < self.recipe.training.steps and self.trainer.is_global_zero:
            self.validated = self._validate(self.teacher.encoder)
            for logger in self.loggers:      # not self.log, which repeats a figure until there is a new one
                logger.log_metrics({f"validation/{name}": value for name, value in self.validated.items()}, step)

    def configure_optimizers(self) -> Any:
        """AdamW with its schedule; biases and norms don't decay."""
        config, steps = self.recipe.optimiser, self.recipe.training.steps
        scale = self._batch / 256
        backbone = {id(parameter) for parameter in self.student.encoder.backbone.parameters()}
        groups = []
        for is_backbone in (True, False):
            for decays in (True, False):
                parameters = [p for p in self.student.parameters()
                              if p.requires_grad and (id(p) in backbone) == is_backbone and (p.ndim > 1) == decays]
                if parameters:
                    rate = config.rate * scale * (config.backbone_rate if is_backbone else 1.0)
                    groups.append({"params": parameters, "lr": rate, "decays": decays,
                                   "weight_decay": config.weight_decay if decays else 0.0})
        optimiser = torch.optim.AdamW(groups)
        warm = round(config.warm_up * steps)
        lowest = min(1.0, config.final_rate / config.rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: cosine_warmup_schedule(min(step, steps), steps, 1.0, lowest, warm, 0.0) if steps > 1 else 1.0)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _info_nce(self, student: Tensor, teacher: Tensor, objects: Tensor) -> Tensor:
        """InfoNCE of (2, B, D) queries and references of the student, with the queue; puts the teacher's (2 B, D) into it."""
        length = len(self.queue_objects)
        others: list[tuple[Tensor, Tensor]] = []
        if length:
            used = self.queue_objects >= 0
            others = [(self.queue[side][used], self.queue_objects[used]) for side in (0, 1)]
        loss = info_nce(student[0], student[1], objects, self.recipe.loss.temperature, others)
        if length:
            fresh = min(len(objects), length)
            places = (self.queue_at + torch.arange(fresh, device=objects.device)) % length
            queries, references = teacher.unflatten(0, (2, -1))
            self.queue[0, places], self.queue[1, places] = references[:fresh], queries[:fresh]
            self.queue_objects[places] = objects[:fresh]
            self.queue_at += fresh
        return loss
