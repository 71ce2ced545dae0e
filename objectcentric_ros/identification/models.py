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

"""Which models an identifier is made of, by name: the one place that opens them, for the node and for evaluations."""

from __future__ import annotations

from dataclasses import dataclass

from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.encoder import make_encoder
from objectcentric_ros.identification.fusion import FusionModel
from objectcentric_ros.identification.identifier import Identifier
from objectcentric_ros.identification.ranking import IdentifierConfig


@dataclass(frozen=True)
class IdentifierModels:
    """Names of models, which must be of one training; the defaults are the shipped ones.

    Args:
        encoder: image encoder, see encoder.make_encoder.
        text_encoder: in the encoder's space, a name in models/ or a path; empty: titles are not compared.
        fusion: of these encoders' distances, a name in models/ or a path; empty: the nearest reference wins.
    """

    encoder: str = "identification"
    text_encoder: str = "identification_text"
    fusion: str = "identification_fusion"


def open_identifier(gallery: Gallery, models: IdentifierModels | None = None,
                    config: IdentifierConfig | None = None) -> Identifier:
    """Load the models.

    Args:
        gallery: knows the candidates.
        models: by name; None: the shipped ones.
        config: how distances become probabilities.

    Raises:
        ValueError: a model is unknown, missing or broken, or they are not of one training; says which.
    """
    models = models or IdentifierModels()
    text_encoder = None
    if models.text_encoder:
        from objectcentric_ros.identification.deployed_text import make_text_encoder  # loads the tokenisers' library

        text_encoder = make_text_encoder(models.text_encoder)
    fusion = FusionModel.load(models.fusion) if models.fusion else None
    return Identifier(make_encoder(models.encoder), gallery, config, text_encoder, fusion)
