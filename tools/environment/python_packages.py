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


"""The virtual environment and the pinned packages in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from environment.machine import FREE_SPACE_CHECKOUT, FREE_SPACE_TRAINING, Checkout, Machine, require_space
from environment.progress import Log, SetupError
from environment.stamps import Stamps

STAMP_FOLDER = "objectcentric-setup"  # inside the virtual environment


def requirement_files(checkout: Checkout, groups: Iterable[str]) -> list[Path]:
    """The pinned lists of some groups."""
    return [checkout.root / "requirements" / f"{group}.txt" for group in groups]


def constraints(checkout: Checkout) -> Path:
    """The versions of everything that the lists pull in."""
    return checkout.root / "requirements" / "constraints.txt"


def create_virtual_environment(checkout: Checkout, machine: Machine, log: Log) -> None:
    """Make .venv; one that this program made for another Python or another folder is replaced.

    Raises:
        SetupError: .venv is a person's own and does not fit.
    """
    if checkout.venv.exists():
        if not (checkout.venv / STAMP_FOLDER).exists() and not _is_unfinished(checkout.venv):
            if _version(checkout.python) == _version(machine.interpreter):
                log.write(f"{checkout.venv} was made by hand and fits: it is used as it is")
                return
            raise SetupError(f"{checkout.venv} was made by hand with another Python than {machine.interpreter}. Move it away "
                             "(`mv .venv .venv-old`) and run the command again.")
        shutil.rmtree(checkout.venv)
    require_space(checkout.venv, FREE_SPACE_CHECKOUT)
    site = ["--system-site-packages"] if machine.has_ros else []
    log.run([machine.interpreter, "-m", "venv", *site, checkout.venv], env=machine.environment)
    (checkout.venv / "COLCON_IGNORE").touch()


def install_packages(checkout: Checkout, machine: Machine, groups: Sequence[str], log: Log) -> None:
    """Install the groups' pinned packages; what an interrupted pip left half-way is installed again."""
    require_space(checkout.venv, FREE_SPACE_TRAINING if "train" in groups else FREE_SPACE_CHECKOUT / 2)
    _forget_partial_installs(checkout, log)
    files = [part for file in requirement_files(checkout, groups) for part in ("-r", file)]
    log.run([checkout.python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *files,
             "-c", constraints(checkout)], env=machine.environment)


def install_checkout(checkout: Checkout, machine: Machine, log: Log) -> None:
    """Make the package of this checkout importable and its commands available, without copying it."""
    log.run([checkout.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
             "--editable", checkout.root], env=machine.environment)


def create_stamps(checkout: Checkout) -> Stamps:
    """The stamps of this environment; they vanish with it."""
    return Stamps(checkout.venv / STAMP_FOLDER)


def _is_unfinished(venv: Path) -> bool:
    """Whether making it was interrupted: pip is the last thing that venv installs."""
    return not (venv / "bin" / "pip").exists()


def _version(interpreter: Path) -> str:
    """Major and minor version of an interpreter; empty if it does not run."""
    try:
        result = subprocess.run([interpreter, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    match = re.match(r"Python (\d+\.\d+)", result.stdout)
    return match.group(1) if match else ""


def _forget_partial_installs(checkout: Checkout, log: Log) -> None:
    """Remove the metadata of packages whose installation was cut off, so that pip installs them again.

    pip writes INSTALLER after a package's files; what it has set aside for removal is named with a tilde.
    """
    for site_packages in checkout.venv.glob("lib/python3.*/site-packages"):
        for folder in [*site_packages.glob("*.dist-info"), *site_packages.glob("~*")]:
            if folder.name.startswith("~") or not (folder / "INSTALLER").exists():
                log.write(f"{folder.name} was installed half-way: forgotten")
                shutil.rmtree(folder, ignore_errors=True)
