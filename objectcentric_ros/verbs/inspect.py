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


"""objectcentric inspect: a local web page that shows where the descriptors of one image match in another."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from objectcentric_ros.gallery.errors import GalleryError
from objectcentric_ros.inspector.frames import LONGEST_SIDE, FrameSource, PhotoSource
from objectcentric_ros.inspector.models import load_descriptor_model
from objectcentric_ros.verbs.record import interrupting

if TYPE_CHECKING:
    from objectcentric_ros.descriptors.descriptor_image import DescriptorModel
    from objectcentric_ros.inspector.grasp_points import GraspPointStore

EXAMPLES = """examples:
  objectcentric inspect box.png box_in_scene.png
  objectcentric inspect views/cap-blue/*.color.png --model models/descriptors_caps.xml
  objectcentric inspect mug.jpg --topic /camera/camera/color/image_raw      a photo beside the live camera
  objectcentric inspect mug.jpg --bag my_tray --gallery                     save grasp points in the user's gallery
  objectcentric inspect a.png b.png --model sift                            descriptors that nobody trained

Open the page that it names; Ctrl-C ends it. Move the mouse over one image: the other shows where it looks alike. A click
holds the point, the arrow keys move it. Beside NAME.color.png a mask is read from NAME.mask.png.
exit code: 0 ended by Ctrl-C, 2 bad input.
"""
DEFAULT_MODEL = "descriptors_caps"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="PNG or JPEG; the first two are shown first")
    parser.add_argument("--topic", action="append", default=[], help="live images; with --bag: the bag's topic; may be repeated")
    parser.add_argument("--bag", type=Path, help="folder or file of a bag (mcap or sqlite3)")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME_OR_FILE",
                        help=f"name in models/, file .xml or .safetensors, 'patch' or 'sift' (default: {DEFAULT_MODEL})")
    parser.add_argument("--gallery", action="store_true", help="save grasp points in the user's gallery")
    parser.add_argument("--url", help="or in the gallery of a PostgreSQL server: postgresql://user:password@host/database")
    parser.add_argument("--data-dir", type=Path, help="or in the embedded gallery of this folder")
    parser.add_argument("--longest-side", type=int, default=LONGEST_SIDE, metavar="PX",
                        help=f"larger images are scaled down to this (default: {LONGEST_SIDE}, as in training)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, default=8090, help="default: 8090; 0 takes a free one")


def run(arguments: argparse.Namespace, load_model: Callable[[str], DescriptorModel] = load_descriptor_model) -> int:
    """Serve until Ctrl-C."""
    from objectcentric_ros.inspector.inspection import Inspection
    from objectcentric_ros.inspector.server import InspectorServer, is_loopback
    from objectcentric_ros.nodes import MissingRosPackage

    with ExitStack() as stack:
        try:
            _check(arguments)
            sources = _sources(arguments, stack)
            inspection = Inspection(load_model(arguments.model), sources, _store(arguments, stack), arguments.longest_side)
            server = stack.enter_context(InspectorServer(inspection, arguments.host, arguments.port))
        except (ValueError, GalleryError, MissingRosPackage) as error:
            print(f"objectcentric inspect: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"objectcentric inspect: can't listen on {arguments.host} port {arguments.port}: {error.strerror}; choose "
                  "another --port, or 0 for a free one", file=sys.stderr)
            return 2
        if not is_loopback(arguments.host):
            print(f"objectcentric inspect: warning: listening on {arguments.host}: everybody in this network can see the images"
                  " and save grasp points; there is no password", file=sys.stderr)
        print(f"inspector: {server.url}", flush=True)
        _serve(server.serve_forever, server.shutdown)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if not (arguments.images or arguments.topic or arguments.bag):
        raise ValueError("there is nothing to inspect: give images, --topic or --bag")
    if arguments.longest_side < 32:
        raise ValueError(f"--longest-side must be at least 32, got {arguments.longest_side}")
    if not 0 <= arguments.port < 65536:
        raise ValueError(f"--port must be 0 to 65535, got {arguments.port}")


def _sources(arguments: argparse.Namespace, stack: ExitStack) -> list[FrameSource]:
    sources: list[FrameSource] = [PhotoSource(path) for path in arguments.images]
    if arguments.bag is not None:
        from objectcentric_ros.nodes.inspect_source import BagSource

        sources += [BagSource(arguments.bag, topic) for topic in arguments.topic or [""]]
    elif arguments.topic:
        from objectcentric_ros.nodes.graph_client import GraphClient
        from objectcentric_ros.nodes.inspect_source import TopicSource

        client = stack.enter_context(GraphClient("inspector"))
        for topic in arguments.topic:
            source = TopicSource(client, topic)
            stack.callback(source.close)
            sources.append(source)
    return sources


def _store(arguments: argparse.Namespace, stack: ExitStack) -> GraspPointStore | None:
    if not (arguments.gallery or arguments.url or arguments.data_dir):
        return None
    from objectcentric_ros.gallery.store import Gallery
    from objectcentric_ros.inspector.grasp_points import GalleryGraspPoints

    return GalleryGraspPoints(stack.enter_context(Gallery.open(arguments.url, arguments.data_dir)))


def _serve(serve: Callable[[], None], shut_down: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; shutting down must come from another thread than serving."""
    thread = threading.Thread(target=serve, name="inspector", daemon=True)
    thread.start()
    ended = threading.Event()
    with interrupting(ended):
        ended.wait()
    shut_down()
    thread.join()
