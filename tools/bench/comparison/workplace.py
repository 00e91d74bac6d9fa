# SPDX-License-Identifier: Apache-2.0
"""The work folder of tools/bench/peers, and how it starts programs."""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(BENCH))


class Workplace:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def model(self, name):
        return self.path("models", name)

    @property
    def python(self):
        return self.path("venv", "bin", "python")

    def tool(self, name):
        """cmake or ninja: the environment's own, or the system's."""
        own = self.path("venv", "bin", name)
        return own if os.path.exists(own) else shutil.which(name)

    def peer(self, program, isa):
        return self.path(program if isa == "native" else f"{program}-{isa}")

    def need(self, path, stage):
        if not os.path.exists(path):
            raise SystemExit(f"{path} is missing: run `peers {stage}` first")
        return path

    def run(self, *command, name, **options):
        """Runs a step with its output in logs/NAME.log; a failure shows the end of it."""
        log = self.path("logs", name + ".log")
        os.makedirs(os.path.dirname(log), exist_ok=True)
        print(f"{name}: {os.path.basename(command[0])} … (log: {log})", flush=True)
        with open(log, "a") as f:
            code = subprocess.run(command, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options).returncode
        if code:
            with open(log, errors="replace") as f:
                sys.stderr.write("".join(f.readlines()[-20:]))
            raise SystemExit(f"{name} failed with status {code}")

    def read(self, name, default):
        try:
            with open(self.path(name)) as f:
                return json.load(f)
        except FileNotFoundError:
            return default

    def write(self, name, value):
        part = self.path(name + ".part")
        with open(part, "w") as f:
            json.dump(value, f, indent=1)
            f.write("\n")
        os.replace(part, self.path(name))
