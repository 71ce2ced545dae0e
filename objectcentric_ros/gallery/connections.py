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

"""A small pool of database connections that survives the loss of the server once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from pgvector.psycopg import register_vector

from objectcentric_ros.gallery.errors import DatabaseLost, GalleryError
from objectcentric_ros.gallery.migrations import SCHEMA

T = TypeVar("T")

_TCP_PATIENCE = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
                 "tcp_user_timeout": 15_000}


class ConnectionPool:
    """Connections to one database, handed to one thread at a time.

    Args:
        parameters: libpq parameters; asked again after a loss.
        revive: starts a lost server again and returns its parameters; None when that is not ours to do.
        size: most connections at the same time; a further thread waits.
    """

    def __init__(self, parameters: Mapping[str, Any], revive: Callable[[], Mapping[str, Any]] | None = None,
                 size: int = 8) -> None:
        self._parameters = dict(parameters)
        self._revive = revive
        self._idle: list[psycopg.Connection] = []
        self._guard = threading.Lock()
        self._revival = threading.Lock()
        self._slots = threading.BoundedSemaphore(size)
        self._generation = 0
        self._closed = False

    @property
    def where(self) -> str:
        """The database in words, without a password."""
        host = self._parameters.get("host") or "localhost"
        port = "" if str(host).startswith("/") else f":{self._parameters.get('port') or 5432}"
        return f"{host}{port}, database {self._parameters.get('dbname') or self._parameters.get('user') or 'default'}"

    def run(self, work: Callable[[psycopg.Connection], T]) -> T:
        """Do work in one transaction; once more, from the start, when the connection is lost meanwhile.

        Raises:
            DatabaseLost: the server does not answer, also after one reconnect.
        """
        with self._slots:
            generation = self._generation
            try:
                return self._attempt(work)
            except _Lost as first:
                try:
                    self._recover(generation)
                    return self._attempt(work)
                except _Lost as second:
                    raise DatabaseLost(f"the gallery's database ({self.where}) does not answer, also after a reconnect: "
                                       f"{second}") from first.__cause__

    def close(self) -> None:
        """Close every idle connection; later calls of run raise."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def connect(self) -> psycopg.Connection:
        """Open one more connection, set up for the gallery's schema."""
        parameters = {**_TCP_PATIENCE, "application_name": "objectcentric", **self._parameters}
        connection = psycopg.connect(**parameters, autocommit=True)
        try:
            connection.execute(f"SET search_path = {SCHEMA}, public, extensions")       # type: ignore[call-overload]
            connection.execute("SET client_encoding = 'UTF8'")
            if connection.execute("SELECT to_regtype('vector')").fetchone() != (None,):
                register_vector(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _attempt(self, work: Callable[[psycopg.Connection], T]) -> T:
        try:
            connection = self._take()
        except psycopg.OperationalError as error:
            raise _Lost(_sentence(error)) from error
        try:
            with connection.transaction():
                result = work(connection)
        except psycopg.Error as error:
            if connection.closed or isinstance(error, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown):
                connection.close()
                raise _Lost(_sentence(error)) from error
            self._give(connection)
            raise
        except BaseException:
            self._give(connection)
            raise
        self._give(connection)
        return result

    def _take(self) -> psycopg.Connection:
        with self._guard:
            if self._closed:
                raise GalleryError("the gallery is closed")
            if self._idle:
                return self._idle.pop()
        return self.connect()

    def _give(self, connection: psycopg.Connection) -> None:
        with self._guard:
            if not self._closed and not connection.closed:
                self._idle.append(connection)
                return
        with suppress(psycopg.Error):
            connection.close()

    def _recover(self, generation: int) -> None:
        """Drop what is left of the lost server and start it again, once however many threads noticed."""
        with self._revival:
            if generation != self._generation:
                return
            with self._guard:
                idle, self._idle = self._idle, []
            for connection in idle:
                connection.close()
            if self._revive is not None:
                self._parameters = dict(self._revive())
            self._generation += 1


class _Lost(Exception):
    """The connection broke; carries the server's words."""


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
