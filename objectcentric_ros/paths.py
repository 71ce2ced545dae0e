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

"""Where things lie: the share folder of the package, the cache and the data folder of the user."""

from __future__ import annotations

import os
from pathlib import Path


def share_dir() -> Path:
    """Folder that holds config/, launch/, models/ and urdf/: the checkout, or share/objectcentric_ros when installed."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "package.xml").is_file():
        return checkout
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        candidate = Path(prefix) / "share" / "objectcentric_ros"
        if prefix and (candidate / "package.xml").is_file():
            return candidate
    raise FileNotFoundError("share/objectcentric_ros is not on AMENT_PREFIX_PATH: source the workspace's install/setup.bash")


def cache_dir() -> Path:
    """Folder for what can be made again: unpacked item models, converted weights (OBJECTCENTRIC_CACHE)."""
    return Path(os.environ.get("OBJECTCENTRIC_CACHE") or Path.home() / ".cache" / "objectcentric")


def data_dir() -> Path:
    """Folder for what can't be made again: the embedded gallery (OBJECTCENTRIC_DATA)."""
    return Path(os.environ.get("OBJECTCENTRIC_DATA") or Path.home() / ".local" / "share" / "objectcentric")
