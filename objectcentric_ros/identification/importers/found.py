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

"""What an importer finds in somebody's folder, and how it becomes a dataset: checked first, then written all or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from objectcentric_ros.gallery.images import FORMATS, MAX_BYTES, MAX_PIXELS, MIN_SIDE
from objectcentric_ros.gallery.transfer import slug
from objectcentric_ros.identification.manifest import ManifestError, ManifestRow, write_manifest
from objectcentric_ros.identification.title import TitleTooLong, whole_title

OBJECT_COLUMNS = ("object_id", "title", "kind", "family", "size_x", "size_y", "size_z", "mass")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
INCH, POUND = 0.0254, 0.45359237                  # [m], [kg]
_LICENCES = ("licen", "copying", "terms", "attribution")
_SHARES = (("train", 0.6), ("fusion", 0.75), ("test", 1.0))
_NAMED = 5                                         # faults that an error names


class DatasetError(ValueError):
    """A dataset that can't be imported; the message names the file and what is wrong."""


@dataclass(frozen=True)
class FoundRow:
    """One picture (a file) or one title (a text) of an object; split None: drawn by object."""

    object_id: str
    source: str
    file: Path | None = None
    text: str = ""
    split: str | None = None
    candidate_set: str = ""


@dataclass(frozen=True)
class FoundObject:
    """What the dataset says of an object: size x, y, z [m] and mass [kg], None where it says nothing."""

    title: str = ""
    size: tuple[float, float, float] | None = None
    mass: float | None = None


@dataclass
class Found:
    """Everything an importer found.

    Args:
        rows: pictures and titles, with the dataset's own ids.
        objects: facts by id.
        candidate_sets: ids by name of the set.
        left_out: how many things were left out, by reason.
    """

    rows: list[FoundRow] = field(default_factory=list)
    objects: dict[str, FoundObject] = field(default_factory=dict)
    candidate_sets: dict[str, list[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def write_dataset(found: Found, out: Path, seed: int = 0, skip_bad: bool = False,
                  progress: Callable[[int, int], None] = lambda done, total: None) -> Counter[str]:
    """Check everything, then write manifest.csv, objects.csv, candidate_sets.csv and the pictures (as hard links where it can).

    Args:
        found: from an importer.
        out: new or empty folder.
        seed: of the split of objects that have none: 60 % train, 15 % fusion, 25 % test.
        skip_bad: leave out what is wrong instead of stopping.
        progress: called with (checked, all) rows.

    Returns:
        Rows by source, and `left out: why` counts.

    Raises:
        DatasetError: something is wrong, nothing was written; names the first faults and how many there are.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} is there already; give a new folder for the dataset")
    ids = _ids(row.object_id for row in found.rows)
    good: list[FoundRow] = []
    faults: list[str] = []
    for number, row in enumerate(found.rows):
        try:
            good.append(_checked(row))
        except (DatasetError, TitleTooLong) as error:
            faults.append(f"{row.file or row.object_id}: {error}")
        progress(number + 1, len(found.rows))
    if faults and not skip_bad:
        raise DatasetError(f"{len(faults)} of {len(found.rows)} pictures and titles can't be used, nothing was written: "
                           f"{'; '.join(faults[:_NAMED])}{'; ...' if len(faults) > _NAMED else ''}")
    if not good:
        raise DatasetError("there is nothing to import")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        rows = _place(good, ids, partial, seed)
        try:
            write_manifest(partial / "manifest.csv", rows)
        except ManifestError as error:
            raise DatasetError(str(error)) from error
        _write_tables(found, ids, partial)
        partial.chmod(0o755)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    counts = Counter(row.source for row in rows)
    counts.update({f"left out: {why}": count for why, count in found.left_out.items()})
    if faults:
        counts["left out: can't be used"] = len(faults)
    return counts


def images_in(folder: Path) -> list[Path]:
    """Pictures of a folder by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))


def licence_files(folder: Path) -> list[Path]:
    """Files of a dataset that by their names say how it may be used, at most one folder deep."""
    return sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern)
                  if path.is_file() and path.name.lower().startswith(_LICENCES))


def split_of(object_id: str, seed: int = 0, shares: Sequence[tuple[str, float]] = _SHARES) -> str:
    """Split of an object, the same one wherever and whenever it is drawn."""
    draw = int.from_bytes(hashlib.sha256(f"{seed}/{object_id}".encode()).digest()[:8], "big") / 2**64
    return next(split for split, end in shares if draw < end)


def _ids(given: Iterable[str]) -> dict[str, str]:
    """Ids as the gallery takes them, by the dataset's own."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for name in given:
        if name not in ids:
            base = slug(name)[:120].strip("-")
            if not base:
                raise DatasetError(f"no object id can be made of {name[:60]!r}: it has neither Latin letters nor digits")
            number, chosen = 1, base
            while chosen in taken:
                number += 1
                chosen = f"{base}-{number}"
            taken.add(chosen)
            ids[name] = chosen
    return ids


def _checked(row: FoundRow) -> FoundRow:
    if row.source == "text":
        text = whole_title("".join(character if character.isprintable() else " " for character in row.text))
        if not text:
            raise DatasetError("the title is empty")
        return replace(row, text=text)
    if row.file is None:
        raise DatasetError("a picture has no file")
    check_image(row.file)
    return row


def check_image(path: Path) -> None:
    """Raise DatasetError unless a file is a PNG or JPEG of a sensible size; reads the header and what has a check sum."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(f"the file has {path.stat().st_size / 1e6:.0f} MB; at most {MAX_BYTES // 1024 ** 2} MiB are read")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")           # Pillow's own bomb warning: the limit below is ours
            with Image.open(io.BytesIO(path.read_bytes()), formats=tuple(FORMATS)) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise DatasetError(f"{width} x {height} pixels; at most {MAX_PIXELS / 1e6:g} million are decoded")
                if min(width, height) < MIN_SIDE:
                    raise DatasetError(f"{width} x {height} pixels; nothing is visible below {MIN_SIDE} x {MIN_SIDE}")
                image.verify()
    except DatasetError:
        raise
    except FileNotFoundError:
        raise DatasetError("the file is missing") from None
    except Image.DecompressionBombError as error:
        raise DatasetError(f"far too many pixels are promised; at most {MAX_PIXELS / 1e6:g} million are decoded") from error
    except Exception as error:      # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise DatasetError(f"no readable PNG or JPEG: {error}") from error


def _place(rows: Sequence[FoundRow], ids: dict[str, str], folder: Path, seed: int) -> list[ManifestRow]:
    """Put the pictures into the folder; the manifest's rows, each once."""
    placed: dict[tuple[str, str, str, str, str], ManifestRow] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for row in rows:
        object_id = ids[row.object_id]
        split = row.split or split_of(object_id, seed)
        key = (object_id, row.source, str(row.file), row.text, split)
        if key in placed:
            continue
        path = ""
        if row.file is not None:
            numbers[object_id, row.source] += 1
            name = f"{numbers[object_id, row.source]:04d}{'.png' if row.file.suffix.lower() == '.png' else '.jpg'}"
            path = f"images/{object_id}/{row.source}/{name}"
            _link(row.file, folder / path)
        placed[key] = ManifestRow(object_id, row.source, path, row.text, split, row.candidate_set)
    return list(placed.values())


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError:                                    # another file system, or one without hard links
        shutil.copyfile(file, target)


def _write_tables(found: Found, ids: dict[str, str], folder: Path) -> None:
    with (folder / "objects.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(OBJECT_COLUMNS)
        for name, object_id in ids.items():
            facts = found.objects.get(name, FoundObject())
            size = [""] * 3 if facts.size is None else [f"{edge:.4f}" for edge in facts.size]
            title = " ".join("".join(c if c.isprintable() else " " for c in facts.title[:500]).split())
            mass = "" if facts.mass is None else f"{facts.mass:.4f}"
            writer.writerow([object_id, title or object_id, "", object_id, *size, mass])
    if found.candidate_sets:
        with (folder / "candidate_sets.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("candidate_set", "object_id"))
            writer.writerows((name, ids[member]) for name, members in found.candidate_sets.items()
                             for member in members if member in ids)
