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

"""Trained text towers for robots: PyTorch to OpenVINO, with weights in 8 bits."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
import yaml

from objectcentric_ros.exported_model import file_digest
from objectcentric_ros.identification.deployed_text import DeployedTextEncoder, tokenizer_path
from objectcentric_ros.identification.text_model import TorchTextEncoder, load_text_tower

AGREEMENT = 0.99           # least cosine between a title's vector as trained and as deployed
_TRACED = ("a red mug", "a box of screws with a printed label")


def export_text(checkpoint: Path, output: Path, titles: Sequence[str] = (),
                report: Callable[[str], None] = print) -> dict[str, Any]:
    """Write a trained text tower as OpenVINO files with a card; see deployed_text for what they are.

    Only the weights become 8 bits (the word vectors too); activations stay as they are, so that no calibration is needed.

    Args:
        checkpoint: NAME.safetensors with its card and tokeniser.
        output: path without ending; the card becomes OUTPUT.yaml, the checkpoint's with the section "export".
        titles: on which the deployed vectors are compared with the trained ones, beside two built-in ones.
        report: told what happens.

    Returns:
        The card.

    Raises:
        ValueError: the checkpoint can't be read, or the converted tower says something else than the trained one.
    """
    encoder = load_text_tower(checkpoint)
    card = yaml.safe_load(checkpoint.with_suffix(".yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / output.name
        ov.save_model(_compressed(_converted(encoder)), f"{place}.xml", compress_to_fp16=True)
        encoder.tokenizer.save(str(tokenizer_path(place)), pretty=False)
        files = [place.with_name(place.name + ending) for ending in (".xml", ".bin")] + [tokenizer_path(place)]
        card["export"] = {"key": encoder.key, "image_key": encoder.image_key, "dimension": encoder.dimension,
                          "truncate": encoder.truncate, "input": "(N, T) int64 tokens, padded with 0",
                          "weights": "int8", "files": {path.name: file_digest(path) for path in files},
                          "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1)}
        _write_card(place, card)
        wanted = [*_TRACED, *titles]
        cosines = np.sum(encoder.encode(wanted) * DeployedTextEncoder(place, threads=1).encode(wanted), axis=1)
        if not cosines.min() >= AGREEMENT:
            raise ValueError(f"the converted tower's vectors are not the trained one's: cosine {cosines.min():.4f} for "
                             f"{wanted[int(cosines.argmin())]!r}")
        card["export"] |= {"agreement": {"titles": len(wanted), "least_cosine": round(float(cosines.min()), 5),
                                         "mean_cosine": round(float(cosines.mean()), 5)}}
        output.parent.mkdir(parents=True, exist_ok=True)
        for path in files:
            shutil.move(path, output.parent / path.name)
        _write_card(output, card)      # last: a model whose card is there is whole
    report(f"wrote {output}.xml, {card['export']['megabytes']} MB; cosine with the trained tower {cosines.min():.4f} or more on "
           f"{len(wanted)} titles")
    return dict(card)


def _converted(encoder: TorchTextEncoder) -> ov.Model:
    """The tower as a graph: "tokens" (N, T) int64 to "vectors" (N, D), any N and T."""
    tokens = torch.tensor([one.ids for one in encoder.tokenizer.encode_batch(list(_TRACED))])
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")      # tracing warns of every size that it takes as dynamic
        graph = ov.convert_model(encoder.tower.eval(), example_input=tokens, input=[ov.PartialShape([-1, -1])])
    graph.inputs[0].get_tensor().set_names({"tokens"})
    graph.outputs[0].get_tensor().set_names({"vectors"})
    graph.validate_nodes_and_infer_types()
    return graph


def _compressed(graph: ov.Model) -> ov.Model:
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)


def _write_card(place: Path, card: dict[str, Any]) -> None:
    path = place.with_name(place.name + ".yaml")
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, default_flow_style=None, width=130),
                          encoding="utf-8")
    unfinished.replace(path)
