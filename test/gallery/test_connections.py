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

from __future__ import annotations

import socket

import psycopg
import pytest

from objectcentric_ros.gallery.errors import DatabaseLost, GalleryError, SchemaTooNew
from objectcentric_ros.gallery.migrations import MIGRATIONS, migrate
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery


def url_of(gallery: Gallery) -> str:
    return f"postgresql://postgres@/postgres?host={gallery._pool._parameters['host']}"


def test_a_server_by_url_is_the_same_gallery(gallery: Gallery) -> None:
    gallery.add_object(ObjectRecord("mug", "Mug"))
    with Gallery.open(url=url_of(gallery)) as other:
        assert other.get_object("mug").title == "Mug"


def test_a_server_that_is_not_there_is_a_sentence_without_the_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(DatabaseLost, match=f"127.0.0.1:{port}") as caught:
        Gallery.open(url=f"postgresql://robot:secret@127.0.0.1:{port}/gallery")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "just words"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(GalleryError, match="postgresql://"):
        Gallery.open(url=url)


def test_url_and_folder_together_are_refused(tmp_path) -> None:
    with pytest.raises(GalleryError, match="not both"):
        Gallery.open(url="postgresql://localhost/x", data_dir=tmp_path)


def test_connections_that_the_server_ended_are_replaced_once(gallery: Gallery) -> None:
    with Gallery.open(url=url_of(gallery)) as other:
        other.stats()
        gallery._run(lambda connection: connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"))
        assert other.stats().objects == 0


def test_a_call_that_loses_the_server_twice_raises_and_the_next_one_works(gallery: Gallery) -> None:
    def end_itself(connection: psycopg.Connection) -> None:
        connection.execute("INSERT INTO objects (object_id, title) VALUES ('half', 'Half')")
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseLost, match="also after a reconnect"):
        gallery._run(end_itself)
    assert gallery.stats().objects == 0


def test_migrations_run_once_and_in_one_transaction(gallery: Gallery) -> None:
    with gallery._pool.connect() as connection:
        assert migrate(connection) == len(MIGRATIONS)
        bad = (*MIGRATIONS, "CREATE TABLE fresh (x integer)", "CREATE TABLE broken (")
        with pytest.raises(psycopg.errors.SyntaxError):
            migrate(connection, bad)
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("SELECT to_regclass('objectcentric.fresh')").fetchone() == (None,)


def test_a_newer_schema_is_refused_with_advice(gallery: Gallery) -> None:
    with gallery._pool.connect() as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (999)")
        try:
            with pytest.raises(SchemaTooNew, match="999.*install the newer"):
                Gallery.open(url=url_of(gallery))
        finally:
            connection.execute("DELETE FROM schema_version WHERE version = 999")
