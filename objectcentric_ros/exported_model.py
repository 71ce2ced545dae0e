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

"""The files of exported models: where they are, and whether they are what their card says; for all networks of OpenVINO.

A model NAME is NAME.yaml, its card, whose section "export" names the other files and their digests, with NAME.xml and NAME.bin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from objectcentric_ros.paths import share_dir

_ENDINGS = (".yaml", ".int8.xml", ".int8.bin", ".xml", ".bin", ".safetensors")


def find_exported(name: str) -> Path | None:
    """Path without ending of an exported model.

    Args:
        name: a path with or without ending, or the name of a model in models/.

    Returns:
        None where there is none of this name.
    """
    stem = name
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    for folder in (Path(), share_dir(), share_dir() / "models"):
        place = folder / stem
        if card_path(place).is_file() and with_ending(place, ".xml").is_file():
            return place
    return None


def read_card(place: Path, remedy: str) -> dict[str, Any]:
    """The card of a model.

    Args:
        place: path without ending.
        remedy: what an error ends with.

    Raises:
        ValueError: it can't be read, or is no mapping.
    """
    path = card_path(place)
    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} can't be read: {error}") from error
    if not isinstance(card, dict):
        raise ValueError(f"{path} must hold a mapping: {remedy}")
    return card


def read_export(place: Path, what: str, remedy: str) -> dict[str, Any]:
    """The section of a card that the robot reads.

    Args:
        place: path without ending.
        what: the card is of, for errors: "image encoder".
        remedy: what an error ends with.

    Raises:
        ValueError: the card can't be read or has no such section.
    """
    export = read_card(place, remedy).get("export")
    if not isinstance(export, dict):
        raise ValueError(f"{card_path(place)} is no card of an exported {what}: {remedy}")
    return export


def check_files(folder: Path, digests: Mapping[str, Any], remedy: str) -> None:
    """Raise ValueError where one of these files is missing or isn't the one that its digest was taken of."""
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing: {remedy}")
        if file_digest(path) != str(digest):
            raise ValueError(f"{path} is not the file that its card is about: {remedy}")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, 16 hexadecimal digits: against accidents, not against attackers."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def card_path(place: Path) -> Path:
    """The card of a model whose path without ending this is."""
    return with_ending(place, ".yaml")


def with_ending(place: Path, ending: str) -> Path:
    """The file of a model whose path without ending this is."""
    return place.with_name(place.name + ending)    # with_suffix() would cut a name with a dot
