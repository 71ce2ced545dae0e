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

"""A tree of frames with static and time-stamped transforms: what tf2 does, without ROS.

Not locked: the owner (a node's listener) serialises set and lookup.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectcentric_ros.geometry import se3


class TransformError(LookupError):
    """A transform could not be looked up; the message names frames and times."""


class UnknownFrame(TransformError):
    """A frame that no transform ever mentioned."""


class UnconnectedFrames(TransformError):
    """Both frames are known, but no chain of transforms joins them."""


class ExtrapolationError(TransformError):
    """The asked time lies outside what is buffered for a link on the way."""


@dataclass
class _Link:
    """The edge from a frame to its parent: one static transform, or samples in order of time."""

    parent: str
    static: bool
    stamps: list[float] = field(default_factory=list)
    transforms: list[NDArray[np.float64]] = field(default_factory=list)


class TransformTree:
    """Frames joined by T_parent_child transforms.

    Args:
        buffer_length: how long stamped transforms are kept before the newest of their link [s].
    """

    def __init__(self, buffer_length: float = 10.0) -> None:
        if not buffer_length > 0:
            raise ValueError(f"buffer length must be positive, got {buffer_length} s")
        self.buffer_length = buffer_length
        self._links: dict[str, _Link] = {}

    def set(self, parent: str, child: str, T_parent_child: ArrayLike, stamp: float | None = None) -> None:
        """Add one transform.

        Samples may arrive out of order; an equal stamp replaces; one older than the buffer is dropped, except that
        a jump back of the clock by more than the buffer (a simulation reset, a bag that loops) clears the link.

        Args:
            parent: frame name; a leading "/" (tf1) is dropped.
            child: frame name, likewise.
            T_parent_child: (4, 4), maps child coordinates into parent coordinates.
            stamp: time [s], or None for a static transform, valid at any time.

        Raises:
            ValueError: an empty name, parent equal to child, a cycle, not a finite rigid transform, or a bad stamp.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if not parent or not child or parent == child:
            raise ValueError(f"a transform needs two different frame names, got {parent!r} and {child!r}")
        transform = np.array(T_parent_child, dtype=np.float64)
        if transform.shape != (4, 4) or not np.all(np.isfinite(transform)):
            raise ValueError(f"transform {parent} <- {child} must be a finite (4, 4) matrix")
        if stamp is not None and not math.isfinite(stamp):
            raise ValueError(f"stamp of transform {parent} <- {child} must be finite, got {stamp}")
        link = self._links.get(child)
        if link is None or link.parent != parent or link.static != (stamp is None):
            if child in self._chain(parent):
                raise ValueError(f"transform {parent} <- {child} would close a cycle: {' <- '.join(self._chain(parent))}")
            link = self._links[child] = _Link(parent, stamp is None)
        if stamp is None:
            link.stamps, link.transforms = [0.0], [transform]
            return
        if link.stamps and stamp < link.stamps[-1] - self.buffer_length:
            link.stamps, link.transforms = [], []
        index = bisect.bisect_left(link.stamps, stamp)
        if index < len(link.stamps) and link.stamps[index] == stamp:
            link.transforms[index] = transform
        else:
            link.stamps.insert(index, stamp)
            link.transforms.insert(index, transform)
        expired = bisect.bisect_left(link.stamps, link.stamps[-1] - self.buffer_length)
        del link.stamps[:expired], link.transforms[:expired]

    def lookup(self, target: str, source: str, stamp: float | None = None) -> NDArray[np.float64]:
        """T_target_source (4, 4) at a time [s], interpolated between samples (slerp); None is the newest common time.

        Raises:
            UnknownFrame, UnconnectedFrames, ExtrapolationError: see there; all are TransformError.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        known = self.frames()
        for name in (target, source):
            if name not in known:
                raise UnknownFrame(f"frame {name!r} is not known; known frames: {', '.join(known) or 'none yet'}")
        up_target, up_source = self._chain(target), self._chain(source)
        common = next((name for name in up_source if name in up_target), None)
        if common is None:
            raise UnconnectedFrames(f"no transforms join {target!r} (root {up_target[-1]!r}) and "
                                    f"{source!r} (root {up_source[-1]!r})")
        children = up_target[: up_target.index(common)], up_source[: up_source.index(common)]
        if stamp is None:
            newest = [self._links[c].stamps[-1] for chain in children for c in chain if not self._links[c].static]
            stamp = min(newest, default=0.0)
        T_common_target, T_common_source = (self._climb(chain, stamp) for chain in children)
        return se3.compose(se3.invert(T_common_target), T_common_source)

    def newest(self, target: str, source: str) -> float | None:
        """Newest time [s] for which lookup(target, source) needs no extrapolation; None when all links are static.

        Raises:
            UnknownFrame, UnconnectedFrames: as lookup.
        """
        self.lookup(target, source)
        up_target, up_source = self._chain(target.lstrip("/")), self._chain(source.lstrip("/"))
        path = set(up_target) ^ set(up_source)
        return min((self._links[c].stamps[-1] for c in path if c in self._links and not self._links[c].static), default=None)

    def frames(self) -> tuple[str, ...]:
        """Names of all frames, sorted."""
        return tuple(sorted(set(self._links) | {link.parent for link in self._links.values()}))

    def clear(self) -> None:
        """Forget the stamped transforms (the clock jumped back); static ones stay."""
        self._links = {child: link for child, link in self._links.items() if link.static}

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while chain[-1] in self._links:
            chain.append(self._links[chain[-1]].parent)
        return chain

    def _climb(self, children: list[str], stamp: float) -> NDArray[np.float64]:
        T_top_bottom = np.eye(4)
        for child in children:
            T_top_bottom = self._sample(child, stamp) @ T_top_bottom
        return T_top_bottom

    def _sample(self, child: str, stamp: float) -> NDArray[np.float64]:
        link = self._links[child]
        if link.static:
            return link.transforms[0]
        if not link.stamps[0] <= stamp <= link.stamps[-1]:
            direction = "future" if stamp > link.stamps[-1] else "past"
            raise ExtrapolationError(f"transform {link.parent} <- {child} at {stamp:.3f} s would need extrapolation into the "
                                     f"{direction}: buffered {link.stamps[0]:.3f} .. {link.stamps[-1]:.3f} s")
        index = bisect.bisect_left(link.stamps, stamp)
        if link.stamps[index] == stamp:
            return link.transforms[index]
        before, after = link.stamps[index - 1], link.stamps[index]
        return se3.interpolate(link.transforms[index - 1], link.transforms[index], (stamp - before) / (after - before))
