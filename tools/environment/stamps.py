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


"""Stamps: what a finished step was made from.

A stamp is written only after its step succeeded, so a killed set-up does the interrupted step again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def digest(*texts: str, files: Iterable[Path] = ()) -> str:
    """Hash of texts and of the paths and contents of files, in the given order."""
    state = hashlib.sha256()
    for text in texts:
        state.update(text.encode() + b"\0")
    for file in files:
        state.update(str(file).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()


class Stamps:
    """The stamps of one environment: a small file a step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def matches(self, step: str, key: str) -> bool:
        """Whether the step was finished with this key."""
        try:
            return (self._folder / step).read_text() == key
        except OSError:
            return False

    def write(self, step: str, key: str) -> None:
        """Record that the step is finished; atomic, so a stamp is whole or absent."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{step}.{os.getpid()}"
        temporary.write_text(key)
        temporary.replace(self._folder / step)

    def remove(self, step: str) -> None:
        """Forget a step before its work starts over."""
        (self._folder / step).unlink(missing_ok=True)
