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

"""What of a title tells how a product looks: the first part, as paper B cuts it (section V).

Catalogue titles go on with sizes, counts and what the product is for. The paper truncates at commas, semicolons and pipes,
and gains about 2 % of top-1; here full-width and Arabic forms are cut at too, and no number is cut in two.
"""

from __future__ import annotations

import re

MOST_CHARACTERS = 10_000      # of a title as it comes; more is no title but an accident or an attack
KEPT_CHARACTERS = 500         # of its first part: as many as the gallery stores

# A comma between two digits belongs to a number: 1,000 pieces, 1,5 l.
_CUT = re.compile(r"\s*(?:[;|；｜、؛،]|(?<!\d)[,，]|[,，](?!\d))")


class TitleTooLong(ValueError):
    """The text has more characters than any title."""


def truncated_title(title: str) -> str:
    """The part of a title before the first comma, semicolon or pipe.

    A first part that is longer than 500 characters is cut at the last blank before. When nothing is left (the title starts with
    a comma), the title is kept as it is.

    Args:
        title: as the catalogue has it, at most 10 000 characters.

    Raises:
        TitleTooLong: it has more.

    >>> truncated_title("Red mug, 330 ml, dishwasher safe"), truncated_title("Bricks 1,000 pieces; ages 4+")
    ('Red mug', 'Bricks 1,000 pieces')
    """
    text = whole_title(title)
    first = _CUT.split(text, maxsplit=1)[0].strip()
    return _shortened(first or text)


def whole_title(title: str) -> str:
    """A title with single blanks and without outer ones; raises TitleTooLong above 10 000 characters."""
    if len(title) > MOST_CHARACTERS:
        raise TitleTooLong(f"the title has {len(title)} characters ({title[:40]!r}...); at most {MOST_CHARACTERS} are read")
    return " ".join(title.split())


def _shortened(text: str) -> str:
    if len(text) <= KEPT_CHARACTERS:
        return text
    return text[:KEPT_CHARACTERS + 1].rpartition(" ")[0] or text[:KEPT_CHARACTERS]
