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


"""What comes from the system's package manager: compiler, renderer, USB, lint; and the item models, unpacked without root."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import xml.etree.ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environment.machine import DISTRO, FREE_SPACE_CACHE, Checkout, Machine, require_space
from environment.progress import CommandFailed, Log, SetupError

FURNITURE_PACKAGE = "sweethome3d-furniture"


@dataclass(frozen=True)
class Need:
    """Something the system must have, how to see that it has it, and the Debian or Ubuntu package that brings it."""

    purpose: str
    package: str
    is_met: Callable[[], bool]


def missing(machine: Machine, checkout: Checkout, for_tests: bool) -> list[Need]:
    """The needs that this machine does not meet."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    needs = [
        Need("virtual environments", f"{version}-venv", lambda: _has_module("ensurepip")),
        Need("a C++ compiler for the interfaces", "g++", lambda: shutil.which("g++") is not None),
        Need("CMake for the interfaces", "cmake", lambda: shutil.which("cmake") is not None),
        Need("make for the interfaces", "make", lambda: shutil.which("make") is not None),
        Need("Python's headers for the interfaces", f"{version}-dev",
             lambda: (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file()),
        Need("EGL, to render without a screen", "libegl1", lambda: _has_library("libEGL.so.1")),
        Need("OpenGL, to render without a screen", "libgl1", lambda: _has_library("libGL.so.1")),
        Need("a renderer (Mesa or the graphics card's)", "libgl1-mesa-dri", _has_renderer),
        Need("USB, for the RealSense camera", "libusb-1.0-0", lambda: _has_library("libusb-1.0.so.0")),
    ]
    if machine.has_ros:
        needs += [Need(f"the ROS package {name}", f"ros-{DISTRO}-{name.replace('_', '-')}", _has_ros_package(machine, name))
                  for name in ros_dependencies(checkout.root / "package.xml")]
        needs.append(Need("colcon", "python3-colcon-common-extensions", lambda: shutil.which("colcon") is not None))
    if for_tests:
        lint = f"ros-{DISTRO}-ament-xmllint" if machine.has_ros else "python3-ament-xmllint"
        on_path = machine.environment.get("PATH")
        needs.append(Need("the check of package.xml", lint, lambda: shutil.which("ament_xmllint", path=on_path) is not None))
        if _distribution() == "debian":  # Ubuntu's is a snap, which no container has: there, the page's tests say that they skip
            needs.append(Need("a browser, to test the inspector's page", "chromium", _has_browser))
    return [need for need in needs if not need.is_met()]


def install(needs: list[Need], log: Log) -> None:
    """Install what is missing.

    Raises:
        SetupError: there is no apt, or no right to use it; the message has the command for a person who may.
    """
    packages = sorted({need.package for need in needs})
    by_hand = f"sudo apt-get update && sudo apt-get install {' '.join(packages)}"
    listing = ", ".join(f"{need.purpose} ({need.package})" for need in needs)
    if shutil.which("apt-get") is None:
        raise SetupError(f"Missing: {listing}. There is no apt-get here: install what your distribution calls these packages "
                         "and run the command again.")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix:
        try:
            log.run([*prefix, "true"])
        except CommandFailed as error:
            raise SetupError(f"Missing: {listing}. You may not install packages here; ask for:\n    {by_hand}\n"
                             "and run the command again.") from error
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = [*prefix, "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    try:
        log.run([*apt, "update"], env=environment)
        log.run([*apt, "install", "--no-install-recommends", *packages], env=environment)
    except CommandFailed as error:
        if "Unable to locate package" in error.output:
            raise SetupError(f"Missing: {listing}. apt-get does not know one of these packages; {log.path} names it. Enable the "
                             "archive that has it (Ubuntu: universe; ROS packages: the ROS 2 apt source) and run the command "
                             "again.") from error
        raise
    remaining = [need for need in needs if not need.is_met()]
    if remaining:
        raise SetupError("Installed, but still not found: " + ", ".join(f"{need.purpose} ({need.package})" for need in remaining)
                         + ". If Python is not the system's own (pyenv, conda), run `make setup PYTHON=/usr/bin/python3`.")


def has_item_models(cache: Path) -> bool:
    """Whether the item models lie in the cache folder."""
    return any((cache / FURNITURE_PACKAGE / "usr" / "share" / "sweethome3d" / "furniture").glob("*.sh3f"))


def unpack_item_models(cache: Path, log: Log) -> None:
    """Unpack the item models of the Debian package into the cache folder; neither root nor Java is needed.

    Raises:
        SetupError: no apt, or the package can't be had; the message says how to do it by hand.
    """
    target = cache / FURNITURE_PACKAGE
    by_hand = (f"get the package {FURNITURE_PACKAGE} of Debian or Ubuntu, and run `dpkg-deb -x {FURNITURE_PACKAGE}_*.deb "
               f"{target}` (OBJECTCENTRIC_CACHE names another cache folder)")
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SetupError(f"The item models come from a Debian package, and there is no apt here: {by_hand}.")
    require_space(cache, FREE_SPACE_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".item-models-", dir=cache) as folder:
        work = Path(folder)
        try:
            _download(work, log)
        except CommandFailed as error:
            raise SetupError(f"The item models can't be downloaded ({_last_error(error.output)}). With a network, run the "
                             f"command again; or {by_hand}.") from error
        package = next(work.glob("*.deb"))
        log.run(["dpkg-deb", "-x", package, work / "unpacked"])
        if target.is_symlink() or target.exists():  # an unpacking that was interrupted, or another version's layout
            target.unlink() if target.is_symlink() else shutil.rmtree(target)
        (work / "unpacked").rename(target)
    if not has_item_models(cache):
        raise SetupError(f"{FURNITURE_PACKAGE} holds no *.sh3f files where they are expected ({target}). Use version 1.8: "
                         f"{by_hand}.")


def ros_dependencies(package_xml: Path) -> list[str]:
    """ROS packages that package.xml asks for at run and build time, except those of this repository."""
    root = xml.etree.ElementTree.parse(package_xml).getroot()
    names = {element.text or "" for tag in ("depend", "build_depend", "exec_depend") for element in root.findall(tag)}
    return sorted(name for name in names if not name.startswith("python3-") and name != "objectcentric_interfaces")


def _download(work: Path, log: Log) -> None:
    """Download the .deb: with the system's package lists, or else with lists of our own, which need no root."""
    try:
        log.run(["apt-get", "-q", "download", FURNITURE_PACKAGE], cwd=work)
    except CommandFailed:
        for folder in ("lists/partial", "archives/partial"):
            (work / folder).mkdir(parents=True)
        own = ["-o", f"Dir::State::lists={work / 'lists'}", "-o", f"Dir::Cache={work}", "-o", "APT::Sandbox::User="]
        log.run(["apt-get", "-q", *own, "update"])
        log.run(["apt-get", "-q", *own, "download", FURNITURE_PACKAGE], cwd=work)


def _last_error(output: str) -> str:
    return next((line.strip() for line in reversed(output.splitlines()) if line.startswith("E:")), "see the log")


def _distribution() -> str:
    """The distribution's short name, such as debian; empty where it has none."""
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def _has_browser() -> bool:
    return any(shutil.which(name) for name in ("chromium", "google-chrome", "google-chrome-stable"))


def _has_module(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def _has_library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _has_renderer() -> bool:
    libraries = ("dri/*_dri.so", "libgallium*.so", "libEGL_nvidia.so*")
    return any(any(Path("/usr").glob(f"{folder}/{library}")) for folder in ("lib/*", "lib64") for library in libraries)


def _has_ros_package(machine: Machine, name: str) -> Callable[[], bool]:
    return lambda: any((prefix / "share" / name / "package.xml").is_file() for prefix in machine.prefixes)
