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

"""The schema of the gallery, in versions; each is applied once, all of them in one transaction."""

from __future__ import annotations

import psycopg

from objectcentric_ros.gallery.errors import GalleryError, SchemaTooNew

SCHEMA = "objectcentric"
"""PostgreSQL schema that holds every table, so that a shared server can hold other things as well."""

_ADVISORY_LOCK = 0x0B_7EC7_CE27       # any number that only this package uses

# An HNSW index belongs to one encoder, because the vector column is untyped (encoders differ in dimension): vector_index.py
# makes it. The candidate query needs none: it reads the candidates' own rows through object_references.
_VERSION_1 = """
CREATE TABLE objects (
    object_id  text PRIMARY KEY CHECK (object_id ~ '^[a-z0-9_-]{1,128}$'),
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
    size       double precision[] CHECK (size IS NULL OR array_length(size, 1) = 3),   -- x, y, z [m]
    mass       double precision CHECK (mass > 0),                                      -- [kg]
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    created    timestamptz NOT NULL DEFAULT now(),
    updated    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE titles (
    object_id text NOT NULL REFERENCES objects ON DELETE CASCADE,
    language  text NOT NULL,        -- '' is the main title
    title     text NOT NULL,
    folded    text NOT NULL,        -- without case
    bare      text NOT NULL,        -- without case and accents
    PRIMARY KEY (object_id, language)
);
CREATE INDEX titles_folded ON titles (folded);
CREATE INDEX titles_bare ON titles (bare);
CREATE TABLE object_references (
    reference_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id    text NOT NULL REFERENCES objects ON DELETE CASCADE,
    source       text NOT NULL CHECK (source IN ('tray', 'bin', 'catalog', 'text')),
    sha256       bytea NOT NULL CHECK (length(sha256) = 32),
    created      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (object_id, sha256)
);
CREATE TABLE reference_images (
    reference_id bigint PRIMARY KEY REFERENCES object_references ON DELETE CASCADE,
    format       text NOT NULL CHECK (format IN ('png', 'jpeg')),
    width        integer NOT NULL,
    height       integer NOT NULL,
    data         bytea NOT NULL
);
ALTER TABLE reference_images ALTER data SET STORAGE EXTERNAL;     -- compressed already
CREATE TABLE reference_texts (
    reference_id bigint PRIMARY KEY REFERENCES object_references ON DELETE CASCADE,
    language     text NOT NULL DEFAULT '',
    text         text NOT NULL
);
CREATE TABLE encoders (
    encoder_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text NOT NULL UNIQUE,                                -- name and hash of the weights
    dimension  integer NOT NULL CHECK (dimension BETWEEN 1 AND 2000),   -- one plain row fits a page, HNSW's limit too
    UNIQUE (encoder_id, dimension)
);
CREATE TABLE embeddings (
    encoder_id   integer NOT NULL,
    reference_id bigint NOT NULL REFERENCES object_references ON DELETE CASCADE,
    dimension    integer NOT NULL,
    embedding    vector NOT NULL,
    PRIMARY KEY (reference_id, encoder_id),
    FOREIGN KEY (encoder_id, dimension) REFERENCES encoders (encoder_id, dimension) ON DELETE CASCADE,
    CHECK (vector_dims(embedding) = dimension)
);
ALTER TABLE embeddings ALTER embedding SET STORAGE PLAIN;         -- no detour over TOAST in the candidate query
CREATE INDEX embeddings_encoder ON embeddings (encoder_id);
CREATE TABLE picks (
    pick_id     uuid PRIMARY KEY,
    object_id   text REFERENCES objects ON DELETE SET NULL,       -- null: unknown to the gallery, or removed since
    object_name text NOT NULL,                                    -- as given
    request     text NOT NULL,
    outcome     text NOT NULL,
    started     timestamptz NOT NULL,
    finished    timestamptz NOT NULL CHECK (finished >= started)
);
CREATE INDEX picks_object ON picks (object_id, started);
CREATE TABLE pick_attempts (
    pick_id       uuid NOT NULL REFERENCES picks ON DELETE CASCADE,
    number        integer NOT NULL,
    outcome       text NOT NULL,
    grasp         jsonb,
    gripper_width double precision,                               -- [m]
    confidence    double precision,
    phases        text[] NOT NULL,
    seconds       double precision[] NOT NULL,
    message       text NOT NULL,
    PRIMARY KEY (pick_id, number)
);
CREATE TABLE pick_images (
    pick_id uuid NOT NULL REFERENCES picks ON DELETE CASCADE,
    name    text NOT NULL,
    format  text NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (pick_id, name)
);
ALTER TABLE pick_images ALTER data SET STORAGE EXTERNAL;
"""

_VERSION_2 = """
ALTER TABLE embeddings ADD COLUMN number smallint NOT NULL DEFAULT 0;    -- several a reference: its orientations
ALTER TABLE embeddings DROP CONSTRAINT embeddings_pkey;
ALTER TABLE embeddings ADD PRIMARY KEY (reference_id, encoder_id, number);
"""

_VERSION_3 = """
CREATE TABLE grasp_points (
    object_id       text NOT NULL REFERENCES objects ON DELETE CASCADE,
    name            text NOT NULL,
    encoder_id      integer NOT NULL,                             -- the descriptor model
    dimension       integer NOT NULL,
    descriptor      vector NOT NULL CHECK (vector_dims(descriptor) = dimension),
    approach        text NOT NULL CHECK (approach IN ('straight', 'aligned')),
    width           double precision CHECK (width > 0),           -- [m]
    pose            double precision[] CHECK (pose IS NULL OR array_length(pose, 1) = 16),  -- T_object_tcp, row by row
    keypoints       bytea,                                        -- (K, dimension) little-endian float32
    points          bytea,                                        -- (K, 3) little-endian float64 [m]
    keypoint_points bytea,                                        -- (N, 3) little-endian float64 [m], NaN: unknown
    symmetry_axis   double precision[] CHECK (symmetry_axis IS NULL OR array_length(symmetry_axis, 1) = 3),
    note            text NOT NULL DEFAULT '',
    created         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (object_id, name),
    FOREIGN KEY (encoder_id, dimension) REFERENCES encoders (encoder_id, dimension) ON DELETE CASCADE,
    CHECK ((keypoints IS NULL) = (points IS NULL))
);
CREATE INDEX grasp_points_encoder ON grasp_points (encoder_id);
"""

_VERSION_4 = """
CREATE TABLE vector_indexes (                                     -- of the whole-gallery search, one an encoder
    encoder_id integer PRIMARY KEY REFERENCES encoders ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('halfvec', 'bit')),
    ef_search  integer NOT NULL CHECK (ef_search BETWEEN 1 AND 1000),
    recall     double precision,                                  -- that ef_search was chosen for; null: not tuned
    built      timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE learned_references (                                 -- what verified picks have added
    reference_id bigint PRIMARY KEY REFERENCES object_references ON DELETE CASCADE,
    pick_id      uuid NOT NULL REFERENCES picks
);
CREATE INDEX learned_references_pick ON learned_references (pick_id);
"""

# Mean embeddings by object and source, kept where an encoder has an index over them. One writer at a time keeps them up to date,
# so that two of them never wait for each other; a lock that nobody else takes, at the end of what a writer waits for.
_VERSION_5 = """
ALTER TABLE vector_indexes DROP CONSTRAINT vector_indexes_kind_check, DROP CONSTRAINT vector_indexes_pkey;
UPDATE vector_indexes SET kind = 'vectors';
ALTER TABLE vector_indexes ADD PRIMARY KEY (encoder_id, kind), ADD CHECK (kind IN ('centres', 'vectors'));
ALTER TABLE vector_indexes RENAME ef_search TO effort;
CREATE TABLE object_centres (
    encoder_id integer NOT NULL,
    object_id  text NOT NULL REFERENCES objects ON DELETE CASCADE,
    source     text NOT NULL,
    dimension  integer NOT NULL,
    centre     vector NOT NULL,
    PRIMARY KEY (object_id, encoder_id, source),
    FOREIGN KEY (encoder_id, dimension) REFERENCES encoders (encoder_id, dimension) ON DELETE CASCADE
);
ALTER TABLE object_centres ALTER centre SET STORAGE PLAIN;
CREATE FUNCTION refresh_centres(changed text[]) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM vector_indexes WHERE kind = 'centres') THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(12682136551);
    DELETE FROM object_centres WHERE object_id = ANY(changed);
    INSERT INTO object_centres (encoder_id, object_id, source, dimension, centre)
    SELECT encoder_id, object_id, source, min(dimension), avg(embedding)
    FROM objects JOIN object_references USING (object_id) JOIN embeddings USING (reference_id)
    WHERE object_id = ANY(changed) AND encoder_id IN (SELECT encoder_id FROM vector_indexes WHERE kind = 'centres')
    GROUP BY 1, 2, 3;
END $$;
CREATE FUNCTION refresh_centres_of_embeddings() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM refresh_centres(ARRAY(SELECT DISTINCT object_id FROM changed JOIN object_references USING (reference_id)));
    RETURN NULL;
END $$;
CREATE FUNCTION refresh_centres_of_references() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM refresh_centres(ARRAY(SELECT DISTINCT object_id FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER centres AFTER INSERT ON embeddings REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION refresh_centres_of_embeddings();
CREATE TRIGGER centres AFTER DELETE ON object_references REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION refresh_centres_of_references();
"""

_VERSION_6 = """
ALTER TABLE vector_indexes ADD COLUMN object_effort integer NOT NULL DEFAULT 100 CHECK (object_effort BETWEEN 1 AND 1000),
    ADD COLUMN object_recall double precision;                    -- the same for the nearest objects, which take more
"""

_VERSION_7 = """
CREATE TABLE reference_features (                                 -- local features of images, computed elsewhere
    reference_id bigint NOT NULL REFERENCES object_references ON DELETE CASCADE,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),     -- what computed them, and how
    data         bytea NOT NULL CHECK (length(data) <= 65536),    -- empty: computed, and there are none
    PRIMARY KEY (reference_id, key)
);
ALTER TABLE reference_features ALTER data SET STORAGE EXTERNAL;   -- dense already
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6, _VERSION_7)
"""SQL that leads from version i to version i + 1. Never edit a released one: append."""


def migrate(connection: psycopg.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> int:
    """Bring the schema to the newest version, one process at a time; returns the version.

    A replica that only reads is left as it is: its schema comes from its primary.

    Raises:
        SchemaTooNew: the database was written by a newer version of this package.
        GalleryError: pgvector is missing, the role may not create tables, or a replica is behind this package.
    """
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        return _check_replica(connection, len(migrations))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        try:
            _prepare(connection)
        except (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported) as error:
            raise GalleryError("this PostgreSQL server has no pgvector extension; install it there "
                               "(Debian: postgresql-16-pgvector)") from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise GalleryError("this database role may not set up the gallery: as a superuser run CREATE EXTENSION vector; "
                               f"CREATE SCHEMA {SCHEMA} AUTHORIZATION <role>;  ({error})") from error
        version = _version(connection)
        if version > len(migrations):
            raise _too_new(version, len(migrations))
        for number in range(version + 1, len(migrations) + 1):
            connection.execute(migrations[number - 1])         # type: ignore[call-overload]
            connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (number,))
    return len(migrations)


def _check_replica(connection: psycopg.Connection, newest: int) -> int:
    there = connection.execute("SELECT to_regclass('schema_version')").fetchone() != (None,)
    version = _version(connection) if there else 0
    if version > newest:
        raise _too_new(version, newest)
    if version < newest:
        raise GalleryError(f"this database is a replica, whose gallery has schema version {version}; this package needs "
                           f"{newest}: open the primary once with this package first")
    return version


def _version(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    return int(row[0]) if row else 0


def _too_new(version: int, newest: int) -> SchemaTooNew:
    return SchemaTooNew(f"the gallery has schema version {version}, this package knows up to {newest}: "
                        "install the newer objectcentric_ros, or open another gallery")


def _prepare(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone() is None:
        connection.execute("CREATE EXTENSION vector")
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone() is None:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")          # type: ignore[call-overload]
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version "
                       "(version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())")
