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

"""The images of a manifest as one memory-mapped array, made once and shared by all processes that train on it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.identification.efficientnet_lite import fit_square
from objectcentric_ros.identification.embedded_set import manifest_hash, read_image
from objectcentric_ros.identification.manifest import Manifest, ManifestRow

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CachedImages:
    """Images by row.

    Args:
        rows: of the manifest, those with a picture.
        images: (R, S, S, 3) uint8 RGB, read-only; padded to squares with grey.
    """

    rows: tuple[ManifestRow, ...]
    images: NDArray[np.uint8]


def cached_images(manifest: Manifest, side: int, folder: Path | None = None, progress: Progress | None = None) -> CachedImages:
    """The pictures of a manifest as squares; read from the cache where they are, and none of them has changed since.

    Args:
        manifest: whose rows of pictures are taken; select() a split first.
        side: S [px].
        folder: of the cache; None: `.cache` in the dataset's folder.
        progress: told how many images are done, and of how many, while the cache is made.

    Raises:
        ValueError: there is no picture, or one can't be read.
        OSError: the cache can't be written.
    """
    rows = tuple(row for row in manifest.rows if row.path)
    if not rows:
        raise ValueError(f"the manifest of {manifest.root} has no pictures of the split that is asked for")
    folder = folder or manifest.root / ".cache"
    # By the whole content of the rows, so that a dataset that grew makes a new file.
    name = hashlib.sha256(f"{side} {manifest_hash(Manifest(manifest.root, rows))}".encode()).hexdigest()[:20]
    path = folder / f"images-{name}.npy"
    if not path.is_file():
        _write(path, manifest, rows, side, progress)
    return CachedImages(rows, np.load(path, mmap_mode="r", allow_pickle=False))


def _write(path: Path, manifest: Manifest, rows: tuple[ManifestRow, ...], side: int, progress: Progress | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".unfinished")
    os.close(handle)
    try:
        images = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (len(rows), side, side, 3))
        for index, row in enumerate(rows):
            images[index] = fit_square(read_image(manifest.file(row)), side)
            if progress is not None:
                progress(index + 1, len(rows))
        images.flush()
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)      # two processes that make it at once: the same content, the last one stays
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
