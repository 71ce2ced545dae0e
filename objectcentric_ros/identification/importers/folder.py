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

"""A plain folder: one sub-folder an object, with the name of the source or none.

    blue-mug/
        query/ tray/ bin/ catalog/      pictures of each source
        front.jpg                       pictures beside them have the source that the import is told
        title.txt                       a title a line
        object.yaml                     as `objectcentric gallery import` reads it: title, size, mass, texts

An object needs one picture; everything else may be missing.
"""

from __future__ import annotations

from pathlib import Path

from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.transfer import object_from_folder
from objectcentric_ros.identification.importers.found import DatasetError, Found, FoundObject, FoundRow, images_in

_PICTURES = ("query", "tray", "bin", "catalog")


def read_folder(folder: Path, source: str = "catalog") -> Found:
    """Every object of a plain folder.

    Args:
        folder: holds one sub-folder an object.
        source: of pictures that lie beside the sub-folders of sources.

    Raises:
        DatasetError: there is nothing in it, or a file can't be read.
    """
    if source not in _PICTURES:
        raise DatasetError(f"unknown source {source!r}; the sources of pictures are {', '.join(_PICTURES)}")
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder")
    found = Found()
    for home in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        rows = [FoundRow(home.name, source, path) for path in images_in(home)]
        for name in _PICTURES:
            rows += [FoundRow(home.name, name, path) for path in images_in(home / name)]
        titles, facts = _titles(home)
        if not rows:
            found.left_out["folders without a picture"] += 1
            continue
        found.rows += [*rows, *(FoundRow(home.name, "text", text=title) for title in titles)]
        found.objects[home.name] = facts
    if not found.rows:
        raise DatasetError(f"{folder} holds no objects: expected one sub-folder an object, with pictures in it or in "
                           f"{', '.join(_PICTURES)} sub-folders")
    return found


def _titles(home: Path) -> tuple[list[str], FoundObject]:
    try:
        titles = []
        if (home / "title.txt").is_file():
            titles = [line for line in (home / "title.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
        if not (home / "object.yaml").is_file():
            return titles, FoundObject(titles[0] if titles else "")
        record, texts = object_from_folder(home)
    except (OSError, UnicodeDecodeError, GalleryError) as error:
        raise DatasetError(f"{home}: {error}") from error
    return list(dict.fromkeys([record.title, *titles, *texts])), FoundObject(record.title, record.size, record.mass)
