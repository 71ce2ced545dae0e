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

"""Further objects to train identification on: catalogue items and miniatures in other colours and proportions.

The benchmark has one or two recolours of an item; the shapes of the libraries are few. A variant is an object of its own: it has
a colour or a rotated hue, is stretched, and keeps the family and the split of its item.
"""

from __future__ import annotations

import numpy as np

from objectcentric_ros.simulation.identification_objects import TINTS, IdentifiableObject, base_objects, far_tints, is_grey
from objectcentric_ros.simulation.variants import Variant

_TINTED = 0.65              # share of variants in one colour; the others keep their pattern in other hues
_STRETCH = 1.35             # an extent is at most so much longer or shorter than the item's
_WORDS = ((2, "tall", "low"), (0, "wide", "narrow"), (1, "deep", "slim"))   # axis, longer, shorter


def variant_objects(count: int, seed: int = 0, split: str | None = None) -> tuple[IdentifiableObject, ...]:
    """Variants of all catalogue items and miniatures, about equally many of each.

    Args:
        count: of all splits together.
        seed: gives other variants, and other splits of the miniatures: those of `identification_objects` of the same seed.
        split: only those of this split.

    Raises:
        ValueError: count is out of range.
        FileNotFoundError: a furniture library is missing.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    bases = base_objects(seed)
    things = []
    for place, base in enumerate(bases):
        share = count // len(bases) + (place < count % len(bases))
        if split in (None, base.split):
            things += [_variant(base, number, seed) for number in range(share)]
    return tuple(things)


def _variant(base: IdentifiableObject, number: int, seed: int) -> IdentifiableObject:
    rng = np.random.default_rng([seed, number, *base.object_id.encode()])
    tints = far_tints(base)
    tint = tints[int(rng.integers(len(tints)))] if rng.random() < _TINTED or is_grey(base) else None
    hue = 0.0 if tint else float(rng.uniform(40, 320))
    x, y, z = (float(factor) for factor in _STRETCH ** rng.uniform(-1, 1, 3))
    factors = (x, y, z)
    axis, longer, shorter = _WORDS[int(np.argmax([abs(np.log(factors[word[0]])) for word in _WORDS]))]
    shape = longer if factors[axis] > 1 else shorter
    object_id = f"{base.object_id}-variant-{number}-of-{seed}"
    return IdentifiableObject(
        object_id,
        f"{base.title}, {shape}, {tint or 'design'} {number + 1}",
        "variant",
        base.family,
        base.split,
        (base.size[0] * factors[0], base.size[1] * factors[1], base.size[2] * factors[2]),
        round(base.mass * x * y * z, 3),
        base.design,
        Variant(base.object_id, object_id, hue=hue, tint=TINTS[tint] if tint else None,
                stretch=factors),
    )
