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

"""Several encoders as one: what its cosines are, what its projection keeps, its files, and the robot's copy of it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("timm")
pytest.importorskip("nncf")

import torch
import yaml

from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder
from objectcentric_ros.identification.image_export import export
from objectcentric_ros.identification.image_model import load_encoder, load_network, load_torch_encoder, save_encoder
from objectcentric_ros.identification.image_network import ImageEncoder
from objectcentric_ros.identification.image_recipe import ImageNetworkConfig
from objectcentric_ros.identification.image_validation import spread_rows
from objectcentric_ros.identification.joined_encoder import JoinedEncoder, JoinedRecipe, principal_directions
from objectcentric_ros.identification.joined_training import join_encoders
from objectcentric_ros.identification.manifest import Manifest
from objectcentric_ros.paths import share_dir
from objectcentric_ros.recipe import load_recipe
from objectcentric_ros.verbs import train_joined_encoder

TINY = ImageNetworkConfig(backbone="test_efficientnet", side=32, embedding=8, mean=(127.0,) * 3, std=(128.0,) * 3)


def encoder_of(seed: int, **changes: int) -> ImageEncoder:
    torch.manual_seed(seed)
    return ImageEncoder(dataclasses.replace(TINY, **changes)).eval()


@pytest.fixture
def parts(tmp_path: Path) -> tuple[str, str]:
    for name, encoder in (("a", encoder_of(1)), ("b", encoder_of(2, embedding=6))):
        save_encoder(tmp_path / f"{name}.safetensors", encoder, {"name": name, "starting_weights": f"those of {name}"})
    return str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")


def cosines(vectors: torch.Tensor) -> np.ndarray:
    unit = torch.nn.functional.normalize(vectors, dim=1)
    return (unit @ unit.T).detach().numpy()


def test_a_cosine_is_the_mean_of_the_parts_cosines() -> None:
    parts, images = [encoder_of(1), encoder_of(2, embedding=6)], torch.rand(5, 3, 32, 32) * 255
    joined = JoinedEncoder(parts)
    assert (joined.dimension, joined.side) == (14, 32)
    expected = (cosines(parts[0](images)) + cosines(parts[1](images))) / 2
    np.testing.assert_allclose(cosines(joined(images)), expected, atol=1e-5)
    np.testing.assert_allclose(joined.whole(images).norm(dim=1).detach(), 1, atol=1e-5)


def test_principal_directions_keep_the_products_of_vectors_that_lie_in_few_of_them() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(9, 3)))[0]
    vectors = rng.normal(size=(40, 3)) @ basis.T
    rows = principal_directions(vectors, 3)
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-5)
    np.testing.assert_allclose((vectors @ rows.T) @ (vectors @ rows.T).T, vectors @ vectors.T, atol=1e-4)
    # One direction of two crossed lines is the longer one, and its sign doesn't depend on the vectors'.
    cross = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(principal_directions(cross, 1), [[1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(principal_directions(-cross, 1), [[1.0, 0.0]], atol=1e-6)
    with pytest.raises(ValueError, match="can't be had of 3 vectors"):
        principal_directions(rng.normal(size=(3, 9)), 3)


def test_what_does_not_go_together_is_not_joined() -> None:
    with pytest.raises(ValueError, match="got 1 for 32 px"):
        JoinedEncoder([encoder_of(1)])
    with pytest.raises(ValueError, match="got 2 for 32, 48 px"):
        JoinedEncoder([encoder_of(1), encoder_of(2, side=48)])
    with pytest.raises(ValueError, match="16 numbers together, 17"):
        JoinedEncoder([encoder_of(1), encoder_of(2)], 17)
    with pytest.raises(ValueError, match="two encoders or more"):
        JoinedRecipe(parts=("a",))
    with pytest.raises(ValueError, match="images more than that"):
        JoinedRecipe(parts=("a", "b"), dimension=10, images=10)


def test_the_shipped_recipe_is_that_of_the_shipped_encoder() -> None:
    recipe = load_recipe(share_dir() / "config" / "identification" / "joined_cpu.yaml", JoinedRecipe)
    card = yaml.safe_load((share_dir() / "models" / "identification_image.yaml").read_text())
    assert (card["name"], card["dimension"]) == (recipe.name, recipe.dimension)
    assert [Path(part).stem for part in recipe.parts] == [part["name"] for part in card["parts"]]


def test_a_joined_encoder_is_one_file_that_comes_back(parts: tuple[str, str], pictures: Manifest, tmp_path: Path) -> None:
    output, told = tmp_path / "both.safetensors", []
    card = join_encoders(JoinedRecipe("both", parts, dimension=5, images=20), pictures, output, lambda *at: told.append(at))
    assert told[-1] == (44, 44) and card["images"] == 20 and set(card["validation_split"]["after"]) >= {"tray", "bin", "mean"}
    written = yaml.safe_load(output.with_suffix(".yaml").read_text())
    assert [part["name"] for part in written["parts"]] == ["a", "b"] and written["dimension"] == 5
    joined, again = load_network(output), load_torch_encoder(output)
    assert isinstance(joined, JoinedEncoder) and again.key == written["key"] and again.dimension == 5
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32)).astype(np.float32))
    with torch.no_grad():
        for name, member in zip(parts, joined.members, strict=True):
            np.testing.assert_allclose(member(images), load_encoder(Path(name))(images), atol=1e-5)
        expected = joined.whole(images).numpy() @ joined.directions.numpy().T
    seen = again.encode([np.ascontiguousarray(image.permute(1, 2, 0).numpy().astype(np.uint8)) for image in images])
    np.testing.assert_allclose(seen, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    for open_it in (lambda: load_encoder(output), lambda: load_torch_encoder(output, features=48)):
        with pytest.raises(ValueError, match="joined of 2 encoders"):
            open_it()
    # Other weights of one part are another space.
    save_encoder(Path(parts[0]), encoder_of(3), {"name": "a"})
    join_encoders(JoinedRecipe("both", parts, dimension=5, images=20), pictures, output)
    assert load_torch_encoder(output).key != again.key


def test_robots_get_a_joined_encoder_as_any_other(parts: tuple[str, str], pictures: Manifest, tmp_path: Path) -> None:
    join_encoders(JoinedRecipe("both", parts, dimension=0), pictures, tmp_path / "both.safetensors")
    images = [np.random.default_rng(seed).integers(0, 256, (40, 30, 3), np.uint8) for seed in range(4)]
    export(tmp_path / "both.safetensors", tmp_path / "robot" / "both", images, lambda encoder: 1.0, report=lambda text: None)
    deployed = DeployedImageEncoder(tmp_path / "robot" / "both", "fp16")
    trained = load_torch_encoder(tmp_path / "both.safetensors")
    assert (deployed.key, deployed.dimension) == (trained.key, 14)
    np.testing.assert_allclose(deployed.encode(images), trained.encode(images), atol=5e-3)


def test_spread_rows_takes_all_sources_of_the_training_split(pictures: Manifest) -> None:
    rows = spread_rows(pictures, 12)
    assert len(rows) == 12 and {row.split for row in rows} == {"train"} and {row.source for row in rows} == {
        "query", "tray", "bin", "catalog"}
    with pytest.raises(ValueError, match="no image of the split train"):
        spread_rows(pictures.select("fusion"), 12)


def test_the_verb_says_what_is_missing(parts: tuple[str, str], pictures: Manifest, tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    train_joined_encoder.add_arguments(parser)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"name": "both", "parts": list(parts), "dimension": 4, "images": 16}))
    arguments = ["--data", str(pictures.root), "--out", str(tmp_path / "both.safetensors")]
    assert train_joined_encoder.run(parser.parse_args([str(recipe), *arguments])) == 0
    assert "joined of 2 encoders" in capsys.readouterr().out
    Path(parts[1]).unlink()
    assert train_joined_encoder.run(parser.parse_args([str(recipe), *arguments])) == 2
    assert "b.safetensors is no trained image encoder" in capsys.readouterr().err
    assert train_joined_encoder.run(parser.parse_args([str(recipe), *arguments, "--out", "both.onnx"])) == 2
    assert "must be a .safetensors file" in capsys.readouterr().err
