# SPDX-License-Identifier: Apache-2.0
"""The generation options, common to all calls that answer."""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Mapping as MappingABC
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Sequence, Tuple, TypedDict, Union

from . import _library as c
from ._errors import ArgumentError
from ._numbers import at_least, filled, listed, number, numbers, seconds, value_or
from ._regions import Region, Structures
from ._work import Progress, Work

if TYPE_CHECKING:
    from ._images import ImageEmbedding


class Options(TypedDict, total=False):
    """Options of `Session.generate` and similar methods. All are optional.

    regions: one for each `<region>` mark, which becomes the region's coordinates and, where the system has a region sampler, its
        vector; see `fovea_generate` in fovea.h.
    raw: nothing is added to the prompt but a beginning-of-sequence token where the model needs one.
    task: one of the model's own prompt templates, by its name in `model.metadata["prompt.tasks"]`; some take an empty prompt.
    max_tokens: most tokens to generate; None: until the context is full.
    min_tokens: minimum length of the answer; 0: the model's default, none with raw=True.
    draft_tokens: prompt-lookup decoding: most draft tokens per pass where the text repeats itself or the prompt; it saves time and never
        changes the answer; 0: the default, negative: off.
    temperature: 0: always the likeliest token; above: sampling with `seed`, after top-k (`top_k`; 0: all), nucleus (`top_p`), min-p (`min_p`
        of the likeliest token's probability) and locally typical (`typical_p`) filtering, in this order.
    repetition_penalty: above 1 makes tokens that already occurred less likely; frequency_penalty is subtracted from a token's logit for
        each occurrence, presence_penalty once. penalty_last_n: window of the penalties: the last so many tokens of prompt and answer; 0: the
        answer; -1: all of both.
    logit_bias: numbers added to the logits of tokens, by id; -inf: never this token.
    allowed_tokens: the only ids that may be chosen, beside those that end the answer. forbidden_tokens: ids that may not.
    logprobs: likeliest tokens kept for each token, with log-probabilities: see `Session.answers`.
    n: answers to generate from one prefill, with `seed` and the seeds after it: `generate` and `chat` then return a list.
    beams: above 1, beam search as in transformers with so many beams; `Session.answers` has the next best answers.
        length_penalty: a beam's log-probability is divided by its length to this power.
    alternatives: the images are encodings of one picture, of several sizes or turns: the prompt is answered with each alone, and the answer of
        the highest mean log-probability counts; `Session.answers` has the others. Not in conversations, with `regions` or `n`.
    echo: the answer's text begins with the prompt as the template formats it.
    ngram_ban: no n-gram of this many tokens may occur twice in prompt and answer; 0: off; None: the model's default, off with
        raw=True. ngram_window: only n-grams within the last so many tokens count; 0: all.
    loop_tokens: end the answer, with stop reason "loop", when its last so many tokens are one sequence repeated four times or more; 0: off.
    stop: texts before which the answer ends; stop_ids: tokens before which it does.
    ignore_eos: continue past the end-of-sequence token.
    overflow: for a conversation that does not fit the context: "refuse" raises `ContextError`; "drop_oldest" drops the oldest questions
        with their answers, and keeps the system text and all images.
    json_schema: the answer is JSON that is valid under this JSON Schema (2020-12): a dict, its text, or a pydantic model class.
    regex: the answer is a text that this regular expression matches as a whole.
    grammar: the answer is a text of this grammar in GBNF (llama.cpp's notation), with start rule `root`.
    choices: the answer is one of these texts: the likeliest as a whole answer, or with `temperature` one drawn with `seed`.
        `Session.probabilities` then has the probability of each, given that the answer is one of them; `Session.choose` returns both.
        Not with `n`, nor in conversations, `generate_ids`, `find` and `detect`: these raise `ArgumentError`.
        At most one of these four. The first three hold for answers whose stop reason is "end"; see `constraint` in fovea.h.
    deadline: seconds until `DeadlineExceeded`; None: no limit.
    progress: called during prefill with tokens done and in all; a true result stops the work with `Cancelled`.
    """

    regions: Union[Region, Sequence[Region]]
    raw: bool
    task: Optional[str]
    max_tokens: Optional[int]
    min_tokens: int
    draft_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    typical_p: float
    repetition_penalty: float
    frequency_penalty: float
    presence_penalty: float
    penalty_last_n: int
    logit_bias: Mapping[int, float]
    allowed_tokens: Sequence[int]
    forbidden_tokens: Sequence[int]
    logprobs: int
    n: Optional[int]
    beams: int
    length_penalty: float
    alternatives: bool
    echo: bool
    ngram_ban: Optional[int]
    ngram_window: int
    loop_tokens: int
    seed: int
    stop: Iterable[str]
    stop_ids: Sequence[int]
    ignore_eos: bool
    overflow: str
    json_schema: Any
    regex: Optional[str]
    grammar: Optional[str]
    choices: Optional[Sequence[str]]
    deadline: Optional[float]
    progress: Optional[Progress]


OVERFLOWS = {"refuse": c.FOVEA_OVERFLOW_REFUSE, "drop_oldest": c.FOVEA_OVERFLOW_DROP_OLDEST}


class Structure:
    """Options as a C structure, with the memory it points to."""

    def __init__(self, options: Dict[str, Any], work: Work, images: "Sequence[ImageEmbedding]") -> None:
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise TypeError(f"unknown option {unknown[0]!r}; there are {', '.join(Options.__annotations__)}")
        given = options.get
        self.regions = Structures(value_or((), given("regions")), images)
        stops = [text_bytes(text, "stop") for text in listed(value_or((), given("stop")), "stop", "texts")]
        allowed, forbidden, stop_ids = (
            numbers(ctypes.c_int32, value_or((), given(n)), n) for n in ("allowed_tokens", "forbidden_tokens", "stop_ids")
        )
        if given("allowed_tokens") is not None and not len(allowed):
            raise ArgumentError("allowed_tokens: is empty, no token could be chosen; without it all may.")
        biases = _biases(value_or({}, given("logit_bias")))
        ban, task = given("ngram_ban"), given("task")
        constraint, constraint_text = _constraint(options)
        overflow = given("overflow", "refuse")
        if overflow not in OVERFLOWS:
            raise ArgumentError(f"overflow: is {overflow!r}, must be one of {', '.join(OVERFLOWS)}.")

        def on_token(_: Any, id: int, text: Any, length: int) -> int:
            piece = ctypes.string_at(text, length).decode("utf-8", "replace") if work.sink else ""
            return work.callback(work.sink, piece)

        self.value = filled(
            c.fovea_generate_options,
            max_tokens=at_least(1, given("max_tokens"), "max_tokens"),
            temperature=given("temperature", 0.0),
            top_k=given("top_k", 0),
            top_p=given("top_p", 1.0),
            repetition_penalty=given("repetition_penalty", 1.0),
            ngram_ban=0 if ban is None else -1 if ban == 0 else ban,
            ngram_window=given("ngram_window", 0),
            loop_tokens=given("loop_tokens", 0),
            ignore_eos=bool(given("ignore_eos", False)),
            raw=bool(given("raw", False)),
            seed=given("seed", 0),
            stop_texts=(ctypes.c_char_p * len(stops))(*stops),
            stop_text_count=len(stops),
            deadline_seconds=seconds(given("deadline")),
            on_token=c.fovea_token_callback(on_token),
            progress=work.progress(given("progress")),
            task=None if task is None else text_bytes(task, "task"),
            min_tokens=given("min_tokens", 0),
            draft_tokens=given("draft_tokens", 0),
            overflow=OVERFLOWS[overflow],
            min_p=given("min_p", 0.0),
            typical_p=given("typical_p", 1.0),
            frequency_penalty=given("frequency_penalty", 0.0),
            presence_penalty=given("presence_penalty", 0.0),
            penalty_last_n=given("penalty_last_n", 0),
            logprobs=given("logprobs") or 0,
            answers=at_least(1, given("n"), "n"),
            beams=at_least(1, given("beams"), "beams"),
            length_penalty=given("length_penalty", 0.0),
            alternatives=bool(given("alternatives", False)),
            echo=bool(given("echo", False)),
            logit_biases=biases,
            logit_bias_count=len(biases),
            allowed_tokens=allowed,
            allowed_token_count=len(allowed),
            forbidden_tokens=forbidden,
            forbidden_token_count=len(forbidden),
            stop_ids=stop_ids,
            stop_id_count=len(stop_ids),
            regions=self.regions.array,
            region_count=self.regions.count,
            constraint=constraint,
            constraint_text=constraint_text,
        )


def choices(options: Dict[str, Any]) -> "Optional[Sequence[bytes]]":
    """The texts of option `choices`; None where it is not given."""
    given = options.get("choices")
    if given is None:
        return None
    if options.get("n") is not None:
        raise ArgumentError("choices: excludes n.")
    return [text_bytes(text, "choices") for text in listed(given, "choices", "texts")]


def _constraint(options: Dict[str, Any]) -> "Tuple[int, Optional[bytes]]":
    named = [name for name in ("json_schema", "regex", "grammar", "choices") if options.get(name) is not None]
    if len(named) > 1:
        raise ArgumentError(f"{named[0]}: excludes {named[1]}.")
    if not named or named == ["choices"]:
        return c.FOVEA_CONSTRAINT_NONE, None
    value = options[named[0]]
    if named == ["json_schema"]:
        return c.FOVEA_CONSTRAINT_JSON_SCHEMA, text_bytes(_schema_text(value), "json_schema")
    kind = c.FOVEA_CONSTRAINT_REGEX if named == ["regex"] else c.FOVEA_CONSTRAINT_GRAMMAR
    return kind, text_bytes(value, named[0])


def _schema_text(schema: Any) -> str:
    if isinstance(schema, str):
        return schema
    for name in ("model_json_schema", "schema"):  # pydantic 2 and 1
        if isinstance(schema, type) and callable(getattr(schema, name, None)):
            schema = getattr(schema, name)()
            break
    if not isinstance(schema, (dict, bool)):
        raise TypeError(f"json_schema: a dict, a text or a pydantic model class is needed, not {type(schema).__name__}")
    try:
        return json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"json_schema: is no JSON: {error}") from error


def _biases(biases: Mapping[int, float]) -> Any:
    if not isinstance(biases, MappingABC):
        raise TypeError(f"logit_bias: a dict of token ids and numbers is needed, not {type(biases).__name__}")
    found = []
    for id, bias in biases.items():
        value = -math.inf if bias == -math.inf else number(ctypes.c_float, bias, f"logit_bias[{id}]")
        found.append(c.fovea_logit_bias(number(ctypes.c_int32, id, "logit_bias"), value))
    return (c.fovea_logit_bias * len(found))(*found)


def text_bytes(text: str, name: str) -> bytes:
    """UTF-8 for the library; an embedded NUL would cut it short. Lone surrogates are passed on; the library rejects them."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: a text is needed, not {type(text).__name__}")
    encoded = text.encode("utf-8", "surrogatepass")
    if b"\0" in encoded:
        raise ArgumentError(f"{name}: contains a NUL character.")
    return encoded
