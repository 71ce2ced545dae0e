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

"""Title text made comparable: without case, accents and extra blanks, in any alphabet."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

# Letters with a stroke or without a dot have no Unicode decomposition, yet people type them without.
_STROKES = str.maketrans("øłđħŧı", "oldhti")


def folded(text: str) -> str:
    """Text without case, compatibility forms and extra blanks; accents stay.

    >>> folded("  Café   CRÈME ")
    'café crème'
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def bare(text: str) -> str:
    """Folded text without accents; letters that only consist of marks (Hangul, Devanagari vowels) stay whole.

    >>> bare("Crème brûlée"), bare("ЙОД"), bare("魔方")
    ('creme brulee', 'иод', '魔方')
    """
    decomposed = unicodedata.normalize("NFD", folded(text))
    kept = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", kept).translate(_STROKES)


def nearest(text: str, titles: Iterable[str], count: int = 3, cutoff: float = 0.4) -> list[str]:
    """The titles most like the text, most alike first; a title that contains the text counts as very alike."""
    wanted = bare(text)[:100]
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    scored: dict[str, float] = {}
    for title in titles:
        key = bare(title)
        matcher.set_seq1(key)
        score = 0.9 if wanted and wanted in key else 0.0
        if score == 0.0 and matcher.real_quick_ratio() >= cutoff and matcher.quick_ratio() >= cutoff:
            score = matcher.ratio()
        if score >= cutoff:
            scored[title] = max(score, scored.get(title, 0.0))
    return sorted(scored, key=lambda title: (-scored[title], title))[:count]
