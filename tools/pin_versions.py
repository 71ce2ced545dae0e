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


"""Print the contents of requirements/constraints.txt: the installed versions of all that the requirement lists pull in.

Run it in an environment that a set-up made: `.venv/bin/python tools/pin_versions.py`.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
INSTALLED_GROUPS = ("ros", "core", "sim", "test", "train")


def listed_requirements() -> list[Requirement]:
    """The requirements of the groups that a set-up installs."""
    lines = [line.split("#")[0].strip() for group in INSTALLED_GROUPS
             for line in (REQUIREMENTS / f"{group}.txt").read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


def pinned_versions() -> dict[str, str]:
    """Installed version of every listed package and of everything it needs, by normalised name."""
    versions: dict[str, str] = {}
    visited: set[tuple[str, str]] = set()
    pending = [(requirement.name, extra) for requirement in listed_requirements() for extra in ("", *requirement.extras)]
    while pending:
        name, extra = pending.pop()
        key = (canonicalize_name(name), extra)
        if key in visited:
            continue
        visited.add(key)
        distribution = metadata.distribution(name)
        versions[key[0]] = distribution.version
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                pending += [(requirement.name, wanted) for wanted in ("", *requirement.extras)]
    return versions


if __name__ == "__main__":
    print("# Versions of everything that the requirement lists pull in; written by tools/pin_versions.py.")
    for package, version in sorted(pinned_versions().items()):
        print(f"{package}=={version}")
