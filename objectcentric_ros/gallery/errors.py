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

"""What can go wrong with the gallery; every message says what was given and what to do."""

from __future__ import annotations


class GalleryError(Exception):
    """Base of every error of the gallery."""


class InvalidRecord(GalleryError, ValueError):
    """A field of an object, a reference or a pick can't be stored as given."""


class InvalidEmbedding(GalleryError, ValueError):
    """An embedding or a query vector has the wrong shape, is not finite or has no length."""


class BadImage(GalleryError, ValueError):
    """The bytes are no usable PNG or JPEG image."""


class UnknownSource(GalleryError, ValueError):
    """The reference source is not one of tray, bin, catalog (or text, for text)."""


class DuplicateObject(GalleryError):
    """The id is taken."""


class UnknownObject(GalleryError, KeyError):
    """No object has this id or title."""

    __str__ = Exception.__str__    # KeyError would show the sentence in quotation marks


class AmbiguousTitle(GalleryError):
    """Several objects have this title: only the id tells them apart."""


class DuplicateGraspPoint(GalleryError):
    """The object has a grasp point of this name."""


class UnknownGraspPoint(GalleryError, KeyError):
    """The object has no grasp point of this name."""

    __str__ = Exception.__str__


class DatabaseLost(GalleryError):
    """The database does not answer, also after one reconnect."""


class SchemaTooNew(GalleryError):
    """A newer version of this package wrote this gallery."""
