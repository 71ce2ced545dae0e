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

"""``objectcentric benchmark gallery``: what a gallery costs at a size, beside NumPy and usearch."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = """examples:
  objectcentric benchmark gallery --objects 1000
  objectcentric benchmark gallery --objects 50000 --keep out/gallery_2m --json out/gallery_2m.json      2 000 000 vectors
  objectcentric benchmark gallery --objects 50000 --keep out/gallery_2m --index centres --index vectors

The large case wants 12 GB of disk, 8 GB of memory and a quarter of an hour of two cores the first time. With --keep a run that
was ended or killed goes on where it was, and a finished folder is only measured. Vectors are made up (families of objects,
views, sources); recall is the share of the true nearest neighbours, found by NumPy, that the index finds; half of the queries
choose the search effort, the other half are reported."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--objects", type=int, required=True, metavar="N", help="number of objects")
    parser.add_argument("--references", type=int, default=40, metavar="N", help="of each object (default 40)")
    parser.add_argument("--dimension", type=int, default=256, metavar="N", help="of a vector (default 256)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the vectors (default 0)")
    parser.add_argument("--candidates", type=int, default=30, metavar="N", help="objects a candidate query compares (default 30)")
    parser.add_argument("--queries", type=int, default=400, metavar="N", help="half tune, half are reported (default 400)")
    parser.add_argument("--index", choices=("centres", "vectors"), action="append",
                        help="HNSW over mean vectors of objects, or over every vector; may be repeated (default centres)")
    parser.add_argument("--m", type=int, default=16, help="neighbours a node of the index (default 16)")
    parser.add_argument("--ef-construction", type=int, default=64, metavar="N", help="effort of building it (default 64)")
    parser.add_argument("--recall", type=float, default=0.955, help="recall that the search is tuned to (default 0.955)")
    parser.add_argument("--url", help="PostgreSQL server with an empty gallery (default: an embedded server)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="working folder that stays (default: a temporary one)")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    from objectcentric_ros.gallery.benchmark import GalleryBenchmark, run_benchmark
    from objectcentric_ros.gallery.benchmark_table import table
    from objectcentric_ros.gallery.errors import GalleryError
    from objectcentric_ros.gallery.synthetic_vectors import SyntheticVectors
    from objectcentric_ros.gallery.vector_index import VectorIndexConfig

    began = time.monotonic()

    def say(sentence: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {sentence}", flush=True)

    try:
        data = SyntheticVectors(arguments.objects, arguments.references, arguments.dimension, arguments.seed)
        indexes = tuple(VectorIndexConfig(kind, arguments.m, arguments.ef_construction, arguments.recall)
                        for kind in arguments.index or ["centres"])
        benchmark = GalleryBenchmark(data, min(arguments.candidates, arguments.objects), arguments.queries, indexes)
        if arguments.keep is not None:
            figures = run_benchmark(benchmark, arguments.keep, arguments.url, say)
        else:
            with tempfile.TemporaryDirectory(prefix="objectcentric-benchmark-") as folder:
                figures = run_benchmark(benchmark, Path(folder), arguments.url, say)
        if arguments.json is not None:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    except (GalleryError, ValueError, OSError) as error:
        print(f"objectcentric benchmark gallery: {error}", file=sys.stderr)
        return 2
    print(f"\n{table(figures)}")
    return 0
