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


r"""Reading Sweet Home 3D furniture libraries (.sh3f): catalogue entries, translated titles and model files.

A library is a zip archive with one Java properties file (Latin-1 with ``\uXXXX`` escapes, keys ``name#7``), the same
file per language, and one folder a model (Wavefront OBJ, MTL, textures).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CATALOGUE = "PluginFurnitureCatalog"
_NUMBERED_KEY = re.compile(r"(\w+)#(\d+)$")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_PLAIN_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(frozen=True)
class FurnitureEntry:
    """One piece of a library.

    Args:
        model: path of the OBJ file inside the archive; unlike the file's stem, it is unique over all libraries.
        title: English name.
        translations: language code -> name.
        size: width, depth, height [m] in a frame with z up and the front at -y.
        rotation: (3, 3) rotation of the model file (y up) before it is scaled to size.
        creator: who made the model.
        category: English category of the library.
    """

    model: str
    title: str
    translations: dict[str, str]
    size: tuple[float, float, float]
    rotation: NDArray[np.float64]
    creator: str
    category: str


def parse_properties(text: str) -> dict[str, str]:
    r"""Keys and values of a Java properties file (comments, line continuation, ``\uXXXX`` and character escapes)."""
    properties: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        line = line.lstrip()
        if not line or line[0] in "#!":
            continue
        while _continues(line):
            line = line[:-1] + next(lines, "").lstrip()
        key, _, value = line.partition("=")
        properties[_unescape(key.strip())] = _unescape(value.strip())
    return properties


class FurnitureLibrary:
    """One .sh3f archive, opened for reading.

    Args:
        path: the archive.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a furniture library.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a Sweet Home 3D furniture library: {error}") from error
        if f"{_CATALOGUE}.properties" not in self._archive.namelist():
            raise ValueError(f"{path} has no {_CATALOGUE}.properties: it is not a Sweet Home 3D furniture library")

    @property
    def name(self) -> str:
        """File stem, for example ``Scopia``."""
        return self.path.stem

    @cached_property
    def entries(self) -> dict[str, FurnitureEntry]:
        """Entries by the path of their model."""
        base = self._numbered(f"{_CATALOGUE}.properties")
        names = {language: self._numbered(name) for language, name in self._language_files().items()}
        entries = {}
        for number, values in base.items():
            translations = {language: numbered[number]["name"] for language, numbered in names.items()
                            if "name" in numbered.get(number, {})}
            rotation = values.get("modelRotation")
            width, depth, height = (float(values[key]) / 100 for key in ("width", "depth", "height"))
            model = values["model"].lstrip("/")
            entries[model] = FurnitureEntry(
                model=model, title=values["name"], translations=translations, size=(width, depth, height),
                rotation=np.array(rotation.split(), dtype=float).reshape(3, 3) if rotation else np.eye(3),
                creator=values.get("creator", "unknown"), category=values["category"])
        return entries

    def files(self, model: str) -> dict[str, bytes]:
        """Every file in the folder of a model, by its name without the folder."""
        folder = model.rpartition("/")[0] + "/"
        names = [name for name in self._archive.namelist() if name.startswith(folder) and not name.endswith("/")]
        return {name[len(folder):]: self._archive.read(name) for name in names}

    def checksum(self, model: str) -> str:
        """Fingerprint of a model's files, from the archive's directory (nothing is unpacked)."""
        return f"{self._checksums[model.rpartition('/')[0]]:08x}"

    @cached_property
    def _checksums(self) -> dict[str, int]:
        """CRC of the names and CRCs of each folder's files."""
        checksums: dict[str, int] = {}
        for info in sorted(self._archive.infolist(), key=lambda info: info.filename):
            folder = info.filename.rpartition("/")[0]
            checksums[folder] = zlib.crc32(f"{info.filename}:{info.CRC:08x}".encode(), checksums.get(folder, 0))
        return checksums

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def _language_files(self) -> dict[str, str]:
        prefix, suffix = f"{_CATALOGUE}_", ".properties"
        return {name[len(prefix):-len(suffix)]: name for name in sorted(self._archive.namelist())
                if name.startswith(prefix) and name.endswith(suffix)}

    def _numbered(self, name: str) -> dict[int, dict[str, str]]:
        numbered: dict[int, dict[str, str]] = {}
        for key, value in parse_properties(self._archive.read(name).decode("latin-1")).items():
            match = _NUMBERED_KEY.match(key)
            if match:
                numbered.setdefault(int(match[2]), {})[match[1]] = value
        return numbered


def _continues(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        return _PLAIN_ESCAPES.get(escape, escape)
    return _ESCAPE.sub(replace, text)
