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
"""Embeddings of a whole manifest, kept in one file, and the distances of queries to the references of objects.

The vectors are made once and measured as often as wanted: training of the fusion, the evaluation and the title tower all
start from here. A distance is 1 - cos; an object's distance by a source is the least over its references of that source
(paper B, figure 6), NaN where it has none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.encoder import Encoder
from objectcentric_ros.identification.manifest import REFERENCE_SOURCES, SOURCES, Manifest, ManifestRow
from objectcentric_ros.identification.reference_views import SQUARES, encode_references

if TYPE_CHECKING:
    from objectcentric_ros.identification.deployed_text import TextEncoder

UNIT_TOLERANCE = 1e-3       # half-precision vectors are this near to length 1
_VERSION = 1                # of the file: raise it when its fields change
_PART = 1024                # rows a resumable part
_BATCH = 32                 # images in memory at once
_QUERY_CHUNK = 512          # queries whose similarities to all references are held at once
_TITLE = 500                # characters of a title that are kept beside its vector: a column is as wide as its longest text

Progress = Callable[[int, int], None]
"""Called with the number of rows done and of all."""


class EmbeddingError(ValueError):
    """Vectors that must not be stored or compared: not finite, not of length 1, of another space; or an unreadable image."""


@dataclass(frozen=True)
class EmbeddedSet:
    """The rows of a manifest as vectors.

    Args:
        object_ids: (R,) texts.
        sources: (R,) int8, index into manifest.SOURCES.
        vectors: (R, D) float32 of length 1.
        splits: (R,) texts.
        paths: (R,) texts: the image's path relative to the dataset's folder, or the title (its first 500 characters).
        key: of the encoders; vectors of two keys are never compared.

    Raises:
        EmbeddingError: arrays of different lengths, a source that isn't there, or a vector that is not finite or not of length 1.
    """

    object_ids: NDArray[np.str_]
    sources: NDArray[np.int8]
    vectors: NDArray[np.float32]
    splits: NDArray[np.str_]
    paths: NDArray[np.str_]
    key: str

    def __post_init__(self) -> None:
        check_vectors(self.vectors, "embedded set")
        lengths = {name: len(getattr(self, name)) for name in ("object_ids", "sources", "vectors", "splits", "paths")}
        if len(set(lengths.values())) > 1:
            raise EmbeddingError(f"the columns of an embedded set must be of one length, got {lengths}")
        if len(self.sources) and not (0 <= int(self.sources.min()) and int(self.sources.max()) < len(SOURCES)):
            raise EmbeddingError(f"sources are 0 to {len(SOURCES) - 1} ({', '.join(SOURCES)}), "
                                 f"got {self.sources.min()} to {self.sources.max()}")

    def __len__(self) -> int:
        return len(self.object_ids)

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        return int(self.vectors.shape[1])

    @property
    def objects(self) -> tuple[str, ...]:
        """Ids of the objects, each once, in order of appearance."""
        return tuple(dict.fromkeys(self.object_ids.tolist()))

    def select(self, split: str | None = None, sources: Collection[str] | None = None) -> EmbeddedSet:
        """The rows of a split and of some sources; raises ValueError for a source that doesn't exist."""
        keep = np.ones(len(self), bool)
        if split is not None:
            keep &= self.splits == split
        if sources is not None:
            if unknown := sorted(set(sources) - set(SOURCES)):
                raise ValueError(f"unknown sources {', '.join(unknown)}; the sources are {', '.join(SOURCES)}")
            keep &= np.isin(self.sources, [SOURCES.index(source) for source in sources])
        return self.take(np.flatnonzero(keep))

    def take(self, rows: NDArray[np.integer]) -> EmbeddedSet:
        """The rows of these numbers, in this order."""
        return EmbeddedSet(self.object_ids[rows], self.sources[rows], self.vectors[rows], self.splits[rows], self.paths[rows],
                           self.key)

    def save(self, path: Path) -> None:
        """Write one .npz file; it appears complete or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez(file, version=np.array(_VERSION), object_ids=self.object_ids, sources=self.sources, vectors=self.vectors,
                     splits=self.splits, paths=self.paths, key=np.array(self.key))
        os.replace(file.name, path)
        path.chmod(0o644)

    @classmethod
    def load(cls, path: Path) -> EmbeddedSet:
        """Read a file of save(); raises EmbeddingError that names it where it is broken or of another version."""
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["version"]) != _VERSION:
                    raise EmbeddingError(f"{path} is of version {file['version']}, this program reads {_VERSION}: delete it")
                return cls(file["object_ids"], file["sources"].astype(np.int8), file["vectors"].astype(np.float32),
                           file["splits"], file["paths"], str(file["key"]))
        except (OSError, KeyError, ValueError, EOFError) as error:
            if isinstance(error, EmbeddingError):
                raise EmbeddingError(f"{path}: {error}") from error
            raise EmbeddingError(f"{path} is no embedded set: {error}") from error


def check_vectors(vectors: NDArray[np.float32], what: str) -> None:
    """Refuse vectors that can't be compared.

    Args:
        vectors: (R, D) float32.
        what: named in the error.

    Raises:
        EmbeddingError: not (R, D), not finite, or not of length 1.
    """
    if vectors.ndim != 2:
        raise EmbeddingError(f"{what}: vectors must be (R, D), got {vectors.shape}")
    if bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
        raise EmbeddingError(f"{what}: {len(bad)} vectors are not finite, the first is row {bad[0]}")
    lengths = np.linalg.norm(vectors, axis=1)
    if bad := np.flatnonzero(np.abs(lengths - 1.0) > UNIT_TOLERANCE).tolist():
        raise EmbeddingError(f"{what}: {len(bad)} vectors are not of length 1, row {bad[0]} has {lengths[bad[0]]:.4f}")


def embed_manifest(manifest: Manifest, encoder: Encoder, text_encoder: TextEncoder | None = None, cache: Path | None = None,
                   progress: Progress | None = None, quarter_turns: int = 1, views: bool = False) -> EmbeddedSet:
    """Encode every image of a manifest, and every title where there is a text encoder.

    Args:
        manifest: what to encode; select() a split first to encode less.
        encoder: of images.
        text_encoder: of titles; without one, rows of titles are left out.
        cache: folder of finished sets; what was encoded there before, by the same weights from the same files, isn't again.
            A run that was killed goes on after its last part of 1024 rows.
        progress: told after every batch.
        quarter_turns: in-plane orientations (1, 2 or 4) in which every picture of a reference is encoded, one row each, as the
            identifier does it.
        views: encode references as encode_references does.

    Raises:
        ValueError: other quarter_turns.
        EmbeddingError: the text encoder is of another space, an image can't be read, or an encoder gave a bad vector.
    """
    if quarter_turns not in (1, 2, 4):
        raise ValueError(f"quarter_turns must be 1, 2 or 4, got {quarter_turns}")
    rows = [(row, turn) for row in manifest.rows if row.source != "text" or text_encoder is not None
            for turn in range(0, 4, 4 if row.source in ("query", "text") else 4 // quarter_turns)]
    key = encoder.key
    if text_encoder is not None:
        if text_encoder.dimension != encoder.dimension or text_encoder.image_key != encoder.key:
            raise EmbeddingError(f"text encoder {text_encoder.key} speaks the space of {text_encoder.image_key} "
                                 f"numbers), not that of {encoder.key} ({encoder.dimension})")
        key = f"{encoder.key}+{text_encoder.key}"
    # An encoder in 8 bits has the key of the one that it was made of; what is measured is measured with its own vectors.
    made_by = " ".join(f"{type(one).__name__} {getattr(one, 'precision', '')}" for one in (encoder, text_encoder))
    magnified = f" {SQUARES}" if views else ""
    described = f"{_VERSION} {key} {made_by} {quarter_turns}{magnified} {manifest_hash(manifest)}"
    name = hashlib.sha256(described.encode()).hexdigest()[:24]
    if cache is not None and (cache / f"{name}.npz").is_file():
        return EmbeddedSet.load(cache / f"{name}.npz")
    parts = cache / f"{name}.parts" if cache is not None else None
    vectors = np.empty((len(rows), encoder.dimension), np.float32)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, len(rows))

    for start in range(0, len(rows), _PART):
        stop = min(start + _PART, len(rows))
        vectors[start:stop] = _part(manifest.root, rows[start:stop], encoder, text_encoder, views,
                                    parts / f"{start}.npy" if parts else None, partial(_after, start, report))
    result = EmbeddedSet(
        np.array([row.object_id for row, _ in rows], dtype=np.str_),
        np.array([SOURCES.index(row.source) for row, _ in rows], np.int8), vectors,
        np.array([row.split for row, _ in rows], dtype=np.str_),
        np.array([row.text[:_TITLE] if row.source == "text" else row.path for row, _ in rows], dtype=np.str_), key)
    if cache is not None and parts is not None:
        result.save(cache / f"{name}.npz")
        shutil.rmtree(parts, ignore_errors=True)
    return result


def _after(start: int, report: Callable[[int], None], done: int) -> None:
    report(start + done)


def manifest_hash(manifest: Manifest) -> str:
    """Hash of a manifest's rows and of the size and time of every file that it names."""
    digest = hashlib.sha256()
    for row in manifest.rows:
        stamp = (0, 0)
        if row.path:
            status = (manifest.root / row.path).stat()
            stamp = (status.st_size, status.st_mtime_ns)
        digest.update(repr((row.object_id, row.source, row.path, row.text, row.split, stamp)).encode())
    return digest.hexdigest()


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) uint8 RGB; raises EmbeddingError that names it."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise EmbeddingError(f"{path} is no image that can be read")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _part(root: Path, rows: Sequence[tuple[ManifestRow, int]], encoder: Encoder, text_encoder: TextEncoder | None,
          views: bool, kept: Path | None, progress: Callable[[int], None]) -> NDArray[np.float32]:
    """Vectors of some rows with their quarter turns, read from the file of a run before if it is there."""
    if kept is not None and kept.is_file():
        vectors: NDArray[np.float32] = np.load(kept, allow_pickle=False)
        progress(len(rows))
        return vectors
    vectors = np.empty((len(rows), encoder.dimension), np.float32)
    images = [index for index, (row, _) in enumerate(rows) if row.source != "text"]
    texts = [index for index, (row, _) in enumerate(rows) if row.source == "text"]
    done = 0
    for batch in (images[start:start + _BATCH] for start in range(0, len(images), _BATCH)):
        pictures = [np.ascontiguousarray(np.rot90(read_image(root / rows[index][0].path), rows[index][1])) for index in batch]
        sources = [rows[index][0].source for index in batch]
        vectors[batch] = encode_references(encoder, pictures, sources) if views else encoder.encode(pictures)
        done += len(batch)
        progress(done)
    if texts and text_encoder is not None:
        vectors[texts] = text_encoder.encode([rows[index][0].text for index in texts])
        progress(len(rows))
    check_vectors(vectors, f"encoder {encoder.key}" + (f" with {text_encoder.key}" if text_encoder is not None else ""))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, suffix=".npy", delete=False) as file:
            np.save(file, vectors)
        os.replace(file.name, kept)
    return vectors


class ReferenceDistances:
    """Distances of queries to the references of some objects, asked for many times.

    Args:
        objects: C ids; one that has no reference gets NaN.
        references: rows of references; its queries and other objects' rows are left out.
    """

    def __init__(self, objects: Sequence[str], references: EmbeddedSet) -> None:
        self._ids, self._column_of = np.unique(np.asarray(list(objects), dtype=np.str_), return_inverse=True)
        source_of = np.array([REFERENCE_SOURCES.index(source) if source in REFERENCE_SOURCES else -1 for source in SOURCES])
        sources = source_of[references.sources]
        rows = np.flatnonzero((sources >= 0) & np.isin(references.object_ids, self._ids))
        groups = np.searchsorted(self._ids, references.object_ids[rows]) * len(REFERENCE_SOURCES) + sources[rows]
        order = np.argsort(groups, kind="stable")
        self._present, self._starts = np.unique(groups[order], return_index=True)
        self._vectors = references.vectors[rows[order]]

    def __call__(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances of (Q, D) queries: (Q, C, 4) float32; see min_distances."""
        check_vectors(queries, "queries")
        if queries.shape[1] != self._vectors.shape[1]:
            raise EmbeddingError(f"queries have {queries.shape[1]} numbers, references {self._vectors.shape[1]}: another encoder")
        result = np.full((len(queries), len(self._ids), len(REFERENCE_SOURCES)), np.nan, np.float32)
        flat = result.reshape(len(queries), -1)
        for start in range(0, len(queries) if len(self._starts) else 0, _QUERY_CHUNK):
            similarity = queries[start:start + _QUERY_CHUNK] @ self._vectors.T
            nearest = np.maximum.reduceat(similarity, self._starts, axis=1)
            flat[start:start + _QUERY_CHUNK, self._present] = np.clip(1.0 - nearest, 0.0, 2.0)
        return result[:, self._column_of]


def min_distances(queries: NDArray[np.float32], objects: Sequence[str], references: EmbeddedSet) -> NDArray[np.float32]:
    """Distance of every query to every object by each reference source (paper B, figure 6).

    Args:
        queries: (Q, D) float32 of length 1.
        objects: C ids; one that has no reference gets NaN.
        references: rows of references; its queries and other objects' rows are left out.

    Returns:
        (Q, C, 4) float32, least 1 - cos over the references of a source, in the order of REFERENCE_SOURCES; NaN where there
        is none.

    Raises:
        EmbeddingError: queries that are not (Q, D), not finite or not of length 1.
    """
    return ReferenceDistances(objects, references)(queries)
