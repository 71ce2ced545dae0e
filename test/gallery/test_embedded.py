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

"""The embedded server with several processes, killed in every order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from objectcentric_ros.gallery.embedded import EmbeddedServer
from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery

# Opens a gallery, says so, then adds an object a line of its input.
USER = """
import sys
from objectcentric_ros.gallery.records import ObjectRecord
from objectcentric_ros.gallery.store import Gallery
gallery = Gallery.open(data_dir=sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    gallery.add_object(ObjectRecord(line.strip(), line.strip()))
    print("added", flush=True)
gallery.close()
"""


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Callable[[Path], subprocess.Popen]]:
    """Starts processes that use a gallery; ends those that are left."""
    started: list[subprocess.Popen] = []

    def start(folder: Path) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True,
                                   cwd=Path(__file__).parents[2])
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def say(process: subprocess.Popen, line: str = "") -> str:
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stopped(folder: Path) -> bool:
    return EmbeddedServer(folder).postmaster_pid() is None and not (folder / "postgres" / "postmaster.pid").exists()


def test_processes_that_start_together_share_one_server(tmp_path: Path, user: Callable[[Path], subprocess.Popen]) -> None:
    folder = tmp_path / "gallery"
    processes = [user(folder) for _ in range(3)]
    assert [say(process) for process in processes] == ["open"] * 3
    assert [say(process, f"item-{number}") for number, process in enumerate(processes)] == ["added"] * 3
    with Gallery.open(data_dir=folder) as gallery:
        assert gallery.stats().objects == 3
    for process in processes:
        process.communicate()
    assert wait_until(lambda: stopped(folder)), "the server outlives its last user"


def test_users_killed_one_and_all(tmp_path: Path, user: Callable[[Path], subprocess.Popen]) -> None:
    folder = tmp_path / "gallery"
    first, second = user(folder), user(folder)
    assert [say(first), say(second)] == ["open", "open"]
    say(first, "from-first")
    first.kill()
    first.wait()
    assert say(second, "from-second") == "added"
    pid = EmbeddedServer(folder).postmaster_pid()
    second.kill()
    second.wait()
    assert pid is not None and wait_until(lambda: stopped(folder)), "nobody stopped the server of killed users"
    with Gallery.open(data_dir=folder) as gallery:
        assert {summary.record.object_id for summary in gallery.list_objects()[0]} == {"from-first", "from-second"}


def test_a_killed_server_is_started_again_inside_the_next_call(tmp_path: Path, user: Callable[[Path], subprocess.Popen]) -> None:
    folder = tmp_path / "gallery"
    other = user(folder)
    assert say(other) == "open"
    with Gallery.open(data_dir=folder) as gallery:
        gallery.add_object(ObjectRecord("before", "Before"))
        pid = EmbeddedServer(folder).postmaster_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        gallery.add_object(ObjectRecord("after", "After"))
        assert say(other, "from-other") == "added"
        assert gallery.stats().objects == 3
        assert EmbeddedServer(folder).postmaster_pid() not in (None, pid)


def test_a_pid_file_whose_number_went_to_somebody_else_is_disowned(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    Gallery.open(data_dir=folder).close()
    assert wait_until(lambda: stopped(folder))
    lines = [str(os.getpid()), str(folder / "postgres"), "1700000000", "5432", str(folder / "postgres"), "", "1 1", "ready"]
    (folder / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (folder / "postgres" / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
    (folder / "postgres" / ".s.PGSQL.5432").touch()
    with Gallery.open(data_dir=folder) as gallery:
        assert gallery.stats().objects == 0


@pytest.mark.parametrize("name", ["deep/" + "/".join(["a-rather-long-folder-name"] * 6), "it's a \"gallery\", $HOME & more"])
def test_a_path_that_no_socket_takes(tmp_path: Path, name: str) -> None:
    with Gallery.open(data_dir=tmp_path / name) as gallery:
        gallery.add_object(ObjectRecord("mug", "Mug"))
        assert gallery.find_object("mug").title == "Mug"


def test_a_half_made_database_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with Gallery.open(data_dir=tmp_path) as gallery:
        assert gallery.stats().objects == 0


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GalleryError, match="not usable.*data-dir"):
        Gallery.open(data_dir=tmp_path / "file" / "gallery")
    (tmp_path / "gallery" / "postgres").mkdir(parents=True)
    (tmp_path / "gallery" / "postgres" / "thesis.txt").write_text("mine")
    with pytest.raises(GalleryError, match="no database"):
        Gallery.open(data_dir=tmp_path / "gallery")
    assert (tmp_path / "gallery" / "postgres" / "thesis.txt").read_text() == "mine"


def test_files_of_another_postgresql_version_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(GalleryError, match="PostgreSQL 9"):
        Gallery.open(data_dir=tmp_path)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    Gallery.open(data_dir=tmp_path).close()
    assert wait_until(lambda: stopped(tmp_path))
    with (tmp_path / "postgres" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'many'\n")
    with pytest.raises(GalleryError, match="shared_buffers"):
        Gallery.open(data_dir=tmp_path)


def test_no_parent_folder_is_opened_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Gallery.open(data_dir=tmp_path / "gallery"):
        assert tmp_path.stat().st_mode & 0o077 == 0
        assert (tmp_path / "gallery" / "postgres").stat().st_mode & 0o077 == 0
