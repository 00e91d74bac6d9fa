# SPDX-License-Identifier: Apache-2.0
"""Asks the built-in model the bundled questions through the command line, the C example and Python, and compares the answers.

Works on the installation in build/. Exits with 1 where an answer is not the expected one or the three differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "tools" / "nano" / "samples"

sys.path.insert(0, str(ROOT / "bindings" / "python"))
import fovea  # noqa: E402


def samples() -> list[dict]:
    """`[{"image": file, "question": text, "answer": text}, …]`."""
    return json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))


def output_of(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("utf-8").rstrip("\n")


def main() -> int:
    model = fovea.load()
    session = model.session()
    right, alike = 0, True
    questions = samples()
    for sample in questions:
        path, question = str(SAMPLES / sample["image"]), sample["question"]
        started = time.monotonic()
        shell = output_of([str(ROOT / "build" / "bin" / "fovea"), "run", "-i", path, "-p", question])
        seconds = time.monotonic() - started
        in_c = output_of([str(ROOT / "build" / "bin" / "ask"), path, question])
        in_python = session.generate(question, images=[model.encode_image(path)])
        is_right = shell.strip() == sample["answer"].strip()
        right += is_right
        print("\n" + f"{sample['image']}: {question}".replace("\n", "\n  "))
        print(f"  {shell.strip()}   ({'right' if is_right else 'expected: ' + sample['answer']}; {seconds:.1f} s with loading)")
        if not shell == in_c == in_python:
            alike = False
            print(f"  the command line, C and Python differ: {shell!r}, {in_c!r}, {in_python!r}")
    print(f"\n{right} of {len(questions)} answers are right; the command line, C and Python {'agree' if alike else 'DIFFER'}.")
    if right < len(questions) or not alike:
        return 1
    print(
        "Try your own:\n"
        f'  build/bin/fovea run -i {SAMPLES.relative_to(ROOT)}/{questions[0]["image"]} -p "{questions[0]["question"]}"\n'
        "  build/bin/fovea bench"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
