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

"""Exported descriptor models on the robot: OpenVINO on the CPU, no torch.

A model NAME is NAME.yaml (the card, whose section "export" is read here) with NAME.xml and NAME.bin (weights of 16 bits, computed
in 32) and, where it passed the accuracy gate of the export, NAME.int8.xml and NAME.int8.bin. They take a uint8 RGB image as it
comes from the camera; scaling to the network's range is inside the graph.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from objectcentric_ros.descriptors.descriptor_image import DescriptorImage, Keypoints
from objectcentric_ros.descriptors.keypoints import keypoints_from_logits
from objectcentric_ros.descriptors.painting import PcaBasis
from objectcentric_ros.exported_model import card_path, check_files, find_exported, read_export
from objectcentric_ros.paths import share_dir

MOST_COMPILED = 4    # compiled graphs kept: one an image size and use
REMEDY = "`objectcentric export descriptors` writes it anew"


class ModelMissing(ValueError):
    """There is no exported model of this name."""


def find_model(name: str) -> Path:
    """Path without ending of an exported model.

    Args:
        name: a path with or without ending, or the name of a model in models/.

    Raises:
        ModelMissing: it isn't there; the sentence says how it is made.
    """
    place = find_exported(name)
    if place is not None:
        return place
    known = sorted(path.stem for path in (share_dir() / "models").glob("*.yaml") if path.with_suffix(".xml").is_file())
    raise ModelMissing(f"there is no exported descriptor model {name!r}; models/ has {', '.join(known) or 'none'}: train one with"
                       " `objectcentric train descriptors RECIPE`, write it with `objectcentric export descriptors CHECKPOINT`")


def load_model(path: Path | str, *, precision: str = "", threads: int = 2) -> DeployedModel:
    """Load an exported model.

    Args:
        path: see find_model.
        precision: int8 or fp16; empty: int8 where the card says that it passed the gate, else fp16.
        threads: CPU threads of an inference.

    Raises:
        ModelMissing: it isn't there.
        ValueError: card or files are broken or don't belong together, or it has no such precision.
    """
    place = find_model(str(path))
    export = read_export(place, "model", REMEDY)
    try:
        chosen = precision or str(export["precision"])
        if chosen not in export["files"]:
            raise ValueError(f"{place} has no {chosen} files; it has {', '.join(export['files'])}")
        check_files(place.parent, export["files"][chosen], REMEDY)
        xml = next(name for name in export["files"][chosen] if name.endswith(".xml"))
        return DeployedModel(place.parent / xml, export, chosen, threads)
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"{card_path(place)} is no card of an exported model ({type(error).__name__}: {error}): "
                         f"{REMEDY}") from error


class DeployedModel:
    """An exported network; implements KeypointModel. Any thread may call it.

    Graphs are compiled for an image size when the first image of that size comes, and only the outputs that a call needs are
    computed: `describe` never pays for the keypoints, nor `keypoints` for the descriptors' way out.

    Args:
        xml: of the graph.
        export: the card's section.
        precision: what the files are.
        threads: CPU threads of an inference.

    Raises:
        ValueError: OpenVINO can't read the graph, or the graph has not what the card says.
    """

    def __init__(self, xml: Path, export: Mapping[str, Any], precision: str, threads: int = 2) -> None:
        self.key, self.dimension, self.stride = str(export["key"]), int(export["dimension"]), int(export["output_stride"])
        self.precision, self.unit = precision, bool(export["unit"])
        self.keypoint_count = int(export["keypoints"])
        self.basis = _basis(export.get("pca"))
        self._where = xml
        self._core = ov.Core()
        self._options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        try:
            self._model = self._core.read_model(xml)
            self._outputs = {name: output.get_node() for output in self._model.outputs for name in output.get_names()}
            channels = self._outputs["descriptors"].get_output_partial_shape(0)[3].get_length()
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"{xml} is no exported descriptor model: {_first_line(error)}; {REMEDY}") from error
        if channels != self.dimension:
            raise ValueError(f"{xml} has {channels} dimensions, its card says {self.dimension}: {REMEDY}")
        self._lock = threading.Lock()
        self._compiled: OrderedDict[tuple[str, int, int], _Compiled] = OrderedDict()

    def prepare(self, height: int, width: int) -> None:
        """Compile `describe` for images of a size now, rather than when the first one comes."""
        self._graph("descriptors", height, width)

    def describe(self, color: NDArray[np.uint8]) -> DescriptorImage:
        """Describe an (H, W, 3) uint8 RGB image.

        Raises:
            ValueError: it is something else.
        """
        height, width = _checked(color)
        features = self._graph("descriptors", height, width).run(color)[0][0]
        return DescriptorImage(features, self.stride, height, width, self.unit)

    def keypoints(self, color: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Keypoints:
        """Keypoints of an (H, W, 3) uint8 RGB image.

        Raises:
            ValueError: the model has none, the image is something else, or the mask is empty.
        """
        if not self.keypoint_count:
            raise ValueError(f"{self._where} has no keypoints: train it with network.keypoints above 0")
        height, width = _checked(color)
        logits, *depths = self._graph("keypoints", height, width).run(color)
        return keypoints_from_logits(logits[0], depths[0][0] if depths else None, self.stride, mask)

    def _graph(self, use: str, height: int, width: int) -> _Compiled:
        key = (use, height, width)
        with self._lock:
            if key not in self._compiled:
                wanted = ("descriptors",) if use == "descriptors" else ("logits", "depths")
                self._compiled[key] = self._compile([name for name in wanted if name in self._outputs], height, width)
                while len(self._compiled) > MOST_COMPILED:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(key)
            return self._compiled[key]

    def _compile(self, names: list[str], height: int, width: int) -> _Compiled:
        try:
            part = ov.Model([self._outputs[name] for name in names], self._model.get_parameters(), "descriptors").clone()
            part.reshape({0: [1, height, width, 3]})
            return _Compiled(self._core.compile_model(part, "CPU", self._options))
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"{self._where} can't be compiled for images of {width}x{height}: {_first_line(error)}") from error


class _Compiled:
    """A compiled graph with one infer request a thread."""

    def __init__(self, model: ov.CompiledModel) -> None:
        self._model = model
        self._count = len(model.outputs)
        self._own = threading.local()

    def run(self, color: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs, whose memory is the caller's."""
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        results = self._own.request.infer([np.ascontiguousarray(color)[None]], share_inputs=True)
        return [np.asarray(results[index], np.float32) for index in range(self._count)]


def _basis(pca: Mapping[str, Any] | None) -> PcaBasis | None:
    if pca is None:
        return None
    return PcaBasis(*(np.asarray(pca[name], np.float32) for name in ("mean", "directions", "low", "high")))


def _checked(color: NDArray[np.uint8]) -> tuple[int, int]:
    if color.ndim != 3 or color.shape[2] != 3 or color.dtype != np.uint8 or 0 in color.shape:
        raise ValueError(f"descriptors are of (H, W, 3) uint8 RGB images, got {color.shape} {color.dtype}")
    return color.shape[0], color.shape[1]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
