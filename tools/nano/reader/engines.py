# SPDX-License-Identifier: Apache-2.0
"""The readers that are compared, each in a process of its own so that its memory is its own. Run by `compare.py`:

python -m reader.engines rapidocr THREADS < files         one JSON line (text, seconds of processor time) for each file
python -m reader.engines fovea:BEAMS[+]:FILE.fovea THREADS < files         +: as `fovea read`, at the sizes that the file names and in parts
"""

import glob
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What the nano models are asked; a file with a task `ocr` is given that.
QUESTIONS = {"hires_llava": "Read the text in the picture.", "monkey": "Read all the text in the image."}
MOST_TOKENS = 3000
# Tesseract's page modes: automatic, one column, one block, one line, scattered text.
MODES = (3, 4, 6, 7, 11)


@dataclass
class Reading:
    """What a reader made of all pictures."""

    texts: list
    seconds: float  # of processor time a picture, all threads together: it hardly depends on what else the machine does
    peak: float  # MB, the whole process
    model: float  # MB of model files


# A new program begins with the peak of the process that starts it: this small one stands between.
LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


def child(command, files):
    """Runs a command in the folder of this package, gives it the names of the files, and returns (standard output, seconds of processor time, peak MB)."""
    with tempfile.TemporaryFile() as listed, tempfile.TemporaryFile() as out:
        listed.write("".join(f + "\n" for f in files).encode())
        listed.seek(0)
        launched = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], stdin=listed, stdout=out, stderr=subprocess.PIPE, cwd=FOLDER)
        if launched.returncode:
            raise RuntimeError(f"{' '.join(command)} failed")
        out.seek(0)
        seconds, peak = map(float, launched.stderr.split())
        return out.read().decode(errors="replace"), seconds, peak


def tesseract(files, mode, threads):
    """All files by one process: the language is loaded once, and that time is in the seconds."""
    os.environ["OMP_THREAD_LIMIT"] = str(threads)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("".join(f + "\n" for f in files))
        listed.flush()
        text, seconds, peak = child(["tesseract", listed.name, "stdout", "-l", "eng", "--psm", str(mode)], [])
    pages = text.split("\f")[: len(files)]
    assert len(pages) == len(files), f"tesseract read {len(pages)} of {len(files)} pictures"
    data = sorted(glob.glob("/usr/share/tesseract-ocr/*/tessdata/eng.traineddata"))
    return Reading(pages, seconds / len(files), peak, os.path.getsize(data[-1]) / 1e6 if data else float("nan"))


def apart(name, files, threads):
    """A reader of this file, in a child."""
    text, _, peak = child([sys.executable, "-m", "reader.engines", name, str(threads)], files)
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("[")]
    assert len(rows) == len(files) + 1, f"{name} read {len(rows) - 1} of {len(files)} pictures"
    return Reading([r[0] for r in rows[1:]], sum(r[1] for r in rows[1:]) / len(files), peak, rows[0][0])


class RapidOCR:
    def __init__(self, threads):
        import rapidocr_onnxruntime

        self.engine = rapidocr_onnxruntime.RapidOCR(intra_op_num_threads=threads, inter_op_num_threads=1)
        folder = os.path.dirname(rapidocr_onnxruntime.__file__)
        self.size = sum(os.path.getsize(f) for f in glob.glob(os.path.join(folder, "models", "*.onnx"))) / 1e6

    def __call__(self, file):
        boxes, _ = self.engine(file)
        return "\n".join(" ".join(row) for row in rows_of(boxes or []))


def rows_of(boxes):
    """Boxes (corners, text, …) as lines from left to right: RapidOCR gives each cell of a row by itself."""
    placed = []
    for corners, text, *_ in boxes:
        ys, xs = [y for _, y in corners], [x for x, _ in corners]
        placed.append(((min(ys) + max(ys)) / 2, max(ys) - min(ys), min(xs), text))
    rows = []
    for centre, height, left, text in sorted(placed):
        if rows and centre - rows[-1][0] < 0.5 * min(height, rows[-1][1]):
            rows[-1][2].append((left, text))
        else:
            rows.append((centre, height, [(left, text)]))
    return [[t for _, t in sorted(row)] for _, _, row in rows]


class Fovea:
    def __init__(self, name, threads):
        import fovea

        beams, path = name.split(":", 1)
        self.as_pages = beams.endswith("+")
        self.model, self.size = fovea.load(path, threads=threads), os.path.getsize(path) / 1e6
        self.options = dict(max_tokens=MOST_TOKENS, loop_tokens=64, beams=int(beams.rstrip("+")))
        if "ocr" in self.model.metadata.get("prompt.tasks", ()):
            self.question, self.options["task"] = "", "ocr"
        else:
            self.question = QUESTIONS[self.model.info["system"]]

    def __call__(self, file):
        session = self.model.session()
        return session.read(file, self.question, **self.options) if self.as_pages else session.generate(self.question, file, **self.options)


def main(name, threads):
    reader = RapidOCR(threads) if name == "rapidocr" else Fovea(name.removeprefix("fovea:"), threads)
    print(json.dumps([reader.size]), flush=True)
    for file in sys.stdin.read().splitlines():
        start = time.process_time()
        text = reader(file)
        print(json.dumps([text, time.process_time() - start]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
