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

"""Exported models: the same descriptors as the trained network's, the accuracy gate, and broken files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from objectcentric_ros.descriptors.deployed import DeployedModel, ModelMissing, load_model
from objectcentric_ros.descriptors.descriptor_image import DescriptorModel, normalised
from objectcentric_ros.geometry.camera import PinholeCamera
from objectcentric_ros.paths import share_dir

torch = pytest.importorskip("torch")
nncf = pytest.importorskip("nncf")
pytest.importorskip("onnx")
pytest.importorskip("timm")

from objectcentric_ros.cli import main  # noqa: E402
from objectcentric_ros.descriptors import export as export_module  # noqa: E402
from objectcentric_ros.descriptors import inference_time  # noqa: E402
from objectcentric_ros.descriptors.export import Sample, export, masked_auc  # noqa: E402
from objectcentric_ros.descriptors.inference_time import inference_times, table  # noqa: E402
from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network, save_network  # noqa: E402
from objectcentric_ros.descriptors.network import DescriptorNetwork, NetworkConfig  # noqa: E402
from objectcentric_ros.descriptors.pairs import Pair  # noqa: E402
from objectcentric_ros.descriptors.views import ObjectView, default_camera, write_view  # noqa: E402

QUIET: Callable[[str], None] = lambda text: None  # noqa: E731


def photograph(seed: int, height: int = 72, width: int = 104) -> NDArray[np.uint8]:
    """Coloured blobs."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def samples(count: int = 3) -> list[Sample]:
    """Images to calibrate with."""
    mask = np.zeros((72, 104), bool)
    mask[10:60, 20:80] = True
    return [Sample(photograph(seed), mask) for seed in range(count)]


def scores(*values: float) -> Callable[[DescriptorModel], float]:
    """An evaluation that gives one value after the other."""
    left = list(values)
    return lambda model: left.pop(0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that nobody trained."""
    torch.manual_seed(0)
    config = NetworkConfig(backbone="test_efficientnet", decoder="pyramid", output_stride=4, dimension=8, keypoints=3, width=16)
    path = tmp_path_factory.mktemp("trained") / "tiny.safetensors"
    save_network(path, DescriptorNetwork(config).eval(), {"name": "tiny"})
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, exported with int8."""
    output = tmp_path_factory.mktemp("exported") / "tiny.v1"      # a name with a dot
    export(checkpoint, output, samples(), scores(0.9, 0.9, 0.895), report=QUIET, onnx=output.parent / "tiny.onnx")
    return output


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Iterator[Path]:
    """The exported files, to be spoilt."""
    for path in exported.parent.iterdir():
        shutil.copy(path, tmp_path)
    yield tmp_path / exported.name


@pytest.mark.parametrize(("height", "width"), [(72, 104), (61, 83), (5, 9)])
def test_sixteen_bit_files_say_what_the_trained_network_says(checkpoint: Path, exported: Path, height: int, width: int) -> None:
    trained, deployed = TorchDescriptorModel(load_network(checkpoint)), load_model(exported, precision="fp16")
    assert deployed.key == trained.key and deployed.dimension == 8
    color = photograph(7)[:height, :width]
    first, second = trained.describe(color), deployed.describe(color)
    assert (second.stride, second.height, second.width, second.unit) == (first.stride, height, width, first.unit)
    assert first.features.shape == second.features.shape and second.features.dtype == np.float32
    assert np.sum(normalised(first.features) * normalised(second.features), axis=2).min() > 0.999
    own, other = trained.keypoints(color), deployed.keypoints(color)
    assert np.allclose(own.points, other.points, atol=0.3) and np.allclose(own.depths, other.depths, atol=0.01)


def test_int8_is_taken_where_it_passed_and_is_nearly_the_same(exported: Path) -> None:
    chosen, exact = load_model(exported), load_model(exported.with_name("tiny.v1.xml"), precision="fp16")
    assert chosen.precision == "int8" and exact.precision == "fp16" and chosen.key == exact.key
    color = photograph(8)
    a, b = chosen.describe(color).features, exact.describe(color).features
    assert not np.array_equal(a, b)
    assert np.sum(normalised(a) * normalised(b), axis=2).mean() > 0.9
    assert (exported.parent / "tiny.onnx").is_file()


def test_the_card_tells_the_figures(exported: Path) -> None:
    card = yaml.safe_load(exported.with_name("tiny.v1.yaml").read_text())
    assert card["name"] == "tiny" and card["network"]["dimension"] == 8
    facts = card["export"]
    assert facts["auc"] == {"torch": 0.9, "fp16": 0.9, "int8": 0.895} and "0.0050 lost" in facts["int8"]
    assert facts["keypoint_shift_px"] >= 0 and facts["agreement"] > 0.999
    basis = load_model(exported).basis
    assert basis is not None and basis.directions.shape == (8, 3)


def test_int8_that_loses_too_much_is_refused(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def quantize(graph: Any, images: Any, **options: Any) -> Any:
        tried.append(options["ignored_scope"])
        return graph
    monkeypatch.setattr(nncf, "quantize", quantize)
    said: list[str] = []
    (tmp_path / "m.int8.xml").write_text("of an earlier export")
    card = export(checkpoint, tmp_path / "m", samples(1), scores(0.9, 0.9, 0.88, 0.889, 0.8899), report=said.append)
    assert card["export"]["precision"] == "fp16" and len(card["export"]["refused"]) == len(tried) == 3
    assert len(tried[1].names) == 4      # the first, and the last of descriptors, logits and depths
    assert sum("int8 refused" in text for text in said) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml", "m.yaml"]
    assert load_model(tmp_path / "m").precision == "fp16"
    with pytest.raises(ValueError, match="has no int8 files"):
        load_model(tmp_path / "m", precision="int8")


def test_the_second_attempt_may_pass_exactly_at_the_limit(
        checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nncf, "quantize", lambda graph, images, **options: graph)
    card = export(checkpoint, tmp_path / "m", samples(1), scores(0.5, 0.5, 0.25, 0.375), max_auc_loss=0.125, report=QUIET)
    assert card["export"]["precision"] == "int8" and "first and last" in card["export"]["int8"]


def test_a_conversion_that_says_something_else_is_refused(
        checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "_agreement", lambda *_: 0.99)
    with pytest.raises(ValueError, match="not the trained one's"):
        export(checkpoint, tmp_path / "m", samples(1), scores(), report=QUIET)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="at least one image"):
        export(checkpoint, tmp_path / "m", [], scores(), report=QUIET)


def test_a_network_without_keypoints_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nncf, "quantize", lambda graph, images, **options: graph)
    config = NetworkConfig(backbone="test_resnet", decoder="identity", output_stride=8, dimension=3)
    save_network(tmp_path / "m.safetensors", DescriptorNetwork(config).eval(), {})
    card = export(tmp_path / "m.safetensors", tmp_path / "m", samples(1), scores(0.5, 0.5, 0.5), report=QUIET)
    assert card["export"]["keypoint_shift_px"] is None and card["network"]["backbone"] == "test_resnet"
    load_network(tmp_path / "m.safetensors")      # its card is the exported one's now
    with pytest.raises(ValueError, match="no keypoints"):
        load_model(tmp_path / "m").keypoints(photograph(1))


def test_keypoints_stay_on_the_mask(exported: Path) -> None:
    mask = np.zeros((72, 104), bool)
    mask[60:68, 80:88] = True
    model = load_model(exported)
    points = model.keypoints(photograph(3), mask).points
    assert np.all(np.abs(points - [84, 64]) <= 8)
    with pytest.raises(ValueError, match="the mask is empty"):
        model.keypoints(photograph(3), np.zeros((72, 104), bool))


def test_many_threads_and_sizes_get_their_own_results(exported: Path) -> None:
    model = load_model(exported, precision="fp16")
    images = [photograph(seed)[:72 - 8 * (seed % 6), :96] for seed in range(12)]
    alone = [model.describe(image).features for image in images]
    found: list[Any] = [None] * len(images)

    def work(index: int) -> None:
        found[index] = model.describe(images[index]).features
    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(alone, found, strict=True))
    assert len(model._compiled) <= 4


def test_missing_models_are_named() -> None:
    with pytest.raises(ModelMissing, match=r"no exported descriptor model 'nowhere'.*objectcentric export descriptors"):
        load_model("nowhere")


def _without_bin(place: Path) -> None:
    place.with_name("tiny.v1.int8.bin").unlink()


def _cut(place: Path) -> None:
    path = place.with_name("tiny.v1.int8.bin")
    path.write_bytes(path.read_bytes()[:1000])


def _not_yaml(place: Path) -> None:
    place.with_name("tiny.v1.yaml").write_text("export: [")


def _trained_anew(place: Path) -> None:
    place.with_name("tiny.v1.yaml").write_text("name: tiny")


def _other_dimension(place: Path) -> None:
    path = place.with_name("tiny.v1.yaml")
    path.write_text(path.read_text().replace("dimension: 8", "dimension: 9"))


@pytest.mark.parametrize(("spoil", "text"), [
    (_without_bin, "int8.bin is missing"), (_cut, "not the file that its card is about"), (_not_yaml, "can't be read"),
    (_trained_anew, "no card of an exported model"), (_other_dimension, "its card says 9")])
def test_broken_files_are_named(copy: Path, spoil: Callable[[Path], None], text: str) -> None:
    spoil(copy)
    with pytest.raises(ValueError, match=text):
        load_model(copy)


@pytest.mark.parametrize("color", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused(exported: Path, color: Any) -> None:
    with pytest.raises(ValueError, match="uint8 RGB images"):
        load_model(exported).describe(color)


def test_only_what_is_asked_for_is_computed(exported: Path) -> None:
    model = load_model(exported)
    model.describe(photograph(1))
    ((use, *_), compiled), = model._compiled.items()
    assert use == "descriptors" and compiled._count == 1
    assert isinstance(model, DeployedModel)


def test_masked_auc_of_perfect_descriptors_is_one_and_of_none_is_chance() -> None:
    class Position:
        key, dimension = "position", 3

        def describe(self, color: NDArray[np.uint8]) -> Any:
            from objectcentric_ros.descriptors.descriptor_image import DescriptorImage
            return DescriptorImage(color.astype(np.float32), 1, *color.shape[:2])

    v, u = np.mgrid[:48, :64]
    color = np.stack([u * 3, v * 3, u * 0], axis=2).astype(np.uint8)      # every pixel has a colour of its own
    camera = default_camera(64, 48)
    mask = np.ones((48, 64), bool)
    matches = np.array([[10.0, 12.0], [40.0, 30.0]])
    pair = Pair(color, color, mask, mask, camera, camera, None, None, matches, matches, None, 0.0, "exact", "x")
    assert masked_auc(Position(), [pair]) == 1.0
    shifted = Pair(color, np.roll(color, 5, axis=1), mask, mask, camera, camera, None, None, matches, matches, None, 0.0, "exact",
                   "x")
    # 5 px of a frame 64 wide are 50 px of the fixed one: thresholds 50 to 100 pass.
    assert masked_auc(Position(), [shifted]) == pytest.approx(0.51)


def test_times_have_a_row_for_each_program(checkpoint: Path, exported: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    rows = inference_times(checkpoint, exported, height=48, width=64, threads=1, repeats=2)
    assert [row.name for row in rows] == ["torch fp32", "OpenVINO fp32", "OpenVINO int8"]
    assert all(0 < row.best <= row.median for row in rows) and [row.auc for row in rows] == [0.9, 0.9, 0.895]
    assert table(rows).splitlines()[2].split("|")[4].strip() == "1.0" and torch.get_num_threads() == threads
    other = tmp_path / "other.safetensors"
    torch.manual_seed(1)
    save_network(other, DescriptorNetwork(load_network(checkpoint).config).eval(), {})
    with pytest.raises(ValueError, match="export it anew"):
        inference_times(other, exported, repeats=1)


def test_running_an_exported_model_needs_no_training_package() -> None:
    program = ("import sys, objectcentric_ros.descriptors.deployed as d; "
               "print(*[name for name in ('torch', 'timm', 'nncf', 'onnx') if name in sys.modules])")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=share_dir(), timeout=60)
    assert result.returncode == 0 and result.stdout.split() == []


def test_the_verb_exports_with_views_of_a_folder(
        checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(nncf, "quantize", lambda graph, images, **options: graph)
    row = inference_time.InferenceTime("x", 1.0, 2.0, 0.5)
    monkeypatch.setattr(inference_time, "inference_times", lambda *_, **options: [row])
    mask = np.zeros((72, 104), bool)
    mask[10:60, 20:80] = True
    camera = PinholeCamera(104, 72, 90.0, 90.0, 51.5, 35.5)
    write_view(tmp_path / "views", ObjectView(photograph(1), mask, camera, instance="x", name="0"))
    shutil.copy(checkpoint, tmp_path / "mine.safetensors")
    shutil.copy(checkpoint.with_suffix(".yaml"), tmp_path / "mine.yaml")
    command = ["export", "descriptors", str(tmp_path / "mine.safetensors"), "--images", "2", "--pairs", "1"]
    assert main(command) == 2 and "name views with --views" in capsys.readouterr().err
    assert main([*command, "--views", str(tmp_path / "views")]) == 0
    said = capsys.readouterr().out
    assert "int8 passed" in said and "| x | 1000.0 | 2000.0 |" in said
    assert load_model(tmp_path / "mine").precision == "int8"


def test_verbs_refuse_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "descriptors", str(tmp_path / "m.safetensors")]) == 2
    assert "there is no trained network" in capsys.readouterr().err
    assert main(["benchmark", "inference", str(tmp_path / "m.safetensors")]) == 2
    assert "no trained descriptor network" in capsys.readouterr().err
