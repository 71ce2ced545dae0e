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

"""Common points of a dataset's queries and references, for training and evaluation; found once and kept beside the embeddings."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.embedded_set import EmbeddedSet
from objectcentric_ros.identification.local_features import LOCAL_KEY, LocalFeatures, common_points, local_features
from objectcentric_ros.identification.manifest import SOURCES
from objectcentric_ros.identification.verification import EVIDENCE, PICTURES

_STEP = 512                 # pairs between two reports
_VERSION = 1

Progress = Callable[[int, int], None]
"""Called with the number of pairs done and of all."""


def told_in_steps(report: Callable[[str], None]) -> Progress:
    """Progress as a sentence every ten thousand pairs and at the end."""
    return lambda done, total: report(f"common points: {done} of {total}") if done == total or done % (20 * _STEP) == 0 else None


class LocalBank:
    """Answers how many points a query and an object have in common.

    Args:
        embedded: rows of a manifest; queries are numbered in its order.
        root: of the dataset, where the rows' paths start.
        objects: ids, which numbers of objects refer to.
        cache: folder for what was found; None keeps it in memory alone.
        progress: told about pairs that are looked at.
        threads: at once.
    """

    def __init__(self, embedded: EmbeddedSet, root: Path, objects: Sequence[str], cache: Path | None = None,
                 progress: Progress | None = None, threads: int = 2) -> None:
        self._root, self._threads = root, threads
        self._progress: Progress = progress or (lambda done, total: None)
        self._queries = embedded.select(sources=("query",)).paths.tolist()
        number = {name: index for index, name in enumerate(objects)}
        self._references: dict[tuple[int, int], list[str]] = {}
        columns = (embedded.object_ids, embedded.sources, embedded.paths)
        for name, source, path in zip(*(column.tolist() for column in columns), strict=True):
            if SOURCES[source] in PICTURES and name in number:
                paths = self._references.setdefault((number[name], PICTURES.index(SOURCES[source])), [])
                if path not in paths:               # an image in several orientations has several rows
                    paths.append(path)
        names = "\n".join((*self._queries, *objects, *sorted(path for paths in self._references.values() for path in paths)))
        # The vectors stand for the pictures: others have others.
        pictures = hashlib.sha256(np.ascontiguousarray(embedded.vectors).tobytes()).hexdigest()
        digest = hashlib.sha256(f"{_VERSION} {LOCAL_KEY} {pictures} {names}".encode()).hexdigest()[:24]
        self._file = cache / f"{digest}.local.npz" if cache is not None else None
        self._found: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._features: dict[str, LocalFeatures] = {}
        self._load()

    def evidence(self, queries: NDArray[np.integer], objects: NDArray[np.integer],
                 covered: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Evidence of P pairs.

        Args:
            queries: (P,) numbers of queries.
            objects: (P,) numbers of objects.
            covered: (P, 3) or wider, the sources that the object has in this case, in the order of PICTURES.

        Returns:
            (P, 6), NaN where a source is not covered or has no picture.

        Raises:
            OSError: a picture can't be read.
        """
        wanted = [(query, number, source)
                  for query, number, row in zip(queries.tolist(), objects.tolist(), covered.tolist(), strict=True)
                  for source in range(len(PICTURES)) if row[source] and (number, source) in self._references]
        self._find(sorted({pair for pair in wanted if pair not in self._found}))
        found = np.full((len(queries), len(EVIDENCE)), np.nan, np.float32)
        for index, (query, number, row) in enumerate(zip(queries.tolist(), objects.tolist(), covered.tolist(), strict=True)):
            for source in range(len(PICTURES)):
                if row[source] and (number, source) in self._references:
                    found[index, 2 * source:2 * source + 2] = self._found[query, number, source]
        return found

    def save(self) -> None:
        """Keep what was found for the next time; nothing without a cache."""
        if self._file is None or not self._found:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._file.parent, suffix=".npz", delete=False) as file:
            np.savez(file, pairs=np.array(list(self._found), np.int32), counts=np.array(list(self._found.values()), np.int16))
        os.replace(file.name, self._file)
        self._file.chmod(0o644)

    def _load(self) -> None:
        if self._file is None or not self._file.is_file():
            return
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):      # damaged: looked for anew
            with np.load(self._file, allow_pickle=False) as file:
                self._found = dict(zip(map(tuple, file["pairs"].tolist()), map(tuple, file["counts"].tolist()), strict=True))

    def _find(self, pairs: Sequence[tuple[int, int, int]]) -> None:
        with ThreadPoolExecutor(self._threads) as pool:
            for start in range(0, len(pairs), _STEP):
                part = pairs[start:start + _STEP]
                paths = {self._queries[query] for query, _, _ in part}
                paths.update(path for _, number, source in part for path in self._references[number, source])
                new = sorted(paths - self._features.keys())
                self._features.update(zip(new, pool.map(partial(_read, self._root), new), strict=True))
                self._found.update(zip(part, pool.map(self._compare, part), strict=True))
                self._progress(start + len(part), len(pairs))

    def _compare(self, pair: tuple[int, int, int]) -> tuple[int, int]:
        query, number, source = pair
        return max(common_points(self._features[self._queries[query]], self._features[path])
                   for path in self._references[number, source])


def _read(root: Path, path: str) -> LocalFeatures:
    image = cv2.imread(str(root / path))
    if image is None:
        raise OSError(f"can't read the image {root / path}")
    return local_features(np.ascontiguousarray(image[..., ::-1], np.uint8))
