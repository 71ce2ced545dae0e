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

"""The gallery: objects, references, embeddings and pick history in one PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
import psycopg
from numpy.typing import ArrayLike, NDArray
from psycopg.conninfo import conninfo_to_dict

from objectcentric_ros.gallery import bulk, embeddings, features, grasp_points, learning, objects, picks, references, vector_index
from objectcentric_ros.gallery.connections import ConnectionPool
from objectcentric_ros.gallery.embedded import EmbeddedConfig, EmbeddedServer
from objectcentric_ros.gallery.errors import DatabaseLost, GalleryError, InvalidRecord
from objectcentric_ros.gallery.grasp_point import GraspPoint
from objectcentric_ros.gallery.images import ImageInfo, decode_image
from objectcentric_ros.gallery.migrations import migrate
from objectcentric_ros.gallery.nearest import Neighbour, nearest, space_of
from objectcentric_ros.gallery.records import (
    CROP_IMAGE,
    ObjectRecord,
    ObjectSummary,
    PickRecord,
    ReferenceRecord,
    require_image_source,
    require_object_id,
    require_pick_id,
    require_text,
)
from objectcentric_ros.gallery.statistics import GalleryStats, count, disk
from objectcentric_ros.paths import data_dir as default_data_dir

T = TypeVar("T")

MAX_TEXT_LENGTH = 20_000


class Gallery:
    """A gallery in a PostgreSQL database; safe to share between threads, and a database between processes.

    Every method is one transaction. A lost server is reconnected (an embedded one started again) once inside the call;
    then DatabaseLost. Use Gallery.open.
    """

    def __init__(self, pool: ConnectionPool, server: EmbeddedServer | None = None) -> None:
        self._pool = pool
        self._server = server

    @classmethod
    def open(cls, url: str | None = None, data_dir: Path | str | None = None,
             server: EmbeddedConfig | None = None) -> Gallery:
        """Open a gallery and bring its schema up to date.

        Args:
            url: postgresql://user:password@host:port/database of any server with pgvector; None = embedded server.
            data_dir: folder of the embedded server; None = `gallery` in the user's data folder.
            server: patience and settings of the embedded server.

        Raises:
            GalleryError: both were given, the URL or the folder is not usable.
            DatabaseLost: the server does not answer.
            SchemaTooNew: a newer version of this package wrote it.
        """
        embedded = None
        if url:
            if data_dir is not None:
                raise GalleryError("give the url of a server or the data_dir of the embedded one, not both")
            try:
                pool = ConnectionPool(conninfo_to_dict(url))
            except psycopg.ProgrammingError as error:
                raise GalleryError("the gallery URL is not understood; expected "
                                   f"postgresql://user:password@host:port/database ({' '.join(str(error).split())})") from error
        else:
            embedded = EmbeddedServer(Path(data_dir) if data_dir is not None else default_data_dir() / "gallery", server)
            pool = ConnectionPool(embedded.attach(), embedded.revive)
        gallery = cls(pool, embedded)
        try:
            with pool.connect() as connection:
                migrate(connection)
        except psycopg.OperationalError as error:
            gallery.close()
            words = " ".join(str(error).split())
            raise DatabaseLost(f"the gallery's database ({pool.where}) does not answer: {words}") from error
        except BaseException:
            gallery.close()
            raise
        return gallery

    @property
    def where(self) -> str:
        """The database in words, without a password."""
        return f"embedded in {self._server.folder}" if self._server else self._pool.where

    def close(self) -> None:
        """Close the connections; the embedded server stops when this was its last user."""
        self._pool.close()
        if self._server is not None:
            self._server.detach()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self, work: Callable[[psycopg.Connection], T]) -> T:
        try:
            return self._pool.run(work)
        except psycopg.errors.DiskFull as error:
            raise GalleryError(f"the disk of the gallery ({self.where}) is full") from error
        except psycopg.Error as error:
            raise GalleryError(f"the gallery's database refused: {' '.join(str(error).split())}") from error

    # Objects

    def add_object(self, record: ObjectRecord) -> None:
        """Add an object; raises DuplicateObject."""
        self._run(lambda connection: objects.insert(connection, record))

    def update_object(self, record: ObjectRecord) -> None:
        """Replace everything but the references of an object; raises UnknownObject."""
        self._run(lambda connection: objects.update(connection, record))

    def get_object(self, object_id: str) -> ObjectRecord:
        """The object with this id; raises UnknownObject, which names the nearest titles."""
        return self._run(lambda connection: objects.get(connection, object_id))

    def find_object(self, text: str) -> ObjectRecord:
        """The object with this id or title, in any language, without regard to case and accents.

        Raises:
            UnknownObject: names the nearest titles.
            AmbiguousTitle: several objects have the title; names their ids.
        """
        return self._run(lambda connection: objects.find(connection, text))

    def list_objects(self, text: str = "", limit: int = 1000, offset: int = 0) -> tuple[list[ObjectSummary], int]:
        """Objects whose id or any title contains the text, sorted by title, and how many match in all."""
        if limit < 0 or offset < 0:
            raise InvalidRecord(f"limit and offset must not be negative, got {limit} and {offset}")
        return self._run(lambda connection: objects.page(connection, text, limit, offset))

    def summaries(self, object_ids: Sequence[str]) -> dict[str, ObjectSummary]:
        """Summaries of those of the objects that the gallery has, by id."""
        return self._run(lambda connection: objects.summaries(connection, object_ids))

    def remove_object(self, object_id: str) -> None:
        """Remove an object with its references and embeddings; its picks stay, unlinked. Raises UnknownObject."""
        self._run(lambda connection: objects.delete(connection, object_id))

    # References

    def add_reference(self, object_id: str, source: str, image_bytes: bytes) -> tuple[int, bool]:
        """Add a reference image.

        Args:
            object_id: whose.
            source: "tray", "bin" or "catalog".
            image_bytes: a PNG or JPEG file, stored as it is.

        Returns:
            (reference id, duplicate): the id of the same image when the object already had it.

        Raises:
            UnknownObject, UnknownSource, BadImage: nothing was stored.
        """
        require_image_source(source)
        require_object_id(object_id)
        data = bytes(image_bytes)
        _, info = decode_image(data)
        return self._run(lambda connection: references.insert_image(connection, object_id, source, data, info))

    def add_text(self, object_id: str, text: str, language: str = "") -> tuple[int, bool]:
        """Add a text reference (source "text"); (reference id, duplicate)."""
        require_object_id(object_id)
        checked = require_text(text.replace("\n", " ").replace("\t", " "), f"the text of {object_id}", MAX_TEXT_LENGTH)
        return self._run(lambda connection: references.insert_text(connection, object_id, checked, language))

    def references(self, object_id: str, source: str | None = None) -> tuple[ReferenceRecord, ...]:
        """References of an object, oldest first, without their content; raises UnknownObject."""
        if source is not None and source != "text":
            require_image_source(source)
        return self._run(lambda connection: references.select(connection, require_object_id(object_id), source))

    def reference_image(self, reference_id: int) -> bytes:
        """The PNG or JPEG bytes of a reference image."""
        return self._run(lambda connection: references.image(connection, reference_id))

    def remove_reference(self, reference_id: int) -> None:
        """Remove one reference with its embeddings."""
        self._run(lambda connection: references.delete(connection, reference_id))

    # Embeddings

    def missing_embeddings(self, encoder_key: str, object_ids: Sequence[str],
                           limit: int = 64) -> list[tuple[int, str, str, bytes]]:
        """(reference id, object id, source, image bytes) of image references this encoder has not embedded, at most limit."""
        return self._run(lambda connection: references.without_embedding(connection, encoder_key, object_ids, limit))

    def add_titles(self, object_ids: Sequence[str]) -> int:
        """Give those of the objects that have no text their main title as a text reference; returns how many had none."""
        return self._run(lambda connection: references.insert_titles(connection, object_ids))

    def missing_texts(self, encoder_key: str, object_ids: Sequence[str], limit: int = 64) -> list[tuple[int, str, str]]:
        """(reference id, object id, text) of text references this encoder has not embedded, at most limit."""
        return self._run(lambda connection: references.texts_without_embedding(connection, encoder_key, object_ids, limit))

    def put_embeddings(self, encoder_key: str, items: Sequence[tuple[int, ArrayLike]]) -> int:
        """Store embeddings of references; those stored before stay, references removed meanwhile are left out.

        Args:
            encoder_key: name and weights hash of the encoder.
            items: (reference id, (D,) vector); a reference may have several, all in one call.

        Returns:
            How many were new.

        Raises:
            InvalidEmbedding: NaN, inf, zero, or not the encoder's dimension; nothing was stored.
        """
        if not items:
            return 0
        vectors = embeddings.checked_vectors([np.asarray(vector) for _, vector in items], "embeddings")
        ids = [int(reference_id) for reference_id, _ in items]
        return self._run(lambda connection: embeddings.insert(connection, encoder_key, ids, vectors))

    def min_distances(self, encoder_key: str, vectors: ArrayLike, object_ids: Sequence[str]) -> NDArray[np.float32]:
        """Minimum cosine distance of each query to the references of each candidate, by source.

        Args:
            encoder_key: whose embeddings.
            vectors: (Q, D) queries.
            object_ids: C candidates; an id the gallery does not have gives NaN.

        Returns:
            (Q, C, 4) float32 in [0, 2], sources in the order of SOURCES, NaN where there is no reference.

        Raises:
            InvalidEmbedding: a query is not finite or not of the encoder's dimension.
        """
        checked = embeddings.checked_vectors(vectors, "query vectors")
        return self._run(lambda connection: embeddings.min_distances(connection, encoder_key, checked, object_ids))

    def add_vectors(self, encoder_key: str, items: Sequence[bulk.VectorObject]) -> int:
        """Add many objects with their embeddings, without images; returns how many were new.

        All of one call go in or none; objects that are there already are left as they are.

        Raises:
            InvalidEmbedding: the encoder has another dimension in this gallery.
        """
        for _ in range(9):
            try:
                return self._run(lambda connection: bulk.insert(connection, encoder_key, items))
            except GalleryError as error:
                if not isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                    raise                                    # else another writer was faster with one of them
        return self._run(lambda connection: bulk.insert(connection, encoder_key, items))

    def nearest(self, encoder_key: str, vectors: ArrayLike, count: int = 10, by_object: bool = False, exact: bool = False,
                kind: str | None = None, effort: int | None = None) -> list[list[Neighbour]]:
        """Search among all objects: the nearest references of each query, nearest first.

        Args:
            encoder_key: whose embeddings.
            vectors: (Q, D) queries.
            count: how many; the gallery may have fewer.
            by_object: one reference an object, its nearest.
            exact: compare with every embedding, also when there is an index.
            kind: of the index that is searched where there are two; None: over centres.
            effort: instead of the one that the index was tuned to.

        Raises:
            InvalidEmbedding: a query is not finite or not of the encoder's dimension.
        """
        if count < 1:
            raise InvalidRecord(f"count must be positive, got {count}")
        checked = embeddings.checked_vectors(vectors, "query vectors")
        return self._run(lambda connection: nearest(connection, encoder_key, checked, count, by_object, exact, kind, effort))

    def build_index(self, encoder_key: str, config: vector_index.VectorIndexConfig | None = None,
                    queries: int = 30) -> tuple[int, float] | None:
        """Build an index of the search among all objects and tune it.

        Returns:
            (effort, recall) for the nearest objects; None for 0 queries to tune with.
        """
        wanted = config or vector_index.VectorIndexConfig()
        self._run(lambda connection: vector_index.build(connection, encoder_key, wanted))
        self.analyze()
        if queries < 1:
            return None
        tuned = None
        for by_object in (False, True):
            sample = self._run(lambda connection, by_object=by_object: vector_index.stored_queries(  # type: ignore[misc]
                connection, encoder_key, by_object, queries, 10))
            tuned = self.tune_index(encoder_key, wanted.kind, by_object, *sample, wanted.recall)
        return tuned

    def tune_index(self, encoder_key: str, kind: str, by_object: bool, vectors: ArrayLike, limits: ArrayLike, count: int,
                   recall: float) -> tuple[int, float]:
        """Choose the effort of an index for a recall; see vector_index.tune."""
        checked, truth = embeddings.checked_vectors(vectors, "query vectors"), np.asarray(limits, np.float64)
        return self._run(
            lambda connection: vector_index.tune(connection, encoder_key, kind, by_object, checked, truth, count, recall))

    def index(self, encoder_key: str, kind: str | None = None) -> tuple[str, int, int] | None:
        """(kind, effort for references, effort for objects) of the index that a search uses; None where it is exact."""
        space = self._run(lambda connection: space_of(connection, encoder_key, kind))
        return None if space is None or space.kind is None else (space.kind, space.effort, space.object_effort)

    def drop_index(self, encoder_key: str) -> None:
        """Remove the indexes of the search among all objects, which is exact from then on."""
        self._run(lambda connection: vector_index.drop(connection, encoder_key))

    def disk(self) -> dict[str, int]:
        """Size of each table with its indexes, and of each HNSW index [bytes], by name."""
        return self._run(disk)

    def analyze(self) -> None:
        """Bring the planner's statistics up to date, after much has been added."""
        self._run(lambda connection: connection.execute("ANALYZE objects, object_references, embeddings, object_centres"))

    # Local features

    def missing_features(self, key: str, object_ids: Sequence[str], limit: int = 64) -> list[tuple[int, str, str, bytes]]:
        """(reference id, object id, source, image bytes) of image references without features under the key, at most limit."""
        return self._run(lambda connection: features.missing(connection, key, object_ids, limit))

    def put_features(self, key: str, rows: Sequence[tuple[int, bytes]]) -> int:
        """Store local image features; those stored before stay, references removed meanwhile are left out.

        Args:
            key: what computed them, and how; 1 to 200 characters.
            rows: (reference id, at most 64 KiB that the gallery does not look into); empty bytes: the image has none.

        Returns:
            How many were new.

        Raises:
            InvalidRecord: no bytes, or too many of them; nothing was stored.
        """
        return self._run(lambda connection: features.insert(connection, key, rows))

    def features(self, key: str, object_ids: Sequence[str], newest: int = 1000) -> dict[str, list[tuple[str, bytes]]]:
        """(source, features) of references, oldest first, by object id; of each source at most so many, the newest ones.

        Objects without any are absent.
        """
        return self._run(lambda connection: features.select(connection, key, object_ids, newest))

    # Grasp points

    def add_grasp_point(self, object_id: str, point: GraspPoint, replace: bool = False) -> bool:
        """Store a named grasp point of an object; whether one of this name was replaced.

        Raises:
            UnknownObject: the gallery lacks the object.
            DuplicateGraspPoint: the name is taken and replace is false.
            InvalidEmbedding: the model's descriptors have another dimension in this gallery.
        """
        require_object_id(object_id)
        return self._run(lambda connection: grasp_points.insert(connection, object_id, point, replace))

    def grasp_points(self, object_id: str) -> tuple[GraspPoint, ...]:
        """Grasp points of an object, by name; raises UnknownObject."""
        return self._run(lambda connection: grasp_points.select(connection, require_object_id(object_id)))

    def grasp_point(self, object_id: str, name: str) -> GraspPoint:
        """One grasp point; raises UnknownObject, or UnknownGraspPoint, which lists the names."""
        return self._run(lambda connection: grasp_points.get(connection, require_object_id(object_id), name))

    def remove_grasp_point(self, object_id: str, name: str) -> None:
        """Remove one grasp point; raises UnknownObject or UnknownGraspPoint."""
        self._run(lambda connection: grasp_points.delete(connection, require_object_id(object_id), name))

    # Picks and statistics

    def record_pick(self, pick: PickRecord, learning_config: learning.LearningConfig | None = None) -> bool:
        """Store a finished pick with attempts and images; False when this pick_id was stored before.

        Args:
            pick: how it went.
            learning_config: what the gallery learns from a verified pick that has the image CROP_IMAGE; None = nothing.

        Raises:
            BadImage: an image of the pick is not readable; nothing was stored.
        """
        checked: dict[str, tuple[bytes, ImageInfo]] = {}
        for name, data in pick.images.items():
            checked[require_text(name, "the name of a pick image", 200)] = (bytes(data), decode_image(bytes(data))[1])

        def work(connection: psycopg.Connection) -> bool:
            new = picks.insert(connection, pick, checked)
            crop = checked.get(CROP_IMAGE)
            if new and crop is not None and learning_config is not None and pick.outcome == learning.VERIFIED:
                if objects.summaries(connection, [pick.object_id]):
                    learning.learn(connection, pick.pick_id, *crop, learning_config)
            return new

        return self._run(work)

    def unlearn(self, object_id: str | None = None, pick_id: str | None = None) -> int:
        """Remove the references that picks of an object, or one pick, have added; returns how many. One of both is needed.

        Raises:
            UnknownObject: the gallery lacks the object.
            InvalidRecord: neither was given, or the pick id is no UUID.
        """
        if object_id is None and pick_id is None:
            raise InvalidRecord("give the object or the pick whose learned references shall go")
        if object_id is not None:
            self.get_object(object_id)
        checked = None if pick_id is None else require_pick_id(pick_id)
        return self._run(lambda connection: learning.unlearn(connection, object_id, checked))

    def pick_history(self, object_id: str | None = None, limit: int = 100, with_images: bool = False) -> tuple[PickRecord, ...]:
        """Picks of an object (None: all picks), newest first; without their images unless asked for."""
        return self._run(lambda connection: picks.select(connection, object_id, limit, with_images))

    def stats(self) -> GalleryStats:
        """Count what is there."""
        return self._run(count)

    def export(self, folder: Path | str) -> int:
        """Write every object with its references as a folder that gallery.transfer imports; returns the number of objects."""
        from objectcentric_ros.gallery.transfer import export_gallery  # it builds on this class

        return export_gallery(self, Path(folder))
