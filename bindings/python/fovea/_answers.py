# SPDX-License-Identifier: Apache-2.0
"""The answers of a call: ids, log-probabilities, scores."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import List, Optional, Tuple

from . import _library as c
from ._errors import check
from ._handles import Handle

#: Why an answer ended: the names of FOVEA_STOP_….
STOP_REASONS = {
    c.FOVEA_STOP_END: "end",
    c.FOVEA_STOP_LENGTH: "length",
    c.FOVEA_STOP_TEXT: "text",
    c.FOVEA_STOP_CALLBACK: "callback",
    c.FOVEA_STOP_CONTEXT: "context",
    c.FOVEA_STOP_LOOP: "loop",
}


@dataclass(frozen=True)
class Answer:
    """One answer. Made by `Session.answers`.

    log_probabilities: of each token, before penalties and temperature; None without `logprobs`, except for models that name places.
    score: of a beam, and with `alternatives`: its log-probability divided by its length to the power `length_penalty`; else 0.
    image: index of the image that it is about, with `alternatives`; else 0.
    top: for each token the likeliest ones at its position, likeliest first, as id and log-probability; None without `logprobs`.
    """

    text: str
    ids: List[int]
    stop_reason: str
    log_probabilities: Optional[List[float]]
    top: Optional[List[List[Tuple[int, float]]]]
    score: float = 0.0
    image: int = 0


def answers(handle: Handle) -> List[Answer]:
    """The answers of the session's last call."""
    found = []
    for index in range(c.library().fovea_session_answer_count(handle)):
        a = c.fovea_answer()
        check(c.library().fovea_session_get_answer(handle, index, a))
        count, k = a.id_count, a.top_count
        top = None
        if a.top_ids:
            pairs = list(zip(a.top_ids[: count * k], a.top_log_probabilities[: count * k]))
            top = [pairs[i * k : (i + 1) * k] for i in range(count)]
        found.append(
            Answer(
                ctypes.string_at(a.text, a.text_length).decode("utf-8", "replace"),
                a.ids[:count],
                STOP_REASONS.get(a.stop_reason, str(a.stop_reason)),
                a.log_probabilities[:count] if a.log_probabilities else None,
                top,
                a.score,
                a.image,
            )
        )
    return found
