# SPDX-License-Identifier: Apache-2.0
"""PDF files with text, made without any package."""

from __future__ import annotations

from typing import List, Tuple


def text(x: int, y: int, words: str, size: int = 11) -> str:
    return f"BT /F1 {size} Tf {x} {y} Td ({words}) Tj ET"


def box(x: int, y: int, width: int, height: int) -> str:
    return f"0.2 0.4 0.8 rg {x} {y} {width} {height} re f 0 0 0 rg"


def write_pdf(path, pages: List[List[str]], size: Tuple[int, int] = (612, 792)) -> str:
    """Each page is a list of drawing operators; see `text` and `box`."""
    objects = [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", b""]
    kids = []
    for page in pages:
        content = "\n".join(page).encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources << /Font << /F1 1 0 R >> >> >>" % (*size, len(objects))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    out = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        len(objects) + 1,
        len(objects),
        len(out),
    )
    path.write_bytes(out)
    return str(path)
