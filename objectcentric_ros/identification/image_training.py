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

"""Training of the image encoder with Lightning (paper B, stage 1): a recipe and a manifest in, a model file out."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from objectcentric_ros.descriptors.training import LAST, current_commit
from objectcentric_ros.identification.image_bank import ImageBank
from objectcentric_ros.identification.image_cache import CachedImages, Progress, cached_images
from objectcentric_ros.identification.image_crops import global_crop
from objectcentric_ros.identification.image_draws import Draw, ImageDraws
from objectcentric_ros.identification.image_model import load_encoder, load_head, read_card, save_encoder, save_head
from objectcentric_ros.identification.image_module import DinoModule
from objectcentric_ros.identification.image_network import (
    ImageEncoder,
    TorchImageEncoder,
    fold_batch_norms,
    start_projection,
)
from objectcentric_ros.identification.image_recipe import IMAGE_SOURCES, ImageRecipe
from objectcentric_ros.identification.image_validation import top1, validation_part
from objectcentric_ros.identification.manifest import Manifest
from objectcentric_ros.recipe import as_mapping
from objectcentric_ros.start_weights import described

PROJECTION_IMAGES = 2048      # that the linear layer's start is computed from
IMAGES = ("query", *IMAGE_SOURCES)


def train(recipe: ImageRecipe, manifest: Manifest, output: Path, work: Path, *, trainer: dict[str, Any] | None = None,
          progress: bool = True, caching: Progress | None = None, filling: Progress | None = None,
          card: dict[str, Any] | None = None) -> dict[str, Any]:
    """Train, and write the teacher's encoder with its card; goes on where a killed training of the same folder stopped.

    Only objects of the split `train` are trained on; those of `fusion` are looked at now and then; `test` isn't touched.

    Args:
        recipe: the training.
        manifest: the dataset.
        output: NAME.safetensors; NAME.head.safetensors, for trainings that start from this one, comes beside it.
        work: folder for checkpoints and logs.
        trainer: further options of lightning.Trainer: devices, num_nodes, strategy, accelerator, precision, callbacks, ...
        progress: show Lightning's progress bar.
        caching: told how far the cache of images is, when it must be made.
        filling: told how many images of the gallery that loss.gallery asks for are encoded.
        card: more for the model card.

    Returns:
        The card.

    Raises:
        ValueError: there is nothing to train on, or recipe.start is no trained encoder of the same shape.
    """
    lightning.seed_everything(recipe.training.seed, workers=True, verbose=False)
    config = recipe.training
    options = {"accelerator": "auto", "devices": 1, **(trainer or {})}
    if options.get("strategy") == "ddp":
        # The processes keep their buffers equal themselves; broadcasting a bank of all images would take longer than the step.
        options["strategy"] = DDPStrategy(broadcast_buffers=False)
    # Lightning deals the draws out to the processes.
    batch = config.batch * (options["devices"] if isinstance(options["devices"], int) else 1) * int(options.get("num_nodes", 1))
    folder = Path(recipe.data.cache) if recipe.data.cache else None
    cache = cached_images(manifest.select("train", IMAGES), recipe.data.side, folder, caching)
    held_out = _held_out(recipe, manifest, folder)
    last = work / LAST
    # Lightning starts the loader over when it goes on: the draws that were used already are left out here.
    done = int(torch.load(last, map_location="cpu", weights_only=True)["global_step"]) if last.exists() else 0
    draws = ImageDraws(cache, recipe, batch, done * batch)
    module = DinoModule(recipe, batch, draws.objects_at, lambda encoder: _rates(encoder, held_out))
    if recipe.loss.gallery > 0:
        module.bank = ImageBank.of(cache, module.student.encoder.dimension)
    if not last.exists():
        begin(module, recipe, cache)
        # What a start says that was not trained for it would be pushed away for nothing: the bank fills as images are drawn.
        if module.bank is not None and recipe.start:
            module.bank.fill(module.teacher.encoder, cache, filling)
    before = _rates(module.teacher.encoder, held_out) if done == 0 else {}
    work.mkdir(parents=True, exist_ok=True)
    keeper = ModelCheckpoint(dirpath=work, filename="{step}", save_last=True, save_top_k=1, enable_version_counter=False,
                             train_time_interval=timedelta(minutes=config.checkpoint_minutes))
    began = time.monotonic()
    callbacks = [keeper, *options.pop("callbacks", [])]
    runner = lightning.Trainer(
        max_steps=config.steps, max_epochs=1, callbacks=callbacks, logger=CSVLogger(work, "logs", ""),
        gradient_clip_val=recipe.optimiser.clip or None, enable_progress_bar=progress, enable_model_summary=False,
        log_every_n_steps=min(20, config.steps), **options)
    loader: DataLoader[Draw] = DataLoader(draws, batch_size=config.batch, num_workers=config.workers,
                                          persistent_workers=config.workers > 0)
    runner.fit(module, loader, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    facts = {"name": recipe.name, "recipe": as_mapping(recipe), "commit": current_commit(), "steps": runner.global_step,
             "resumed_at": done, "seconds": round(time.monotonic() - began), "device": str(module.device),
             "threads": torch.get_num_threads(), "data": _data_facts(cache, manifest),
             "starting_weights": _starting_weights(recipe), "licence": "Apache-2.0",
             "validation_split": {"split": "fusion", "objects": len({row.object_id for row in held_out.rows}) if held_out else 0,
                                  "before": before, "after": _rates(module.teacher.encoder, held_out)}, **(card or {})}
    if runner.is_global_zero:
        save_head(output, module.teacher.head, module.loss.center)
        save_encoder(output, module.teacher.encoder, facts)
    return facts


def begin(module: DinoModule, recipe: ImageRecipe, cache: CachedImages) -> None:
    """Give student and teacher their start: that of a trained encoder, or the principal components of its features.

    Args:
        module: not trained yet.
        recipe: its `start` is a trained encoder or empty.
        cache: training images.

    Raises:
        ValueError: the start can't be read, or has another shape.
    """
    student = module.student
    if recipe.start:
        path = Path(recipe.start)
        try:
            start = load_encoder(path)
            if recipe.network.fold_batch_norm and not start.config.fold_batch_norm:
                fold_batch_norms(start.backbone)
            student.encoder.load_state_dict(start.state_dict())
        except RuntimeError as error:
            raise ValueError(f"{path} is an encoder of another shape than the recipe's: {error}") from error
        found = load_head(path)
        if found is not None and module.loss.center.shape == found[1].shape:
            try:
                student.head.load_state_dict(found[0])
                module.loss.center.data.copy_(found[1])
            except RuntimeError:
                pass          # another head: this training begins with its own
    elif recipe.network.embedding:
        rng = np.random.default_rng([recipe.training.seed, 2])
        chosen = rng.permutation(len(cache.rows))[:PROJECTION_IMAGES]
        crops = [global_crop(cache.images[index], recipe.crops, cache.rows[index].source, rng) for index in chosen]
        start_projection(student.encoder, crops)
        student.train()
    module.follow()


def _held_out(recipe: ImageRecipe, manifest: Manifest, folder: Path | None) -> CachedImages | None:
    if recipe.training.validation_objects < 1:
        return None
    part = validation_part(manifest, "fusion", recipe.training.validation_objects)
    return cached_images(part, recipe.data.side, folder) if part.rows else None


def _rates(encoder: ImageEncoder, held_out: CachedImages | None) -> dict[str, float]:
    if held_out is None:
        return {}
    return top1(held_out.rows, TorchImageEncoder(encoder).encode(list(held_out.images)))


def _data_facts(cache: CachedImages, manifest: Manifest) -> dict[str, Any]:
    return {"dataset": manifest.root.name, "training_objects": len({row.object_id for row in cache.rows}),
            "training_images": dict(Counter(row.source for row in cache.rows))}


def _starting_weights(recipe: ImageRecipe) -> str:
    """Where the weights come from in the end, through all trainings that started from each other."""
    if recipe.start:
        card = read_card(Path(recipe.start))
        return f"{card.get('name', recipe.start)} (key {card.get('key', 'unknown')}); its start: {card.get('starting_weights')}"
    return described(recipe.network.weights)
