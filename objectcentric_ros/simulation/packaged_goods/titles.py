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

"""Titles of products as shops write them, short and long."""

from __future__ import annotations

import numpy as np

from objectcentric_ros.simulation.packaged_goods.vocabulary import ProductKind


def product_title(brand: str, kind: ProductKind, variant: str, contents: str, rng: np.random.Generator, taken: set[str]) -> str:
    """A title that isn't taken.

    Raises:
        ValueError: every try gave a title that is taken.
    """
    for _ in range(50):
        title = _title(brand, kind, variant, contents, rng)
        if title not in taken:
            return title
    raise ValueError(f"found no new title for {brand} {kind.name}")


def _title(brand: str, kind: ProductKind, variant: str, contents: str, rng: np.random.Generator) -> str:
    name = kind.name if kind.name[0].isupper() else kind.name.title()
    flavour = variant.title()
    claim, other = (str(text) for text in rng.choice(kind.claims, 2, replace=False))
    use = str(rng.choice(kind.uses))
    count = int(rng.choice([2, 3, 4, 6, 12]))
    short = contents.replace(" ", "")
    return (
        f"{brand} {flavour} {name}",
        f"{brand} {name} {flavour}",
        f"{name}, {variant}, by {brand}",
        f"{brand} {flavour} {name}, {contents}",
        f"{brand} {flavour} {name}, {contents}, {claim}, Pack of {count} | for {use}",
        f"{brand} {name} - {flavour} ({contents})",
        f"{name} by {brand}, {flavour}, {contents}; {claim}",
        f"{brand} {name} in {flavour} | {contents} | {claim} and {other} | for {use}",
        f"{brand} {variant} {kind.name} {count}x {short}",
        f"{brand} The Original {flavour} {name} for {use}, {claim}, {other}, {contents} (Pack of {count})",
        f"{flavour} {name} from {brand}; {contents}; {claim}",
        f"{brand.upper()} {name}, {flavour}, {short} x {count}, {claim} - {other} - for {use}",
    )[int(rng.integers(12))]
