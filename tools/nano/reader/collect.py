#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gathers what pages are drawn from into one folder: fonts and texts of Debian packages, photographs that Python packages ship.

    python -m reader.collect DIR          # needs apt-get, a network, numpy, Pillow, scikit-image

DIR then holds fonts/ and fonts.json (file, style, package, held out or not), texts.json (prose, code, words; each with a held-out
part) and photos/. Some 25 MB; a machine without a network needs nothing else. Nothing of it is part of the repository.
"""

import fnmatch
import glob
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LARGEST = 800_000  # bytes of a font file
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;-()/&%$!?'\"#+*=@"
PROSE = ("fortunes", "debian-faq", "debian-reference-en", "developers-reference", "maint-guide", "debian-policy")
WORDS = "wamerican"
CODE = ("libpython3.11-stdlib", "perl-modules-5.36", "linux-libc-dev", "git")


def unpacked(package, folder):
    """The package's files, downloaded by apt and unpacked; None if there is no such package."""
    target = os.path.join(folder, package)
    if not os.path.isdir(target):
        done = subprocess.run(["apt-get", "download", "-q", package], cwd=folder, capture_output=True)
        files = glob.glob(os.path.join(folder, package + "_*.deb"))
        if done.returncode or not files:
            print(f"no package {package}", flush=True)
            return None
        subprocess.run(["dpkg", "-x", files[0], target], check=True)
    return target


def draws(path):
    """Whether a font has a glyph of its own for each of LETTERS."""
    from PIL import ImageFont

    try:
        font = ImageFont.truetype(path, 24)
        absent = bytes(font.getmask("\uffff"))
        return all(bytes(font.getmask(c)) not in (absent, b"") for c in LETTERS)
    except OSError:
        return False


def fonts(out, folder):
    rows = []
    os.makedirs(os.path.join(out, "fonts"), exist_ok=True)
    with open(os.path.join(HERE, "fonts.txt")) as f:
        lines = [shlex.split(line) for line in f if line.strip() and not line.startswith("#")]
    for package, style, held, *patterns in lines:
        root = unpacked(package, folder)
        found = sorted(glob.glob(os.path.join(root, "**", "*.[ot]tf"), recursive=True)) if root else []
        taken = 0
        for path in found:
            name = os.path.basename(path)
            if taken == 4 or not any(fnmatch.fnmatch(name, p) for p in patterns):
                continue
            if os.path.getsize(path) > LARGEST or not draws(path):
                continue
            file = name.replace(" ", "-")
            if any(r["file"] == file for r in rows):
                continue
            shutil.copyfile(path, os.path.join(out, "fonts", file))
            rows.append({"file": file, "style": style, "package": package, "held": held == "held"})
            taken += 1
        if not taken:
            print(f"no font of {package} fits {patterns}", flush=True)
    with open(os.path.join(out, "fonts.json"), "w") as f:
        json.dump(rows, f, indent=0)
    print(len(rows), "fonts,", sum(r["held"] for r in rows), "held out")


def text_files(root):
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            yield os.path.join(folder, name)


def readable(path, most=400_000):
    import gzip

    opener = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rb") as f:
            return f.read(most).decode("utf-8")
    except (OSError, UnicodeDecodeError, EOFError):
        return ""


def sentences(text):
    """Paragraphs of prose as lists of words; markup, tables and rulers are left out."""
    text = re.sub(r"<(script|style).*?</\1>", " ", text, flags=re.S | re.I)
    text = re.sub(r"</?(p|div|li|h\d|br|tr|pre)[^>]*>", "\n\n", text, flags=re.I)
    text = re.sub(r"<[^>]*>", " ", text)
    for mark, plain in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")):
        text = text.replace(mark, plain)
    for part in re.split(r"\n\s*\n|\n%\n", text):
        words = part.split()
        letters = sum(c.isalpha() or c.isspace() for c in part)
        if 4 <= len(words) <= 400 and letters > 0.75 * len(part) and max(map(len, words)) < 40 and all(" " <= c < "\u2100" for c in "".join(words)):
            yield " ".join(words)


def is_held(text):
    return hashlib.sha1(text.encode()).digest()[0] < 20  # 8 per cent


def texts(out, folder):
    prose, code = {}, {}
    for package in PROSE:
        root = unpacked(package, folder)
        for path in text_files(root) if root else ():
            if re.search(r"\.(html|txt(\.gz)?)$|/games/fortunes/[a-z-]+$", path) and not re.search(
                r"/(de|fr|es|it|ja|pt|ru|zh)[/._-]|\.(de|fr|es|it|ja|pt|ru|zh)", path
            ):
                for s in sentences(readable(path)):
                    prose[s] = None
    for path in sorted(glob.glob("/usr/share/common-licenses/*")):
        for s in sentences(readable(path)):
            prose[s] = None
    for package in CODE:
        root = unpacked(package, folder)
        taken = 0
        for path in text_files(root) if root else ():
            if re.search(r"\.(py|pm|pl|h|sh|js|json|html)$", path) and taken < 700_000 and "/test" not in path:
                lines = [line.rstrip().expandtabs(4) for line in readable(path, 60_000).splitlines()]
                lines = [line for line in lines if len(line) < 90 and line.isascii() and line.isprintable()]
                for i in range(0, len(lines) - 12, 12):
                    block = "\n".join(lines[i : i + 12])
                    taken += len(block)
                    code[block] = None
    root = unpacked(WORDS, folder)
    listed = readable(os.path.join(root, "usr/share/dict/american-english"), 2_000_000).split() if root else []
    prose, code = list(prose), list(code)
    # No more than a few minutes of reading need; what is kept is spread over all sources.
    total, most = sum(map(len, prose)), 6_000_000
    prose = [s for i, s in enumerate(prose) if total <= most or hashlib.sha1(s.encode()).digest()[1] < 256 * most / total]
    total, most = sum(map(len, code)), 2_000_000
    code = [s for i, s in enumerate(code) if total <= most or hashlib.sha1(s.encode()).digest()[1] < 256 * most / total]
    store = {
        name: {"train": [s for s in parts if not is_held(s)], "held": [s for s in parts if is_held(s)]}
        for name, parts in (("prose", prose), ("code", code), ("words", [w for w in listed if w.isascii() or len(w) < 12]))
    }
    with open(os.path.join(out, "texts.json"), "w") as f:
        json.dump(store, f, ensure_ascii=False)
    print({k: (len(v["train"]), len(v["held"]), sum(map(len, v["train"]))) for k, v in store.items()})


def photos(out):
    """Photographs as backgrounds, at most 512 pixels a side."""
    import importlib.util

    from PIL import Image

    os.makedirs(os.path.join(out, "photos"), exist_ok=True)
    folder = os.path.join(os.path.dirname(importlib.util.find_spec("skimage").origin), "data")
    for name in (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "chelsea.png",
        "coffee.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "moon.png",
        "motorcycle_left.png",
        "retina.jpg",
        "rocket.jpg",
    ):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            image = Image.open(path).convert("RGB")
            image.thumbnail((512, 512))
            image.save(os.path.join(out, "photos", os.path.splitext(name)[0] + ".jpg"), quality=85)


def main(out):
    out = os.path.abspath(out)
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = os.environ.get("READER_PACKAGES", folder)
        photos(out)
        texts(out, folder)
        fonts(out, folder)


if __name__ == "__main__":
    main(sys.argv[1])
