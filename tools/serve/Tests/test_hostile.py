# SPDX-License-Identifier: Apache-2.0
"""Clients that mean ill: each gets a status or a closed connection, and afterwards the server is as it was."""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
import zlib

import pytest
from conftest import HIRES, about, data_url, error_of


@pytest.fixture(scope="module")
def strict():
    from conftest import Server

    server = Server("--memory", "320", "--max-body", "4", "--body-time", "2", "--max-megapixels", "4", "--connections", "64", models=(HIRES,))
    yield server
    assert server.stop() == 0


def raw(server, *pieces: bytes, pause: float = 0, timeout: float = 10) -> bytes:
    """What comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            while True:
                got = connection.recv(65536)
                if not got:
                    return answer
                answer += got
        except (ConnectionError, BrokenPipeError):
            return answer


def head(length: int, kind: str = "application/json", path: str = "/v1/chat/completions") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def png(width: int, height: int) -> bytes:
    """A picture of one colour, a thousandth of its pixels in bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" * (width * 3 + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_slow_body(strict):
    started = time.monotonic()
    assert status(raw(strict, head(1000), b"{")) == 408
    assert time.monotonic() - started < 5


def test_slow_headers(strict):
    """A head that does not end: the connection is closed without an answer."""
    started = time.monotonic()
    assert raw(strict, b"GET /health HTTP/1.1\r\nHost: localhost\r\n", *[b"A: b\r\n"] * 30, pause=0.3, timeout=20) == b""
    assert time.monotonic() - started < 15


def test_huge_headers(strict):
    for headers in (b"X: " + b"a" * 200_000, b"\r\n".join(b"X-%d: a" % i for i in range(5000))):
        assert status(raw(strict, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n")) in (0, 400, 431)


def test_too_large_body(strict):
    assert status(raw(strict, head(1 << 40), b"{")) == 413
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    chunked = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status(raw(strict, chunked, *[chunk] * 200)) in (0, 413)


def test_truncated_upload(strict):
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as connection:
        connection.sendall(head(1000) + b'{"model":')
        connection.shutdown(socket.SHUT_WR)
        assert status(connection.recv(65536)) in (0, 400, 408, 499)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,2", b"null", b'"text"', b"{}", b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe", b'{"model":"hires"}', os.urandom(5000)]
)
def test_wrong_bodies(strict, body):
    response = strict.http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    error_of(response)


def test_half_a_surrogate_pair_takes_nothing_along(strict):
    body = rb'{"model": "a\ud83d\nb\ud83d\u0416\ud83dc\udc00\ud83d\" d", "messages": [{"role": "user", "content": "x"}]}'
    response = strict.http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 404
    assert 'a\ufffd\nb\ufffd\u0416\ufffdc\ufffd\ufffd" d' in response.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_wrong_content_types(strict, kind):
    response = strict.http.post("/v1/chat/completions", content=b"{}", headers={"content-type": kind})
    assert response.status_code == 415


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", b"--x\r\n" * 1000, b"--x--"]
)
def test_wrong_forms(strict, body):
    response = strict.http.post("/v1/chat/completions", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert response.status_code == 400


def test_decompression_bombs(strict):
    before = strict.resident
    for width, height, most in ((100_000, 100_000, 2), (16_000, 16_000, None)):
        picture = png(width, most or 200)
        picture = picture[:16] + struct.pack(">II", width, height) + picture[24:]
        address = "data:image/png;base64," + base64.b64encode(picture).decode()
        response = strict.post({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": address}}]}]})
        assert response.status_code == 400 and error_of(response)["code"] in ("image_too_large", "invalid_image")
    # Within the limit of pixels it is read, row by row.
    address = "data:image/png;base64," + base64.b64encode(png(2000, 2000)).decode()
    response = strict.post(
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": "What is in the picture?"}],
                }
            ]
        }
    )
    assert response.status_code == 200
    assert strict.resident - before < 64 << 20


def test_damaged_pictures(strict):
    whole = base64.b64decode(data_url("banner.jpg").split(",")[1])
    for cut in range(0, len(whole), max(1, len(whole) // 12)):
        damaged = whole[:cut] + bytes(b ^ 0x55 for b in whole[cut : cut + 8]) + whole[cut + 8 :]
        address = "data:image/jpeg;base64," + base64.b64encode(damaged).decode()
        response = strict.post(
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": "Read."}]}]}
        )
        assert response.status_code in (200, 400)


def test_unknown_addresses_and_methods(strict):
    for path in ("/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/app.js/../Page.swift", "/Page.swift"):
        assert status(raw(strict, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())) == 404
    assert strict.http.get("/v1/chat/completions").status_code == 405
    assert strict.http.request("TRACE", "/health").status_code in (400, 405)
    assert status(raw(strict, b"\x16\x03\x01\x02\x00\x01\x00")) in (0, 400)


def test_foreign_pages(strict):
    body = {"messages": about("one-word.png", "What is in the picture?")}
    assert strict.post(body, headers={"origin": "http://evil.example"}).status_code == 403
    assert strict.post(body, headers={"host": "evil.example"}).status_code == 403
    assert strict.post(body, headers={"origin": strict.url}).status_code == 200


def test_many_connections_do_nothing(strict):
    idle = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(40)]
    assert strict.http.get("/health").status_code == 200
    for connection in idle:
        connection.close()


def test_is_as_before(strict):
    """Last: nothing was left behind."""
    strict.post({"messages": about("one-word.png", "What is in the picture?")})
    time.sleep(2.5)
    files, resident = strict.files, strict.resident
    for _ in range(30):
        strict.http.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"})
        connection = socket.create_connection(("127.0.0.1", strict.port))
        connection.sendall(head(100_000) + b"{" * 1000)
        connection.close()
    time.sleep(3)
    assert strict.files <= files + 2
    assert strict.resident - resident < 32 << 20
    assert strict.metric("fovea_body_bytes") == 0
    assert strict.metric("fovea_running{") == 0
