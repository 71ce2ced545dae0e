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

"""The figures of a gallery benchmark as a text table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(figures: Mapping[str, Any]) -> str:
    """Lines for a terminal, from gallery.benchmark.run_benchmark."""
    candidate, imported = figures["candidate_query"], figures["import"]
    rows = [("candidate query, in the database", candidate, f"{candidate['candidates']} candidates, minimum a source"),
            ("candidate query, NumPy in memory", candidate["numpy"], ""),
            *((f"whole gallery, HNSW over {kind}", figures["search"][kind][what], f"10 {what.replace('_', ' ')}")
              for kind in figures["indexes"] for what in ("nearest_references", "nearest_objects")),
            ("whole gallery, NumPy in memory", figures["numpy"], "10 nearest references, exact")]
    if "usearch" in figures:
        rows.append(("whole gallery, usearch f16", figures["usearch"], "10 nearest references"))
    lines = [f"{figures['vectors']} vectors of {figures['dimension']} dimensions: {figures['objects']} objects x "
             f"{figures['references']}", ""]
    if imported["vectors_per_second"]:
        lines.append(f"import          {imported['vectors_per_second']:.0f} vectors/s, {imported['seconds']:.0f} s")
    for kind, index in figures["indexes"].items():
        if index:
            lines.append(f"index           {index['seconds']:.0f} s over {kind} "
                         f"(m {index['m']}, ef_construction {index['ef_construction']})")
    if figures["usearch_build_seconds"]:
        lines.append(f"usearch index   {figures['usearch_build_seconds']:.0f} s")
    disk = sorted(figures["disk_bytes"].items(), key=lambda entry: -entry[1])[:5]
    lines.append("disk            " + ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in disk))
    lines += ["", f"{'':36}{'p50':>9}{'p95':>9}{'recall':>9}"]
    for name, row, what in rows:
        effort = row.get("effort")
        recall = f"{row['recall']:9.3f}" if "recall" in row else " " * 9
        lines.append(f"{name:36}{row['p50_ms']:6.2f} ms{row['p95_ms']:6.1f} ms{recall}  {what}"
                     + (f", effort {effort}" if effort else ""))
    return "\n".join(lines)
