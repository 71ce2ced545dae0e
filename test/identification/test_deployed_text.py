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

"""Text encoders as robots have them: the same vectors as the trained tower's, without PyTorch."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from objectcentric_ros.identification import deployed_text, text_export
from objectcentric_ros.identification.deployed_text import (
    DeployedTextEncoder,
    TextModelMissing,
    make_text_encoder,
    prepared_titles,
)
from objectcentric_ros.identification.text_export import export_text
from objectcentric_ros.identification.text_model import TorchTextEncoder, save_text_tower
from objectcentric_ros.identification.text_recipe import TowerConfig
from objectcentric_ros.identification.text_tower import TextTower, make_tokenizer
from objectcentric_ros.identification.title import TitleTooLong

TITLES = ["Red mug, 330 ml", "1,000 pieces!", "Crème brûlée", "红色杯子，330毫升", "кружка", "قدح أحمر", "x", "word " * 90]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TorchTextEncoder, Path]:
    """A small tower with its checkpoint."""
    torch.manual_seed(0)
    config = TowerConfig(start="scratch", tokens=16, width=32, heads=2, layers=2)
    encoder = TorchTextEncoder(TextTower(config, 24), make_tokenizer(config), "images-1")
    checkpoint = tmp_path_factory.mktemp("trained") / "text.safetensors"
    save_text_tower(checkpoint, encoder, {"name": "small"})
    return encoder, checkpoint


@pytest.fixture(scope="module")
def place(trained: tuple[TorchTextEncoder, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tower exported."""
    place = tmp_path_factory.mktemp("exported") / "titles"
    export_text(trained[1], place, TITLES, report=lambda text: None)
    return place


def test_deployed_vectors_are_the_trained_ones(trained: tuple[TorchTextEncoder, Path], place: Path) -> None:
    deployed = make_text_encoder(f"{place}.xml", threads=1)
    cosines = np.sum(deployed.encode(TITLES) * trained[0].encode(TITLES), axis=1)
    assert cosines.min() > 1 - 1e-2
    assert deployed.dimension == 24
    assert deployed.image_key == "images-1"
    assert deployed.key == trained[0].key      # one space, one key: galleries and evaluations may hold either's vectors


def test_order_and_batches_make_no_difference(place: Path) -> None:
    titles = [f"{word} {number}" for number in range(20) for word in ("mug", "a much longer title of a red mug")]
    alone = DeployedTextEncoder(place, threads=1)
    one_by_one = np.concatenate([alone.encode([title]) for title in titles])
    np.testing.assert_allclose(DeployedTextEncoder(place, threads=1).encode(titles), one_by_one, atol=1e-5)


def test_a_title_is_encoded_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = DeployedTextEncoder(place, threads=1)
    first = deployed.encode(["red mug, large", "blue mug"])
    tokenizer, seen = deployed._tokenizer, []

    class Counting:
        def encode_batch(self, titles: list[str]) -> list[object]:
            seen.extend(titles)
            return tokenizer.encode_batch(titles)

    monkeypatch.setattr(deployed, "_tokenizer", Counting())
    again = deployed.encode(["blue mug", "Red  mug, small", "red mug, small"])
    assert seen == ["Red mug"]
    np.testing.assert_array_equal(again[[0, 2]], first[[1, 0]])


def test_cache_ends_somewhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed_text, "MOST_CACHED", 5)
    deployed = DeployedTextEncoder(place, threads=1)
    titles = [f"mug {number}" for number in range(9)]
    assert deployed.encode(titles).shape == (9, 24)
    assert list(deployed._known) == titles[-5:]


def test_threads_may_share_an_encoder(place: Path) -> None:
    deployed = DeployedTextEncoder(place, threads=1)
    titles = [[f"{thread} mug {number}" for number in range(30)] for thread in range(4)]
    found: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda number=number: found.update({number: deployed.encode(titles[number])}))
               for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other = DeployedTextEncoder(place, threads=1)
    for number in range(4):
        np.testing.assert_allclose(found[number], other.encode(titles[number]), atol=1e-5)


@pytest.mark.parametrize(("titles", "words"), [
    ([""], "empty"), (["  \n"], "empty"), (["mug", None], "empty"), (["a" * 100_000], "100000 characters"),
    ("mug", "a list of titles"), (["mug \ud800"], "not valid Unicode"),
])
def test_bad_titles_are_refused_and_nothing_is_kept(place: Path, titles: list[str], words: str) -> None:
    deployed = DeployedTextEncoder(place, threads=1)
    with pytest.raises(ValueError, match=words):
        deployed.encode(titles)
    assert not deployed._known


def test_no_titles_are_no_vectors(place: Path) -> None:
    assert DeployedTextEncoder(place, threads=1).encode([]).shape == (0, 24)


def test_too_long_has_its_own_error() -> None:
    with pytest.raises(TitleTooLong):
        prepared_titles(["a" * 100_000], truncate=False)


def test_truncation_is_part_of_the_model() -> None:
    assert prepared_titles(["Red mug, 330 ml"], truncate=True) == ["Red mug"]
    assert prepared_titles(["Red mug, 330  ml"], truncate=False) == ["Red mug, 330 ml"]


@pytest.mark.parametrize("ending", [".xml", ".bin", "_tokenizer.json"])
def test_files_of_another_model_are_refused(place: Path, tmp_path: Path, ending: str) -> None:
    for path in place.parent.glob("titles*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / f"titles{ending}"
    damaged.write_bytes(damaged.read_bytes() + b" ")
    with pytest.raises(ValueError, match=f"{ending} is not the file that its card is about"):
        DeployedTextEncoder(tmp_path / "titles")
    damaged.unlink()
    with pytest.raises(ValueError, match="missing|no exported text encoder"):
        make_text_encoder(str(tmp_path / "titles")) if ending == ".xml" else DeployedTextEncoder(tmp_path / "titles")


def test_card_of_another_width_is_refused(place: Path, tmp_path: Path) -> None:
    for path in place.parent.glob("titles*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = yaml.safe_load((tmp_path / "titles.yaml").read_text())
    card["export"]["dimension"] = 25
    (tmp_path / "titles.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(ValueError, match="its card says 25"):
        DeployedTextEncoder(tmp_path / "titles")


def test_a_missing_model_says_how_it_is_made() -> None:
    with pytest.raises(TextModelMissing, match="train text-encoder"):
        make_text_encoder("no_such_model")


def test_a_broken_checkpoint_is_not_exported(trained: tuple[TorchTextEncoder, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no trained text tower"):
        export_text(tmp_path / "nothing.safetensors", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_export_refuses_vectors_that_turned(trained: tuple[TorchTextEncoder, Path], tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_export, "_compressed", lambda graph: graph)      # takes longest, and isn't what this is about
    monkeypatch.setattr(text_export, "AGREEMENT", 1.1)
    with pytest.raises(ValueError, match="not the trained one's"):
        export_text(trained[1], tmp_path / "out" / "titles", report=lambda text: None)
    assert not (tmp_path / "out").exists()


def test_robots_need_no_training_library() -> None:
    heavy = ("torch", "transformers", "open_clip", "lightning", "nncf")
    module = "objectcentric_ros.identification.deployed_text"
    program = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
