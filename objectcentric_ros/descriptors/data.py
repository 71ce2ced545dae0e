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


"""Pairs as batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from objectcentric_ros.descriptors.pairs import NoPair, Pair, PairConfig, PairGenerator
from objectcentric_ros.descriptors.views import ObjectView, cropped


@dataclass(frozen=True)
class Batch:
    """Some pairs.

    Args:
        images_a, images_b: (B, 3, H, W) uint8, RGB.
        masks_a, masks_b: (B, H, W) bool.
        matches_a, matches_b: (B, M, 2) float32 pixels; a pair with fewer repeats some.
        K_a, K_b: (B, 3, 3) float32.
        T_b_a: (B, 4, 4) float32; NaN where it is not known.
        depths_a, depths_b: (B, H, W) float32 [m], NaN where there is none.
        pixels_b: (B, P, 2) float32, random pixels of image b, the first half on the object: non-matches.
    """

    images_a: Tensor
    images_b: Tensor
    masks_a: Tensor
    masks_b: Tensor
    matches_a: Tensor
    matches_b: Tensor
    K_a: Tensor
    K_b: Tensor
    T_b_a: Tensor
    depths_a: Tensor
    depths_b: Tensor
    pixels_b: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


class PairDataset(Dataset[Pair]):
    """Pairs of several kinds in turn; number i is always the same.

    Args:
        views: photographs.
        kinds: how pairs are made.
        seed: of everything random.
        count: how many there are.
        start: number of the first one.
    """

    def __init__(self, views: Sequence[ObjectView], kinds: Sequence[PairConfig], seed: int, count: int, start: int = 0) -> None:
        parts = [cropped(view) for view in views]
        self._generators = [PairGenerator(parts, kind, seed) for kind in kinds]
        self._count, self._start = count, start

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Pair:
        number = self._start + index
        if index >= self._count:
            raise IndexError(index)
        for retry in range(5):     # views that hardly overlap: take another pair
            try:
                return self._generators[number % len(self._generators)].pair(number + retry * 1_000_003)
            except NoPair:
                continue
        return self._generators[number % len(self._generators)].pair(number + 5_000_017)


def collate(pairs: Sequence[Pair], matches: int, non_matches: int = 0) -> Batch:
    """Stack pairs.

    Args:
        pairs: of one image size.
        matches: M; a pair's matches are repeated until there are so many.
        non_matches: P, random pixels of each image b.
    """
    def chosen(points: np.ndarray) -> np.ndarray:
        return points[np.arange(matches) % len(points)].astype(np.float32)

    def stack(arrays: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.stack(arrays)))

    motions = [np.full((4, 4), np.nan) if pair.T_b_a is None else pair.T_b_a for pair in pairs]
    return Batch(
        stack([pair.color_a.transpose(2, 0, 1) for pair in pairs]), stack([pair.color_b.transpose(2, 0, 1) for pair in pairs]),
        stack([pair.mask_a for pair in pairs]), stack([pair.mask_b for pair in pairs]),
        stack([chosen(pair.matches_a) for pair in pairs]), stack([chosen(pair.matches_b) for pair in pairs]),
        stack([pair.camera_a.matrix.astype(np.float32) for pair in pairs]),
        stack([pair.camera_b.matrix.astype(np.float32) for pair in pairs]),
        stack([motion.astype(np.float32) for motion in motions]),
        stack([_depth(pair.depth_a, pair.mask_a) for pair in pairs]),
        stack([_depth(pair.depth_b, pair.mask_b) for pair in pairs]),
        stack([_non_matches(pair.mask_b, non_matches, len(pair.matches_b)) for pair in pairs]))


def _depth(depth: np.ndarray | None, mask: np.ndarray) -> np.ndarray:
    return np.full(mask.shape, np.nan, np.float32) if depth is None else depth


def _non_matches(mask: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Random pixels (count, 2): the first half on the object, the others off it."""
    rng = np.random.default_rng(seed)
    chosen = []
    for place, number in ((mask, count - count // 2), (~mask, count // 2)):
        v, u = np.nonzero(place if place.any() else np.ones_like(mask))
        index = rng.integers(len(u), size=number)
        chosen.append(np.stack([u[index], v[index]], axis=1))
    return np.concatenate(chosen).astype(np.float32)


def batches(dataset: PairDataset, batch: int, matches: int, non_matches: int, workers: int) -> DataLoader[Any]:
    """A loader of batches in order (the pairs are random already)."""
    # Spawned, not forked: a fork copies OpenCV's thread pool without its threads, and the first warp in it waits for ever.
    return DataLoader(dataset, batch_size=batch, shuffle=False, num_workers=workers, drop_last=True,
                      prefetch_factor=4 if workers else None,
                      multiprocessing_context="spawn" if workers else None,
                      collate_fn=_Collate(matches, non_matches), worker_init_fn=_one_thread)


@dataclass(frozen=True)
class _Collate:
    matches: int
    non_matches: int

    def __call__(self, pairs: Sequence[Pair]) -> Batch:
        return collate(pairs, self.matches, self.non_matches)


def _one_thread(_: int) -> None:
    import cv2
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


