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

"""Which of the candidates does an image show? Distances from the gallery, a ranking, and an honest "none of these"."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectcentric_ros.gallery.errors import BadImage, InvalidEmbedding, InvalidRecord, UnknownObject
from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.records import SOURCES, ObjectSummary
from objectcentric_ros.gallery.store import Gallery
from objectcentric_ros.identification.encoder import Encoder
from objectcentric_ros.identification.fusion import FusionModel
from objectcentric_ros.identification.local_features import LOCAL_KEY, BadFeatures, LocalFeatures, local_bytes, local_features
from objectcentric_ros.identification.ranking import IdentificationResult, IdentifierConfig, rank, rank_fused
from objectcentric_ros.identification.reference_views import encode_references
from objectcentric_ros.identification.size_evidence import size_evidence
from objectcentric_ros.identification.verification import EVIDENCE, evidence_of

if TYPE_CHECKING:
    from objectcentric_ros.identification.deployed_text import TextEncoder

_REFERENCES_A_BATCH = 32
_REFERENCES_A_SOURCE = 5    # pictures that are looked at again; the newest show the thing as it is now
_THREADS = 2                # for points: OpenCV and NumPy let several threads compute at once


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
        self.threshold = _threshold(fusion, self.config.precision) if fusion is not None else 0.0
        self._embedding = threading.Lock()
        self._described: set[str] = set()       # objects whose references' points this process has seen to
        self._pool = ThreadPoolExecutor(_THREADS, "identifier")

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
            InvalidRecord: a reference's stored features are damaged; names object and source.
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
            found = self.fusion.batch(distances, sizes, partial(self._verify, crops, candidates), self.config.verified)
            results = tuple(rank_fused(row, p, float(p_none), candidates, known, self.threshold, self.config.precision)
                            for row, p, p_none in zip(distances, *found, strict=True))
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

        With a text encoder, an object without any text gets its main title as one. Where the fusion model verifies, the
        references' points are found and kept as well.

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
            fresh = False
            while missing := self.gallery.missing_embeddings(self.embedding_key, candidates, _REFERENCES_A_BATCH):
                fresh = True
                images, sources, ids = [], [], []
                for reference_id, object_id, source, data in missing:
                    image = _decoded(reference_id, object_id, data)
                    for turn in range(0, 4, 4 // self.quarter_turns):
                        images.append(np.ascontiguousarray(np.rot90(image, turn)))
                        sources.append(source if self.views else "")
                        ids.append(reference_id)
                vectors = encode_references(self.encoder, images, sources)
                self.gallery.put_embeddings(self.embedding_key, list(zip(ids, vectors, strict=True)))
            # What these encoders have not seen before has no points either; asking every time would cost what a search costs.
            if self.verifies and (fresh or not self._described.issuperset(candidates)):
                self._describe_references(candidates)
                self._described.update(candidates)
        return _ms_since(start)

    @property
    def verifies(self) -> bool:
        """Whether the fusion model looks at pictures again where the likeliest candidates are close."""
        return self.fusion is not None and self.fusion.verifies

    def missing_references(self, candidates: Sequence[str], limit: int) -> list[tuple[int, str]]:
        """(reference id, object id) of references that these encoders have not embedded yet, at most about limit."""
        images = [(row[0], row[1]) for row in self.gallery.missing_embeddings(self.embedding_key, candidates, limit)]
        if self.verifies:
            images += [(row[0], row[1]) for row in self.gallery.missing_features(LOCAL_KEY, candidates, limit)]
        if self.text_encoder is None:
            return images
        return images + [(row[0], row[1]) for row in self.gallery.missing_texts(self.embedding_key, candidates, limit)]

    def _describe_references(self, candidates: Sequence[str]) -> None:
        while missing := self.gallery.missing_features(LOCAL_KEY, candidates, _REFERENCES_A_BATCH):
            images = [_decoded(reference_id, object_id, data) for reference_id, object_id, _, data in missing]
            found = self._pool.map(local_bytes, images)
            self.gallery.put_features(LOCAL_KEY, [(row[0], data) for row, data in zip(missing, found, strict=True)])

    def _verify(self, crops: Sequence[NDArray[np.uint8]], candidates: Sequence[str], rows: NDArray[np.intp],
                columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """(P, 6) evidence of pairs of a crop and a candidate; see verification.Verify."""
        stored = self.gallery.features(LOCAL_KEY, [candidates[column] for column in np.unique(columns)], _REFERENCES_A_SOURCE)
        if not stored:          # imported vectors have no pictures
            return np.full((len(rows), len(EVIDENCE)), np.nan, np.float32)
        references: dict[str, dict[str, list[LocalFeatures]]] = {}
        for object_id, pictures in stored.items():
            by_source = references.setdefault(object_id, {})
            for source, data in pictures:
                try:
                    by_source.setdefault(source, []).append(LocalFeatures.from_bytes(data))
                except BadFeatures as error:
                    raise InvalidRecord(f"the stored features of a {source} image of {object_id} are damaged, remove the "
                                        f"reference and add it again: {error}") from error
        unique = np.unique(rows).tolist()
        queries = dict(zip(unique, self._pool.map(local_features, [crops[row] for row in unique]), strict=True))
        pairs = [(queries[row], references.get(candidates[column], {}))
                 for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]
        return np.stack(list(self._pool.map(evidence_of, *zip(*pairs, strict=True))))

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


def _decoded(reference_id: int, object_id: str, data: bytes) -> NDArray[np.uint8]:
    try:
        return decode_image(data)[0]
    except BadImage as error:
        raise BadImage(f"reference {reference_id} of {object_id} is damaged, remove it: {error}") from error


def _sizes(sides: Sequence[tuple[float, float]], candidates: Sequence[ObjectSummary]) -> NDArray[np.float32]:
    """(N, C, 2) size evidence of N crops and C candidates."""
    extents = np.array([candidate.record.size or (math.nan,) * 3 for candidate in candidates], np.float64)
    return size_evidence(np.asarray(sides, np.float64)[:, None], extents[None])


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


def _threshold(fusion: FusionModel, precision: float) -> float:
    """Least probability of an answer; raises ValueError where none keeps the precision, which 0 doesn't ask for."""
    threshold = fusion.threshold(precision) if precision else 0.0
    if threshold is None:
        raise ValueError(f"no answer of the fusion model keeps a precision of {precision:g} (its card says what it can promise): "
                         "ask for a lower identifier.precision, or for 0, which promises nothing and gives the likeliest answer")
    return threshold


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
