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

"""A PostgreSQL server by URL: the gallery's tests on it, two writers at once, and a replica that reads."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest

from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.embedded import EmbeddedConfig, EmbeddedServer
from objectcentric_ros.gallery.errors import DatabaseLost, GalleryError
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery

SAME_TESTS = ("test_store.py", "test_vector_index.py", "test_learning.py", "test_grasp_points.py")
NEED_A_FOLDER = "not verb and not closed_gallery and not show_names and not test_the_verb and not older_gallery"

WRITER = """
import sys, zlib
import numpy as np
from objectcentric_ros.gallery.bulk import VectorObject
from objectcentric_ros.gallery.errors import DuplicateObject
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.gallery.store import Gallery
url, name = sys.argv[1:]
new = 0
with Gallery.open(url) as gallery:
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(40):
        record = ObjectRecord(f"thing-{number}", f"Thing {number}")
        try:
            gallery.add_object(record)
            new += 1
        except DuplicateObject:
            pass
        for seed in (number, f"{name} {number}"):
            rng = np.random.default_rng(zlib.crc32(str(seed).encode()))
            image = encode_png(rng.integers(0, 255, (16, 16, 3), np.uint8))
            reference, _ = gallery.add_reference(f"thing-{number}", "tray", image)
            gallery.put_embeddings("e", [(reference, rng.standard_normal(8))])
        vectors = np.random.default_rng(number).standard_normal((3, 8)).astype(np.float32)
        new += gallery.add_vectors("e", [VectorObject(ObjectRecord(f"bulk-{number}", "Bulk"), ("bin",) * 3, vectors)])
print(new)
"""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on TCP, with a role that owns the database `gallery` and nothing else."""

    embedded: EmbeddedServer
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://robot:s3cret@127.0.0.1:{self.port}/gallery"

    def administer(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, over the unix socket."""
        host = str(self.embedded._socket_folder())
        with psycopg.connect(host=host, port=self.port, user="postgres", dbname=database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def config(port: int) -> EmbeddedConfig:
    return EmbeddedConfig(settings={"listen_addresses": "127.0.0.1", "port": str(port), "wal_level": "replica",
                                    "max_wal_senders": "4", "hot_standby": "on"})


def running(folder: Path) -> Iterator[Server]:
    """A server as docs/scaling.md sets it up: passwords on TCP, a role for robots, one for replicas."""
    port = free_port()
    embedded = EmbeddedServer(folder, config(port))
    embedded.attach()
    server = Server(embedded, port)
    access = embedded.cluster / "pg_hba.conf"
    access.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
                      "host replication replica 127.0.0.1/32 scram-sha-256\n")
    server.administer("SELECT pg_reload_conf()", "CREATE ROLE robot LOGIN PASSWORD 's3cret'",
                      "CREATE ROLE replica LOGIN REPLICATION PASSWORD 'r3plica'", "CREATE DATABASE gallery OWNER robot")
    server.administer("CREATE EXTENSION vector", database="gallery")
    yield server
    embedded.detach()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from running(tmp_path_factory.mktemp("server"))


def test_the_gallerys_tests_pass_on_a_server_by_url(server: Server) -> None:
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(folder / name) for name in SAME_TESTS),
         "-k", NEED_A_FOLDER], env={**os.environ, "OBJECTCENTRIC_TEST_GALLERY_URL": server.url}, cwd=folder.parents[1],
        capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) > 60


def test_two_writers_at_once_lose_and_double_nothing(server: Server) -> None:
    with Gallery.open(server.url) as gallery:
        gallery._run(lambda connection: connection.execute("TRUNCATE objects, encoders, picks CASCADE"))
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, server.url, name], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) for name in ("one", "two")]
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == "open\n"
        answers = []
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while any(writer.poll() is None for writer in writers):      # and somebody reads meanwhile
            found = gallery.min_distances("e", np.ones((1, 8)), [f"thing-{number}" for number in range(40)])
            answers.append(int(np.isfinite(found).sum()))
            time.sleep(0.02)
        new = [int(writer.communicate()[0]) for writer in writers]
        stats = gallery.stats()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sum(new) == 80, "every object is new to one of the two"
    assert (stats.objects, stats.references["tray"], stats.references["bin"]) == (80, 3 * 40, 3 * 40)
    assert stats.embeddings == {"e": 6 * 40}
    assert answers == sorted(answers), "what was there once stays"


def test_a_wrong_password_and_a_missing_server_are_named_without_the_password(server: Server) -> None:
    for url in (server.url.replace("s3cret", "wr0ng"), server.url.replace(str(server.port), str(free_port()))):
        with pytest.raises(DatabaseLost) as caught:
            Gallery.open(url)
        assert "127.0.0.1" in str(caught.value) and "wr0ng" not in str(caught.value) and "s3cret" not in str(caught.value)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_replica_answers_what_its_primary_has(server: Server, tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)
    port = free_port()
    replica = EmbeddedServer(tmp_path / "replica", config(port))
    with Gallery.open(server.url) as primary:
        primary._run(lambda connection: connection.execute("TRUNCATE objects, encoders, picks CASCADE"))
        primary.add_vectors("e", [VectorObject(ObjectRecord("mug", "Mug"), ("tray",) * 6, vectors)])
        replica.folder.mkdir()
        if os.geteuid() == 0:
            account = replica._account()
            os.chown(replica.folder, account.pw_uid, account.pw_gid)
        source = f"postgresql://replica:r3plica@127.0.0.1:{server.port}/"
        failure = replica._run(replica._as_server_account(
            str(replica._binaries() / "pg_basebackup"), "-d", source, "-D", str(replica.cluster), "-R", "-X", "stream",
            "--checkpoint=fast"))
        assert not failure, failure
        settings = (replica.cluster / "postgresql.conf").read_text()
        (replica.cluster / "postgresql.conf").write_text(settings + f"\nport = {port}\n")
        replica.attach()
        try:
            with Gallery.open(server.url.replace(str(server.port), str(port))) as reader:
                np.testing.assert_allclose(reader.nearest("e", vectors[:1], 1)[0][0].distance, 0, atol=1e-6)
                primary.add_object(ObjectRecord("jug", "Jug"))
                assert wait_until(lambda: reader.stats().objects == 2), "the replica doesn't follow"
                with pytest.raises(GalleryError, match="read-only"):
                    reader.add_object(ObjectRecord("cup", "Cup"))
        finally:
            replica.detach()
