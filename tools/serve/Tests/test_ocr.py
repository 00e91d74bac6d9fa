# SPDX-License-Identifier: Apache-2.0
"""/v1/ocr and /v1/render: pictures and PDF files."""

from __future__ import annotations

import io
import shutil

import pytest
from conftest import SAMPLES, VARY, data_url, error_of
from PIL import Image

needs_poppler = pytest.mark.skipif(not shutil.which("pdftoppm"), reason="poppler-utils is not installed")


def pdf(pages: int = 2) -> bytes:
    images = [Image.open(SAMPLES / "one-word.png").convert("RGB")] * pages
    out = io.BytesIO()
    images[0].save(out, "PDF", save_all=True, append_images=images[1:], resolution=72)
    return out.getvalue()


def test_reads_a_picture(server):
    done = server.post({"model": "vary", "file": data_url("one-word.png"), "max_tokens": 60}, "/v1/ocr").json()
    [page] = done["pages"]
    assert page["page"] == 1 and isinstance(page["text"], str) and page["markdown"] and page["width"] > 0
    assert done["usage"]["completion_tokens"] > 0


@needs_poppler
def test_reads_a_pdf_file(server):
    done = server.http.post(
        "/v1/ocr", data={"model": "hires", "prompt": "What is in the picture?", "dpi": "72"}, files={"file": ("a.pdf", pdf(), "application/pdf")}
    )
    assert done.status_code == 200, done.text
    assert [page["text"].strip() for page in done.json()["pages"]] == ["apple", "apple"]
    one = server.http.post(
        "/v1/ocr",
        data={"model": "hires", "prompt": "What is in the picture?", "pages": "[2]", "dpi": "72"},
        files={"file": ("a.pdf", pdf(), "application/pdf")},
    )
    assert [page["page"] for page in one.json()["pages"]] == [2]


@needs_poppler
def test_renders_a_page(server):
    done = server.http.post("/v1/render", data={"page": "2"}, files={"file": ("a.pdf", pdf(3), "application/pdf")})
    assert done.status_code == 200 and done.headers["x-page-count"] == "3"
    assert Image.open(io.BytesIO(done.content)).format == "PNG"


@needs_poppler
def test_refuses_bad_pdf_files(server):
    for bytes_ in (b"%PDF-1.4\n" + b"x" * 1000, pdf()[:300]):
        done = server.http.post("/v1/ocr", data={"model": "vary"}, files={"file": ("a.pdf", bytes_, "application/pdf")})
        assert done.status_code == 400 and error_of(done)["code"] == "invalid_pdf"
    for data in ({"pages": "[9]"}, {"pages": "[0]"}, {"page": "x"}):
        done = server.http.post("/v1/ocr", data={"model": "vary", **data}, files={"file": ("a.pdf", pdf(), "application/pdf")})
        assert done.status_code == 400


def test_says_what_pdf_files_need(start, tmp_path):
    server = start(models=(VARY,), environment={"PATH": str(tmp_path)})
    done = server.http.post("/v1/ocr", files={"file": ("a.pdf", pdf(), "application/pdf")})
    assert done.status_code == 501 and "poppler" in error_of(done)["message"]
