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

"""Pickles of strangers: strings, numbers and built-in containers, and nothing that runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from objectcentric_ros.identification.importers.found import DatasetError

_CONTAINERS = {"set": set, "frozenset": frozenset, "list": list, "dict": dict, "tuple": tuple}
_MOST_BYTES = 512 * 1024 * 1024


class _Restricted(pickle.Unpickler):
    """Finds the built-in containers and no other class or function, so that nothing can be called."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("builtins", "__builtin__") and name in _CONTAINERS:
            return _CONTAINERS[name]
        raise DatasetError(f"it asks for {module}.{name}, which could run code; only strings, numbers and built-in containers "
                           "are read")

    def persistent_load(self, pid: Any) -> Any:
        raise DatasetError("it refers to something outside itself")


def load_plain_pickle(path: Path) -> Any:
    """What a pickle of strings, numbers and built-in containers holds.

    Raises:
        DatasetError: it asks for anything else, nothing of which has run; or it is damaged.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetError(f"it has {path.stat().st_size / 1e6:.0f} MB")
        with path.open("rb") as file:
            return _Restricted(file).load()
    except DatasetError as error:
        raise DatasetError(f"{path} is not read: {error}") from None
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing") from None
    except Exception as error:           # a damaged pickle raises nearly anything
        raise DatasetError(f"{path} is no readable pickle: {type(error).__name__}: {error}") from error
