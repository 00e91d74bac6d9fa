# SPDX-License-Identifier: Apache-2.0
"""A host's allocator: every block ends at a page that must not be touched and begins with bytes that are no numbers; answers stay the same to
the bit, all blocks come back, and each may be refused."""

from __future__ import annotations

import ctypes
import threading

import fovea
import pytest
from fovea import _library as c

PAGE = 4096
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


class Host:
    """refused: number of the block that is refused. shift: bytes that blocks are off their alignment."""

    def __init__(self, refused: int = -1, shift: int = 0) -> None:
        self.count, self.most, self.live, self.wrong = 0, 0, {}, []
        lock = threading.Lock()

        def allocate(_, size: int) -> int | None:
            with lock:
                self.count += 1
                if self.count - 1 == refused:
                    return None
                pages = -(-size // PAGE) * PAGE
                base = libc.mmap(None, pages + PAGE, 3, 0x22, -1, 0)
                libc.memset(base, 0xFF, pages)
                libc.mprotect(base + pages, PAGE, 0)
                block = base + pages - -(-size // 64) * 64 + shift
                self.live[block] = (size, base, pages + PAGE)
                self.most = max(self.most, sum(size for size, _, _ in self.live.values()))
                return block

        def deallocate(_, block: int, size: int) -> None:
            with lock:
                asked, base, pages = self.live.pop(block)
                if asked != size:
                    self.wrong.append((asked, size))
                libc.munmap(base, pages)

        self.functions = c.fovea_allocate_callback(allocate), c.fovea_deallocate_callback(deallocate)

    def options(self, **options) -> c.fovea_load_options:
        return c.fovea_load_options(threads=2, allocate=self.functions[0], deallocate=self.functions[1], **options)


def answer(path, options: c.fovea_load_options, picture) -> bytes:
    """The bits of the logits of a picture and a question, and the ids of an answer by beams."""
    library, pixels = c.library(), (ctypes.c_uint8 * picture.size).from_buffer_copy(picture.tobytes())
    model, image, session = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    try:
        fovea._errors.check(library.fovea_load(str(path).encode(), options, model))
        height, width = picture.shape[:2]
        fovea._errors.check(library.fovea_encode_image_pixels(model, pixels, width, height, 0, None, image))
        fovea._errors.check(library.fovea_session_create(model, None, session))
        images, logits = (ctypes.c_void_p * 1)(image.value), ctypes.POINTER(ctypes.c_float)()
        rows, columns = ctypes.c_size_t(), ctypes.c_size_t()
        fovea._errors.check(library.fovea_logits(session, b"What is this?", images, 1, None, logits, rows, columns))
        bits = ctypes.string_at(logits, 4 * rows.value * columns.value)
        ids, count = (ctypes.c_int32 * 8)(), ctypes.c_size_t()
        beams = c.fovea_generate_options(max_tokens=8, ignore_eos=1, beams=2)
        fovea._errors.check(library.fovea_generate_ids(session, b"What is that?", images, 1, beams, None, ids, 8, count))
        fovea._errors.check(library.fovea_session_reset(session))
        fovea._errors.check(library.fovea_generate_ids(session, b"What is that?", images, 1, beams, None, ids, 8, count))
        return bits + bytes(ids)
    finally:
        library.fovea_session_free(session)
        library.fovea_image_embedding_release(image)
        library.fovea_model_free(model)


def nano_models(root):
    return sorted((root / "tools" / "nano" / "models").glob("*/*.fovea"))


def test_answers_are_the_same_in_a_hosts_memory(root, picture):
    for path in nano_models(root):
        for cache in range(4):
            expected = answer(path, c.fovea_load_options(threads=2, cache_type=cache), picture)
            host = Host()
            assert answer(path, host.options(cache_type=cache), picture) == expected, (path.name, cache)
            assert not host.live and not host.wrong and host.count >= 4


def test_weights_that_are_not_mapped_are_in_a_hosts_memory(root, picture):
    path, host = nano_models(root)[0], Host()
    model = ctypes.c_void_p()
    fovea._errors.check(c.library().fovea_load(str(path).encode(), host.options(no_mapping=1), model))
    assert sum(size for size, _, _ in host.live.values()) > path.stat().st_size // 2
    c.library().fovea_model_free(model)
    assert not host.live


def test_a_budget_counts_the_same_bytes(root, picture):
    path = nano_models(root)[0]
    plan = c.fovea_memory_plan()
    host = Host()
    fovea._errors.check(c.library().fovea_plan(str(path).encode(), host.options(image_width=500, image_height=300), plan))
    assert host.count == 0
    answer(path, host.options(memory_budget=2 * plan.total_bytes), picture)
    assert host.most < plan.total_bytes and not host.live


def test_every_block_may_be_refused(root, picture):
    path, host = nano_models(root)[0], Host()
    answer(path, host.options(no_mapping=1), picture)
    for refused in range(host.count):
        one = Host(refused)
        with pytest.raises(fovea.OutOfMemory):
            answer(path, one.options(no_mapping=1), picture)
        assert not one.live and not one.wrong


def test_wrong_allocators_are_named(root, picture):
    path, host = nano_models(root)[0], Host(shift=-32)
    with pytest.raises(fovea.ArgumentError, match="allocate.*64"):
        answer(path, host.options(no_mapping=1), picture)
    assert host.count == 1 and not host.live
    for missing in ("allocate", "deallocate"):
        options = Host().options()
        setattr(options, missing, type(getattr(options, missing))())
        with pytest.raises(fovea.ArgumentError, match="NULL"):
            answer(path, options, picture)
