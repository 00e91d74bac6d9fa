# SPDX-License-Identifier: Apache-2.0
"""What this machine can do at most, by the loops of tools/bench/peaks: memory read, and integer products of an instruction set."""

import ctypes
import mmap
import os
import platform
import shutil
import threading
import time

from comparison.workplace import BENCH


def cpu():
    """Name and features, as the kernel tells them."""
    name, flags = platform.processor() or platform.machine(), []
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    name = value.strip()
                if key.strip() == "flags":
                    flags = value.split()
                    break
    except OSError:
        pass
    return name, flags


class Limits:
    """Best of several passes, with all threads at once."""

    def __init__(self, work, threads, isa):
        self.threads, self.memory = threads, None
        library = work.path("libpeaks.so")
        source = os.path.join(BENCH, "peaks", "peaks.c")
        if not os.path.exists(library) or os.path.getmtime(library) < os.path.getmtime(source):
            compiler = os.environ.get("CC") or shutil.which("clang") or "cc"
            work.run(compiler, "-O3", "-w", "-shared", "-fPIC", f"-I{os.path.dirname(source)}/include", source, "-o", library, name="peaks")
        self.library = ctypes.CDLL(library)
        flags = cpu()[1]
        wide = "avx512_vnni" in flags and isa == "native"
        self.instruction = "vpdpbusd, 512 bit" if wide else "vpmaddubsw + vpmaddwd + vpaddd, 256 bit"
        self.multiply = self.library.peak_vpdpbusd_512 if wide else self.library.peak_vpmaddubsw_256
        self.multiply.argtypes, self.multiply.restype = [ctypes.c_long], ctypes.c_double
        self.read = self.library.read_all_512 if "avx512f" in flags else self.library.read_all_128
        self.read.argtypes, self.read.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_uint64

    def together(self, body):
        """Seconds that `body(index)` takes on all threads at once; the C code runs without Python's lock."""
        workers = [threading.Thread(target=body, args=(i,)) for i in range(self.threads)]
        start = time.perf_counter()
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        return time.perf_counter() - start

    def integer(self, passes=5, iterations=10_000_000):
        done = self.multiply(iterations // 10) * 10 * self.threads
        return max(done / self.together(lambda _: self.multiply(iterations)) for _ in range(passes))

    def bandwidth(self, passes=4, size=256 << 20):
        part = size // self.threads // 4096 * 4096
        if self.memory is None:
            self.memory = mmap.mmap(-1, part * self.threads)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                self.memory.madvise(mmap.MADV_HUGEPAGE)  # small pages cost a quarter of the speed
            # Written once: unwritten pages would all be the one zero page, in cache.
            ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(self.memory)), 45, part * self.threads)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        return max(part * self.threads / self.together(lambda i: self.read(base + i * part, part)) for _ in range(passes))
