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

"""Patches of the tray."""

import numpy as np

from objectcentric_ros.segmentation.superpixels import _close_lines


def test_lines_at_a_border_go_to_the_patch_beside_them_and_not_to_one_across_the_image():
    labels = np.ones((8, 9), np.int32)
    labels[4:] = 2
    labels[[0, 1, 0], [3, 3, 6]] = -1                  # a watershed line that meets the image's border
    labels[3, 5] = -1
    closed = _close_lines(labels)
    assert (closed[:3] == 1).all() and (closed[4:] == 2).all()
    assert (closed > 0).all()
    columns = np.ones((9, 8), np.int32)
    columns[:, 4:] = 2
    columns[3, [6, 7]] = -1
    assert (_close_lines(columns)[:, :4] == 1).all() and (_close_lines(columns)[:, 4:] == 2).all()
