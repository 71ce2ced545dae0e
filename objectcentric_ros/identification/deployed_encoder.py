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

"""The exported image encoder on the robot: OpenVINO on the CPU, no torch.

A model NAME is NAME.yaml (the card, whose section "export" is read here) with NAME.xml and NAME.bin (weights of 16 bits,
computed in 32) and, where it passed the accuracy gate of the export, NAME.int8.xml and NAME.int8.bin. All of them give
embeddings of one space, so they have one key; scaling of the colours and of the vectors' length are inside the graph.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from objectcentric_ros.exported_model import card_path, check_files, find_exported, read_export
from objectcentric_ros.identification.efficientnet_lite import fit_square

DEFAULT = "identification_image"
REMEDY = "`objectcentric export identification` writes it anew"


class EncoderMissing(ValueError):
    """There is no exported image encoder of this name."""


def find_encoder(name: str = DEFAULT) -> Path:
    """Path without ending of an exported encoder.

    Args:
        name: a path with or without ending, or the name of a model in models/.

    Raises:
        EncoderMissing: it isn't there; the sentence says how it is made.
    """
    place = find_exported(name)
    if place is not None:
        return place
    raise EncoderMissing(f"there is no exported image encoder {name!r}: train one with `objectcentric train image-encoder "
                         "RECIPE`, write it with `objectcentric export identification CHECKPOINT`, or use the encoder "
                         "efficientnet_lite0")


class DeployedImageEncoder:
    """An exported encoder; implements Encoder. Any thread may call it.

    Args:
        name: see find_encoder.
        precision: int8 or fp16; empty: int8 where the card says that it passed the gate, else fp16.
        threads: CPU threads of one image, and images at a time where there are several.

    Raises:
        EncoderMissing: it isn't there.
        ValueError: card or files are broken or don't belong together, or it has no such precision.
    """

    def __init__(self, name: str | Path = DEFAULT, precision: str = "", threads: int = 2) -> None:
        place = find_encoder(str(name))
        export = read_export(place, "image encoder", REMEDY)
        try:
            self.precision = precision or str(export["precision"])
            if self.precision not in export["files"]:
                raise ValueError(f"{place} has no {self.precision} files; it has {', '.join(export['files'])}")
            files: Mapping[str, str] = export["files"][self.precision]
            check_files(place.parent, files, REMEDY)
            xml = place.parent / next(file for file in files if file.endswith(".xml"))
            self.key, self.dimension, self.side = str(export["key"]), int(export["dimension"]), int(export["side"])
        except (KeyError, TypeError, AttributeError, StopIteration) as error:
            raise ValueError(f"{card_path(place)} is no card of an exported image encoder "
                             f"({type(error).__name__}: {error}): {REMEDY}") from error
        self._load(xml, threads)

    @classmethod
    def of_graph(cls, xml: Path, export: Mapping[str, Any], precision: str, threads: int = 2) -> DeployedImageEncoder:
        """An encoder of a graph whose files are where the export is at work, before there is a card."""
        encoder = cls.__new__(cls)
        encoder.precision = precision
        encoder.key, encoder.dimension, encoder.side = str(export["key"]), int(export["dimension"]), int(export["side"])
        encoder._load(xml, threads)
        return encoder

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Encode images; see Encoder. An image that is not square is padded with grey.

        Raises:
            ValueError: one of them is no (H, W, 3) uint8 RGB image, or empty.
        """
        vectors = np.empty((len(images), self.dimension), np.float32)
        squares = (fit_square(image, self.side)[None] for image in images)
        with self._guard:
            if len(images) == 1:
                vectors[0] = self._one.infer([next(squares)])[0][0]
                return vectors
            try:
                for index, square in enumerate(squares):
                    self._many.start_async([square], vectors[index])
            finally:
                self._many.wait_all()       # also where an image is none: those before it are being written
        return vectors

    def _load(self, xml: Path, threads: int) -> None:
        try:
            core = ov.Core()
            model = core.read_model(xml)
            # One image at a time: no slower on a CPU, and OpenVINO 2026.4 crashes on some quantised graphs of changing batches.
            model.reshape([1, *list(model.input(0).get_partial_shape())[1:]])
            settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
            # All threads for one image answer soonest. Of several images each has a thread to itself: threads that share an
            # image wait for each other after every layer, and for longer where other nodes want the cores too.
            compiled = core.compile_model(model, "CPU", {**settings, "PERFORMANCE_HINT": "LATENCY"})
            parallel = core.compile_model(model, "CPU", {**settings, "NUM_STREAMS": threads}) if threads > 1 else compiled
            shape_in, shape_out = compiled.input(0).get_partial_shape(), compiled.output(0).get_partial_shape()
            sizes = (shape_in[1].get_length(), shape_in[2].get_length(), shape_out[1].get_length())
        except RuntimeError as error:
            raise ValueError(f"{xml} is no exported image encoder: {str(error).strip().splitlines()[-1]}; {REMEDY}") from error
        if sizes != (self.side, self.side, self.dimension):
            raise ValueError(f"{xml} takes images of {sizes[1]}x{sizes[0]} and gives {sizes[2]} numbers, its card says "
                             f"{self.side}x{self.side} and {self.dimension}: {REMEDY}")
        self._one = compiled.create_infer_request()
        self._many = ov.AsyncInferQueue(parallel, threads)
        self._many.set_callback(_keep)
        self._guard = threading.Lock()


def _keep(request: ov.InferRequest, vector: NDArray[np.float32]) -> None:
    vector[:] = request.get_output_tensor().data[0]
