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

"""The picture of a picked item that the gallery may learn from."""

from __future__ import annotations

from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.identification.crop import crop_segment
from objectcentric_ros.picking.ports import View

LEAST_SIDE = 20   # smaller crops are not worth learning from [px]


def crop_to_learn(view: View, segment_id: int) -> bytes | None:
    """PNG of a segment, cut as references are; None where the view has no picture or the segment is too small."""
    if view.color is None or not (view.labels == segment_id).any():
        return None
    crop = crop_segment(view.color, view.labels, segment_id)
    return encode_png(crop) if min(crop.shape[:2]) >= LEAST_SIDE else None
