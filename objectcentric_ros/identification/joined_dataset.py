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

"""Several identification datasets as one: what a training, a fusion or an evaluation reads is one manifest."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from objectcentric_ros.identification.manifest import Manifest, ManifestError, read_manifest, write_manifest

_TABLES = ("objects.csv", "crops.csv")
_ATTRIBUTION = "ATTRIBUTION.md"
_DESCRIPTION = "dataset.yaml"


def join_datasets(folders: Sequence[Path], output: Path, progress: Callable[[int, int], None] | None = None) -> Counter[str]:
    """Join datasets that have no object in common; pictures become hard links where the file system has them.

    Args:
        folders: two or more datasets. Tables beside the manifest are joined where all of them have them.
        output: new folder; written beside its place, then moved there.
        progress: told how many pictures are done, and of how many.

    Returns:
        Objects by split.

    Raises:
        ManifestError: a dataset is broken, two share an object or a picture's path, or a family would be in two splits.
        OSError: the output can't be written.
    """
    if len(folders) < 2:
        raise ManifestError("joining takes two or more datasets")
    if output.exists():
        raise ManifestError(f"{output} is there already: name a new folder")
    manifests = [read_manifest(folder) for folder in folders]
    _check_apart(manifests)
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        total, done = sum(1 for manifest in manifests for row in manifest.rows if row.path), 0
        for manifest in manifests:
            for row in manifest.rows:
                if row.path:
                    _link(manifest.file(row), fresh / row.path)
                    done += 1
                    if progress is not None:
                        progress(done, total)
        for name in _TABLES:
            _join_tables([folder / name for folder in folders], fresh / name)
        write_manifest(fresh, [row for manifest in manifests for row in manifest.rows])
        _describe(folders, fresh)
        fresh.chmod(0o755)
        fresh.rename(output)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return Counter({row.object_id: row.split for manifest in manifests for row in manifest.rows}.values())


def _check_apart(manifests: Sequence[Manifest]) -> None:
    owners: dict[str, Path] = {}
    paths: dict[str, Path] = {}
    splits: dict[str, tuple[str, Path]] = {}
    for manifest in manifests:
        for name in {row.object_id for row in manifest.rows}:
            other = owners.setdefault(name, manifest.root)
            if other != manifest.root:
                raise ManifestError(f"{other} and {manifest.root} both have the object {name!r}: make the second one "
                                    "--apart-from the first")
        for path in {row.path for row in manifest.rows if row.path}:
            other = paths.setdefault(path, manifest.root)
            if other != manifest.root:
                raise ManifestError(f"{other} and {manifest.root} both have a picture {path!r}")
        for row in _rows(manifest.root / "objects.csv"):
            family, split = row.get("family", ""), row.get("split", "")
            known, other = splits.setdefault(family, (split, manifest.root))
            if family and known != split:
                raise ManifestError(f"{row.get('object_id')} of {manifest.root} is akin to objects of the split {known} in "
                                    f"{other}, but is in {split}")


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [dict(row) for row in csv.DictReader(file)]


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:                                  # another file system, or one without links
        shutil.copyfile(source, target)


def _join_tables(paths: Sequence[Path], target: Path) -> None:
    tables = [_rows(path) for path in paths]
    if not all(path.is_file() for path in paths) or len({tuple(table[0]) for table in tables if table}) != 1:
        return
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, next(list(table[0]) for table in tables if table), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for table in tables for row in table)


def _describe(folders: Sequence[Path], target: Path) -> None:
    """What the parts say of themselves, and who made what is pictured."""
    parts = []
    lines: dict[str, None] = {}
    for folder in folders:
        path = folder / _DESCRIPTION
        facts = yaml.safe_load(path.read_text()) if path.is_file() else None
        parts.append({"name": folder.name, **(facts if isinstance(facts, dict) else {})})
        if (folder / _ATTRIBUTION).is_file():
            lines.update(dict.fromkeys((folder / _ATTRIBUTION).read_text().splitlines()))
    (target / _DESCRIPTION).write_text(yaml.safe_dump({"joined": parts}, sort_keys=False))
    if lines:
        (target / _ATTRIBUTION).write_text("\n".join(lines) + "\n")
