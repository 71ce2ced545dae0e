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

"""Text encoders on robots: a tokeniser's file and an OpenVINO graph with 8-bit weights; no PyTorch.

A model is PLACE.xml and PLACE.bin (tokens to vectors), PLACE_tokenizer.json (of the `tokenizers` library) and PLACE.yaml, the
card. Its key comes from the weights of both towers: an encoder whose image tower was trained again is another encoder.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from tokenizers import Tokenizer

from objectcentric_ros.exported_model import card_path, check_files, find_exported, read_export, with_ending
from objectcentric_ros.identification.title import truncated_title, whole_title

SHIPPED = "identification_text"
MOST_CACHED = 20_000           # titles whose vectors are kept: 20 MB of 256 numbers each
_BATCH = 16
_REMEDY = "`objectcentric export text-encoder` writes it anew"


class TextEncoder(Protocol):
    """Maps titles into the space of an image encoder."""

    @property
    def key(self) -> str:
        """Name and hash of the weights: embeddings of two keys are never compared."""
        ...

    @property
    def image_key(self) -> str:
        """Key of the image encoder that its vectors may be compared with."""
        ...

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode N titles into (N, D) float32 vectors of length 1; raises ValueError for one that is empty or too long."""
        ...


class TextModelMissing(ValueError):
    """There is no exported text encoder of this name."""


def make_text_encoder(name: str = SHIPPED, threads: int = 2) -> DeployedTextEncoder:
    """Load an exported text encoder.

    Args:
        name: a path with or without ending, or the name of a model in models/.
        threads: CPU threads of an inference.

    Raises:
        TextModelMissing: it isn't there; the sentence says how it is made.
        ValueError: its files are broken or don't belong together.
    """
    place = find_exported(name)
    if place is not None:
        return DeployedTextEncoder(place, threads)
    raise TextModelMissing(f"no exported text encoder {name!r}: train one with `objectcentric train text-encoder RECIPE`, "
                           "write it with `objectcentric export text-encoder CHECKPOINT`")


class DeployedTextEncoder:
    """An exported text tower; implements TextEncoder. Any thread may call it.

    Args:
        place: path without ending.
        threads: CPU threads of an inference.

    Raises:
        ValueError: a file is missing or broken, or isn't the one that the card is about.
    """

    def __init__(self, place: Path, threads: int = 2) -> None:
        export = read_export(place, "text encoder", _REMEDY)
        try:
            self.key, self.image_key = str(export["key"]), str(export["image_key"])
            self.dimension, self.truncate = int(export["dimension"]), bool(export["truncate"])
            check_files(place.parent, export["files"], _REMEDY)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{card_path(place)} is no card of an exported text encoder ({error}): {_REMEDY}") from error
        self._tokenizer = read_tokenizer(place)
        core = ov.Core()
        try:
            compiled = core.compile_model(core.read_model(with_ending(place, ".xml")), "CPU", {
                "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
            width = compiled.output(0).get_partial_shape()[1]
        except (RuntimeError, IndexError) as error:
            raise ValueError(f"{with_ending(place, '.xml')} is no exported text encoder: {error}; {_REMEDY}") from error
        if not width.is_static or width.get_length() != self.dimension:
            raise ValueError(f"{with_ending(place, '.xml')} gives vectors of {width}, its card says {self.dimension}: {_REMEDY}")
        self._request = compiled.create_infer_request()
        self._guard = threading.Lock()
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode N titles; see TextEncoder. Titles that were encoded lately aren't again."""
        titles = prepared_titles(texts, self.truncate)
        vectors = np.empty((len(titles), self.dimension), np.float32)
        with self._guard:
            # By length, so that a batch is not padded to one long title.
            fresh = sorted({title for title in titles if title not in self._known}, key=len)
            found = {title: self._known[title] for title in titles if title in self._known}
            for start in range(0, len(fresh), _BATCH):
                batch = fresh[start:start + _BATCH]
                tokens = np.array([one.ids for one in self._tokenizer.encode_batch(batch)], np.int64)
                found.update(zip(batch, np.array(self._request.infer([tokens])[0], np.float32), strict=True))
            for row, title in enumerate(titles):
                vectors[row] = self._known[title] = found[title]
                self._known.move_to_end(title)
            while len(self._known) > MOST_CACHED:
                self._known.popitem(last=False)
        return vectors


def prepared_titles(texts: Sequence[str], truncate: bool) -> list[str]:
    """Titles as a tower reads them.

    Raises:
        ValueError: one is no text, is empty or is far too long (TitleTooLong).
    """
    if isinstance(texts, str):
        raise ValueError(f"a list of titles is expected, got one text: {texts[:40]!r}")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"a title is empty: {text!r}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"a title is not valid Unicode text: {error}") from error
    return [truncated_title(text) if truncate else whole_title(text) for text in texts]


def read_tokenizer(place: Path) -> Tokenizer:
    """The tokeniser of a model, with the truncation and padding that it was saved with; raises ValueError when it's broken."""
    path = tokenizer_path(place)
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:     # tokenizers raises plain Exceptions
        raise ValueError(f"{path} is no tokeniser's file: {error}") from error


def tokenizer_path(place: Path) -> Path:
    """The tokeniser's file of a model whose path without ending this is."""
    return with_ending(place, "_tokenizer.json")
