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

With a fusion model, a candidate's distances by source become a probability (paper B, section VI), and an answer below the
threshold that the model promises a precision for is "none of these". Without one, the sources are fused as in the paper's
baseline: by the minimum distance over the sources that a candidate has.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.errors import BadImage, InvalidEmbedding, InvalidRecord, UnknownObject
from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.records import SOURCES, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.encoder import Encoder
from objectcentric_ros.identification.fusion import FusionModel
from objectcentric_ros.identification.reference_views import encode_references
from objectcentric_ros.identification.size_evidence import size_evidence

if TYPE_CHECKING:
    from objectcentric_ros.identification.deployed_text import TextEncoder

_REFERENCES_A_BATCH = 32


@dataclass(frozen=True)
class IdentifierConfig:
    """Turns distances into probabilities.

    The defaults were chosen on the development items in simulated clutter (10 candidates, 7 tray references an item): least
    negative log-likelihood for the temperature, 2 % wrong names after the one-to-one rule for none_distance.

    Args:
        temperature: softmax temperature over cosine distances; smaller = surer. Not used with a fusion model.
        none_distance: distance at which a candidate is as likely as "none of these". Not used with a fusion model.
        quarter_turns: in-plane orientations (1, 2 or 4) in which every reference is embedded; the nearest one counts.
            It costs time once a reference instead of with every query: items lie in the tray any way round. A fusion model
            brings the number that it was trained with.
        views: embed pictures of bins and catalogs at several magnifications; a fusion model brings this as well.
        precision: share of right answers that is promised with a fusion model, one of those that it was calibrated for; surer
            answers are given alone. 0 = every answer that is likelier than "none of these".
    """

    temperature: float = 0.05
    none_distance: float = 0.38
    quarter_turns: int = 4
    views: bool = False
    precision: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.precision < 1:
            raise ValueError(f"precision must be 0 or a share below 1, got {self.precision}")
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
        confidence: probability of the answer: of ranking[0], or of "none of these". Where ranking[0] is the likeliest, but not
            sure enough for the promised precision: the probability that it is wrong.
        reason: one sentence for a person.
        threshold: least probability of ranking[0] for an answer.
    """

    ranking: tuple[RankedCandidate, ...]
    none_of_these: bool
    confidence: float
    reason: str
    threshold: float = 0.0

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
        text_encoder: makes embeddings of titles and other texts in the encoder's space; None = texts are not compared.
        fusion: turns distances by source into probabilities; None = the nearest reference of any source decides.

    Raises:
        ValueError: text encoder or fusion model belong to another encoder, or the model promises nothing for config.precision.
    """

    def __init__(self, encoder: Encoder, gallery: Gallery, config: IdentifierConfig | None = None,
                 text_encoder: TextEncoder | None = None, fusion: FusionModel | None = None) -> None:
        self.encoder = encoder
        self.gallery = gallery
        self.config = config or IdentifierConfig()
        self.text_encoder = text_encoder
        self.fusion = fusion
        _check_family(encoder, text_encoder, fusion)
        self.threshold = (fusion.threshold(self.config.precision) or 0.0) if fusion and self.config.precision else 0.0
        self._embedding = threading.Lock()

    def identify(self, crops: Sequence[NDArray[np.uint8]], candidates: Sequence[str],
                 sides: Sequence[tuple[float, float]] | None = None) -> IdentificationBatch:
        """Identify images among candidates.

        Args:
            crops: (H, W, 3) uint8 RGB images of one object each, cut by identification.crop.
            candidates: object ids, what is known to be there; repeated ids count once.
            sides: long and short side of each crop's object as size_evidence.measured_sides has them [m], NaN where unknown;
                None: nothing was measured. Counts where the fusion model knows sizes and the gallery that of the candidate.

        Raises:
            ValueError: no candidates, a crop is not an image, or there are more or fewer sides than crops.
            UnknownObject: candidates that the gallery does not have; names them.
        """
        candidates = tuple(dict.fromkeys(candidates))
        if not candidates:
            raise ValueError("the list of candidates is empty: give the ids of the objects that may be there")
        if sides is not None and len(sides) != len(crops):
            raise ValueError(f"{len(crops)} crops, but the sides of {len(sides)}")
        start = time.perf_counter()
        known = self.gallery.summaries(candidates)
        if unknown := [candidate for candidate in candidates if candidate not in known]:
            more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
            raise UnknownObject(f"candidates that the gallery does not have: {', '.join(map(str, unknown[:8]))}{more}; "
                                "add them (objectcentric gallery add) or leave them out")
        query_ms = _ms_since(start)
        encode_ms = self.embed_references(candidates, known)
        start = time.perf_counter()
        vectors = self.encoder.encode(crops)
        encode_ms += _ms_since(start)
        if not crops:
            return IdentificationBatch((), encode_ms, query_ms)
        start = time.perf_counter()
        distances = self.gallery.min_distances(self.embedding_key, vectors, candidates)
        if np.isnan(distances).all():
            self._complain_of_another_encoder(known)
        if self.fusion is None:
            results = tuple(rank(row, candidates, known, self.config) for row in distances)
        else:
            sizes = None if sides is None else _sizes(sides, [known[candidate] for candidate in candidates])
            results = tuple(rank_fused(row, p, float(p_none), candidates, known, self.threshold, self.config.precision)
                            for row, p, p_none in zip(distances, *self.fusion.batch(distances, sizes), strict=True))
        query_ms += _ms_since(start)
        return IdentificationBatch(results, encode_ms, query_ms)

    @property
    def embedding_key(self) -> str:
        """Key of the reference embeddings in the gallery: the encoders', in how many orientations, and whether with views."""
        key = self.encoder.key if self.text_encoder is None else f"{self.encoder.key}+{self.text_encoder.key}"
        return key + (f"-turns{self.quarter_turns}" if self.quarter_turns > 1 else "") + ("-views" if self.views else "")

    @property
    def quarter_turns(self) -> int:
        """Orientations in which every reference image is embedded."""
        return self.config.quarter_turns if self.fusion is None else self.fusion.quarter_turns

    @property
    def views(self) -> bool:
        """Whether pictures of bins and catalogs are embedded at several magnifications; see encode_references."""
        return self.config.views if self.fusion is None else self.fusion.views

    def embed_references(self, candidates: Sequence[str], known: Mapping[str, ObjectSummary] | None = None) -> float:
        """Embed the candidates' references that these encoders have not seen yet; returns the time it took [ms].

        With a text encoder, an object without any text gets its main title as one.

        Args:
            candidates: object ids.
            known: their summaries, where the caller has them.

        Raises:
            BadImage: a stored image can't be decoded any more; names object and reference.
            InvalidRecord: a stored text can't be read by the text encoder; names object and reference.
            InvalidEmbedding: an encoder gave NaN, or vectors of another dimension than it did before; nothing was stored.
        """
        start = time.perf_counter()
        with self._embedding:           # a second thread waits instead of doing the same work
            if self.text_encoder is not None:
                self._embed_texts(self.text_encoder, candidates, known or self.gallery.summaries(candidates))
            while missing := self.gallery.missing_embeddings(self.embedding_key, candidates, _REFERENCES_A_BATCH):
                images, sources, ids = [], [], []
                for reference_id, object_id, source, data in missing:
                    try:
                        image = decode_image(data)[0]
                    except BadImage as error:
                        raise BadImage(f"reference {reference_id} of {object_id} is damaged, remove it: {error}") from error
                    for turn in range(0, 4, 4 // self.quarter_turns):
                        images.append(np.ascontiguousarray(np.rot90(image, turn)))
                        sources.append(source if self.views else "")
                        ids.append(reference_id)
                vectors = encode_references(self.encoder, images, sources)
                self.gallery.put_embeddings(self.embedding_key, list(zip(ids, vectors, strict=True)))
        return _ms_since(start)

    def missing_references(self, candidates: Sequence[str], limit: int) -> list[tuple[int, str]]:
        """(reference id, object id) of references that these encoders have not embedded yet, at most about limit."""
        images = [(row[0], row[1]) for row in self.gallery.missing_embeddings(self.embedding_key, candidates, limit)]
        if self.text_encoder is None:
            return images
        return images + [(row[0], row[1]) for row in self.gallery.missing_texts(self.embedding_key, candidates, limit)]

    def _embed_texts(self, encoder: TextEncoder, candidates: Sequence[str], known: Mapping[str, ObjectSummary]) -> None:
        if untitled := [object_id for object_id, summary in known.items() if not summary.references.get("text")]:
            self.gallery.add_titles(untitled)
        while missing := self.gallery.missing_texts(self.embedding_key, candidates, _REFERENCES_A_BATCH):
            try:
                vectors = encoder.encode([text for _, _, text in missing])
            except ValueError as error:
                named = ", ".join(f"{reference_id} of {object_id}" for reference_id, object_id, _ in missing[:4])
                raise InvalidRecord(f"a text among the references {named} ... can't be encoded, remove it: {error}") from error
            ids = [reference_id for reference_id, _, _ in missing]
            self.gallery.put_embeddings(self.embedding_key, list(zip(ids, vectors, strict=True)))

    def _complain_of_another_encoder(self, known: Mapping[str, ObjectSummary]) -> None:
        """Raise InvalidEmbedding where candidates have references, whose images are elsewhere, embedded by another encoder."""
        sources = SOURCES if self.text_encoder is not None else SOURCES[:3]
        count = sum(summary.references.get(source, 0) for summary in known.values() for source in sources)
        others = sorted(key for key in self.gallery.stats().embeddings if key != self.embedding_key) if count else []
        if others:
            raise InvalidEmbedding(f"the candidates have {count} references, but none was embedded by {self.embedding_key}, and "
                                   f"their images are not in this gallery; it was built with {', '.join(others[:4])}: use that "
                                   "encoder, or import the references anew")


def _sizes(sides: Sequence[tuple[float, float]], candidates: Sequence[ObjectSummary]) -> NDArray[np.float32]:
    """(N, C, 2) size evidence of N crops and C candidates."""
    extents = np.array([candidate.record.size or (math.nan,) * 3 for candidate in candidates], np.float64)
    return size_evidence(np.asarray(sides, np.float64)[:, None], extents[None])


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
    nearest = np.where(available.any(axis=1), np.where(available, distances, np.inf).min(axis=1), np.nan)
    p, p_none = probabilities(nearest, config)
    ranking = _ranking(distances, np.nan_to_num(nearest), p, candidates, known)
    none_of_these = p_none >= ranking[0].probability
    return IdentificationResult(ranking, none_of_these, p_none if none_of_these else ranking[0].probability,
                                _reason(ranking, none_of_these, config))


def rank_fused(distances: NDArray[np.float32], p: NDArray[np.float64], p_none: float, candidates: Sequence[str],
               known: Mapping[str, ObjectSummary], threshold: float = 0.0, precision: float = 0.0) -> IdentificationResult:
    """Rank candidates by the probabilities of a fusion model; trees tie often: ties as in rank.

    Args:
        distances: (C, 4) by source, NaN where there is no reference.
        p: (C,) probabilities, 0 where there is no reference at all.
        p_none: probability of none of them.
        candidates: C object ids.
        known: their summaries.
        threshold: least probability of an answer.
        precision: that the threshold promises, for the reason's sentence.
    """
    ranking = _ranking(distances, -p, p, candidates, known)
    best = ranking[0].probability
    none_of_these = p_none >= best or best < threshold
    confidence = best if not none_of_these else p_none if p_none >= best else 1.0 - best
    reason = _fused_reason(ranking, p_none, threshold, precision)
    return IdentificationResult(ranking, none_of_these, confidence, reason, threshold)


def _ranking(distances: NDArray[np.float32], cost: NDArray[np.floating], p: NDArray[np.float64], candidates: Sequence[str],
             known: Mapping[str, ObjectSummary]) -> tuple[RankedCandidate, ...]:
    """Candidates by cost, then by the mean of the distances that they have, then by id; those without a reference last."""
    available = ~np.isnan(distances)
    counts = available.sum(axis=1)
    mean = np.where(available, distances, 0.0).sum(axis=1) / np.maximum(counts, 1)
    order = sorted(range(len(candidates)), key=lambda c: (counts[c] == 0, cost[c], mean[c], candidates[c]))
    return tuple(_candidate(known[candidates[c]], float(p[c]), distances[c]) for c in order)


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


def _fused_reason(ranking: Sequence[RankedCandidate], p_none: float, threshold: float, precision: float) -> str:
    best = ranking[0]
    if math.isnan(best.distance):
        return f"none of the {len(ranking)} candidates has a reference in the gallery"
    evidence = f"{best.title} ({_by_source(best.distances)})"
    if p_none >= best.probability:
        return f"none of the candidates ({p_none:.1%}) is likelier than the likeliest, {evidence}, with {best.probability:.1%}"
    if best.probability < threshold:
        return (f"the likeliest, {evidence}, has {best.probability:.1%}; to keep a precision of {precision:.0%}, answers below "
                f"{threshold:.1%} are not given")
    if len(ranking) == 1 or math.isnan(ranking[1].distance):
        return f"{evidence} has {best.probability:.1%}, no other candidate has a reference"
    rival = ranking[1]
    return (f"{evidence} has {best.probability:.1%}, the next candidate {rival.title} ({_by_source(rival.distances)}) "
            f"{rival.probability:.1%}")


def _by_source(distances: NDArray[np.float32]) -> str:
    return ", ".join(f"{source} {distance:.2f}" for source, distance in zip(SOURCES, distances, strict=True)
                     if not math.isnan(distance))


def _check_family(encoder: Encoder, text_encoder: TextEncoder | None, fusion: FusionModel | None) -> None:
    """Raise ValueError where text encoder or fusion model belong to another image encoder, or to another text encoder."""
    if text_encoder is not None and (text_encoder.image_key != encoder.key or text_encoder.dimension != encoder.dimension):
        raise ValueError(f"the text encoder {text_encoder.key} speaks the space of {text_encoder.image_key} "
                         f"({text_encoder.dimension} numbers), not that of the encoder {encoder.key} ({encoder.dimension}); take "
                         "the pair that was exported together")
    if fusion is not None and fusion.image_key != encoder.key:
        raise ValueError(f"the fusion model was trained on distances of {fusion.image_key}, the encoder is {encoder.key}: train "
                         "one for it (objectcentric train fusion), or go without")
    if fusion is not None and text_encoder is not None and fusion.text_key and fusion.text_key != text_encoder.key:
        raise ValueError(f"the fusion model was trained with the text encoder {fusion.text_key}, not {text_encoder.key}: train "
                         "one for it (objectcentric train fusion), or go without")


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
