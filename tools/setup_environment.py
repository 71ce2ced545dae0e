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


"""Set up the machine: `python3 tools/setup_environment.py run|test [--this-python]`. The standard library is all it needs.

The file must be readable by any Python 3: it looks for a suitable interpreter and hands over to it.
"""

import os
import shutil
import subprocess
import sys

SUITABLE = ("3.11", "3.12")
VENV = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ".venv")


def environment_interpreter() -> "str | None":
    """The Python that .venv was made from: the environment stays with it, whichever python3 is on PATH today."""
    try:
        with open(os.path.join(VENV, "pyvenv.cfg")) as file:
            entries = dict(line.split(" = ", 1) for line in file.read().splitlines() if " = " in line)
    except (OSError, UnicodeDecodeError):
        return None
    return entries.get("executable")


def find_interpreter(candidates: "list[str | None]") -> "str | None":
    """Path of the first candidate that runs and that the wheels exist for, or None; for a virtual environment, of its base."""
    probe = ("import sys; print('%d.%d' % sys.version_info[:2]); "
             "print(getattr(sys, '_base_executable', sys.executable))")
    for name in candidates:
        path = shutil.which(name) if name else None
        if path is None:
            continue
        result = subprocess.run([path, "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        lines = result.stdout.decode(errors="replace").splitlines()
        if result.returncode == 0 and lines[0] in SUITABLE:
            return lines[1]
    return None


def main() -> int:
    """Continue in a suitable interpreter."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--this-python"]
    others = [] if len(arguments) < len(sys.argv) - 1 else ["python3.12", "python3.11", "/usr/bin/python3"]
    interpreter = find_interpreter([environment_interpreter() if others else None, sys.executable, *others])
    if interpreter is None:
        sys.stderr.write(
            "set-up: this is Python %d.%d, but the ROS 2 wheels exist for Python %s. Install one of these (Debian, Ubuntu: "
            "apt-get install python3.11 python3.11-venv python3.11-dev, or 3.12) and run `make setup` again; "
            "`make setup PYTHON=/path/to/python3.11` names an interpreter that is not on PATH.\n"
            % (sys.version_info[0], sys.version_info[1], " and ".join(SUITABLE)))
        return 1
    if os.path.realpath(interpreter) != os.path.realpath(sys.executable) or sys.prefix != sys.base_prefix:
        os.execv(interpreter, [interpreter, "-I", os.path.abspath(__file__)] + arguments + ["--this-python"])
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from environment import steps

    return steps.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
