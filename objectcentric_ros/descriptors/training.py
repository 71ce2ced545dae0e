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


"""Training of descriptors with Lightning: `fit` for tensors, `train` for a recipe."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn

from objectcentric_ros.descriptors.data import Batch, PairDataset, batches
from objectcentric_ros.descriptors.matching import match
from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, save_network
from objectcentric_ros.descriptors.network import DescriptorNetwork
from objectcentric_ros.descriptors.objectives import objective
from objectcentric_ros.descriptors.pck import auc, pck
from objectcentric_ros.descriptors.recipe import DescriptorRecipe, OptimiserConfig
from objectcentric_ros.descriptors.views import ObjectView
from objectcentric_ros.recipe import as_mapping
from objectcentric_ros.start_weights import described

WARM_UP = 0.02
VALIDATION_SEED = 1_000_000
VALIDATION_MATCHES = 32
LAST = "last.ckpt"



class DescriptorModule(lightning.LightningModule):
    """The network with its losses; Lightning turns the crank.

    Args:
        recipe: the training.
        validation: pairs to look at now and then.
    """

    def __init__(self, recipe: DescriptorRecipe, validation: PairDataset) -> None:
        super().__init__()
        self.recipe = recipe
        # Channels last: a third faster on CPUs, whose convolutions want them so.
        self.network = DescriptorNetwork(recipe.network).to(memory_format=torch.channels_last)
        self._validation = validation

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of a batch."""
        losses = objective(self.network, batch, self.recipe.loss)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, prog_bar=False)
        self.log("loss", losses["loss"].detach(), prog_bar=True, logger=False)
        return losses["loss"]

    def on_train_epoch_start(self) -> None:
        """Keep the statistics of a start's batch norms, where the recipe says so."""
        if self.recipe.training.freeze_batch_norm:
            freeze_batch_norm(self.network.backbone)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at the validation pairs."""
        every = self.recipe.training.validate_every
        if every and self.global_step and self.global_step % every == 0 and self.trainer.is_global_zero:
            figures = validate(self.network, self._validation)
            self.log_dict({f"validation/{name}": value for name, value in figures.items()}, prog_bar=True, rank_zero_only=True)

    def configure_optimizers(self) -> Any:
        """Adam and its schedule."""
        config = self.recipe.optimiser
        backbone = {id(parameter) for parameter in self.network.backbone.parameters()}
        groups = [{"params": [p for p in self.network.parameters() if (id(p) in backbone) == is_backbone], "lr": rate}
                  for is_backbone, rate in ((True, config.rate * config.backbone_rate), (False, config.rate))]
        adam = torch.optim.Adam(groups, betas=(0.9, 0.999), weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(adam, rate_scale(config, self.recipe.training.steps))
        return {"optimizer": adam, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def rate_scale(config: OptimiserConfig, steps: int) -> Callable[[int], float]:
    """Factor of the learning rate by step."""
    if config.schedule == "step":
        return lambda step: config.gamma ** (step // config.step_size)
    if config.schedule == "cosine":
        warm = max(1, round(WARM_UP * steps))
        return lambda step: min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
    return lambda step: 1.0


def freeze_batch_norm(module: nn.Module) -> None:
    """Put all batch norms into evaluation mode."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def validate(network: DescriptorNetwork, pairs: PairDataset) -> dict[str, float]:
    """Masked search on pairs: auc and pck@5, as in the benchmark but at the training's image size."""
    was_training = network.training
    model = TorchDescriptorModel(network, key="training")
    errors = []
    for index in range(len(pairs)):
        pair = pairs[index]
        chosen = slice(0, VALIDATION_MATCHES)
        found = match(model.describe(pair.color_a).at(pair.matches_a[chosen]), model.describe(pair.color_b), pair.mask_b)
        errors.append(np.linalg.norm(found - pair.matches_b[chosen], axis=1))
    network.train(was_training)
    everything = np.concatenate(errors)
    return {"auc": float(auc(everything)), "pck_5": float(pck(everything, (5.0,))[0])}


def train(recipe: DescriptorRecipe, views: Sequence[ObjectView], output: Path, work: Path, *,
          trainer: dict[str, Any] | None = None, progress: bool = True, card: dict[str, Any] | None = None) -> dict[str, Any]:
    """Train, and write the model with its card; goes on where a killed training of the same folder stopped.

    Args:
        recipe: the training.
        views: of the training instances.
        output: NAME.safetensors.
        work: folder for checkpoints and logs.
        trainer: further options of lightning.Trainer: devices, num_nodes, strategy, accelerator, precision, callbacks, …
        progress: show Lightning's progress bar.
        card: more for the model card.

    Returns:
        The card.
    """
    lightning.seed_everything(recipe.training.seed, workers=True, verbose=False)
    config = recipe.training
    validation = PairDataset(views, recipe.pairs[:1], VALIDATION_SEED + recipe.training.seed, config.validation_pairs)
    module = DescriptorModule(recipe, validation)
    options = {"accelerator": "auto", "devices": 1, **(trainer or {})}
    # Lightning deals the pairs out to the processes: so many more are needed for the same number of steps.
    world = (options["devices"] if isinstance(options["devices"], int) else 1) * int(options.get("num_nodes", 1))
    last = work / LAST
    # Lightning starts the loader over when it goes on: the pairs that were used already are left out here.
    done = int(torch.load(last, map_location="cpu", weights_only=True)["global_step"]) if last.exists() else 0
    dataset = PairDataset(views, recipe.pairs, config.seed, config.steps * config.batch * world, done * config.batch * world)
    non_matches = recipe.loss.non_matches if recipe.loss.method == "contrastive" else 0
    loader = batches(dataset, config.batch, recipe.pairs[0].matches, non_matches, config.workers)
    work.mkdir(parents=True, exist_ok=True)
    keeper = ModelCheckpoint(dirpath=work, filename="{step}", save_last=True, every_n_train_steps=config.checkpoint_every,
                             save_top_k=1, enable_version_counter=False)
    began = time.monotonic()
    callbacks = [keeper, *options.pop("callbacks", [])]
    runner = lightning.Trainer(
        max_steps=config.steps, max_epochs=1, callbacks=callbacks, logger=[CSVLogger(work, "logs", ""), *_tensorboard(work)],
        gradient_clip_val=recipe.optimiser.clip or None, enable_progress_bar=progress, enable_model_summary=False,
        log_every_n_steps=min(25, config.steps), **options)
    runner.fit(module, loader, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    figures = validate(module.network, validation)
    facts = {"name": recipe.name, "recipe": as_mapping(recipe), "commit": current_commit(), "steps": runner.global_step,
             "seconds": round(time.monotonic() - began), "device": str(module.device), "threads": torch.get_num_threads(),
             "instances": sorted({view.instance for view in views}), "views": len(views),
             "starting_weights": described(recipe.network.weights),
             "validation_on_training_instances": {name: round(value, 4) for name, value in figures.items()}, **(card or {})}
    if runner.is_global_zero:
        save_network(output, module.network, facts)
    return facts


def _tensorboard(work: Path) -> list[Any]:
    try:
        return [TensorBoardLogger(str(work), "tensorboard", "")]
    except ModuleNotFoundError:
        return []


def current_commit() -> str:
    """Short hash of the checkout's commit; "unknown" where there is none."""
    try:
        answer = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=5,
                                cwd=Path(__file__).parent)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() or "unknown"
