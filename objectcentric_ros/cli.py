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

"""The objectcentric command: one verb a module of objectcentric_ros.verbs, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

VERBS = {
    "bringup": "start the nodes of a task: pick, perception, simulation or replay",
    "pick": "pick one named item with a running graph",
    "demo": "bring up the cell, fill the gallery, pick three items, write a report",
    "gallery": "add, import, list, show, remove, count, index or export the objects of the gallery",
    "evaluate": "measure segmentation or whole picks in simulation",
    "dataset": "render images of single objects to train on",
    "train": "train a model of the stack from simulated scenes",
    "export": "write a trained model in the form that robots run, in 8 bits where that costs no accuracy",
    "benchmark": "compare models on objects that no training saw, and measure what an image costs",
    "inspect": "see on a web page where the descriptors of one image match in another",
    "capture": "take photographs with masks of one object from the running graph, to train on",
    "record": "record the camera topics into an MCAP bag",
    "replay": "play a bag with /clock",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (2 for a wrong command line or bad input)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    width = max(map(len, VERBS))
    table = "\n".join(f"  {name:<{width}}  {text}" for name, text in VERBS.items())
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: objectcentric VERB [options]\n\n{table}\n\nobjectcentric VERB --help has examples.")
        return 0 if arguments else 2
    verb = arguments[0]
    if verb not in VERBS:
        print(f"objectcentric: no verb {verb!r}; the verbs are\n{table}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"objectcentric_ros.verbs.{verb}")
    parser = argparse.ArgumentParser(
        prog=f"objectcentric {verb}", description=VERBS[verb].capitalize() + ".", epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    try:
        return int(module.run(parser.parse_args(arguments[1:])))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
