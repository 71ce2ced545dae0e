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

"""How long one image takes: the trained network in PyTorch beside what was exported of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from objectcentric_ros.descriptors.deployed import REMEDY, load_model
from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
from objectcentric_ros.descriptors.model_file import TorchDescriptorModel, load_network
from objectcentric_ros.exported_model import read_card

WARM_UP = 2


@dataclass(frozen=True)
class InferenceTime:
    """Time of `describe` with one program.

    Args:
        name: of it.
        best: of all repetitions [s]: what it takes when nothing else runs.
        median: [s].
        auc: masked AUC that the export measured; NaN where it didn't.
    """

    name: str
    best: float
    median: float
    auc: float


def inference_times(checkpoint: Path, exported: Path, *, height: int = 480, width: int = 640, threads: int = 2,
                    repeats: int = 20) -> list[InferenceTime]:
    """Time an image through PyTorch fp32 and each exported precision, in turns, so that a disturbance hits all alike.

    Args:
        checkpoint: the trained network.
        exported: what was exported of it.
        height: of the image [px].
        width: of the image [px].
        threads: CPU threads of each.
        repeats: of each, at least 1.

    Raises:
        ValueError: a model can't be loaded, or the exported one is of another network.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be 1 or more, got {repeats}")
    trained = TorchDescriptorModel(load_network(checkpoint))
    models: dict[str, DescriptorModel] = {"torch fp32": trained}
    export = read_card(exported, REMEDY).get("export", {})
    for precision in export.get("files", {}):
        name = "OpenVINO fp32" if precision == "fp16" else f"OpenVINO {precision}"
        models[name] = load_model(exported, precision=precision, threads=threads)
    if len(models) < 2:
        raise ValueError(f"nothing was exported to {exported}: `objectcentric export descriptors {checkpoint}` does")
    for name, model in models.items():
        if model.key != trained.key:
            raise ValueError(f"{exported} ({name}) is of the network {model.key}, {checkpoint} is {trained.key}: export it anew")
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seconds = _in_turns({name: _describer(model, image) for name, model in models.items()}, repeats)
    finally:
        torch.set_num_threads(before)
    scores = export.get("auc", {})
    known = {"torch fp32": "torch", "OpenVINO fp32": "fp16"}
    return [InferenceTime(name, min(times), float(np.median(times)),
                          float(scores.get(known.get(name, name.removeprefix("OpenVINO ")), float("nan"))))
            for name, times in seconds.items()]


def table(times: list[InferenceTime]) -> str:
    """The times as a Markdown table; the first row is what the others are compared with."""
    lines = ["| | best [ms] | median [ms] | times faster | masked AUC |", "|---|---:|---:|---:|---:|"]
    for row in times:
        lines.append(f"| {row.name} | {1e3 * row.best:.1f} | {1e3 * row.median:.1f} | {times[0].best / row.best:.1f} | "
                     f"{row.auc:.4f} |")
    return "\n".join(lines)


def _describer(model: DescriptorModel, image: np.ndarray) -> Callable[[], object]:
    return lambda: model.describe(image)


def _in_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-WARM_UP, repeats):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds
