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

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from objectcentric_ros.cli import main
from objectcentric_ros.identification import evaluation_rows
from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.fusion import FusionModel
from objectcentric_ros.identification.fusion_recipe import FusionRecipe
from objectcentric_ros.identification.manifest import ManifestRow, write_manifest
from objectcentric_ros.recipe import load_recipe
from objectcentric_ros.verbs.training_options import recipe_file

pytest.importorskip("xgboost")
pytest.importorskip("mapie")
QUICK = {"name": "quick", "folds": 3, "cases": {"candidates": [5, 10], "per_query": 3},
         "trees": {"count": 10, "depth": 3}, "promises": {"targets": [0.5], "draws": 3, "per_query": 2}}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(QUICK))
    return path


def embeddings(path: Path, objects: int = 42) -> Path:
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(objects, 8)), 4, axis=0) + 0.3 * rng.normal(size=(4 * objects, 8))
    vectors = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32)
    ids = np.repeat([f"object{number}" for number in range(objects)], 4)
    EmbeddedSet(ids, np.tile(np.array([0, 0, 1, 3], np.int8), objects), vectors, np.array(["fusion"] * len(ids)),
                np.array([str(row) for row in range(len(ids))]), "image-1").save(path)
    return path


def test_a_model_is_trained_from_embeddings(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "models" / "mine.ubj"
    arguments = ["train", "fusion", str(recipe), "--embeddings", str(embeddings(tmp_path / "set.npz")), "--out", str(out)]
    assert main([*arguments, "--set", "features=distances"]) == 0
    assert "thresholds by precision: 0.5: " in capsys.readouterr().out
    model = FusionModel.load(out)
    assert model.features == "distances" and model.image_key == "image-1" and model.threshold(0.5) is not None


def test_a_dataset_is_encoded_first(recipe: Path, tmp_path: Path, encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_rows, "open_image_encoder", lambda name: encoder)
    rng = np.random.default_rng(0)
    rows = []
    for number, colour in enumerate(rng.integers(0, 256, (40, 3))):
        for index, source in enumerate(("query", "tray")):
            path = tmp_path / f"{number}-{index}.png"
            cv2.imwrite(str(path), np.full((16, 16, 3), colour, np.uint8))
            rows.append(ManifestRow(f"object{number}", source, path.name, split="fusion"))
    rows.append(ManifestRow("other", "query", "0-0.png", split="train"))
    write_manifest(tmp_path / "manifest.csv", rows)
    out = tmp_path / "model.ubj"
    assert main(["train", "fusion", str(recipe), "--data", str(tmp_path), "--out", str(out)]) == 0
    card = FusionModel.load(out).card
    assert card["objects"] == card["queries"] == 40
    assert (card["image_key"], card["text_key"]) == ("mean_colour-1", "") and encoder.images == 80
    assert list((tmp_path / ".cache" / "embeddings").glob("*.npz"))


@pytest.mark.parametrize(("change", "message"), [
    (["--embeddings", "no-such.npz"], "no-such.npz"), (["--out", "model.bin"], ".ubj"), (["--data", "no-folder"], "no-folder"),
    (["--set", "features=colours"], "distances+gaps"), (["--set", "trees.colour=3"], "unknown keys colour")])
def test_bad_orders_are_explained(recipe: Path, change: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "fusion", str(recipe), *change]) == 2
    assert message in capsys.readouterr().err


def test_the_shipped_recipe_is_that_of_the_defaults_but_for_the_size_of_leaves() -> None:
    recipe = load_recipe(recipe_file("fusion", "identification"), FusionRecipe)
    default = FusionRecipe()
    trees = replace(default.trees, min_child_weight=50.0)         # of 837 000 rows; a user's own may be few
    assert (recipe.cases, recipe.trees, recipe.promises) == (default.cases, trees, default.promises)
    assert recipe.data.image.startswith("models/identification_image")
    assert recipe.data.text.startswith("models/identification_text")
