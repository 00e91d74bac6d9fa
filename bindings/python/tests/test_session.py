# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import threading
import typing

import fovea
import numpy
import pytest

#: Random choices, so that the answer is long whatever the model would say; the seed makes it the same each time.
LONG = {"max_tokens": 32, "ignore_eos": True, "temperature": 3.0, "seed": 11}


def test_the_same_question_has_the_same_answer(model, image):
    session = model.session()
    first = session.generate("What is in the picture?", images=[image], max_tokens=16)
    assert session.generate("What is in the picture?", images=[image], max_tokens=16) == first
    assert session.last.reused_tokens > 0
    session.reset()
    assert session.generate("What is in the picture?", images=[image], max_tokens=16) == first
    assert session.last.reused_tokens == 0
    assert model.session().generate("What is in the picture?", images=[image], max_tokens=16) == first


def test_figures_follow_the_answer(model, image):
    session = model.session()
    assert session.last is None
    ids = session.generate_ids("Describe.", [image], max_tokens=12, ignore_eos=True)
    assert len(ids) == 12
    assert session.last.stop_reason == "length"
    assert session.last.generated_tokens == 12
    assert session.last.prompt_tokens > image.tokens
    assert session.last.prefill_seconds > 0


def test_a_stream_gives_the_answer_in_pieces(model, image):
    session = model.session()
    whole = session.generate("Describe.", [image], **LONG)
    with session.generate("Describe.", [image], **LONG, stream=True) as stream:
        pieces = list(stream)
    assert "".join(pieces) == whole
    assert len(pieces) > 1


def test_a_nul_in_an_answer_is_kept(model, image):
    session = model.session()
    for seed in range(40):  # a byte token of value 0 is one of some hundred that random choices make
        options = {**LONG, "max_tokens": 200, "temperature": 50.0, "seed": seed}
        whole = session.generate("Describe.", [image], **options)
        if "\0" in whole[:-1]:
            assert "".join(session.generate("Describe.", [image], **options, stream=True)) == whole
            return
    pytest.fail("no answer had a NUL")


def test_leaving_a_stream_frees_the_session(model, image):
    session = model.session()
    expected = session.generate("Describe.", [image], max_tokens=8, ignore_eos=True)
    stream = session.generate("Describe.", [image], ignore_eos=True, stream=True)
    next(stream)
    stream.close()
    assert list(stream) == []
    assert session.generate("Describe.", [image], max_tokens=8, ignore_eos=True) == expected


def test_a_failure_comes_out_of_the_stream(model):
    session = model.session()
    with pytest.raises(fovea.ArgumentError):
        list(session.generate("<image>", stream=True))


def test_logits_choose_the_greedy_tokens(model, image):
    raw = "<image>\nabc"
    session = model.session()
    ids = session.generate_ids(raw, [image], raw=True, max_tokens=4, temperature=0, ignore_eos=True)
    logits = model.logits(raw, images=[image], raw=True)
    assert logits.dtype == numpy.float32
    assert logits.shape[1] == model.info["vocab_size"]
    assert numpy.isfinite(logits).all()
    assert int(logits[-1].argmax()) == ids[0]
    assert session.last.prompt_tokens == logits.shape[0]


def test_scores_are_log_probabilities(model, image):
    raw = "<image>\nabc"
    session = model.session()
    (last,) = model.logits(raw, images=[image], raw=True)[-1:].astype(numpy.float64)
    expected = last - numpy.logaddexp.reduce(last)
    texts = ["a", "yes", "no", "0.5"]
    scores = session.score(raw, texts, [image], raw=True)
    for text, score in zip(texts, scores):
        # The first token's share alone is a bound; a text of one token has no other.
        ids = model.tokenize(text)
        first = expected[ids[0]]
        assert score <= first + 1e-3
        if len(ids) == 1:
            assert score == pytest.approx(first, abs=1e-3)
    assert session.score(raw, texts[:2], [image], raw=True) == scores[:2]
    assert session.score(raw, [], [image], raw=True) == []
    with pytest.raises(fovea.ArgumentError, match=r"continuations\[1\]"):
        session.score(raw, ["a", ""], [image], raw=True)
    with pytest.raises(fovea.ArgumentError, match="continuations"):
        session.score(raw, "yes", [image], raw=True)


def test_tasks_are_the_models_own(model, image):
    session = model.session()
    with pytest.raises(fovea.ArgumentError, match="no task verse"):
        session.generate("", images=[image], task="verse", max_tokens=1)
    with pytest.raises(fovea.ArgumentError, match="raw"):
        session.generate("<image>", images=[image], task="caption", raw=True, max_tokens=1)
    assert len(session.generate_ids("What?", images=[image], min_tokens=5, max_tokens=6)) >= 5


def test_raw_prompts_need_as_many_marks_as_images(model, image):
    session = model.session()
    for prompt, images in (("no mark", [image]), ("<image>", []), ("<image>", [image, image])):
        with pytest.raises(fovea.ArgumentError, match="<image>"):
            session.generate(prompt, images=images, raw=True, max_tokens=1)


def test_sampling_follows_its_seed(model, image):
    session = model.session()

    def sample(seed):
        return session.generate_ids("Describe.", [image], max_tokens=12, temperature=2.0, seed=seed, ignore_eos=True)

    assert sample(1) == sample(1)
    assert len({tuple(sample(seed)) for seed in range(4)}) > 1


def test_a_stop_text_ends_the_answer(model, image):
    session = model.session()
    whole = session.generate("Describe.", [image], **LONG)
    assert len(whole) > 8
    stop = next(c for c in whole[len(whole) // 3 :] if c.isascii() and c.isalnum())
    cut = session.generate("Describe.", [image], **LONG, stop=[stop])
    assert session.last.stop_reason == "text"
    assert stop not in cut and whole.startswith(cut + stop)


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {"max_tokens": -3},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 2.0},
        {"repetition_penalty": -1.0},
        {"deadline": -1.0},
        {"stop": "text"},
        {"stop": [""]},
        {"stop": ["a\0b"]},
    ],
)
def test_bad_options_raise(model, options):
    with pytest.raises(fovea.ArgumentError):
        model.session().generate("abc", **options)


def test_an_unknown_option_is_a_type_error(model):
    with pytest.raises(TypeError):
        model.session().generate("abc", temprature=1)


def test_bad_prompts_raise(model):
    session = model.session()
    with pytest.raises(fovea.ArgumentError, match="NUL"):
        session.generate("a\0b")
    with pytest.raises(fovea.ArgumentError, match="UTF-8"):
        session.generate("\udcff")
    with pytest.raises(fovea.ContextError):
        session.generate("word " * model.info["context_length"])
    with pytest.raises(ValueError):
        session.generate("a\0b")


def test_a_deadline_ends_the_work(model):
    with pytest.raises(TimeoutError):
        model.session().generate("abc", deadline=1e-9)


def test_a_cancelled_session_works_again(model, image):
    session = model.session()
    expected = session.generate("Describe.", [image], max_tokens=8)
    with pytest.raises(fovea.Cancelled):
        session.generate("Something else.", [image], progress=lambda done, total: True)
    for _ in session.generate("Describe.", [image], ignore_eos=True, stream=True):
        session.cancel()
        break
    gc.collect()
    assert session.generate("Describe.", [image], max_tokens=8) == expected


def test_a_busy_session_says_so(model, image):
    session = model.session()
    inside, leave = threading.Event(), threading.Event()

    def hold(done, total):
        inside.set()
        leave.wait(30)

    worker = threading.Thread(target=lambda: session.generate("abc", [image], max_tokens=1, progress=hold))
    worker.start()
    try:
        assert inside.wait(30)
        with pytest.raises(fovea.BusyError):
            session.generate("abc", max_tokens=1)
        with pytest.raises(fovea.BusyError):
            session.reset()
    finally:
        leave.set()
        worker.join()
    session.generate("abc", max_tokens=1)


def test_regions_are_refused_by_name(model, image):
    session = model.session()
    regions = [fovea.Box(1, 2, 30, 40), fovea.Point(5, 6), fovea.Mask(numpy.zeros((300, 500), bool))]
    for region in regions:
        for call in (session.generate, session.logits, model.logits):
            with pytest.raises(fovea.UnsupportedError, match="this system takes no regions"):
                call("What is <region>?", images=[image], regions=[region])
    with pytest.raises(fovea.UnsupportedError):
        session.generate_ids("What is <region>?", [image], max_tokens=4, regions=regions)
    with pytest.raises(TypeError, match="regions: Box"):
        session.generate("What is <region>?", [image], regions=[(1, 2, 3, 4)])


def test_a_model_without_coordinates_names_no_places(model, image):
    session = model.session()
    assert session.places == []
    session.generate("Where is [1, 2, 3, 4]?", [image], max_tokens=4)
    assert session.places == []
    with pytest.raises(fovea.ArgumentError, match="find"):
        session.find("a car", image)


def test_objects_can_go_in_any_order(picture):
    model = fovea.load()
    image = model.encode_image(picture)
    session = model.session()
    del model
    gc.collect()
    answer = session.generate("abc", [image], max_tokens=4)
    del image
    gc.collect()
    assert isinstance(answer, str) and session.generate("abc", max_tokens=4) is not None


def test_an_image_of_another_model_is_refused(model, image):
    other = fovea.load()
    with pytest.raises(fovea.ArgumentError, match="another model"):
        other.session().generate("abc", [image], max_tokens=1)


@pytest.mark.skipif(not hasattr(typing, "get_overloads"), reason="Python keeps overloads since 3.11")
@pytest.mark.parametrize("name", ["generate", "agenerate", "chat", "achat"])
def test_several_answers_are_typed_as_a_list(name):
    found = [o.__annotations__["return"] for o in typing.get_overloads(getattr(fovea.Session, name)) if "n" in o.__annotations__]
    assert found == ["Awaitable[List[str]]" if name.startswith("a") else "List[str]"]
