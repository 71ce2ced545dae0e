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


"""Network, training and benchmark, with a network of 80 000 weights."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from objectcentric_ros.descriptors.views import ObjectView, write_view

pytest.importorskip("lightning")
pytest.importorskip("timm")

import timm
import torch

from objectcentric_ros.descriptors import training
from objectcentric_ros.descriptors.contrastive import sample
from objectcentric_ros.descriptors.data import PairDataset, collate
from objectcentric_ros.descriptors.losses import KeypointLossWeights
from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network, save_network, weights_hash
from objectcentric_ros.descriptors.network import DescriptorNetwork, NetworkConfig, doubled, load_start
from objectcentric_ros.descriptors.objectives import objective
from objectcentric_ros.descriptors.pairs import PairConfig
from objectcentric_ros.descriptors.recipe import METHODS, DescriptorRecipe, LossConfig, OptimiserConfig, TrainingConfig

TINY = NetworkConfig(backbone="test_efficientnet", decoder="pyramid", output_stride=4, dimension=6, keypoints=5, width=16)
SMALL = PairConfig(width=64, height=64, matches=32, min_matches=8)
RECIPE = DescriptorRecipe(name="tiny", pairs=(SMALL,), network=TINY, optimiser=OptimiserConfig(rate=3e-3),
                          training=TrainingConfig(steps=6, batch=2, validate_every=3, validation_pairs=2, checkpoint_every=2))


@pytest.mark.parametrize(("decoder", "stride", "shape"), [
    ("pyramid", 4, (16, 24)), ("pyramid", 8, (8, 12)), ("identity", 8, (8, 12)), ("identity", 16, (4, 6)),
    ("identity", 32, (2, 3))])
def test_heads_have_the_promised_shapes(decoder: str, stride: int, shape: tuple[int, int]) -> None:
    config = dataclasses.replace(TINY, decoder=decoder, output_stride=stride)
    heads = DescriptorNetwork(config).eval()(torch.rand(2, 3, 64, 96) * 255)
    assert heads.descriptors.shape == (2, 6, *shape)
    assert heads.logits.shape == heads.depths.shape == (2, 5, *shape)
    assert (heads.depths > 0).all() and heads.depths.mean().item() == pytest.approx(config.scene_depth, abs=0.3)
    bare = DescriptorNetwork(dataclasses.replace(config, keypoints=0)).eval()(torch.rand(1, 3, 64, 96))
    assert bare.logits is None and bare.depths is None


def test_doubling_keeps_cells_on_their_pixels() -> None:
    """Cell i, on pixel 2 s i / 2, becomes cell 2 i; a ramp stays a ramp up to the last cell, which is repeated."""
    ramp = torch.arange(5.0)[None, None, None, :].expand(1, 2, 3, 5)
    assert doubled(ramp)[0, 1, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4]
    points = torch.tensor([[[4.0, 2.0], [6.0, 0.0]]])
    assert torch.allclose(sample(ramp, points, 4, False), sample(doubled(ramp), points, 2, False))


def test_detached_heads_leave_the_descriptors_alone() -> None:
    network = DescriptorNetwork(TINY).eval()
    network(torch.rand(1, 3, 32, 32), detach_heads=True).logits.sum().backward()
    assert network.spatial.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.backbone.parameters())


@pytest.mark.parametrize("changes", [{"decoder": "other"}, {"output_stride": 3}, {"dimension": 0}, {"keypoints": -1},
                                     {"head_kernel": 2}, {"decoder": "identity", "output_stride": 4}])
def test_impossible_networks_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="output_stride|decoder|must be"):
        dataclasses.replace(TINY, **changes)


def test_starts_must_fit(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    network = DescriptorNetwork(TINY)
    with pytest.raises(ValueError, match="no weights file"):
        load_start(network.backbone, TINY.backbone, str(tmp_path / "none.safetensors"))
    save_file({"conv_stem.weight": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match="is no start for test_efficientnet"):
        load_start(network.backbone, TINY.backbone, str(tmp_path / "odd.safetensors"))
    with pytest.raises(ValueError, match="no weights for resnet34"):
        load_start(network.backbone, "resnet34", "package:efficientnet_lite0")
    whole = timm.create_model("test_efficientnet", pretrained=False).state_dict()
    save_file({name: tensor + 1 for name, tensor in whole.items()}, tmp_path / "whole.safetensors")
    load_start(network.backbone, TINY.backbone, str(tmp_path / "whole.safetensors"))
    assert torch.equal(network.backbone.state_dict()["conv_stem.weight"], whole["conv_stem.weight"] + 1)


def test_the_wheels_weights_are_those_of_imagenet() -> None:
    network = DescriptorNetwork(NetworkConfig(backbone="efficientnet_lite0", weights="package:efficientnet_lite0",
                                              decoder="pyramid", output_stride=8, dimension=4))
    stem = network.backbone.state_dict()["conv_stem.weight"]
    assert stem.shape == (32, 3, 3, 3) and stem.abs().max() > 0.5      # a random start has none above 0.4
    assert network.backbone.state_dict()["bn1.running_var"].std() > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_finite_loss_and_gradients(views: list[ObjectView], method: str) -> None:
    network = DescriptorNetwork(dataclasses.replace(TINY, unit=method not in ("contrastive", "distribution")))
    batch = collate([PairDataset(views, [SMALL], 0, 2)[index] for index in range(2)], 16, 10)
    losses = objective(network, batch, LossConfig(method=method, keypoints=0.1, parts=KeypointLossWeights(consistency=10.0)))
    losses["loss"].backward()
    parts = sum(value.item() for name, value in losses.items() if name != "loss")
    assert losses["loss"].item() == pytest.approx(parts, rel=1e-5)
    assert ("silhouette" in losses) and ((method in losses) == (method != "keypoints"))
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    assert network.decoder.identity.weight.grad.abs().sum() > 0


def test_pairs_without_depth_train_all_but_consistency_and_pose(views: list[ObjectView]) -> None:
    photos = [dataclasses.replace(view, depth=None, T_camera_object=None) for view in views]
    batch = collate([PairDataset(photos, [dataclasses.replace(SMALL, mode="exact")], 0, 1)[0]], 16)
    losses = objective(DescriptorNetwork(TINY), batch, LossConfig(method="keypoints"))
    assert torch.isnan(batch.depths_a).all() and torch.isfinite(losses["loss"])
    flat = dataclasses.replace(TINY, depth_head=False)
    assert {"consistency", "pose"}.isdisjoint(objective(DescriptorNetwork(flat), batch, LossConfig(method="keypoints")))


def test_training_learns_writes_and_reads_back(views: list[ObjectView], tmp_path: Path) -> None:
    before = training.validate(DescriptorNetwork(TINY).eval(), PairDataset(views, [SMALL], training.VALIDATION_SEED, 4))
    recipe = dataclasses.replace(RECIPE, training=dataclasses.replace(RECIPE.training, steps=50, batch=4, validation_pairs=4))
    card = training.train(recipe, views, tmp_path / "model.safetensors", tmp_path / "work", progress=False)
    assert card["validation_on_training_instances"]["auc"] > before["auc"] + 0.01
    assert card["steps"] == 50 and card["instances"] == ["red", "sun"] and (tmp_path / "work" / "logs").is_dir()
    network = load_network(tmp_path / "model.safetensors")
    assert network.config.dimension == 6 and weights_hash(network) == weights_hash(load_network(tmp_path / "model.safetensors"))
    model = TorchDescriptorModel(network)
    image = model.describe(views[0].color)
    assert (image.features.shape, image.stride, image.unit) == ((30, 40, 6), 4, True)
    points = model.keypoints(views[0].color, views[0].mask)
    v, u = np.nonzero(views[0].mask)
    assert ((points.points >= [u.min() - 4, v.min() - 4]) & (points.points <= [u.max() + 4, v.max() + 4])).all()
    assert ((points.peaks > 0) & (points.peaks <= 1 + 1e-9)).all()


def test_a_killed_training_goes_on_to_the_same_end(views: list[ObjectView], tmp_path: Path) -> None:
    whole = training.train(RECIPE, views, tmp_path / "whole.safetensors", tmp_path / "whole", progress=False)

    class Killed(RuntimeError):
        pass

    class Killer(training.lightning.Callback):
        def on_train_batch_start(self, trainer: object, module: object, batch: object, index: int) -> None:
            if index == 4:
                raise Killed

    with pytest.raises(Killed):
        training.train(RECIPE, views, tmp_path / "part.safetensors", tmp_path / "part", progress=False,
                       trainer={"callbacks": [Killer()]})
    assert not (tmp_path / "part.safetensors").exists() and (tmp_path / "part" / training.LAST).exists()
    rest = training.train(RECIPE, views, tmp_path / "part.safetensors", tmp_path / "part", progress=False)
    assert rest["steps"] == whole["steps"] == 6
    first, second = load_network(tmp_path / "whole.safetensors"), load_network(tmp_path / "part.safetensors")
    for name, tensor in first.state_dict().items():
        assert torch.allclose(tensor.float(), second.state_dict()[name].float(), atol=2e-3), name


def test_broken_model_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match="is no trained descriptor network"):
        load_network(path)
    save_network(path, DescriptorNetwork(TINY), {"name": "x"})
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(ValueError, match="is no trained descriptor network"):
        load_network(path)
    path.write_bytes(whole)
    card = yaml.safe_load(path.with_suffix(".yaml").read_text())
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**card, "network": {**card["network"], "dimension": 7}}))
    with pytest.raises(ValueError, match="is no trained descriptor network"):
        load_network(path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**card, "network": {"colour": "blue"}}))
    with pytest.raises(ValueError, match="unknown keys colour"):
        load_network(path)


def test_two_processes_train_one_network(views: list[ObjectView], tmp_path: Path) -> None:
    """Lightning's own flags: two CPU processes that talk by gloo."""
    for view in views:
        write_view(tmp_path / "views", view)
    command = [sys.executable, "-m", "objectcentric_ros.cli", "train", "descriptors", "quick", "--devices", "2",
               "--accelerator", "cpu", "--strategy", "ddp",
               "--output", str(tmp_path / "two.safetensors"), "--set", f"data.folder={tmp_path / 'views'}"]
    for change in ("network.backbone=test_efficientnet", "network.weights=''", "training.steps=3", "training.validate_every=0",
                   "training.batch=1", "network.width=16", "training.validation_pairs=1"):
        command += ["--set", change]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stderr[-2000:]
    card = yaml.safe_load((tmp_path / "two.yaml").read_text())
    assert card["steps"] == 3 and load_network(tmp_path / "two.safetensors").config.keypoints == 8
