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


"""The inspector's HTTP server: a page, and the few questions that it asks.

    GET  /api/overview                                   model, sources, palette, where grasp points are saved
    POST /api/frames           {source, index}           take a frame and describe it
    GET  /api/frames/ID/image                            the frame as PNG
    GET  /api/frames/ID/pca?beside=ID&object=1           its principal components as PNG, in the colours of the other's
    GET  /api/match?from=ID&to=ID&u=&v=&temperature=&object=1     heat, one byte a cell; the match as JSON in X-Match
    GET  /api/items                                      items that grasp points can be saved for
    POST /api/grasp_points     {frame, u, v, item, name, width, note, replace}

Errors are JSON, {"error": a sentence}: 400 bad input, 403 a foreign page, 404 not there, 409 a name that is
taken, 411, 413, 415 a bad body, 503 no database. The Host
header must name this machine: a foreign site whose name was rebound to 127.0.0.1 gets nothing. Files are served from a fixed
table, so no path leads anywhere else.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

from objectcentric_ros.gallery.errors import DuplicateGraspPoint, GalleryError, UnknownObject
from objectcentric_ros.gallery.images import encode_png
from objectcentric_ros.inspector.inspection import DescribedFrame, Inspection, Match, NotThere

PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/inspector.js": ("inspector.js", "text/javascript; charset=utf-8"),
    "/inspector.css": ("inspector.css", "text/css; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
MAX_BODY = 16 * 1024     # [bytes]
IDLE_TIMEOUT = 60.0      # a connection without a request is closed after this [s]
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FRAME = re.compile(r"/api/frames/([0-9a-f]{16})/(image|pca)")


class Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class InspectorServer(ThreadingHTTPServer):
    """Serves an inspection; `serve_forever` to run it.

    Args:
        inspection: what is served.
        host: address to listen on; loopback unless there is a reason.
        port: 0 takes a free one.

    Raises:
        OSError: the address is taken, or isn't this machine's.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, inspection: Inspection, host: str = "127.0.0.1", port: int = 8090) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.inspection, self._host = inspection, host
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where to point a browser."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}/"

    def is_own_name(self, host: str) -> bool:
        """Whether a Host header names this server: loopback, and where it listens to others, any address and its own name."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in ("localhost", self._host.lower()):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return not is_loopback(self._host) and name == socket.gethostname().lower()
        # A rebound name arrives as a name, never as a number.
        return address.is_loopback or not is_loopback(self._host)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes a connection early is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: InspectorServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "objectcentric", ""
    timeout = IDLE_TIMEOUT
    disable_nagle_algorithm = True     # an answer must not wait for the acknowledgement of the one before
    wbufsize = 1 << 18

    def do_GET(self) -> None:
        """A page or a question."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Something to do."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the mouse makes sixty requests a second."""

    def _answer(self, work: Callable[[str, Mapping[str, str]], None]) -> None:
        try:
            host = self.headers.get("Host", "")
            if not self.server.is_own_name(host):
                raise Refused(HTTPStatus.FORBIDDEN, f"this server isn't {host[:80]!r}; open {self.server.url}")
            parts = urlsplit(self.path)
            fields = parse_qs(parts.query, max_num_fields=20)
            work(parts.path, {name: values[-1] for name, values in fields.items()})
        except (NotThere, UnknownObject) as error:
            self._send_error(HTTPStatus.NOT_FOUND, str(error))
        except DuplicateGraspPoint as error:
            self._send_error(HTTPStatus.CONFLICT, str(error))
        except Refused as error:
            self._send_error(error.status, str(error))
        except ValueError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))
        except GalleryError as error:
            self._send_error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:     # the server stays up, whatever a model or a store does
            traceback.print_exc()
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")

    def _get(self, path: str, fields: Mapping[str, str]) -> None:
        inspection = self.server.inspection
        if path in PAGES:
            name, kind = PAGES[path]
            self._send((resources.files(__package__) / "page" / name).read_bytes(), kind)
        elif path == "/api/overview":
            self._send_json(inspection.overview())
        elif path == "/api/items":
            self._send_json(inspection.items())
        elif path == "/api/match":
            temperature = _number(fields, "temperature") if "temperature" in fields else None
            match = inspection.match(_text(fields, "from"), _text(fields, "to"), _number(fields, "u"), _number(fields, "v"),
                                     temperature, fields.get("object") == "1")
            self._send(match.heat.tobytes(), "application/octet-stream", {"X-Match": json.dumps(_match(match))})
        elif found := _FRAME.fullmatch(path):
            identity, what = found.groups()
            picture = (inspection.frame(identity).picture if what == "image"
                       else encode_png(inspection.components(identity, fields.get("beside"), fields.get("object") == "1")))
            # The identity is a hash of the pixels: what it names never changes.
            self._send(picture, "image/png", {"Cache-Control": "private, max-age=3600, immutable"})
        else:
            raise NotThere(f"there is nothing at {path[:80]}")

    def _post(self, path: str, fields: Mapping[str, str]) -> None:
        inspection = self.server.inspection
        body = self._body()
        if path == "/api/frames":
            self._send_json(_frame(inspection.take(_whole(body, "source"), _whole(body, "index"))))
        elif path == "/api/grasp_points":
            width = None if body.get("width") is None else _number(body, "width")
            replaced = inspection.save(
                _text(body, "frame"), _number(body, "u"), _number(body, "v"), _text(body, "item"), _text(body, "name"), width,
                _text({"note": "", **body}, "note"), body.get("replace") is True)
            self._send_json({"replaced": replaced}, HTTPStatus.OK if replaced else HTTPStatus.CREATED)
        else:
            raise NotThere(f"there is nothing to post to at {path[:80]}")

    def _body(self) -> dict[str, Any]:
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.headers["Host"]:
            self._refuse_body(HTTPStatus.FORBIDDEN, "a foreign page may not do this")
        if self.headers.get_content_type() != "application/json":
            self._refuse_body(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,12}", length):
            self._refuse_body(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        if int(length) > MAX_BODY:
            self._refuse_body(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{length} bytes are too many, at most {MAX_BODY} are read")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the body is no JSON: {error}") from error
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        return body

    def _refuse_body(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True      # the body isn't read: what follows on the connection would be taken for a request
        raise Refused(status, sentence)

    def _send_json(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value, allow_nan=False).encode(), "application/json", status=status)

    def _send_error(self, status: HTTPStatus, sentence: str) -> None:
        self._send_json({"error": sentence}, status)

    def _send(self, data: bytes, kind: str, headers: Mapping[str, str] | None = None, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        fields = {"Content-Type": kind, "Content-Length": str(len(data)), "Cache-Control": "no-store", **SECURITY_HEADERS}
        if self.close_connection:
            fields["Connection"] = "close"
        for name, value in {**fields, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def _frame(described: DescribedFrame) -> dict[str, Any]:
    keypoints = None
    if described.keypoints is not None:
        found = described.keypoints
        keypoints = [{"u": float(u), "v": float(v), "peak": float(peak)}
                     for (u, v), peak in zip(found.points, found.peaks, strict=True)]
    return {"id": described.identity, "title": described.frame.title, "width": described.image.width,
            "height": described.image.height, "mask": described.on_object is not None,
            "keypoints": keypoints}


def _match(match: Match) -> dict[str, Any]:
    result = match.result
    return {"peak": result.peak, "expectation": result.expectation, "distance": result.distance, "confidence": result.confidence,
            "multimodal": result.multimodal, "rival": result.rival, "temperature": match.temperature, "cell": match.cell,
            "rows": match.heat.shape[0], "columns": match.heat.shape[1]}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"expected a text {name!r}, got {str(value)[:40]!r}")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    try:
        number = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number {name!r}, got {str(value)[:40]!r}")
    return number


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected a whole number {name!r}, got {str(value)[:40]!r}")
    return value
