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

"""Trained text towers as files: NAME.safetensors, NAME_tokenizer.json, and NAME.yaml, the card that says the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from objectcentric_ros.identification.deployed_text import prepared_titles, read_tokenizer, tokenizer_path
from objectcentric_ros.identification.text_recipe import TextRecipe, TowerConfig
from objectcentric_ros.identification.text_tower import TextTower
from objectcentric_ros.recipe import as_mapping, build

_BATCH = 64


class TorchTextEncoder:
    """A text tower in PyTorch as a TextEncoder; robots use the exported one.

    Args:
        tower: in any mode; is put into evaluation mode.
        tokenizer: of it.
        image_key: of the image tower whose space it speaks.
        truncate: cut titles at commas, semicolons and pipes.
        key: name for its vectors; empty: of a hash of the weights.
    """

    def __init__(self, tower: TextTower, tokenizer: Tokenizer, image_key: str, truncate: bool = True, key: str = "") -> None:
        self.tower, self.tokenizer, self.image_key, self.truncate = tower.eval(), tokenizer, image_key, truncate
        self.key = key or text_key(tower, image_key, truncate)

    @property
    def dimension(self) -> int:
        """D."""
        return self.tower.dimension

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode N titles into (N, D) float32 vectors of length 1.

        Raises:
            ValueError: a title is empty or far too long.
        """
        titles = prepared_titles(texts, self.truncate)
        vectors = np.empty((len(titles), self.dimension), np.float32)
        with torch.inference_mode():
            for start in range(0, len(titles), _BATCH):
                tokens = torch.tensor([one.ids for one in self.tokenizer.encode_batch(titles[start:start + _BATCH])])
                vectors[start:start + _BATCH] = self.tower(tokens).float().numpy()
        return vectors


def text_key(tower: TextTower, image_key: str, truncate: bool) -> str:
    """Name and hash of a tower's weights, of the image tower that it goes with, and of how it reads titles."""
    digest = hashlib.sha256(f"{image_key} {truncate} {tower.config.tokens}".encode())
    for name, tensor in sorted(tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.half().numpy() if tensor.is_floating_point() else tensor.numpy()).tobytes())
    return f"text_{tower.config.start}-{digest.hexdigest()[:12]}"


def save_text_tower(path: Path, encoder: TorchTextEncoder, card: Mapping[str, Any]) -> dict[str, Any]:
    """Write weights (fp16), tokeniser and card.

    Args:
        path: NAME.safetensors.
        encoder: trained.
        card: what is to be said of it; what a reader needs is added.

    Returns:
        The card.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() if tensor.is_floating_point() else tensor.contiguous()
               for name, tensor in encoder.tower.state_dict().items()}
    unfinished = path.with_suffix(".unfinished")
    save_file(weights, unfinished)
    unfinished.chmod(0o644)
    unfinished.replace(path)
    encoder.tokenizer.save(str(tokenizer_path(path.with_suffix(""))), pretty=False)
    whole = {**card, "key": encoder.key, "image_key": encoder.image_key, "dimension": encoder.dimension,
             "truncate": encoder.truncate, "tower": as_mapping(encoder.tower.config)}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
    return whole


def load_text_tower(path: Path) -> TorchTextEncoder:
    """Read a trained text tower.

    Raises:
        ValueError: a file is missing or broken, or they don't fit together.
    """
    try:
        card = yaml.safe_load(path.with_suffix(".yaml").read_text())
        config = build(TowerConfig, card["tower"], f"{path.with_suffix('.yaml')}: tower")
        tower = TextTower(config, int(card["dimension"]), start=False)
        tower.load_state_dict({name: tensor.float() if tensor.is_floating_point() else tensor
                               for name, tensor in load_file(path).items()})
        image_key, truncate, key = str(card["image_key"]), bool(card["truncate"]), str(card["key"])
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is no trained text tower: {error}") from error
    return TorchTextEncoder(tower, read_tokenizer(path.with_suffix("")), image_key, truncate, key)


def untrained(recipe: TextRecipe, tokenizer: Tokenizer, dimension: int, image_key: str) -> TorchTextEncoder:
    """The start of a recipe with a projection by chance: the row that training is compared with."""
    torch.manual_seed(recipe.training.seed)
    return TorchTextEncoder(TextTower(recipe.tower, dimension), tokenizer, image_key, recipe.titles.truncate)
