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

"""Trained image encoders for the robot: PyTorch to ONNX to OpenVINO, and to int8 where that costs no accuracy."""

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
import torch.nn.functional as F
import yaml
from numpy.typing import NDArray
from openvino.preprocess import PrePostProcessor
from torch import Tensor, nn

from objectcentric_ros.exported_model import file_digest, with_ending
from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder
from objectcentric_ros.identification.efficientnet_lite import fit_square
from objectcentric_ros.identification.encoder import Encoder
from objectcentric_ros.identification.image_model import load_network, load_torch_encoder, read_card
from objectcentric_ros.identification.image_network import ImageEncoder
from objectcentric_ros.identification.joined_encoder import JoinedEncoder

OPSET = 17
AGREEMENT = 0.999             # mean cosine between the trained network's embeddings and the converted one's
CONVOLUTIONS = ("Convolution", "GroupConvolution", "MatMul")

Evaluate = Callable[[Encoder], float]
Report = Callable[[str], None]


@dataclass
class _Gate:
    """What the precisions scored, and what became of int8."""

    scores: dict[str, float]
    precision: str = "fp16"
    verdict: str = ""
    refused: list[str] = field(default_factory=list)
    agreement: float | None = None


def export(checkpoint: Path, output: Path, calibration: Sequence[NDArray[np.uint8]], evaluate: Evaluate, *,
           max_loss: float = 0.01, prefer: str = "int8", report: Report = print) -> dict[str, Any]:
    """Write a trained encoder as OpenVINO files with a card; see deployed_encoder for what they are.

    int8 is written only when its top-1 rate is within max_loss of the trained network's: everything quantised is tried first,
    then all but the first and the last layers, then all but these and the depthwise ones; when none passes, robots use the
    files of 16 bits.

    Args:
        checkpoint: NAME.safetensors with its card.
        output: path without ending; the card becomes OUTPUT.yaml, the checkpoint's with the section "export". The checkpoint
            stays where it is: robots and the training of titles need none.
        calibration: (H, W, 3) uint8 RGB images as the robot sees them and as galleries have them, one or more.
        evaluate: top-1 rate of an encoder, 0..1; of data that isn't the test's.
        max_loss: largest loss of it.
        prefer: what robots use where int8 passes: int8 or fp16. A gate of some hundred objects doesn't see half a per cent. With
            fp16 the gate is measured and said in the card, and no int8 files are written.
        report: told what happens.

    Returns:
        The card.

    Raises:
        ValueError: the checkpoint can't be read, there is no calibration image, or the converted network says something else.
    """
    if prefer not in ("int8", "fp16"):
        raise ValueError(f"prefer must be int8 or fp16, got {prefer!r}")
    if not calibration:
        raise ValueError("the export needs at least one image to calibrate with")
    reference, network = load_torch_encoder(checkpoint), load_network(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / output.name
        graph = _converted(network, Path(folder) / "network.onnx")
        ov.save_model(graph, f"{place}.xml", compress_to_fp16=True)
        facts: dict[str, Any] = {"key": reference.key, "dimension": reference.dimension, "side": network.side,
                                 "input": "(N, side, side, 3) uint8 RGB", "output": "(N, dimension) float32 of length 1"}
        converted = DeployedImageEncoder.of_graph(Path(f"{place}.xml"), facts, "fp16")
        agreement = _agreement(reference, converted, calibration)
        if not agreement >= AGREEMENT:
            raise ValueError(f"the converted network's embeddings are not the trained one's (mean cosine {agreement:.4f}): the "
                             "backbone has a part that the conversion gets wrong")
        gate = _Gate({"torch": evaluate(reference), "fp16": evaluate(converted)})
        report(f"top-1 {gate.scores['torch']:.4f} as trained, {gate.scores['fp16']:.4f} as OpenVINO fp16")
        _quantise(graph, place, facts, calibration, evaluate, gate, max_loss, reference, report)
        files = {"fp16": [Path(f"{place}{ending}") for ending in (".xml", ".bin")]}
        if gate.precision == "int8" and prefer == "int8":
            files["int8"] = [Path(f"{place}{ending}") for ending in (".int8.xml", ".int8.bin")]
        facts |= {"precision": "fp16" if prefer == "fp16" else gate.precision,
                  "int8": gate.verdict, "refused": gate.refused, "max_loss": max_loss,
                  "top1": {name: round(score, 4) for name, score in gate.scores.items()}, "agreement": round(agreement, 6),
                  "agreement_int8": None if gate.agreement is None else round(gate.agreement, 6),
                  "calibration_images": len(calibration),
                  "files": {name: {path.name: file_digest(path) for path in paths} for name, paths in files.items()}}
        card = {**read_card(checkpoint), "export": facts}
        _place(output, [path for paths in files.values() for path in paths], card)
    report(gate.verdict)
    return card


class _Unit(nn.Module):
    """The encoder with embeddings of length 1."""

    def __init__(self, encoder: ImageEncoder | JoinedEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.encoder(images), dim=1)


def _converted(network: ImageEncoder | JoinedEncoder, onnx: Path) -> ov.Model:
    """The encoder as a graph: "image" (N, side, side, 3) uint8 to "embedding" (N, D)."""
    side = network.side
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")    # tracing warns of every size that it takes as fixed, as it is asked to
        torch.onnx.export(_Unit(network).eval(), (torch.zeros(2, 3, side, side),), str(onnx), dynamo=False, opset_version=OPSET,
                          input_names=["image"], output_names=["embedding"],
                          dynamic_axes={"image": {0: "images"}, "embedding": {0: "images"}})
    steps = PrePostProcessor(ov.convert_model(onnx))
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return steps.build()


def _quantise(graph: ov.Model, place: Path, facts: dict[str, Any], calibration: Sequence[NDArray[np.uint8]], evaluate: Evaluate,
              gate: _Gate, max_loss: float, reference: Encoder, report: Report) -> None:
    """Try int8 until it passes; what passed is at PLACE.int8.xml."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    images = nncf.Dataset([fit_square(image, int(facts["side"]))[None] for image in calibration])
    for name, ignored in _attempts(graph):
        quantised = nncf.quantize(graph, images, subset_size=len(calibration), preset=nncf.QuantizationPreset.MIXED,
                                  ignored_scope=ignored)
        ov.save_model(quantised, f"{place}.int8.xml", compress_to_fp16=True)
        encoder = DeployedImageEncoder.of_graph(Path(f"{place}.int8.xml"), facts, "int8")
        score = evaluate(encoder)
        loss = gate.scores["torch"] - score
        figures = f"top-1 {score:.4f}, {loss:+.4f} lost of {max_loss:g} allowed"
        if loss <= max_loss:
            gate.scores["int8"], gate.precision = score, "int8"
            gate.verdict = f"int8 passed ({name}): {figures}"
            gate.agreement = _agreement(reference, encoder, calibration)
            return
        gate.refused.append(f"{name}: {figures}")
        report(f"int8 refused ({name}): {figures}")
    gate.verdict = f"int8 refused, robots use fp16: {'; '.join(gate.refused)}"


def _attempts(graph: ov.Model) -> list[tuple[str, Any]]:
    """What is quantised, by name, and what nncf is to leave alone for it."""
    import nncf

    operations = graph.get_ordered_ops()
    layers = [op.get_friendly_name() for op in operations if op.get_type_name() in CONVOLUTIONS]
    # What follows the last layer divides by the length: in 8 bits the vectors would be of a length near 1, not of 1.
    last = max(index for index, op in enumerate(operations) if op.get_friendly_name() == layers[-1])
    length = {op.get_friendly_name() for op in operations[last + 1:] if op.get_type_name() not in ("Constant", "Result")}
    # A network with folded batch norms lost 2 to 3 points in 8 bits, and none when its depthwise layers were left alone.
    depthwise = {op.get_friendly_name() for op in operations if op.get_type_name() == "GroupConvolution"}
    ends = length | {layers[0], layers[-1]}
    attempts = [("all layers", length), ("all but the first and the last layer", ends)]
    if depthwise:
        attempts.append(("all but the first, the last and the depthwise layers", ends | depthwise))
    return [(name, nncf.IgnoredScope(names=sorted(left), validate=False)) for name, left in attempts]


def _agreement(first: Encoder, second: Encoder, images: Sequence[NDArray[np.uint8]]) -> float:
    """Mean cosine between two encoders' embeddings of images."""
    chosen = list(images[:32])
    return float(np.mean(np.sum(first.encode(chosen) * second.encode(chosen), axis=1)))


def _place(output: Path, files: Sequence[Path], card: dict[str, Any]) -> None:
    """Move the files where they belong, the card last: a model whose card is there is whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    for stale in (".int8.xml", ".int8.bin"):
        with_ending(output, stale).unlink(missing_ok=True)
    for path in files:
        shutil.move(path, output.parent / path.name)
    unfinished = with_ending(output, ".unfinished")
    unfinished.write_text(yaml.safe_dump(card, sort_keys=False, default_flow_style=None, width=130))
    unfinished.replace(with_ending(output, ".yaml"))
