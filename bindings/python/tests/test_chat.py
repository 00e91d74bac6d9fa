# SPDX-License-Identifier: Apache-2.0
"""Conversations, copies of sessions, several answers, and what else was likely."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import subprocess
import sys

import fovea
import numpy
import pytest

OPTIONS = {"max_tokens": 12, "ignore_eos": True}


def user(text, **more):
    return {"role": "user", "content": text, **more}


def assistant(text):
    return {"role": "assistant", "content": text}


def test_one_message_is_a_question(model, image):
    session = model.session()
    expected = session.generate("What is in the picture?", image, **OPTIONS)
    assert session.chat([user("What is in the picture?", images=image)], **OPTIONS) == expected
    assert session.last.reused_tokens == session.last.prompt_tokens - 1
    assert model.chat([user("What is in the picture?", images=image)], **OPTIONS) == expected
    parts = [{"type": "image", "image": image}, {"type": "text", "text": "What is in the picture?"}]
    assert session.chat([user(parts)], **OPTIONS) == expected
    assert session.chat([user(["What is in the picture?", {"type": "image", "image": image}])], **OPTIONS) == expected
    with session.chat([user(parts)], stream=True, **OPTIONS) as stream:
        assert "".join(stream) == expected


def test_a_data_url_is_an_image(model, picture):
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.fromarray(picture).save(file, "PNG")
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    session = model.session()
    expected = session.generate("What?", picture, **OPTIONS)
    assert session.chat([user([{"type": "image_url", "image_url": {"url": url}}, "What?"])], **OPTIONS) == expected
    # Encoded anew, it is the same image to the session.
    assert session.last.reused_tokens == session.last.prompt_tokens - 1


def test_turns_are_read_once(model, image):
    session = model.session()
    talk, seen, read = [], 0, 0
    for question in ["What is in the picture?", "Which colour?", "Where?", "How many?"]:
        talk.append(user(question, **({"images": image} if not talk else {})))
        answer = session.chat(talk, max_tokens=6)
        read += session.last.prompt_tokens - session.last.reused_tokens
        assert session.last.reused_tokens >= seen
        seen = session.last.prompt_tokens
        assert model.session().chat(talk, max_tokens=6) == answer
        talk.append(assistant(answer))
    # An answer's last token and its end are read with the next turn; few of its tokens are written otherwise than the model made them.
    assert read <= seen + 4 * 8


def test_a_conversation_that_does_not_fit(model, image):
    session = model.session(context_length=image.tokens + 150)
    talk = [user("What is in the picture?", images=image)]
    for _ in range(40):
        talk += [assistant("A red circle."), user("And what else is there?")]
    with pytest.raises(fovea.ContextError):
        session.chat(talk, **OPTIONS)
    session.chat(talk, overflow="drop_oldest", **OPTIONS)
    dropped = session.last.dropped_messages
    assert 0 < dropped < len(talk)
    kept = [user(talk[dropped]["content"], images=image), *talk[dropped + 1 :]]
    prompt = session.last.prompt_tokens
    session.chat(kept, **OPTIONS)
    assert session.last.prompt_tokens == prompt and session.last.dropped_messages == 0


def test_messages_that_are_none_are_named(model, image):
    session = model.session()
    for messages, words in (
        ([], "none"),
        ([assistant("a")], r"messages\[0\]"),
        ([user("a"), user("b")], r"messages\[1\]"),
        ([user("a"), assistant("b")], "last"),
        ([{"role": "tool", "content": "a"}], "role"),
        ([user("a", name="x")], "name"),
        ([user([{"type": "audio"}])], r"content\[0\]"),
        ([user([{"type": "image", "image": image}], images=image)], "images"),
        ([user("<image>")], r"messages\[0\]"),
        ("hello", "list"),
    ):
        with pytest.raises(fovea.ArgumentError, match=words):
            session.chat(messages, max_tokens=1)
    with pytest.raises(TypeError):
        session.chat(["hello"], max_tokens=1)
    with pytest.raises(fovea.ArgumentError, match="raw"):
        session.chat([user("a")], raw=True)
    with pytest.raises(fovea.ArgumentError, match="overflow"):
        session.chat([user("a")], overflow="perhaps")


def test_asyncio(model, image):
    async def talk():
        session = model.session()
        messages = [user("What is in the picture?", images=image)]
        answer = await session.achat(messages, **OPTIONS)
        assert "".join([piece async for piece in session.achat(messages, stream=True, **OPTIONS)]) == answer
        assert await model.achat(messages, **OPTIONS) == answer
        return answer

    assert asyncio.run(talk()) == model.chat([user("What is in the picture?", images=image)], **OPTIONS)


def test_several_answers_of_one_reading(model, image):
    session = model.session()
    options = {**OPTIONS, "temperature": 3.0, "seed": 5}
    expected = [session.generate("Describe.", image, **{**options, "seed": seed}) for seed in range(5, 9)]
    session.reset()
    assert session.generate("Describe.", image, n=4, **options) == expected
    assert [answer.text for answer in session.answers] == expected
    assert len(set(expected)) > 1
    assert session.chat([user("Describe.", images=image)], n=2, **options) == expected[:2]
    assert session.last.reused_tokens == session.last.prompt_tokens - 1
    with pytest.raises(fovea.ArgumentError, match="n:"):
        session.generate("Describe.", image, n=0)


def test_what_else_was_likely(model, image):
    session = model.session()
    text = session.generate("Describe.", image, logprobs=3, max_tokens=5)
    (answer,) = session.answers
    assert answer.text == text and len(answer.ids) == len(answer.log_probabilities) == len(answer.top) > 0
    logits = model.logits("Describe.", image)[-1].astype(numpy.float64)
    expected = logits - numpy.logaddexp.reduce(logits)
    order = numpy.argsort(-expected, kind="stable")[:3]
    assert [id for id, _ in answer.top[0]] == list(order)
    for id, value in answer.top[0]:
        assert value == pytest.approx(expected[id], abs=1e-3)
    assert answer.ids[0] == order[0] and answer.log_probabilities[0] == answer.top[0][0][1]
    session.generate("Describe.", image, max_tokens=2)
    assert session.answers[0].top is None


def test_tokens_are_chosen_as_told(model, image):
    session = model.session()
    ids = session.generate_ids("Describe.", image, **OPTIONS)
    other = session.generate_ids("Describe.", image, forbidden_tokens=[ids[0]], **OPTIONS)
    assert ids[0] not in other
    assert session.generate_ids("Describe.", image, logit_bias={ids[0]: -math.inf}, **OPTIONS) == other
    only = session.generate_ids("Describe.", image, allowed_tokens=ids[:1], **OPTIONS)
    assert set(only) <= {ids[0], *session.answers[0].ids} and len(set(only)) <= 2
    assert session.generate_ids("Describe.", image, stop_ids=[ids[0]], **OPTIONS) == []
    assert session.last.stop_reason == "text"
    once = session.generate_ids("Describe.", image, presence_penalty=1e6, penalty_last_n=0, **OPTIONS)
    assert len(set(once)) == len(once)
    assert session.generate("Describe.", image, echo=True, max_tokens=1).startswith("USER: <image>\nDescribe. ASSISTANT:")
    for options in ({"min_p": 2.0}, {"typical_p": -1.0}, {"allowed_tokens": [-1]}, {"logit_bias": {0: math.nan}}, {"logprobs": -1}):
        with pytest.raises(fovea.ArgumentError, match=next(iter(options))):
            session.generate("Describe.", image, max_tokens=1, **options)


def test_a_fork_goes_on_by_itself(model, image):
    session = model.session()
    session.generate("Describe.", image, **OPTIONS)
    fork = session.fork()
    assert fork.tokens == session.tokens > image.tokens
    expected = session.generate("Why?", image, **OPTIONS)
    session.close()
    assert fork.generate("Why?", image, **OPTIONS) == expected and fork.last.reused_tokens >= image.tokens
    fork.rewind(10)
    assert fork.tokens == 10
    assert fork.generate("Why?", image, **OPTIONS) == expected and fork.last.reused_tokens == 10
    with pytest.raises(fovea.ArgumentError, match="tokens"):
        fork.rewind(100000)


CHILD = """
import sys, fovea, numpy
model = fovea.load(threads=2)
session = model.load_session(sys.argv[1])
held = session.tokens
image = model.encode_image(numpy.load(sys.argv[2]))
talk = [{"role": "user", "content": "Describe.", "images": image}, {"role": "assistant", "content": sys.argv[3]}, {"role": "user", "content": "Why?"}]
answer = session.chat(talk, max_tokens=12, ignore_eos=True)
print(held, session.last.prompt_tokens, session.last.reused_tokens, session.answers[0].ids)
"""


def test_a_saved_session_goes_on_in_another_process(model, image, picture, root, tmp_path):
    session = model.session()
    answer = session.chat([user("Describe.", images=image)], max_tokens=8)
    path = tmp_path / "talk.session"
    session.save(path)
    held = session.tokens
    assert path.read_bytes() == session.to_bytes()
    numpy.save(tmp_path / "picture.npy", picture)
    session.chat([user("Describe.", images=image), assistant(answer), user("Why?")], **OPTIONS)
    expected = f"{held} {session.last.prompt_tokens} {session.last.reused_tokens} {session.answers[0].ids}"
    assert session.last.reused_tokens > image.tokens
    code = f"import sys; sys.path.insert(0, {str(root / 'bindings' / 'python')!r})\n" + CHILD
    arguments = [sys.executable, "-c", code, str(path), str(tmp_path / "picture.npy"), answer]
    child = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert child.stdout.strip() == expected, child.stderr


def test_damaged_sessions_are_refused(model, image, tmp_path):
    session = model.session()
    session.generate("Describe.", image, max_tokens=2)
    data = bytearray(session.to_bytes())
    assert model.load_session(data).tokens == session.tokens
    for at in (0, 9, 20, 40, 70, len(data) // 2, len(data) - 1):
        bad = bytearray(data)
        bad[at] ^= 4
        with pytest.raises((fovea.FormatError, fovea.ArgumentError)):
            model.load_session(bad)
    with pytest.raises(fovea.FormatError):
        model.load_session(data[:-1])
    with pytest.raises(fovea.ContextError):
        model.load_session(data, context_length=8)
    with pytest.raises(fovea.FileError):
        model.load_session(tmp_path / "none")
