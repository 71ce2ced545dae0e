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

"""The manifest: one table that names every picture and title of an identification dataset.

A dataset is a folder with ``manifest.csv`` (or ``manifest.parquet``), columns `COLUMNS`, and the pictures that it names.
Everything reads this table alone, whoever made it: the simulator, an importer, or a user by hand.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import IO

SOURCES = ("query", "tray", "bin", "catalog", "text")
REFERENCE_SOURCES = ("tray", "bin", "catalog", "text")
SPLITS = ("train", "fusion", "test")
COLUMNS = ("object_id", "source", "path", "text", "split", "candidate_set")
NAMES = ("manifest.csv", "manifest.parquet")
_NAMED = 5                                           # missing files that an error names
_FIELD_LIMIT = 1 << 20                               # characters of a field; the csv module's own limit is smaller


class ManifestError(ValueError):
    """A manifest that can't be used; the message names the file, the line and what is wrong."""


@dataclass(frozen=True)
class ManifestRow:
    """One picture or title of one object.

    Args:
        object_id: the object.
        source: one of `SOURCES`; a query is what the robot saw, the others are references.
        path: of the picture, relative to the manifest's folder, with ``/``; empty for text.
        text: the title; empty for pictures.
        split: one of `SPLITS`.
        candidate_set: name of the set of objects that a query is to be identified among; may be empty.

    Raises:
        ManifestError: a value is wrong; the message says which.
    """

    object_id: str
    source: str
    path: str = ""
    text: str = ""
    split: str = "train"
    candidate_set: str = ""

    def __post_init__(self) -> None:
        if not self.object_id.strip():
            raise ManifestError("object_id is empty")
        if self.source not in SOURCES:
            raise ManifestError(f"unknown source {self.source!r}: expected one of {', '.join(SOURCES)}")
        if self.split not in SPLITS:
            raise ManifestError(f"unknown split {self.split!r}: expected one of {', '.join(SPLITS)}")
        if self.source == "text":
            if self.path or not self.text.strip():
                raise ManifestError("a row of source text has a text and no path")
        elif self.text or not self.path:
            raise ManifestError(f"a row of source {self.source} has a path and no text")
        elif not _inside(self.path):
            raise ManifestError(f"path {self.path!r} must be relative to the manifest's folder, with / and without '..'")


@dataclass(frozen=True)
class Manifest:
    """The rows of a dataset, and the folder that their paths start from."""

    root: Path
    rows: tuple[ManifestRow, ...]

    @property
    def objects(self) -> tuple[str, ...]:
        """Ids of the objects, each once, in the order of their first rows."""
        return tuple(dict.fromkeys(row.object_id for row in self.rows))

    def select(self, split: str | None = None, sources: Collection[str] | str | None = None) -> Manifest:
        """The rows of a split and of some sources; None is all.

        Raises:
            ValueError: there is no such split or source.
        """
        wanted = SOURCES if sources is None else (sources,) if isinstance(sources, str) else tuple(sources)
        unknown = sorted(set(wanted) - set(SOURCES))
        if unknown or split not in (None, *SPLITS):
            raise ValueError(f"sources {', '.join(SOURCES)} and splits {', '.join(SPLITS)} expected, "
                             f"got {', '.join(unknown) if unknown else repr(split)}")
        return Manifest(self.root, tuple(row for row in self.rows if row.source in wanted and split in (None, row.split)))

    def file(self, row: ManifestRow) -> Path:
        """Where the picture of a row is."""
        return self.root / row.path


def read_manifest(path: Path, check_files: bool = True) -> Manifest:
    """Read a manifest.

    Args:
        path: the file, or the folder that has it as ``manifest.csv`` or ``manifest.parquet``.
        check_files: every picture must be there.

    Raises:
        ManifestError: a column is missing, a row is wrong or there twice, or pictures are missing.
        FileNotFoundError: there is no manifest.
    """
    path = _manifest_file(Path(path))
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    rows: dict[ManifestRow, int] = {}
    for line, values in table:
        try:
            row = ManifestRow(*values)
        except ManifestError as error:
            raise ManifestError(f"{path}, line {line}: {error}") from None
        if row in rows:
            raise ManifestError(f"{path}, line {line}: the same row as line {rows[row]}")
        rows[row] = line
    manifest = Manifest(path.parent, tuple(rows))
    if check_files:
        missing = [row.path for row in rows if row.path and not manifest.file(row).is_file()]
        if missing:
            raise ManifestError(f"{path}: {len(missing)} of {sum(bool(row.path) for row in rows)} pictures are missing in "
                                f"{path.parent}: {', '.join(missing[:_NAMED])}{', ...' if len(missing) > _NAMED else ''}")
    return manifest


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write a manifest; whoever reads meanwhile has the old one or the new one, never half of it.

    Args:
        path: the file, ``.csv`` or ``.parquet``; a folder gets ``manifest.csv``.
        rows: its rows.

    Raises:
        ManifestError: two rows are the same, or Parquet is asked for and pyarrow is missing.
    """
    path = Path(path)
    path = path / NAMES[0] if path.is_dir() or not path.suffix else path
    listed = list(rows)
    twice = [row for row, count in Counter(listed).items() if count > 1]
    if twice:
        raise ManifestError(f"{path}: {len(twice)} rows are there twice, the first is {twice[0]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        if path.suffix == ".parquet":
            os.close(handle)
            _write_parquet(Path(temporary), listed)
        else:
            with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
                _write_csv(file, listed)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return not (path.startswith("/") or PureWindowsPath(path).drive or "\\" in path or "\0" in path or ".." in parts)


def _manifest_file(path: Path) -> Path:
    if not path.is_dir():
        if path.is_file():
            return path
        raise FileNotFoundError(f"there is no manifest {path}; make a dataset with `objectcentric dataset identification`")
    for name in NAMES:
        if (path / name).is_file():
            return path / name
    raise FileNotFoundError(f"{path} has no {' or '.join(NAMES)}; make a dataset with `objectcentric dataset identification`")


def _read_csv(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line number and values in the order of COLUMNS."""
    limit = csv.field_size_limit(_FIELD_LIMIT)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            _check_columns(path, header)
            order = [header.index(name) for name in COLUMNS]
            for values in reader:
                if not values:
                    continue
                if len(values) != len(header):
                    raise ManifestError(f"{path}, line {reader.line_num}: {len(header)} values expected, got {len(values)}")
                yield reader.line_num, tuple(values[index] for index in order)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} is not a CSV file in UTF-8: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _read_parquet(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    pyarrow = _pyarrow(path)
    from pyarrow import parquet
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise ManifestError(f"{path} is not a Parquet file: {error}") from error
    _check_columns(path, table.column_names)
    columns = [table.column(name).to_pylist() for name in COLUMNS]
    for line, values in enumerate(zip(*columns, strict=True), start=1):
        yield line, tuple("" if value is None else str(value) for value in values)


def _write_csv(file: IO[str], rows: Iterable[ManifestRow]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)


def _write_parquet(path: Path, rows: list[ManifestRow]) -> None:
    pyarrow = _pyarrow(path)
    from pyarrow import parquet
    parquet.write_table(pyarrow.table({field.name: pyarrow.array([getattr(row, field.name) for row in rows], pyarrow.string())
                                       for field in fields(ManifestRow)}), path)


def _pyarrow(path: Path) -> ModuleType:
    try:
        import pyarrow
    except ImportError as error:
        raise ManifestError(f"{path.name}: Parquet needs pyarrow: `pip install pyarrow`, or use a .csv file") from error
    return pyarrow


def _check_columns(path: Path, header: Collection[str]) -> None:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise ManifestError(f"{path}: the columns {', '.join(missing)} are missing; {', '.join(COLUMNS)} are needed, "
                            f"the first line has: {', '.join(header)}")
