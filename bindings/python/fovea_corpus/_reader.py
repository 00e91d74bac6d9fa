# SPDX-License-Identifier: Apache-2.0
"""The core: a page in, a record out."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Optional

import fovea

from ._inputs import PDF, Bytes, Input, is_pdf, printable

Record = Dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The question and the resources. What changes answers is part of a record's identity; `threads` and `memory_budget` are not.

    model: a `.fovea` file at the same path on every machine; None: the built-in model.
    task: one of the model's own prompt templates, in place of a question or around it.
    options: further options of `fovea.Session.generate`, such as `json_schema`.
    dpi: resolution at which pages of PDF files are rendered.
    threads: of one worker; None: all of the machine.
    """

    prompt: str = ""
    model: Optional[str] = None
    task: Optional[str] = None
    max_tokens: Optional[int] = None
    options: Dict[str, Any] = field(default_factory=dict)
    dpi: int = 200
    threads: Optional[int] = None
    memory_budget: Optional[int] = None
    context_length: Optional[int] = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.options) - set(fovea.Options.__annotations__))
        if unknown:
            raise fovea.ArgumentError(f"options: has an unknown member {unknown[0]!r}.")
        if self.options.get("n") is not None:
            raise fovea.ArgumentError("options: n is not for records, which hold one answer.")
        if self.dpi < 1:
            raise fovea.ArgumentError(f"dpi: is {self.dpi}, must be at least 1.")

    def identity(self) -> str:
        """What answers depend on besides input and model, as a canonical text."""
        members = asdict(self)
        for name in ("model", "threads", "memory_budget"):
            del members[name]
        return json.dumps(members, sort_keys=True, ensure_ascii=False)


def model_identity(path: Optional[str]) -> str:
    """Identifies a weight file: its length, and a hash of its first and last MiB, where the table of tensors with their checksums is."""
    path = path or os.environ.get("FOVEA_MODEL") or fovea.builtin_model()
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(length).encode())
        for place in (0, max(length - (1 << 20), 0)):
            file.seek(place)
            digest.update(file.read(1 << 20))
    return digest.hexdigest()[:32]


def record_id(source: str, input_hash: str, page: int, model: str, options: str) -> str:
    return hashlib.sha256(json.dumps([source, input_hash, page, model, options]).encode()).hexdigest()[:32]


def read_page(model: fovea.Model, session: fovea.Session, image: bytes, settings: Settings) -> Record:
    """Asks about one picture. A bad picture, or one that memory or time does not suffice for, does not raise: the record then has the
    message in `error`. Wrong settings raise `fovea.ArgumentError`."""
    record: Record = {"answer": None, "places": [], "stop_reason": None, "error": None, "width": None, "height": None}
    record.update(dict.fromkeys(("prompt_tokens", "generated_tokens", "encode_seconds", "prefill_seconds", "decode_seconds")))
    try:
        started = time.perf_counter()
        try:
            picture = model.encode_image(image)
        except fovea.ArgumentError as error:  # no setting is an argument here
            record["error"] = f"ImageError: {error}"
            return record
        with picture:
            record.update(encode_seconds=time.perf_counter() - started, width=picture.size[0], height=picture.size[1])
            options = {"max_tokens": settings.max_tokens, "task": settings.task, **settings.options}
            try:
                record["answer"] = session.generate(settings.prompt, picture, **options)
            except TypeError as error:
                raise fovea.ArgumentError(f"options: {error}") from None
        last = session.last
        record.update(stop_reason=last.stop_reason, prompt_tokens=last.prompt_tokens, generated_tokens=last.generated_tokens)
        record.update(prefill_seconds=last.prefill_seconds, decode_seconds=last.decode_seconds)
        record["places"] = [
            {"phrase": p.phrase, "x1": p.x1, "y1": p.y1, "x2": p.x2, "y2": p.y2, "is_point": p.is_point, "log_probability": p.log_probability}
            for p in session.places
        ]
    except (fovea.ImageError, fovea.UnsupportedError, fovea.ContextError, fovea.DeadlineExceeded, MemoryError) as error:
        record["error"] = f"{type(error).__name__}: {error}"
    return record


class Worker:
    """Holds a model and reads inputs with it; one per process.

    done: identities of existing records, which are skipped.
    """

    def __init__(self, settings: Settings, done: Iterable[str] = ()) -> None:
        self.settings = settings
        self.done: FrozenSet[str] = frozenset(done)
        self.model_id = model_identity(settings.model)
        self._options = settings.identity()
        self._bytes = Bytes()
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._model = fovea.load(
            settings.model, threads=settings.threads, memory_budget=settings.memory_budget, context_length=settings.context_length
        )
        self._session = self._model.session()

    def records(self, items: Iterable[Input]) -> Iterator[Record]:
        """A record for each image and page that is not yet done."""
        for item in items:
            yield from self._read(item)

    def _read(self, item: Input) -> Iterator[Record]:
        try:
            data = self._bytes(item)
        except (OSError, ValueError, MemoryError) as error:
            yield from self._record(item, "", 0, None, f"{type(error).__name__}: {error}")
            return
        input_hash = hashlib.sha256(data).hexdigest()
        if not is_pdf(data):
            yield from self._record(item, input_hash, 0, lambda: data)
            return
        try:
            pdf = PDF(data)
        except (OSError, ValueError, MemoryError) as error:
            yield from self._record(item, input_hash, 0, None, f"{type(error).__name__}: {error}")
            return
        try:
            for page in range(1, pdf.pages + 1):
                yield from self._record(item, input_hash, page, lambda page=page: pdf.page(page, self.settings.dpi))
        finally:
            pdf.close()

    def _record(self, item: Input, input_hash: str, page: int, image, error: Optional[str] = None) -> List[Record]:
        identity = record_id(item.source, input_hash, page, self.model_id, self._options)
        if identity in self.done:
            return []
        record: Record = {"record_id": identity, "source": printable(item.source), "page": page, "input_hash": input_hash}
        record.update(model=self._model.info["name"] or self._model.info["system"], model_id=self.model_id)
        record.update(options=self._options, worker=self._name)
        if error is None:
            try:
                record.update(read_page(self._model, self._session, image(), self.settings))
            except fovea.ArgumentError:
                raise  # the settings are wrong, not the picture
            except (OSError, ValueError, MemoryError) as failure:
                error = f"{type(failure).__name__}: {failure}"
        if error is not None:
            record.update(error=error)
        if record["error"] is not None:
            record["error"] = printable(record["error"])
        return [record]
