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


"""The inspector's HTTP interface: what it answers, what it refuses, and that it stays up."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from objectcentric_ros.inspector.frames import PhotoSource
from objectcentric_ros.inspector.grasp_points import MemoryGraspPoints
from objectcentric_ros.inspector.inspection import Inspection
from objectcentric_ros.inspector.server import MAX_BODY, PAGES, InspectorServer

from .colour_model import ColourModel, ramp

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InspectorServer]:
    for name, image in (("a.png", ramp()), ("b.png", ramp()[:, ::-1])):
        cv2.imwrite(str(tmp_path / name), image[..., ::-1])
    inspection = Inspection(ColourModel(), [PhotoSource(tmp_path / name) for name in ("a.png", "b.png")],
                            MemoryGraspPoints({"mug": "Blue mug"}))
    with InspectorServer(inspection, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: InspectorServer, path: str, body: Any = None, headers: dict[str, str] | None = None,
        method: str = "") -> tuple[int, Any, http.client.HTTPMessage]:
    """Status, body (JSON decoded) and headers of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method or ("GET" if body is None else "POST"), path, data, headers or (JSON if body is not None else {}))
    response = connection.getresponse()
    content = response.read()
    connection.close()
    decoded = json.loads(content) if response.headers.get_content_type() == "application/json" else content
    return response.status, decoded, response.headers


def frames(server: InspectorServer) -> list[str]:
    return [ask(server, "/api/frames", {"source": source, "index": 0})[1]["id"] for source in (0, 1)]


def is_up(server: InspectorServer) -> bool:
    return ask(server, "/api/overview")[0] == 200


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_served_and_may_load_nothing_from_elsewhere(server: InspectorServer, path: str) -> None:
    status, content, headers = ask(server, path)
    assert status == 200 and len(content) > 100
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert b"//cdn" not in content and b"https://" not in content


def test_a_match_is_exact(server: InspectorServer) -> None:
    first, second = frames(server)
    status, heat, headers = ask(server, f"/api/match?from={first}&to={second}&u=60&v=30")
    match = json.loads(headers["X-Match"])
    assert status == 200 and match["peak"] == pytest.approx([139, 30], abs=0.07) and match["distance"] < 1e-3
    grid = np.frombuffer(heat, np.uint8).reshape(match["rows"], match["columns"])
    assert (grid[30, 139], match["cell"]) == (255, 1) and grid[30, 60] == 0


def test_frames_are_described_and_shown(server: InspectorServer) -> None:
    status, frame, _ = ask(server, "/api/frames", {"source": 0, "index": 0})
    assert status == 200 and (frame["width"], frame["height"], frame["mask"]) == (200, 120, False)
    assert frame["keypoints"][1] == {"u": 100.0, "v": 60.0, "peak": 0.3}
    picture = cv2.imdecode(np.frombuffer(ask(server, f"/api/frames/{frame['id']}/image")[1], np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(picture[..., ::-1], ramp())
    colours = cv2.imdecode(np.frombuffer(ask(server, f"/api/frames/{frame['id']}/pca")[1], np.uint8), cv2.IMREAD_COLOR)
    assert colours.shape == (120, 200, 3) and colours.std() > 20


def test_the_palette_has_a_colour_for_every_heat(server: InspectorServer) -> None:
    palette = np.reshape(ask(server, "/api/overview")[1]["palette"], (256, 3))
    assert len(np.unique(palette, axis=0)) > 200 and palette[255, 0] > palette[255, 2]


def test_a_grasp_point_is_saved_once_and_replaced_on_request(server: InspectorServer) -> None:
    first, _ = frames(server)
    point = {"frame": first, "u": 5, "v": 6.5, "item": "mug", "name": "handle", "width": 0.03}
    assert ask(server, "/api/items")[1] == {"mug": "Blue mug"}
    assert [ask(server, "/api/grasp_points", body)[0] for body in (point, point, {**point, "replace": True})] == [201, 409, 200]


@pytest.mark.parametrize(("query", "status"), [
    ("from=0123456789abcdef&to={b}&u=1&v=1", 404), ("from={a}&to=..%2f..%2fetc&u=1&v=1", 404),
    ("from={a}&to={b}&u=nan&v=1", 400), ("from={a}&to={b}&u=1&v=1e999", 400), ("from={a}&to={b}&u=200&v=1", 400),
    ("from={a}&to={b}&u=1", 400), ("from={a}&to={b}&u=x&v=1", 400), ("to={b}&u=1&v=1", 400),
    ("from={a}&to={b}&u=1&v=1&temperature=nan", 400), ("from={a}&to={b}&u=1&v=1&temperature=99", 400),
    ("&".join("u=1" for _ in range(50)), 400)])
def test_a_bad_query_gets_a_sentence(server: InspectorServer, query: str, status: int) -> None:
    first, second = frames(server)
    answer = ask(server, f"/api/match?{query.format(a=first, b=second)}")
    assert answer[0] == status and len(answer[1]["error"]) > 10
    assert is_up(server)


@pytest.mark.parametrize(("path", "body", "headers", "status"), [
    ("/api/frames", {"source": 9, "index": 0}, JSON, 404),
    ("/api/frames", {"source": 0, "index": -1}, JSON, 404),
    ("/api/frames", {"source": "0", "index": 0}, JSON, 400),
    ("/api/frames", {"source": True, "index": 0}, JSON, 400),
    ("/api/frames", [1], JSON, 400),
    ("/api/frames", b"{", JSON, 400),
    ("/api/frames", b"[" * 5000, JSON, 400),
    ("/api/frames", b"\xff", JSON, 400),
    ("/api/frames", b" " * (MAX_BODY + 1), JSON, 413),
    ("/api/frames", {"source": 0, "index": 0}, {"Content-Type": "text/plain"}, 415),
    ("/api/frames", {"source": 0, "index": 0}, {**JSON, "Origin": "http://evil.example"}, 403),
    ("/api/grasp_points", {"frame": "0123456789abcdef", "u": 1, "v": 1, "item": "mug", "name": "x"}, JSON, 404),
    ("/api/nothing", {}, JSON, 404)])
def test_a_bad_body_gets_a_sentence(server: InspectorServer, path: str, body: Any, headers: dict[str, str], status: int) -> None:
    answer = ask(server, path, body, headers)
    assert answer[0] == status and len(answer[1]["error"]) > 10
    assert is_up(server)


@pytest.mark.parametrize("change", [{"item": "cup"}, {"name": ""}, {"name": "x" * 101}, {"width": -1}, {"width": "wide"},
                                    {"u": None}, {"u": 1e300}])
def test_a_grasp_point_that_cannot_be_saved_is_refused(server: InspectorServer, change: dict[str, Any]) -> None:
    first, _ = frames(server)
    point = {"frame": first, "u": 5, "v": 6, "item": "mug", "name": "handle"}
    assert ask(server, "/api/grasp_points", {**point, **change})[0] == (404 if "item" in change else 400)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.2", "", "[::1", "a b"])
def test_a_foreign_host_gets_nothing(server: InspectorServer, host: str) -> None:
    for path in ("/", "/api/overview"):
        status, content, _ = ask(server, path, headers={"Host": host})
        assert status == 403 and "open http://127.0.0.1:" in content["error"]
    assert is_up(server)


def test_this_machine_is_known_by_its_loopback_names(server: InspectorServer) -> None:
    for host in ("localhost", "127.0.0.1:1234", "[::1]:99", "LOCALHOST"):
        assert server.is_own_name(host), host


@pytest.mark.parametrize("path", ["/../../../etc/passwd", "/..%2f..%2fetc/passwd", "/page/index.html", "/inspector.py",
                                  "//etc/passwd", "/api/frames/../../etc/image", "/api/frames/0123456789abcdeg/image"])
def test_no_path_leads_out(server: InspectorServer, path: str) -> None:
    assert ask(server, path)[0] == 404


def test_an_endless_address_and_an_unknown_method_are_refused(server: InspectorServer) -> None:
    assert ask(server, "/" + "x" * 70_000)[0] == 414
    assert ask(server, "/", method="DELETE")[0] in (405, 501)
    assert is_up(server)


def test_a_model_that_fails_does_not_take_the_server_with_it(server: InspectorServer, monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(ColourModel, "describe", fail)
    status, answer, _ = ask(server, "/api/frames", {"source": 0, "index": 0})
    assert (status, answer["error"]) == (500, "RuntimeError: out of memory")
    assert "out of memory" in capsys.readouterr().err
    assert is_up(server)
