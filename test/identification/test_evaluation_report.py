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

import argparse
import dataclasses
import html.parser
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objectcentric_ros.identification import encoder as encoders
from objectcentric_ros.identification.evaluation_recipe import EvaluationRecipe, RowConfig
from objectcentric_ros.identification.evaluation_rows import NotHere, find, missing
from objectcentric_ros.identification.evaluation_tables import Table
from objectcentric_ros.identification.fusion import write_model
from objectcentric_ros.identification.manifest import ManifestRow, read_manifest, write_manifest
from objectcentric_ros.paths import share_dir
from objectcentric_ros.recipe import load_recipe
from objectcentric_ros.verbs import evaluate_identification

EVIL = "<script>alert('title')</script> & \"more\" | pipe"
RECIPE = """
name: colours
main: "mean colour <b>"
data: {folder: out/nowhere, objects: 12, seed: 3}
cases: {candidates: [4, 6], per_query: 2, seed: 0}
bootstrap: {replicates: 20}
rows:
  - {name: "mean colour <b>", image: mean_colour, tables: [I], note: "a sentence & more."}
  - {name: trained later, image: out/none.safetensors, text: out/none.xml, tables: [I, III], train: objectcentric train it}
fusions:
  - {name: fused, model: out/none.ubj, train: objectcentric train fusion fusion}
scenarios:
  - {coverage: [70, 85, 100, 100]}
  - {coverage: [25, 50, 0, 100], group: ablation}
failures: {kinds: [white_bag], examples: 6}
"""


class MeanColour:
    key = "mean-1"
    dimension = 3

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        means = np.array([image.reshape(-1, 3).mean(axis=0) for image in images], np.float32) - 127.5
        return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data")
    rows, facts = [], ["object_id,title,kind,family"]
    for number in range(12):
        name, colour = f"o{number:02}", rng.integers(0, 256, 3)
        for source, count, noise in (("query", 3, 45), ("tray", 2, 20), ("bin", 2, 70), ("catalog", 1, 90)):
            for copy in range(count):
                image = np.clip(colour + rng.normal(0, noise, 3), 0, 255).astype(np.uint8) * np.ones((24, 18, 1), np.uint8)
                cv2.imwrite(str(folder / f"{name}_{source}_{copy}.jpg"), image)
                rows.append(ManifestRow(name, source, f"{name}_{source}_{copy}.jpg", split="test"))
        rows.append(ManifestRow(name, "text", text=f"{EVIL} {number}", split="test"))
        facts.append(f'{name},"{EVIL.replace(chr(34), chr(34) * 2)} {number}",{"white_bag" if number < 4 else "can"},f{number}')
    write_manifest(folder / "manifest.csv", rows)
    (folder / "objects.csv").write_text("\n".join(facts) + "\n")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encoders.ENCODERS, "mean_colour", MeanColour)
        yield tmp_path_factory.mktemp("evaluation")


@pytest.fixture
def recipe(place: Path) -> Path:
    path = place / "colours.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def output(place: Path, dataset: Path) -> Path:
    """A finished evaluation, to be read."""
    (place / "finished.yaml").write_text(RECIPE)
    return evaluated(place / "finished.yaml", dataset, place)


def called(*words: str) -> int:
    parser = argparse.ArgumentParser()
    evaluate_identification.add_arguments(parser)
    return evaluate_identification.run(parser.parse_args(list(words)))


def evaluated(recipe: Path, dataset: Path, tmp_path: Path, *more: str) -> Path:
    output = tmp_path / "report"
    assert called(str(recipe), "--data", str(dataset), "--out", str(output), "--cache", str(tmp_path / "cache"), *more) == 0
    return output


class Page(html.parser.HTMLParser):
    """Collects what a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_command_writes_figures_tables_plots_and_a_page(
        recipe: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = evaluated(recipe, dataset, tmp_path, "--json", str(tmp_path / "sub" / "figures.json"))
    figures = json.loads((tmp_path / "sub" / "figures.json").read_text())
    assert figures == json.loads((output / "figures.json").read_text())
    assert set(figures["per_source_top1"]) == {"mean colour <b>"}
    assert figures["per_source_top1"]["mean colour <b>"]["text"] is None
    assert {"name", "method", "precision_at_100", "precision_at_90", "id_rate_at_99", "aurc"} <= set(figures["scenarios"][0])
    assert {"auroc", "false_accept_at_95"} <= set(figures["open_set"])
    assert figures["protocol"]["seed"] == 0 and figures["counts"]["cases"] == 12 * 3 * 2
    names = {path.name for path in output.iterdir()}
    assert names >= {"report.html", "tables.md", "coverage.png", "ablation.png", "distances.png"}
    printed = capsys.readouterr()
    assert "Table I" in printed.out and str(output / "report.html") in printed.out
    assert "trained later is not here" in printed.err and "objectcentric train it" in printed.err


def test_what_is_missing_is_listed_with_its_command(output: Path) -> None:
    absent = json.loads((output / "figures.json").read_text())["not_here"]
    assert [(one["name"], one["command"]) for one in absent] == [
        ("trained later", "objectcentric train it"), ("fused", "objectcentric train fusion fusion")]
    tables = (output / "tables.md").read_text()
    assert "| trained later | not here | not here | not here |" in tables and "`objectcentric train it` makes it" in tables
    page = Page((output / "report.html").read_text())
    assert "objectcentric train it" in page.texts and "not here" in page.texts


def test_the_page_stands_alone_and_runs_nothing_of_a_title(output: Path) -> None:
    text = (output / "report.html").read_text()
    page = Page(text)
    assert "script" not in page.tags and "<script>" not in text
    assert any("<script>alert('title')</script>" in part for part in page.texts)          # shown as text
    assert page.sources and all(source.startswith("data:image/") for source in page.sources)
    assert sum(source.startswith("data:image/jpeg") for source in page.sources) >= 6
    assert not re.search(r"https?://|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text


def test_a_seed_changes_the_cases_and_embeddings_are_kept(
        output: Path, recipe: Path, dataset: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: MeanColour, images: Any) -> Any:
        raise AssertionError("encoded again")
    monkeypatch.setattr(MeanColour, "encode", broken)
    first = json.loads((output / "figures.json").read_text())
    other = json.loads((evaluated(recipe, dataset, tmp_path, "--seed", "7", "--cache", str(place / "cache"))
                        / "figures.json").read_text())
    assert first["protocol"]["seed"] == 0 and other["protocol"]["seed"] == 7
    assert other["scenarios"][0]["aurc"] != first["scenarios"][0]["aurc"]


def test_missing_data_are_answered_with_the_command_that_makes_them(
        recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(str(recipe), "--data", str(tmp_path / "none"), "--out", str(tmp_path / "report")) == 2
    error = capsys.readouterr().err
    assert f"objectcentric dataset identification --out {tmp_path / 'none'} --objects 12 --seed 3" in error
    assert not (tmp_path / "report").exists()


def test_a_split_without_objects_and_an_unknown_row_are_errors(
        recipe: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(str(recipe), "--data", str(dataset), "--split", "fusion") == 2
    assert "split fusion" in capsys.readouterr().err
    assert called(str(recipe), "--data", str(dataset), "--only", "nobody") == 2
    assert "trained later" in capsys.readouterr().err


def test_objects_that_are_in_other_splits_too_are_counted(
        recipe: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "data"
    shutil.copytree(dataset, other)
    rows = read_manifest(dataset).rows
    write_manifest(other / "manifest.csv", [*rows, *(dataclasses.replace(row, split="train") for row in rows[:30])])
    figures = json.loads((evaluated(recipe, other, tmp_path) / "figures.json").read_text())
    assert figures["counts"]["objects_in_other_splits"] == len({row.object_id for row in rows[:30]}) > 1
    assert "are in other splits as well" in capsys.readouterr().err


def test_a_missing_main_row_says_how_it_is_made_before_anything_is_encoded(
        recipe: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(self: MeanColour, images: Any) -> Any:
        raise AssertionError("encoded")
    monkeypatch.setattr(MeanColour, "encode", broken)
    recipe.write_text(RECIPE.replace('main: "mean colour <b>"', "main: trained later"))
    assert called(str(recipe), "--data", str(dataset), "--cache", str(tmp_path)) == 2
    assert "objectcentric train it" in capsys.readouterr().err


def test_a_row_that_breaks_is_told_and_the_others_go_on(
        recipe: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(MeanColour):
        key = "broken-1"

        def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            return np.full((len(images), 3), np.nan, np.float32)
    monkeypatch.setitem(encoders.ENCODERS, "broken", Broken)
    recipe.write_text(RECIPE.replace("rows:\n", "rows:\n  - {name: broken one, image: broken}\n"))
    figures = json.loads((evaluated(recipe, dataset, tmp_path) / "figures.json").read_text())
    assert "not finite" in next(one["reason"] for one in figures["not_here"] if one["name"] == "broken one")
    assert set(figures["per_source_top1"]) == {"mean colour <b>"}


def test_the_shipped_recipe_is_valid_and_says_how_everything_is_made() -> None:
    recipe = load_recipe(share_dir() / "config" / "benchmark" / "identification_shipped.yaml", EvaluationRecipe)
    assert [scenario.name for scenario in recipe.scenarios][:3] == ["70-85-100-100", "50-70-100-100", "25-50-100-100"]
    assert {name for row in recipe.rows for name in row.tables} == {"I", "II", "III"}
    assert [fusion.name for fusion in recipe.fusions][0] == "fused"
    assert any(row.image == "efficientnet_lite0" and "I" in row.tables for row in recipe.rows)
    for part in (*recipe.rows, *recipe.fusions):
        assert part.train.startswith("objectcentric ") or getattr(part, "image", "") == "efficientnet_lite0"


def test_files_are_found_here_or_in_the_share_folder(tmp_path: Path) -> None:
    (tmp_path / "a.ubj").touch()
    assert find(str(tmp_path / "a.ubj")) == tmp_path / "a.ubj" and find("package.xml") is not None and find("none.ubj") is None
    row = RowConfig("r", "efficientnet_lite0", str(tmp_path / "b.xml"), train="make it")
    assert missing(row) == NotHere("r", (str(tmp_path / "b.xml"),), "make it")
    assert missing(RowConfig("r", "efficientnet_lite0")) is None


def test_markdown_keeps_pipes_inside_cells() -> None:
    lines = Table("T", ("a|b", "c"), (("x", "1.0"),), ("note",)).markdown().splitlines()
    assert lines[2] == "| a\\|b | c |" and lines[3] == "| --- | ---: |" and lines[-1] == "note"


def fusion_model(path: Path, image_key: str = "mean-1", quarter_turns: int = 1, views: bool = False) -> Path:
    """Trees that like short distances."""
    import xgboost

    rng = np.random.default_rng(0)
    distances = rng.random((600, 4))
    labels = (distances.mean(axis=1) < 0.4).astype(int)
    options = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    booster = xgboost.train(options, xgboost.DMatrix(distances, labels), 15)
    write_model(path, booster, {
        "features": "distances", "temperature": 1.0, "none_weight": 1.0, "thresholds": {0.9: 0.6, 0.99: None},
        "image_key": image_key, "text_key": "", "quarter_turns": quarter_turns, "views": views})
    return path


def test_a_fusion_model_is_measured_beside_the_nearest_reference(recipe: Path, dataset: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("out/none.ubj", str(fusion_model(tmp_path / "fusion.ubj"))))
    output = evaluated(recipe, dataset, tmp_path)
    figures = json.loads((output / "figures.json").read_text())
    assert {entry["method"] for entry in figures["scenarios"]} == {"min_distance", "fused"}
    assert figures["open_set"]["method"] == "fused" and len(figures["margins"]) == 2
    assert {entry["promised"] for entry in figures["thresholds"]} == {0.9, 0.99}
    tables = (output / "tables.md").read_text()
    assert "none can promise it" in tables and "fused minus min_distance" in tables
    assert (output / "reliability.png").is_file() and "% sure" in (output / "report.html").read_text()


@pytest.mark.parametrize(("change", "said"), [({"image_key": "other-1"}, "other-1"), ({"quarter_turns": 4}, "4 orientations"),
                                              ({"views": True}, "trained with views of references")])
def test_a_fusion_model_of_other_distances_is_refused(
        change: dict[str, Any], said: str, recipe: Path, dataset: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(RECIPE.replace("out/none.ubj", str(fusion_model(tmp_path / "fusion.ubj", **change))))
    assert called(str(recipe), "--data", str(dataset), "--out", str(tmp_path / "report"), "--cache", str(tmp_path)) == 2
    assert said in capsys.readouterr().err
