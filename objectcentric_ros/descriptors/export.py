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

"""Trained descriptors for the robot: PyTorch to ONNX to OpenVINO, and to int8 where that costs no accuracy."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
import yaml
from numpy.typing import NDArray
from openvino.preprocess import PrePostProcessor
from torch import Tensor, nn

from objectcentric_ros.descriptors.deployed import DeployedModel
from objectcentric_ros.descriptors.descriptor_image import DescriptorModel, normalised
from objectcentric_ros.descriptors.matching import match
from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network
from objectcentric_ros.descriptors.network import DescriptorNetwork, NetworkConfig
from objectcentric_ros.descriptors.painting import PcaBasis
from objectcentric_ros.descriptors.pairs import Pair
from objectcentric_ros.descriptors.pck import auc, pixel_errors
from objectcentric_ros.exported_model import card_path, file_digest

TRACED = (96, 128)            # image that the network is traced with; the graph takes any size
OPSET = 17
AGREEMENT = 0.999             # mean cosine between the trained network's descriptors and the converted one's
MATCHES = 64                  # of a pair, for the gate
CONVOLUTIONS = ("Convolution", "GroupConvolution", "MatMul")

Evaluate = Callable[[DescriptorModel], float]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """An image to calibrate with: (H, W, 3) uint8 RGB and the (H, W) mask of its object."""

    color: NDArray[np.uint8]
    mask: NDArray[np.bool_]


@dataclass
class _Gate:
    """What the precisions scored, and what became of int8."""

    scores: dict[str, float]
    precision: str = "fp16"
    verdict: str = ""
    refused: list[str] = field(default_factory=list)
    keypoint_shift: float | None = None


def export(checkpoint: Path, output: Path, calibration: Sequence[Sample], evaluate: Evaluate, *, max_auc_loss: float = 0.01,
           onnx: Path | None = None, report: Report = print) -> dict[str, Any]:
    """Write a trained network as OpenVINO files with a card; see deployed for what they are.

    int8 is written only when its score is within max_auc_loss of the trained network's: everything quantised is tried first,
    then all but the first and the last layers, then the backbone alone; when none passes, robots use the files of 16 bits.

    Args:
        checkpoint: NAME.safetensors with its card.
        output: path without ending; the card becomes OUTPUT.yaml, the checkpoint's with the section "export".
        calibration: images as the robot sees them, one or more.
        evaluate: masked AUC of a model, 0..1; of data that isn't held out.
        max_auc_loss: largest loss of it.
        onnx: keep the ONNX file here; None: it is removed.
        report: told what happens.

    Returns:
        The card.

    Raises:
        ValueError: the checkpoint can't be read, there is no calibration image, or the converted network says something else.
    """
    if not calibration:
        raise ValueError("the export needs at least one image to calibrate with")
    network = load_network(checkpoint)
    reference = TorchDescriptorModel(network)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / output.name
        graph = _converted(network, Path(folder) / "network.onnx")
        ov.save_model(graph, f"{place}.xml", compress_to_fp16=True)
        facts = _facts(network.config, reference.key)
        converted = DeployedModel(Path(f"{place}.xml"), facts, "fp16")
        agreement = _agreement(reference, converted, calibration[0].color)
        if not agreement >= AGREEMENT:
            raise ValueError(f"the converted network's descriptors are not the trained one's (mean cosine {agreement:.4f}): the "
                             "backbone has a part that the conversion gets wrong")
        gate = _Gate({"torch": evaluate(reference), "fp16": evaluate(converted)})
        report(f"masked AUC {gate.scores['torch']:.4f} as trained, {gate.scores['fp16']:.4f} as OpenVINO fp16")
        _quantise(graph, place, facts, calibration, evaluate, gate, max_auc_loss, report)
        basis = PcaBasis.fit([converted.describe(sample.color) for sample in calibration[:16]],
                             [sample.mask for sample in calibration[:16]])
        files = [Path(f"{place}{ending}") for ending in (".xml", ".bin", ".int8.xml", ".int8.bin")]
        kept = {"fp16": files[:2], **({"int8": files[2:]} if gate.precision == "int8" else {})}
        facts |= {"precision": gate.precision, "int8": gate.verdict, "refused": gate.refused, "max_auc_loss": max_auc_loss,
                  "auc": {name: round(score, 4) for name, score in gate.scores.items()}, "agreement": round(agreement, 6),
                  "keypoint_shift_px": gate.keypoint_shift, "calibration_images": len(calibration),
                  "files": {name: {path.name: file_digest(path) for path in paths} for name, paths in kept.items()},
                  "pca": {name: _plain(getattr(basis, name)) for name in ("mean", "directions", "low", "high")}}
        card = {**yaml.safe_load(checkpoint.with_suffix(".yaml").read_text()), "export": facts}
        _place(output, [path for paths in kept.values() for path in paths], card)
        if onnx is not None:
            onnx.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(folder) / "network.onnx", onnx)
    report(gate.verdict)
    return card


def masked_auc(model: DescriptorModel, pairs: Sequence[Pair], matches: int = MATCHES) -> float:
    """AUC of the search inside the mask, over the matches of all pairs, in pixels of the fixed frame; see pck."""
    errors = []
    for pair in pairs:
        points_a, points_b = pair.matches_a[:matches], pair.matches_b[:matches]
        found = match(model.describe(pair.color_a).at(points_a), model.describe(pair.color_b), pair.mask_b)
        errors.append(pixel_errors(points_b, found, pair.color_b.shape[1], pair.color_b.shape[0]))
    return auc(np.concatenate(errors))


class _Traced(nn.Module):
    """The network with outputs that can be traced: a plain tuple without what it lacks."""

    def __init__(self, network: DescriptorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        heads = self.network(images)
        return tuple(part for part in (heads.descriptors, heads.logits, heads.depths) if part is not None)


def _converted(network: DescriptorNetwork, onnx: Path) -> ov.Model:
    """The network as a graph: "image" (1, H, W, 3) uint8 to "descriptors" (1, h, w, D), "logits" and "depths" (1, N, h, w)."""
    names = ["descriptors"] + ["logits"] * (network.spatial is not None) + ["depths"] * (network.depth is not None)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")    # tracing warns of every size that it takes as dynamic, as it is asked to
        # Not dynamo: that exporter needs one more package and can't keep the sizes free where features are cropped to fit.
        torch.onnx.export(_Traced(network).eval(), (torch.zeros(1, 3, *TRACED),), str(onnx), dynamo=False, opset_version=OPSET,
                          input_names=["image"], output_names=names, dynamic_axes={"image": {2: "height", 3: "width"}})
    steps = PrePostProcessor(ov.convert_model(onnx))
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.output("descriptors").model().set_layout(ov.Layout("NCHW"))
    steps.output("descriptors").tensor().set_layout(ov.Layout("NHWC"))    # free: inside, a CPU computes in this order
    return steps.build()


def _quantise(graph: ov.Model, place: Path, facts: dict[str, Any], calibration: Sequence[Sample], evaluate: Evaluate, gate: _Gate,
              max_auc_loss: float, report: Report) -> None:
    """Try int8 until it passes; what passed is at PLACE.int8.xml."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    images = nncf.Dataset([sample.color[None] for sample in calibration])
    for name, ignored in _attempts(graph):
        quantised = nncf.quantize(graph, images, subset_size=len(calibration), preset=nncf.QuantizationPreset.MIXED,
                                  ignored_scope=ignored)
        ov.save_model(quantised, f"{place}.int8.xml", compress_to_fp16=True)
        model = DeployedModel(Path(f"{place}.int8.xml"), facts, "int8")
        score = evaluate(model)
        loss = gate.scores["torch"] - score
        figures = f"masked AUC {score:.4f}, {loss:+.4f} lost of {max_auc_loss:g} allowed"
        if loss <= max_auc_loss:
            gate.scores["int8"], gate.precision = score, "int8"
            gate.verdict = f"int8 passed ({name}): {figures}"
            if facts["keypoints"]:
                gate.keypoint_shift = _keypoint_shift(DeployedModel(Path(f"{place}.xml"), facts, "fp16"), model, calibration)
            return
        gate.refused.append(f"{name}: {figures}")
        report(f"int8 refused ({name}): {figures}")
    gate.verdict = "int8 refused: robots use the files of 16 bits, which are slower"


def _keypoint_shift(first: DeployedModel, second: DeployedModel, samples: Sequence[Sample]) -> float:
    """Median distance between two models' keypoints on some objects [px]; the gate is of descriptors alone, this is told."""
    found = [[model.keypoints(sample.color, sample.mask).points for model in (first, second)] for sample in samples[:8]]
    return round(float(np.median([np.linalg.norm(a - b, axis=1) for a, b in found])), 2)


def _plain(array: NDArray[np.float32]) -> Any:
    """A (D,) or (D, 3) array as lists of short numbers."""
    return [round(float(value), 4) for value in array] if array.ndim == 1 else [_plain(row) for row in array]


def _attempts(graph: ov.Model) -> list[tuple[str, Any]]:
    """What is quantised, by name, and what nncf is to leave alone for it."""
    import nncf

    convolutions = [op for op in graph.get_ordered_ops() if op.get_type_name() in CONVOLUTIONS]
    ends = {convolutions[0].get_friendly_name(), *(_last_convolution(result) for result in graph.get_results())}
    return [("all layers", nncf.IgnoredScope()),
            ("all but the first and last layers", nncf.IgnoredScope(names=sorted(ends), validate=False)),
            ("the backbone", nncf.IgnoredScope(patterns=[r".*/(decoder|spatial|depth)/.*"], validate=False))]


def _last_convolution(op: Any) -> str:
    """Name of the convolution that an output comes from."""
    while op.get_type_name() not in CONVOLUTIONS:
        op = op.input_value(0).get_node()
    return str(op.get_friendly_name())


def _facts(config: NetworkConfig, key: str) -> dict[str, Any]:
    return {"key": key, "dimension": config.dimension, "output_stride": config.output_stride, "unit": config.unit,
            "keypoints": config.keypoints, "depth_head": bool(config.keypoints and config.depth_head),
            "input": "(1, H, W, 3) uint8 RGB, any H and W"}


def _agreement(first: DescriptorModel, second: DescriptorModel, color: NDArray[np.uint8]) -> float:
    """Mean cosine between two models' descriptors of an image."""
    a, b = (normalised(model.describe(color).features) for model in (first, second))
    return float(np.mean(np.sum(a * b, axis=2))) if a.shape == b.shape else 0.0


def _place(output: Path, files: Sequence[Path], card: dict[str, Any]) -> None:
    """Move the files where they belong, the card last: a model whose card is there is whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    for stale in (".int8.xml", ".int8.bin"):
        output.with_name(output.name + stale).unlink(missing_ok=True)
    for path in files:
        shutil.move(path, output.parent / path.name)
    unfinished = output.with_name(output.name + ".unfinished")
    unfinished.write_text(yaml.safe_dump(card, sort_keys=False, default_flow_style=None, width=130))
    unfinished.replace(card_path(output))
