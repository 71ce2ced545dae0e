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

"""Files of trained encoders: round trips, the export with its gate, and the encoder that robots run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("timm")
pytest.importorskip("nncf")

import torch

from objectcentric_ros import exported_model
from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder, EncoderMissing
from objectcentric_ros.identification.encoder import Encoder, make_encoder
from objectcentric_ros.identification.image_export import export
from objectcentric_ros.identification.image_model import (
    encoder_key,
    load_encoder,
    load_head,
    load_torch_encoder,
    save_encoder,
    save_head,
)
from objectcentric_ros.identification.image_network import ImageEncoder, start_projection
from objectcentric_ros.identification.image_recipe import ImageNetworkConfig

TINY = ImageNetworkConfig(backbone="test_efficientnet", side=32, embedding=8, mean=(127.0,) * 3, std=(128.0,) * 3, drop_path=0.1)


def pictures_of(seed: int, count: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (8, 8, 3)).astype(np.uint8).repeat(int(rng.integers(2, 8)), axis=0).repeat(6, axis=1)
            for _ in range(count)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    encoder = ImageEncoder(TINY)
    start_projection(encoder, list(np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)))
    path = tmp_path_factory.mktemp("model") / "mine.safetensors"
    save_encoder(path, encoder, {"name": "mine", "recipe": {"training": {"steps": 3}}})
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    output = checkpoint.parent / "out" / "mine.v1"          # a name with a dot
    export(checkpoint, output, pictures_of(1, 4), lambda encoder: 1.0, report=lambda text: None)
    return output


def copy_of(exported: Path, folder: Path) -> Path:
    for path in exported.parent.iterdir():
        shutil.copy(path, folder)
    return folder / exported.name


def test_a_saved_encoder_comes_back_as_it_was(checkpoint: Path, tmp_path: Path) -> None:
    first, card = load_encoder(checkpoint), yaml.safe_load(checkpoint.with_suffix(".yaml").read_text())
    assert first.config == TINY and not first.training and card["dimension"] == 8 and card["recipe"] == {"training": {"steps": 3}}
    assert card["key"] == encoder_key("mine", first) == load_torch_encoder(checkpoint).key
    save_encoder(tmp_path / "again.safetensors", first, {"name": "mine"})
    for name, tensor in load_encoder(tmp_path / "again.safetensors").state_dict().items():
        assert torch.equal(tensor, first.state_dict()[name]), name
    assert load_torch_encoder(tmp_path / "again.safetensors").key == card["key"]
    with torch.no_grad():
        first.projection.bias += 0.1
    assert encoder_key("mine", first) != card["key"]


def test_an_encoders_backbone_may_be_asked_for_its_own_features(checkpoint: Path) -> None:
    whole, features = load_torch_encoder(checkpoint), load_torch_encoder(checkpoint, 48)
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    network = load_encoder(checkpoint)
    with torch.no_grad():
        expected = network.features(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0].numpy()
    np.testing.assert_allclose(features.encode([image])[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert features.dimension == len(expected) != whole.dimension and features.key != whole.key


def test_head_and_centre_come_back(tmp_path: Path) -> None:
    assert load_head(tmp_path / "m.safetensors") is None
    head = torch.nn.Linear(3, 4)
    save_head(tmp_path / "m.safetensors", head, torch.arange(4.0))
    state, centre = load_head(tmp_path / "m.safetensors")
    assert centre.tolist() == [0, 1, 2, 3] and torch.allclose(state["weight"], head.weight, atol=1e-3) and set(state) == {
        "weight", "bias"}
    (tmp_path / "m.head.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no head"):
        load_head(tmp_path / "m.safetensors")


@pytest.mark.parametrize("damage", ["weights", "shape", "card", "none", "key", "not finite"])
def test_broken_model_files_are_refused(checkpoint: Path, tmp_path: Path, damage: str) -> None:
    path, card = tmp_path / "m.safetensors", tmp_path / "m.yaml"
    shutil.copy(checkpoint, path)
    content = yaml.safe_load(checkpoint.with_suffix(".yaml").read_text())
    if damage == "weights":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "shape":
        content["network"]["embedding"] = 9
    elif damage == "key":
        del content["network"]
    elif damage == "not finite":
        encoder = load_encoder(checkpoint)
        with torch.no_grad():
            encoder.projection.weight[0, 0] = torch.nan
        save_encoder(path, encoder, {})
    if damage not in ("none", "not finite"):
        card.write_text("[" if damage == "card" else yaml.safe_dump(content))
    with pytest.raises(ValueError, match="m.safetensors|m.yaml"):
        load_encoder(path)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_exported_encoder_says_what_the_trained_one_says(checkpoint: Path, exported: Path, threads: int) -> None:
    images = pictures_of(2, 11)
    reference, deployed = load_torch_encoder(checkpoint), DeployedImageEncoder(exported, "fp16", threads=threads)
    vectors = deployed.encode(images)
    assert vectors.shape == (11, 8) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, reference.encode(images), atol=5e-3)
    np.testing.assert_allclose(vectors[7], deployed.encode(images[7:8])[0], atol=1e-5)
    assert deployed.key == reference.key and deployed.dimension == 8 and deployed.encode([]).shape == (0, 8)


def test_int8_is_of_length_one_too_and_of_the_same_key(exported: Path) -> None:
    images = pictures_of(3)
    small, large = DeployedImageEncoder(exported, threads=1), DeployedImageEncoder(exported, "fp16", threads=1)
    assert (small.precision, small.key) == ("int8", large.key)
    np.testing.assert_allclose(np.linalg.norm(small.encode(images), axis=1), 1, atol=1e-4)
    assert np.mean(np.sum(small.encode(images) * large.encode(images), axis=1)) > 0.9


def test_robots_may_be_given_16_bits_where_int8_passes(checkpoint: Path, tmp_path: Path) -> None:
    card = export(checkpoint, tmp_path / "m", pictures_of(1, 4), lambda encoder: 1.0, prefer="fp16", report=lambda text: None)
    assert set(card["export"]["files"]) == {"fp16"} and card["export"]["int8"].startswith("int8 passed")
    assert DeployedImageEncoder(tmp_path / "m").precision == "fp16" and not (tmp_path / "m.int8.xml").exists()
    with pytest.raises(ValueError, match="prefer must be"):
        export(checkpoint, tmp_path / "m", pictures_of(1, 4), lambda encoder: 1.0, prefer="int4")


def test_int8_that_loses_too_much_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def evaluate(encoder: Encoder) -> float:
        return 0.88 if getattr(encoder, "precision", "torch") == "int8" else 0.9

    (tmp_path / "m.int8.xml").write_text("of an older export")
    card = export(checkpoint, tmp_path / "m", pictures_of(1, 2), evaluate, report=told.append)
    assert card["export"]["precision"] == "fp16" and len(card["export"]["refused"]) == 3 and "refused" in told[-1]
    assert not (tmp_path / "m.int8.xml").exists() and DeployedImageEncoder(tmp_path / "m").precision == "fp16"
    assert not (tmp_path / "m.safetensors").exists()
    with pytest.raises(ValueError, match="no int8 files; it has fp16"):
        DeployedImageEncoder(tmp_path / "m", "int8")
    with pytest.raises(ValueError, match="at least one image"):
        export(checkpoint, tmp_path / "m", [], evaluate)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (2000, 3, 3)])
def test_odd_images_have_a_vector(exported: Path, shape: tuple[int, ...]) -> None:
    vector = DeployedImageEncoder(exported, threads=1).encode([np.full(shape, 77, np.uint8)])
    assert vector.shape == (1, 8) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32),
                                   np.zeros((0, 8, 3), np.uint8)], ids=["grey", "rgba", "float", "empty"])
def test_what_is_no_rgb_image_is_refused(exported: Path, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 RGB"):
        DeployedImageEncoder(exported, threads=1).encode([image])


def test_an_image_that_is_none_leaves_the_next_ones_right(exported: Path) -> None:
    encoder, images = DeployedImageEncoder(exported, "fp16", threads=2), pictures_of(4, 5)
    right = encoder.encode(images)
    with pytest.raises(ValueError, match="uint8 RGB"):
        encoder.encode([*images, np.zeros((8, 8), np.uint8)])
    np.testing.assert_array_equal(encoder.encode(images), right)


@pytest.mark.parametrize(("damage", "text"), [
    ("bin", "not the file that its card is about"), ("no bin", "is missing"), ("card", "can't be read"),
    ("no export", "no card of"),
    ("key", "no card of"), ("dimension", "its card says"), ("graph", "no exported image encoder")])
def test_files_that_do_not_belong_together_are_refused(exported: Path, tmp_path: Path, damage: str, text: str) -> None:
    place = copy_of(exported, tmp_path)
    path = exported_model.with_ending(place, ".yaml")
    card = yaml.safe_load(path.read_text())
    weights = exported_model.with_ending(place, ".int8.bin")
    if damage == "bin":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0\1"[:1])
        weights.write_bytes(weights.read_bytes() + b"x")
    elif damage == "no bin":
        weights.unlink()
    elif damage == "graph":
        graph = exported_model.with_ending(place, ".int8.xml")
        graph.write_text("<net/>")
        card["export"]["files"]["int8"][graph.name] = exported_model.file_digest(graph)
    elif damage == "no export":
        del card["export"]
    elif damage == "key":
        del card["export"]["key"]
    elif damage == "dimension":
        card["export"]["dimension"] = 9
    path.write_text("[" if damage == "card" else yaml.safe_dump(card))
    with pytest.raises(ValueError, match=text):
        DeployedImageEncoder(place)


def test_the_encoder_identification_is_the_shipped_one(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported_model, "share_dir", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderMissing, match="objectcentric train image-encoder"):
        make_encoder("identification")
    (tmp_path / "models").mkdir()
    place = copy_of(exported, tmp_path / "models")
    for ending in (".yaml", ".xml", ".bin", ".int8.xml", ".int8.bin"):
        target = tmp_path / "models" / f"identification_image{ending}"
        exported_model.with_ending(place, ending).rename(target)
    card = (tmp_path / "models" / "identification_image.yaml").read_text().replace("mine.v1.", "identification_image.")
    (tmp_path / "models" / "identification_image.yaml").write_text(card)
    assert make_encoder("identification").key.startswith("mine-")


def test_a_robot_needs_no_torch(exported: Path) -> None:
    heavy = ("torch", "timm", "lightly", "lightning", "nncf")
    program = ("import sys, numpy as np\nfrom objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder\n"
               f"vectors = DeployedImageEncoder({str(exported)!r}).encode([np.zeros((9, 5, 3), np.uint8)])\n"
               f"print(vectors.shape, [name for name in {heavy!r} if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[0] == "(1, 8) []"
