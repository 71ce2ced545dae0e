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

"""The encoders of an evaluation: opened from files or by name, used once, and let go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from objectcentric_ros.identification.embedded_set import EmbeddedSet, embed_manifest
from objectcentric_ros.identification.encoder import ENCODERS, Encoder, make_encoder
from objectcentric_ros.identification.evaluation_recipe import FusionConfig, RowConfig
from objectcentric_ros.identification.fusion import FusionModel
from objectcentric_ros.identification.manifest import Manifest
from objectcentric_ros.paths import share_dir

if TYPE_CHECKING:
    from objectcentric_ros.identification.deployed_text import TextEncoder


@dataclass(frozen=True)
class NotHere:
    """A row or a fusion model whose file is missing: told, never left out in silence.

    Args:
        name: of the row.
        files: that are missing.
        command: that makes them.
        reason: other than missing files; empty if there is none.
    """

    name: str
    files: tuple[str, ...]
    command: str
    reason: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        what = self.reason or f"{' and '.join(self.files)} {'is' if len(self.files) == 1 else 'are'} missing"
        return f"{self.name} is not here: {what}" + (f"; `{self.command}` makes it" if self.command else "")


def find(name: str) -> Path | None:
    """A file by its path, or by its path in the package's share folder; None where there is neither."""
    return next((path for path in (Path(name), share_dir() / name) if path.is_file()), None)


def missing(row: RowConfig | FusionConfig) -> NotHere | None:
    """What a row lacks to be measured, None if nothing."""
    if isinstance(row, FusionConfig):
        names = [row.model]
    else:
        names = [name for name in (row.image, row.text) if name and name not in ENCODERS]
    lacking = tuple(name for name in names if find(name) is None)
    return NotHere(row.name, lacking, row.train) if lacking else None


def open_image_encoder(name: str, features: int = 0) -> Encoder:
    """An image encoder by name, from a trained .safetensors, or as exported for robots (.xml).

    Args:
        name: of the encoder or its file.
        features: of a .safetensors: side of images whose backbone features are taken [px]; 0: what it was trained to give.

    Raises:
        ValueError: the files are broken, or the name is unknown.
    """
    path = find(name)
    if path is None:
        return make_encoder(name)
    if path.suffix == ".safetensors":
        from objectcentric_ros.identification.image_model import load_torch_encoder  # loads PyTorch

        return load_torch_encoder(path, features)
    from objectcentric_ros.identification.deployed_encoder import DeployedImageEncoder

    return DeployedImageEncoder(path)


def open_text_encoder(name: str) -> TextEncoder:
    """A text encoder from a trained .safetensors, or as exported for robots (.xml); raises ValueError where it's broken."""
    path = find(name)
    if path is not None and path.suffix == ".safetensors":
        from objectcentric_ros.identification.text_model import load_text_tower  # loads PyTorch

        return load_text_tower(path)
    from objectcentric_ros.identification.deployed_text import make_text_encoder

    return make_text_encoder(str(path or name))


def embed_row(row: RowConfig, manifest: Manifest, cache: Path | None, progress: Callable[[int, int], None]) -> EmbeddedSet:
    """Encode a split by a row's encoders, or take what was encoded before.

    Raises:
        ValueError: the encoders are broken or not of one space.
    """
    image = open_image_encoder(row.image, row.features)
    text = open_text_encoder(row.text) if row.text else None
    return embed_manifest(manifest, image, text, cache, progress, row.quarter_turns, row.views)


def check_fusion(model: FusionModel, row: RowConfig, embedded: EmbeddedSet, name: str) -> None:
    """Refuse a fusion model that was trained on other encoders' distances.

    Raises:
        ValueError: its keys, its orientations or its views are not those of the row.
    """
    trained = "+".join(key for key in (model.image_key, model.text_key) if key)
    if trained != embedded.key:
        raise ValueError(f"fusion model {name} was trained on distances of {trained}, the row {row.name} has {embedded.key}: "
                         "`objectcentric train fusion` trains one for it")
    if model.quarter_turns != row.quarter_turns:
        raise ValueError(f"fusion model {name} was trained with references in {model.quarter_turns} orientations, the row "
                         f"{row.name} has {row.quarter_turns}")
    if model.views != row.views:
        raise ValueError(f"fusion model {name} was trained {'with' if model.views else 'without'} views of references, the row "
                         f"{row.name} {'has' if row.views else 'lacks'} them")
