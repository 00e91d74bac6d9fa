# SPDX-License-Identifier: Apache-2.0
"""One picture at several sizes: option `alternatives` gives the likeliest of its answers, `fovea read` does so for models that name sizes."""

from __future__ import annotations

import json
import shutil

import fovea
import pytest
from command_line import run
from PIL import Image

MODES = ("100%", "160%")


@pytest.fixture(scope="module")
def receipt(root):
    return str(root / "tools" / "nano" / "samples" / "receipt.png")


@pytest.fixture(scope="module")
def encoded(model, receipt):
    return [model.encode_image(receipt, mode=mode) for mode in MODES]


def test_modes_are_sizes(model, receipt, encoded):
    with Image.open(receipt) as picture:
        size = picture.size
    assert encoded[0].numpy().tobytes() == model.encode_image(receipt).numpy().tobytes()
    columns = [1 + max(view.column for view in image.views) for image in encoded]
    assert columns == [-(-size[0] * percent // 14400) for percent in (100, 160)]
    assert all(f" {size[0]}x{size[1]}," in repr(image) for image in encoded)


def test_a_picture_that_fills_all_slices_stays_as_it_is(model, picture):
    large = picture.repeat(5, 0).repeat(5, 1)
    assert model.encode_image(large, mode="100%").numpy().tobytes() == model.encode_image(large, mode="400%").numpy().tobytes()


@pytest.mark.parametrize("mode", ["", "100", "99%", "401%", "1000%", "-10%", "+25%", "1e2%", "125 %", "٢٢٥%", "large"])
def test_other_modes_are_refused(model, picture, mode):
    with pytest.raises(fovea.ArgumentError, match="mode"):
        model.encode_image(picture, mode=mode)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_the_answer_is_the_likeliest(model, encoded, beams, penalty):
    options = dict(task="ocr", max_tokens=60, length_penalty=penalty)
    single = []
    for image in encoded:
        session = model.session()
        session.generate("", image, logprobs=1, **options) if beams == 1 else session.generate("", image, beams=beams, **options)
        for answer in session.answers:
            logs = answer.log_probabilities
            single.append((answer.score if beams > 1 else sum(logs) / len(logs) ** (penalty or 1.0), answer.text, len(single) // beams))
    single.sort(key=lambda row: -row[0])
    session, pieces = model.session(), []
    for piece in session.generate("", encoded, beams=beams, alternatives=True, stream=True, **options):
        pieces.append(piece)
    assert pieces == [single[0][1]]
    assert [(answer.text, answer.image) for answer in session.answers] == [(text, image) for _, text, image in single]
    assert [answer.score for answer in session.answers] == pytest.approx([score for score, *_ in single], abs=1e-5)
    assert session.last.image == single[0][2]
    assert session.last.generated_tokens == len(session.answers[0].ids)


def test_equal_encodings_are_asked_once(model, encoded):
    session = model.session()
    answer = session.generate("", [encoded[0], encoded[0]], task="ocr", max_tokens=30, alternatives=True)
    assert [a.text for a in session.answers] == [answer]
    assert answer == model.session().generate("", encoded[0], task="ocr", max_tokens=30)


def test_what_alternatives_cannot_go_with_is_refused(model, encoded):
    session = model.session()
    for call in (
        lambda: session.generate("", encoded, task="ocr", alternatives=True, n=2, temperature=1.0),
        lambda: session.generate("", [], task="ocr", alternatives=True),
        lambda: session.chat([{"role": "user", "content": "?", "images": encoded}], alternatives=True),
    ):
        with pytest.raises(fovea.ArgumentError, match="alternatives"):
            call()
    # The session is as good as before.
    assert session.generate("", encoded[0], task="ocr", max_tokens=5)


def test_the_deadline_is_for_all_of_them(model, encoded):
    with pytest.raises(fovea.DeadlineExceeded):
        model.session().generate("", encoded, task="ocr", alternatives=True, deadline=0.005)


@pytest.fixture(scope="module")
def sizes(command, root, tmp_path_factory):
    """The reader as a model that names two sizes."""
    folder = tmp_path_factory.mktemp("sizes")
    shutil.copytree(root / "tools" / "nano" / "models" / "reader" / "checkpoint", folder / "checkpoint")
    config = json.loads((folder / "checkpoint" / "config.json").read_text())
    config["hires_llava"]["enlarge"] = [100, 160]
    (folder / "checkpoint" / "config.json").write_text(json.dumps(config))
    file = str(folder / "sizes.fovea")
    assert run(command, "convert", str(folder / "checkpoint"), "-o", file, "--type", "int8").returncode == 0
    return file


@pytest.fixture(scope="module")
def expected(sizes, receipt):
    """The likeliest answer, and that at the second size."""
    model = fovea.load(sizes)
    assert model.metadata["hires.enlarge"] == [100, 160]
    images, session = [model.encode_image(receipt, mode=mode) for mode in MODES], model.session()
    return session.generate("", images, task="ocr", alternatives=True, loop_tokens=300), session.generate("", images[1], task="ocr", loop_tokens=300)


def test_read_tries_the_sizes_of_the_model(command, sizes, receipt, expected, tmp_path):
    for arguments, answer in zip(([], ["--mode", "160%"]), expected):
        out = tmp_path / ("".join(arguments).strip("-%") + "page.json")
        done = run(command, "read", "-m", sizes, receipt, "-o", str(out), *arguments)
        assert done.returncode == 0, done.stderr
        record = json.loads(next((tmp_path / (out.name + ".pages")).glob("*.json")).read_text())
        assert record["text"] == answer


def test_run_does_when_asked_to(command, sizes, receipt, expected):
    common = ["run", "-m", sizes, "-i", receipt, "--task", "ocr", "--loop-tokens", "300", "--json"]
    for arguments, answer in zip((["--each-size"], ["--mode", "160%"]), expected):
        done = run(command, *common, *arguments)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["text"] == answer
        assert len(report["images"]) == 1


@pytest.mark.parametrize("other", [["--mode", "100%"], ["--tiles", "2"], ["--box", "1,1,9,9"], ["--choices", "a", "b"], ["-i", "{image}"]])
def test_what_each_size_cannot_go_with_is_refused(command, receipt, other):
    done = run(command, "run", "-i", receipt, "-p", "Read the text.", "--each-size", *(o.format(image=receipt) for o in other))
    assert done.returncode == 64 and b"--each-size" in done.stderr, done.stderr
