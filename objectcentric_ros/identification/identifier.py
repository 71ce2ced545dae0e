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

"""Which of the candidates does an image show? Distances from the gallery, a ranking, and an honest "none of these".

Until a trained fusion model takes over, the sources are fused as in the paper's baseline: by the minimum distance over the
sources that a candidate has.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.errors import BadImage, UnknownObject
from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.records import SOURCES, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.encoder import Encoder

_REFERENCES_A_BATCH = 32


@dataclass(frozen=True)
class IdentifierConfig:
    """Turns distances into probabilities.

    The defaults were chosen on the development items in simulated clutter (10 candidates, 7 tray references an item): least
    negative log-likelihood for the temperature, 2 % wrong names after the one-to-one rule for none_distance.

    Args:
        temperature: softmax temperature over cosine distances; smaller = surer.
        none_distance: distance at which a candidate is as likely as "none of these".
        quarter_turns: in-plane orientations (1, 2 or 4) in which every reference is embedded; the nearest one counts.
            It costs time once a reference instead of with every query: items lie in the tray any way round.
    """

    temperature: float = 0.05
    none_distance: float = 0.38
    quarter_turns: int = 4

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not self.none_distance > 0 or self.quarter_turns not in (1, 2, 4):
            raise ValueError(f"temperature and none_distance must be positive and quarter_turns 1, 2 or 4, got {self}")


@dataclass(frozen=True)
class RankedCandidate:
    """One candidate with its evidence.

    Args:
        object_id: its id.
        title: its main title.
        probability: 0..1 over the candidates and "none of these".
        distances: (4,) minimum cosine distance by source, in the order of gallery.records.SOURCES; NaN = no reference.
        size: bounding box [m], or None.
        mass: [kg], or None.
        picks_attempted: picks in its history.
        picks_succeeded: those that succeeded.
    """

    object_id: str
    title: str
    probability: float
    distances: NDArray[np.float32]
    size: tuple[float, float, float] | None = None
    mass: float | None = None
    picks_attempted: int = 0
    picks_succeeded: int = 0

    @property
    def distance(self) -> float:
        """Minimum over the sources; NaN when the gallery has no reference of it."""
        return float(np.nanmin(self.distances)) if not np.isnan(self.distances).all() else math.nan


@dataclass(frozen=True)
class IdentificationResult:
    """The answer for one image.

    Args:
        ranking: every candidate, best first.
        none_of_these: no candidate is believable; the ranking is still given.
        confidence: probability of the answer: of ranking[0], or of "none of these".
        reason: one sentence for a person.
    """

    ranking: tuple[RankedCandidate, ...]
    none_of_these: bool
    confidence: float
    reason: str

    @property
    def none_probability(self) -> float:
        """Probability that the image shows none of the candidates."""
        return max(0.0, 1.0 - sum(candidate.probability for candidate in self.ranking))


@dataclass(frozen=True)
class IdentificationBatch:
    """Answers in the order of the images, with the time spent in the encoder and in the gallery [ms]."""

    results: tuple[IdentificationResult, ...]
    encode_ms: float
    query_ms: float


class Identifier:
    """Identifies crops against a gallery; safe to call from several threads.

    Args:
        encoder: makes the embeddings of queries and of references that lack one.
        gallery: knows the candidates.
        config: how distances become probabilities.
    """

    def __init__(self, encoder: Encoder, gallery: Gallery, config: IdentifierConfig | None = None) -> None:
        self.encoder = encoder
        self.gallery = gallery
        self.config = config or IdentifierConfig()
        self._embedding = threading.Lock()

    def identify(self, crops: Sequence[NDArray[np.uint8]], candidates: Sequence[str]) -> IdentificationBatch:
        """Identify images among candidates.

        Args:
            crops: (H, W, 3) uint8 RGB images of one object each, cut by identification.crop.
            candidates: object ids, what is known to be there; repeated ids count once.

        Raises:
            ValueError: no candidates, or a crop is not an image.
            UnknownObject: candidates that the gallery does not have; names them.
        """
        candidates = tuple(dict.fromkeys(candidates))
        if not candidates:
            raise ValueError("the list of candidates is empty: give the ids of the objects that may be there")
        start = time.perf_counter()
        known = self.gallery.summaries(candidates)
        if unknown := [candidate for candidate in candidates if candidate not in known]:
            more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
            raise UnknownObject(f"candidates that the gallery does not have: {', '.join(map(str, unknown[:8]))}{more}; "
                                "add them (objectcentric gallery add) or leave them out")
        query_ms = _ms_since(start)
        encode_ms = self.embed_references(candidates)
        start = time.perf_counter()
        vectors = self.encoder.encode(crops)
        encode_ms += _ms_since(start)
        if not crops:
            return IdentificationBatch((), encode_ms, query_ms)
        start = time.perf_counter()
        distances = self.gallery.min_distances(self.embedding_key, vectors, candidates)
        query_ms += _ms_since(start)
        return IdentificationBatch(tuple(rank(row, candidates, known, self.config) for row in distances), encode_ms, query_ms)

    @property
    def embedding_key(self) -> str:
        """Key of the reference embeddings in the gallery: the encoder's, and in how many orientations."""
        turns = self.config.quarter_turns
        return self.encoder.key if turns == 1 else f"{self.encoder.key}-turns{turns}"

    def embed_references(self, candidates: Sequence[str]) -> float:
        """Embed the candidates' reference images that this encoder has not seen yet; returns the time it took [ms].

        Raises:
            BadImage: a stored image can't be decoded any more; names object and reference.
        """
        start = time.perf_counter()
        with self._embedding:           # a second thread waits instead of doing the same work
            while missing := self.gallery.missing_embeddings(self.embedding_key, candidates, _REFERENCES_A_BATCH):
                views, ids = [], []
                for reference_id, object_id, _, data in missing:
                    try:
                        image = decode_image(data)[0]
                    except BadImage as error:
                        raise BadImage(f"reference {reference_id} of {object_id} is damaged, remove it: {error}") from error
                    for turn in range(0, 4, 4 // self.config.quarter_turns):
                        views.append(np.ascontiguousarray(np.rot90(image, turn)))
                        ids.append(reference_id)
                vectors = self.encoder.encode(views)
                self.gallery.put_embeddings(self.embedding_key, list(zip(ids, vectors, strict=True)))
        return _ms_since(start)


def probabilities(distances: NDArray[np.floating], config: IdentifierConfig) -> tuple[NDArray[np.float64], float]:
    """Softmax over candidates and "none of these".

    p_c = exp(-d_c / T) / (exp(-d_none / T) + sum_k exp(-d_k / T)), with p_c = 0 where d_c is NaN.

    Args:
        distances: (C,) distance of each candidate; NaN = no reference.
        config: temperature T and distance d_none.

    Returns:
        (C,) probabilities of the candidates, and the probability of none of them.
    """
    logits = np.append(-np.asarray(distances, np.float64), -config.none_distance) / config.temperature
    logits[np.isnan(logits)] = -np.inf
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    return weights[:-1], float(weights[-1])


def rank(distances: NDArray[np.float32], candidates: Sequence[str], known: Mapping[str, ObjectSummary],
         config: IdentifierConfig) -> IdentificationResult:
    """Rank candidates by (C, 4) distances: nearest first; ties by the mean over the available sources, then by id."""
    available = ~np.isnan(distances)
    counts = available.sum(axis=1)
    nearest = np.where(counts > 0, np.where(available, distances, np.inf).min(axis=1), np.nan)
    mean = np.where(available, distances, 0.0).sum(axis=1) / np.maximum(counts, 1)
    p, p_none = probabilities(nearest, config)
    order = sorted(range(len(candidates)), key=lambda c: (counts[c] == 0, np.nan_to_num(nearest[c]), mean[c], candidates[c]))
    ranking = tuple(_candidate(known[candidates[c]], float(p[c]), distances[c]) for c in order)
    none_of_these = p_none >= ranking[0].probability
    return IdentificationResult(ranking, none_of_these, p_none if none_of_these else ranking[0].probability,
                                _reason(ranking, none_of_these, config))


def _candidate(summary: ObjectSummary, probability: float, distances: NDArray[np.float32]) -> RankedCandidate:
    record = summary.record
    return RankedCandidate(record.object_id, record.title, probability, distances, record.size, record.mass,
                           summary.picks_attempted, summary.picks_succeeded)


def _reason(ranking: Sequence[RankedCandidate], none_of_these: bool, config: IdentifierConfig) -> str:
    best = ranking[0]
    if math.isnan(best.distance):
        return f"none of the {len(ranking)} candidates has a reference image in the gallery"
    source = SOURCES[int(np.nanargmin(best.distances))]
    if none_of_these:
        return (f"the nearest reference, {source} of {best.title}, is {best.distance:.2f} away; "
                f"beyond {config.none_distance:.2f} it is none of the candidates")
    if len(ranking) == 1 or math.isnan(ranking[1].distance):
        return f"nearest {source} reference at {best.distance:.2f}, no other candidate with a reference"
    return f"nearest {source} reference at {best.distance:.2f}, next candidate {ranking[1].title} at {ranking[1].distance:.2f}"


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
