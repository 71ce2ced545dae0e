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

"""Training of the text tower: what it learns, what it leaves alone, and that it goes on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from objectcentric_ros.identification.embedded_set import EmbeddedSet, embed_manifest
from objectcentric_ros.identification.image_model import load_torch_encoder, save_encoder
from objectcentric_ros.identification.image_network import ImageEncoder
from objectcentric_ros.identification.image_recipe import ImageCropConfig, ImageNetworkConfig
from objectcentric_ros.identification.manifest import SOURCES, Manifest, ManifestRow, read_manifest, write_manifest
from objectcentric_ros.identification.text_data import TextBatches, drawn_title, frozen_vectors, titled_objects, vector_rows
from objectcentric_ros.identification.text_material import frozen_material, image_material, image_path
from objectcentric_ros.identification.text_model import load_text_tower
from objectcentric_ros.identification.text_recipe import (
    ImageTowerConfig,
    TextLossConfig,
    TextOptimiserConfig,
    TextRecipe,
    TextTrainingConfig,
    TitleConfig,
    TowerConfig,
)
from objectcentric_ros.identification.text_top1 import title_top1
from objectcentric_ros.identification.text_tower import make_tokenizer
from objectcentric_ros.identification.text_training import LAST, TextModule, rate_scale, train_text
from objectcentric_ros.paths import share_dir

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 210), "yellow": (220, 210, 30),
           "white": (240, 240, 240), "black": (20, 20, 20)}
THINGS = ("mug", "box", "brush", "lamp", "spoon", "clock")
NETWORK = ImageNetworkConfig(backbone="test_efficientnet", side=32, embedding=12, drop_path=0.0)
RECIPE = TextRecipe(
    name="small", tower=TowerConfig(start="scratch", tokens=8, width=32, heads=2, layers=1),
    images=ImageTowerConfig(network=NETWORK, crops=ImageCropConfig(global_side=32), cache_side=32, rate=1.0),
    optimiser=TextOptimiserConfig(rate=1e-2), training=TextTrainingConfig(steps=6, batch=8, validate_every=3, checkpoint_every=3))


def made_up(generator: np.random.Generator) -> tuple[Manifest, EmbeddedSet]:
    """Objects whose vector is that of their colour and that of their kind; combinations of the fusion split are new."""
    directions = {word: generator.normal(size=16) for word in (*COLOURS, *THINGS)}
    rows, vectors = [], []
    for number, (colour, thing) in enumerate((colour, thing) for thing in THINGS for colour in COLOURS):
        split = "fusion" if number % 4 == 0 else "train"
        rows.append(ManifestRow(f"{thing}-{colour}", "text", text=f"{colour} {thing}, 330 ml", split=split))
        for source in ("query", "query", "tray", *(["bin"] if number % 2 else [])):
            vector = directions[colour] + directions[thing] + 0.2 * generator.normal(size=16)
            rows.append(ManifestRow(f"{thing}-{colour}", source, path=f"{len(rows)}.jpg", split=split))
            vectors.append(vector / np.linalg.norm(vector))
    seen = [row for row in rows if row.path]
    return Manifest(Path("made-up"), tuple(rows)), EmbeddedSet(
        np.array([row.object_id for row in seen]), np.array([SOURCES.index(row.source) for row in seen], np.int8),
        np.array(vectors, np.float32), np.array([row.split for row in seen]), np.array([row.path for row in seen]), "images-1")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Small pictures of coloured squares, with noise."""
    generator, rows = np.random.default_rng(0), []
    for number, (colour, value) in enumerate(COLOURS.items()):
        split = "fusion" if number < 2 else "train"
        for size in (10, 20):
            for source in ("query", "tray", "bin"):
                picture = np.full((32, 32, 3), 128, np.uint8)
                picture[16 - size // 2:16 + size // 2, 16 - size // 2:16 + size // 2] = value
                picture = np.clip(picture + generator.normal(0, 5, picture.shape), 0, 255).astype(np.uint8)
                name = f"{colour}-{size}-{source}.png"
                cv2.imwrite(str(tmp_path / name), picture[..., ::-1])
                rows.append(ManifestRow(f"{colour}-{size}", source, path=name, split=split))
            rows.append(ManifestRow(f"{colour}-{size}", "text", text=f"{colour} square {size}", split=split))
    write_manifest(tmp_path / "manifest.csv", rows)
    return tmp_path


def test_titles_learn_to_speak_the_space_of_frozen_vectors(tmp_path: Path) -> None:
    manifest, embedded = made_up(np.random.default_rng(0))
    recipe = replace(RECIPE, training=TextTrainingConfig(steps=60, batch=24, validate_every=0, candidates=5))
    material = frozen_material(manifest, embedded)
    card = train_text(recipe, material, tmp_path / "text.safetensors", tmp_path / "work", progress=False)
    assert card["validation"]["before"]["top1_5"] < 0.5
    assert card["validation"]["after"]["top1_5"] > 0.8      # unseen combinations of colour and kind
    assert card["image_key"] == "images-1"
    assert card["training_objects"] == 27


def test_regime_text_leaves_image_tower_and_vectors_to_the_bit(tmp_path: Path, dataset: Path) -> None:
    torch.manual_seed(0)
    save_encoder(tmp_path / "images.safetensors", ImageEncoder(NETWORK, start=False), {})
    before = (tmp_path / "images.safetensors").read_bytes()
    manifest = read_manifest(dataset)
    pictures = manifest.select(None, ("query", "tray", "bin"))
    embedded = embed_manifest(pictures, load_torch_encoder(tmp_path / "images.safetensors"))
    kept = embedded.vectors.copy()
    train_text(RECIPE, frozen_material(manifest, embedded), tmp_path / "text.safetensors", tmp_path / "work", progress=False)
    assert (tmp_path / "images.safetensors").read_bytes() == before
    assert embedded.vectors.tobytes() == kept.tobytes()
    again = embed_manifest(pictures, load_torch_encoder(tmp_path / "images.safetensors"))
    assert again.vectors.tobytes() == kept.tobytes()
    assert load_text_tower(tmp_path / "text.safetensors").image_key == again.key


@pytest.mark.parametrize("regime", ["image_text", "clip"])
def test_other_regimes_train_the_image_tower_and_write_it(tmp_path: Path, dataset: Path, regime: str) -> None:
    torch.manual_seed(0)
    start = ImageEncoder(NETWORK, start=False)
    save_encoder(tmp_path / "start.safetensors", start, {})
    images = replace(RECIPE.images, start=str(tmp_path / "start.safetensors") if regime == "image_text" else "")
    recipe = replace(RECIPE, regime=regime, images=images)
    output = tmp_path / "text.safetensors"
    train_text(recipe, image_material(read_manifest(dataset), recipe), output, tmp_path / "work", progress=False)
    encoder, images_after = load_text_tower(output), load_torch_encoder(image_path(output))
    assert encoder.image_key == images_after.key
    assert encoder.dimension == images_after.dimension == 12
    weights = load_file(image_path(output))
    moved = [name for name, tensor in load_file(tmp_path / "start.safetensors").items() if not torch.equal(tensor, weights[name])]
    assert any("projection" in name for name in moved) and any("backbone" in name for name in moved)
    log = (tmp_path / "work" / "logs" / "metrics.csv").read_text().splitlines()[0]
    expected = {"train/query_text"} | ({"train/tray_text", "train/bin_text", "train/query_tray", "train/query_bin"}
                                       if regime == "image_text" else set())
    assert {name for name in log.split(",") if name.count("_") == 1 and name.startswith("train/")} == expected


def test_a_killed_training_goes_on_to_the_same_end(tmp_path: Path) -> None:
    manifest, embedded = made_up(np.random.default_rng(0))
    material = frozen_material(manifest, embedded)
    train_text(RECIPE, material, tmp_path / "whole.safetensors", tmp_path / "whole", progress=False)

    class Killed(RuntimeError):
        pass

    def pictures(rows: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
        nonlocal draws
        draws += 1
        if draws > 4:
            raise Killed
        return material.pictures(rows, generator)

    draws = 0
    with pytest.raises(Killed):
        train_text(RECIPE, replace(material, pictures=pictures), tmp_path / "part.safetensors", tmp_path / "part", progress=False)
    assert (tmp_path / "part" / LAST).is_file()
    card = train_text(RECIPE, material, tmp_path / "part.safetensors", tmp_path / "part", progress=False)
    assert card["steps"] == 6
    whole, part = load_file(tmp_path / "whole.safetensors"), load_file(tmp_path / "part.safetensors")
    assert all(torch.equal(whole[name], part[name]) for name in whole)


def test_a_body_that_is_not_trained_reads_a_title_once(tmp_path: Path) -> None:
    manifest, embedded = made_up(np.random.default_rng(0))
    module = TextModule(RECIPE, frozen_material(manifest, embedded))
    module.tower.body.requires_grad_(False)
    module.train()
    module.tower.dropout.p = 0.0
    tokens = torch.tensor([one.ids for one in module.tokenizer.encode_batch(["red mug", "large red mug"])])
    first = module._read(tokens)
    body, module.tower.body.forward = module.tower.body.forward, None
    again = module._read(tokens[[1, 0, 1]])
    module.tower.body.forward = body
    assert torch.equal(again, first[[1, 0, 1]])
    torch.testing.assert_close(again, module.tower(tokens[[1, 0, 1]]))


def test_batches_have_every_object_once_and_say_what_is_missing() -> None:
    manifest, embedded = made_up(np.random.default_rng(0))
    objects = titled_objects(manifest, "train", vector_rows(embedded))
    recipe = replace(RECIPE, loss=TextLossConfig(terms=("query_text", "bin_text", "catalog_text")))
    batches = TextBatches(objects, recipe, make_tokenizer(RECIPE.tower), frozen_vectors(embedded))
    seen = torch.cat([batches[number].groups for number in range(3)])      # 27 objects, 8 a batch
    assert len(set(seen.tolist())) == 24
    batch = batches[0]
    assert batch.present["query"].all() and not batch.present["catalog"].any() and "catalog" not in batch.pictures
    assert 0 < int(batch.present["bin"].sum()) < 8
    assert torch.equal(batch.pictures["bin"].norm(dim=1).round() == 1, batch.present["bin"])
    again = TextBatches(objects, recipe, make_tokenizer(RECIPE.tower), frozen_vectors(embedded), first=2)[0]
    assert torch.equal(again.tokens, batches[2].tokens) and torch.equal(again.pictures["query"], batches[2].pictures["query"])


@pytest.mark.parametrize(("truncate", "groups"), [(True, 2), (False, 3)])
def test_objects_of_one_title_as_it_is_read_are_one_group(truncate: bool, groups: int) -> None:
    rows = [ManifestRow("a", "text", text="Red mug, 330 ml"), ManifestRow("b", "text", text="red mug; large"),
            ManifestRow("c", "text", text="Red mug large")]
    rows += [ManifestRow(one, "query", path=f"{one}.png") for one in "abc"]
    objects = titled_objects(Manifest(Path(), tuple(rows)), "train", [(row.object_id, row.source) for row in rows])
    recipe = replace(RECIPE, training=TextTrainingConfig(batch=3), titles=TitleConfig(truncate=truncate))
    batch = TextBatches(objects, recipe, make_tokenizer(RECIPE.tower), lambda rows, _: torch.zeros(len(rows), 2))[0]
    assert len(batch.groups.unique()) == groups


def test_too_few_titled_objects_are_refused() -> None:
    rows = (ManifestRow("a", "text", text="Red mug"), ManifestRow("b", "query", path="b.png"))
    with pytest.raises(ValueError, match="0 objects of the split train have a title and a query"):
        titled_objects(Manifest(Path("here"), rows), "train", [("b", "query")])


def test_title_augmentation() -> None:
    generator, titles = np.random.default_rng(0), ("Large red mug, 330 ml",)
    drawn = {drawn_title(titles, TitleConfig(whole=0.5), generator) for _ in range(50)}
    assert drawn == {"Large red mug", "Large red mug, 330 ml"}
    dropped = [drawn_title(titles, TitleConfig(drop_words=0.5), generator).split() for _ in range(200)]
    assert {len(words) for words in dropped} == {1, 2, 3}
    assert all(words == [word for word in ("Large", "red", "mug") if word in words] for words in dropped)
    assert drawn_title(titles, TitleConfig(truncate=False), generator) == titles[0]


def top1_by_hand(near: Sequence[Sequence[float]], candidates: int | None) -> float:
    """Queries see titles at these cosines; query i is of object i."""
    titles = np.eye(3, dtype=np.float32)
    queries = np.array([[*row, 0.0] for row in near], np.float32)
    queries[:, 3] = np.sqrt(1 - (queries ** 2).sum(axis=1))
    return title_top1(queries, np.arange(len(queries)), np.pad(titles, ((0, 0), (0, 1))), np.arange(3), candidates)


def test_top1_shares_points_of_equal_titles() -> None:
    assert top1_by_hand([[0.9, 0.1, 0.1], [0.5, 0.5, 0.2], [0.7, 0.1, 0.3]], None) == pytest.approx((1 + 0.5 + 0) / 3)
    assert top1_by_hand([[0.9, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.3]], 2) == 1.0


def test_top1_takes_the_nearest_of_several_titles() -> None:
    titles = np.eye(3, dtype=np.float32)
    assert title_top1(titles[[1]], np.array([0]), titles, np.array([0, 0, 1]), None) == 1.0


def test_rate_rises_and_falls() -> None:
    scale = rate_scale(TextOptimiserConfig(warm_up=0.1), 100)
    assert [scale(step) for step in (0, 4)] == pytest.approx([0.1, 0.5], rel=0.01)
    assert scale(55) == pytest.approx(0.5 * (1 + np.cos(np.pi * 0.55)))
    assert scale(100) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("part", "values", "words"), [
    (TowerConfig, {"start": "bert"}, "minilm, scratch"), (TowerConfig, {"width": 10, "heads": 4}, "multiple of heads"),
    (TitleConfig, {"drop_words": 1.0}, "chances"), (TextLossConfig, {"terms": ("query_bin_text",)}, "query_catalog"),
    (TextLossConfig, {"temperature": 0.0}, "above 0"), (TextTrainingConfig, {"batch": 1}, "batch"),
    (TextRecipe, {"regime": "siglip"}, "image_text"), (TextRecipe, {"loss": TextLossConfig(terms=("query_tray",))}, "_text"),
])
def test_a_wrong_recipe_says_what_is_right(part: type, values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        part(**values)


def test_every_shipped_recipe_can_be_read() -> None:
    from objectcentric_ros.paths import share_dir
    from objectcentric_ros.recipe import load_recipe

    folder = share_dir() / "config" / "identification"
    recipes = {path.stem: load_recipe(path, TextRecipe) for path in folder.glob("text_*.yaml")}
    assert {"text_cpu", "text_scratch", "text_clip", "text_image_text", "text_quick", "text_paper"} <= recipes.keys()
    assert all(recipe.name == name for name, recipe in recipes.items())
    assert len(recipes["text_image_text"].terms) == 7 and recipes["text_clip"].terms == ("query_text",)


def test_what_an_older_training_left_is_gone_on_with_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from objectcentric_ros.cli import main
    from objectcentric_ros.identification import text_training
    from objectcentric_ros.verbs import train_text_encoder

    left = tmp_path / "title" / LAST
    left.parent.mkdir()
    left.write_bytes(b"of another recipe")
    seen = []

    def trained(*_: object, **__: object) -> dict[str, object]:
        seen.append(left.exists())
        return {"steps": 1, "seconds": 0, "validation": {"after": {}}}

    monkeypatch.setattr(train_text_encoder, "_material", lambda *_: None)
    monkeypatch.setattr(text_training, "train_text", trained)
    command = ["train", "text-encoder", "text_cpu", "--output", str(tmp_path / "title.safetensors")]
    assert main([*command, "--resume"]) == 0 and main(command) == 0
    assert seen == [True, False]


def test_titles_are_trained_for_the_encoder_that_robots_have() -> None:
    from objectcentric_ros.verbs import train_text_encoder

    shipped = train_text_encoder.image_encoder(train_text_encoder.IMAGE_MODEL)
    assert shipped.key == yaml.safe_load((share_dir() / "models" / "identification_text.yaml").read_text())["image_key"]
    with pytest.raises(ValueError, match=r"no image encoder mine\.safetensors"):
        train_text_encoder.image_encoder("mine.safetensors")
