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


"""A line for every step, its output in a log file, and the end of that log when a step fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT = 30.0  # seconds between lines where the output is no terminal, so that nobody takes a long step for a hang
TAIL_LINES = 25


class SetupError(RuntimeError):
    """The set-up can't go on; the message is a sentence that says what to do."""


class CommandFailed(RuntimeError):
    """A command ended with an error; .output is what it printed."""

    def __init__(self, command: Sequence[str], output: str) -> None:
        super().__init__(f"{' '.join(command)} failed")
        self.output = output


class Log:
    """The log file of one step; commands run through it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.last_line = ""
        self._file = path.open("w", encoding="utf-8", errors="replace")

    def run(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """Run a command, copy its output into the log and return it.

        Raises:
            CommandFailed: the command was not found or ended with an error.
        """
        arguments = [str(part) for part in command]
        self.write("$ " + " ".join(arguments))
        try:
            # close_fds=False: the command holds the set-up's lock too, so that it is waited for even if the set-up is killed.
            process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, close_fds=False,
                env=None if env is None else dict(env), cwd=cwd, text=True, errors="replace")
        except OSError as error:
            self.write(str(error))
            raise CommandFailed(arguments, str(error)) from error
        lines = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                self.write(line.rstrip("\n"))
            status = process.wait()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
        if status != 0:
            raise CommandFailed(arguments, "".join(lines))
        return "".join(lines)

    def write(self, line: str) -> None:
        """Append one line."""
        self.last_line = line.strip() or self.last_line
        self._file.write(line + "\n")
        self._file.flush()

    def tail(self) -> str:
        """The last lines, indented, for a person who has to see why."""
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join("    " + line for line in lines)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Progress:
    """Prints one line a step with the time it took."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._live = sys.stdout.isatty()
        self._started = time.monotonic()
        self._steps_done = 0

    def finish(self) -> None:
        """Say that all is ready."""
        amount = f"{self._steps_done} steps" if self._steps_done else "nothing to do"
        print(f"set-up: ready ({amount}, {time.monotonic() - self._started:.1f} s)", flush=True)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Log]:
        """Show that a step runs, how long it takes and, if it fails, the end of its log."""
        log = Log(self._log_folder / f"setup-{name}.log")
        start = time.monotonic()
        stop = threading.Event()
        watcher = threading.Thread(target=self._show, args=(title, log, start, stop), daemon=True)
        if not self._live:
            print(f"set-up: {title} ...", flush=True)
        watcher.start()
        succeeded = False
        try:
            yield log
            succeeded = True
            self._steps_done += 1
        except CommandFailed as error:
            raise SetupError(f"{explain(error.output) or str(error)}\nThe end of {log.path}:\n{log.tail()}") from error
        except OSError as error:
            raise SetupError(f"{title}: {explain(str(error)) or error}") from error
        finally:
            stop.set()
            watcher.join()
            log.close()
            outcome = f"{'done' if succeeded else 'FAILED'} in {time.monotonic() - start:.1f} s"
            print(f"{clear_line() if self._live else ''}set-up: {title}: {outcome}", flush=True)

    def _show(self, title: str, log: Log, start: float, stop: threading.Event) -> None:
        while not stop.wait(0.5 if self._live else HEARTBEAT):
            name = title if len(title) < 50 else title[:47] + "..."
            line = f"set-up: {name}: {time.monotonic() - start:.0f} s  {log.last_line}"
            if self._live:
                width = os.get_terminal_size(sys.stdout.fileno()).columns or 80
                print(clear_line() + line[:width - 1], end="", flush=True)
            else:
                print(line[:120], flush=True)


def clear_line() -> str:
    """Terminal codes that go to the start of the line and clear it."""
    return "\r\033[K"


EXPLANATIONS = (
    (("No space left on device", "Errno 28", "You don't have enough free space"),
     "The disk is full. The environment needs about 4 GB here and 1 GB in the temporary folder (TMPDIR): make room and run the "
     "command again; it goes on where it stopped."),
    (("Temporary failure in name resolution", "Temporary failure resolving", "Could not resolve", "Network is unreachable",
      "Failed to establish a new", "Connection refused", "ProxyError", "ReadTimeoutError", "ConnectTimeoutError",
      "Could not connect"),
     "No network: the package registry can't be reached. Check the connection (and pip's or apt's proxy settings) and run the "
     "command again; it goes on where it stopped."),
    (("No matching distribution found", "Could not find a version"),
     "The package registry has no wheel of a pinned version for this Python. Check `pip config list` (index, constraints) and "
     "that this is Python 3.11 or 3.12 on x86-64."),
    (("Permission denied", "Read-only file system", "Errno 13"),
     "No permission to write. Run the command as the owner of this folder, or clone the repository into a folder of your own."),
)


def explain(output: str) -> str | None:
    """A sentence about what went wrong, from what a command printed; None if it is none of the known reasons."""
    for symptoms, sentence in EXPLANATIONS:
        if any(symptom in output for symptom in symptoms):
            return sentence
    return None
