# SPDX-License-Identifier: Apache-2.0
"""The page in headless Chromium: a picture is dropped, a box drawn, the streamed answer read, its places found. Screenshots go to --shots."""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import SAMPLES

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
SHOTS = os.environ.get("FOVEA_SHOTS")
HOUSE = (28, 85, 69, 124)
DROP = """([name, type, text]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["desktop", "phone"])
def page(request, browser, server):
    size = (
        {"viewport": {"width": 1280, "height": 800}}
        if request.param == "desktop"
        else {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    )
    context = browser.new_context(**size, color_scheme="light" if request.param == "desktop" else "dark")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.kind = request.param
    faults: list[str] = []
    outside: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda sent: outside.append(sent.url) if not sent.url.startswith((server.url, "data:", "blob:")) else None)
    page.goto(server.url)
    page.wait_for_function("document.querySelector('#model').options.length > 0")
    yield page
    assert not faults and not outside
    context.close()


def shoot(page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}-{page.kind}.png"))


def drop(page, path: Path, kind: str = "image/png") -> None:
    page.evaluate(DROP, [path.name, kind, base64.b64encode(path.read_bytes()).decode()])
    page.wait_for_selector("#viewer:not([hidden])")


def ask(page, text: str) -> str:
    before = page.locator(".answer .foot").count()
    page.fill("#question", text)
    page.click("#send")
    page.locator(".answer .foot").nth(before).wait_for()
    return page.locator(".answer .words").last.inner_text()


def draw_box(page, box: tuple) -> None:
    page.click("[data-tool=box]")
    frame = page.locator("#overlay").bounding_box()
    scale = frame["width"] / 214
    corners = [(frame["x"] + x * scale, frame["y"] + y * scale) for x, y in (box[:2], box[2:])]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=5)
    page.mouse.up()


def test_box_and_places(page):
    shoot(page, "empty")
    page.select_option("#model", "ferret")
    drop(page, SAMPLES / "scene.png")
    draw_box(page, HOUSE)
    assert page.locator("#overlay .region").count() == 1
    assert ask(page, "What is the object <region>?").strip() == "house"
    shoot(page, "box")
    page.click("[data-tool=box]")
    page.click("#clear")
    text = ask(page, "What is the location of the blue arrow in the image?")
    assert "blue arrow" in text
    place = page.locator("#overlay .place")
    assert place.count() == 1
    x, y, width = (float(place.get_attribute(name)) for name in ("x", "y", "width"))
    assert abs(x - 15) < 8 and abs(y - 22) < 8 and abs(width - 39) < 12
    link = page.locator(".words button").last
    link.hover()
    page.wait_for_selector("#overlay .place.lit")
    page.click("#slices")
    assert page.locator("#overlay .slice").count() >= 2
    shoot(page, "slices")
    page.click("#slices")
    page.get_by_role("button", name="detect").click()
    ask(page, "")
    assert page.locator("#overlay .place").count() >= 4
    shoot(page, "places")


def test_conversation_and_copies(page):
    page.select_option("#model", "hires")
    drop(page, SAMPLES / "street.png")
    assert ask(page, "Where is the car in the picture?").strip() == "middle right"
    assert ask(page, "What is at the top left?").strip() == "stop sign"
    assert page.locator(".asked").count() == 2
    for name, check in (
        ("Text", lambda t: t.strip() == "stop sign"),
        ("Markdown", lambda t: "**What is at the top left?**" in t),
        ("JSON", lambda t: json.loads(t)["answer"].strip() == "stop sign"),
    ):
        page.get_by_role("button", name=f"Copy as {name}").last.click()
        page.get_by_text("Copied").wait_for()
        assert check(page.evaluate("navigator.clipboard.readText()"))
        page.get_by_role("button", name=f"Copy as {name}").last.get_by_text(name, exact=True).wait_for()
    shoot(page, "conversation")


def test_keyboard_alone(page):
    page.select_option("#model", "ferret")
    drop(page, SAMPLES / "scene.png")
    page.locator("#another").focus()
    page.keyboard.press("b")
    page.locator("#overlay").focus()
    for key in ("ArrowLeft", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#overlay .region").count() == 1
    page.keyboard.press("Enter")  # the question has the focus now: the usual one is asked
    page.locator(".answer .foot").first.wait_for()


def test_says_what_went_wrong(page):
    page.select_option("#model", "hires")
    page.fill("#question", "What is this?")
    page.click("#send")
    page.get_by_role("alert").get_by_text("no picture").wait_for()


def test_text_is_no_markup(page):
    """What a model writes stays text, and nothing inline runs."""
    page.select_option("#model", "hires")
    drop(page, SAMPLES / "street.png")
    page.evaluate(
        "import('/answer.js').then(({ Answer }) => { const a = new Answer('q', 'm'); a.finish({ text: '<img src=x onerror=alert(1)><b>x</b>', places: [], images: [] }); })"
    )
    page.locator(".words", has_text="<b>x</b>").wait_for()
    assert page.locator(".words b, .words img").count() == 0


def test_pdf(page, tmp_path):
    if not shutil.which("pdftoppm"):
        pytest.skip("poppler-utils is not installed")
    from test_ocr import pdf

    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(2))
    page.select_option("#model", "hires")
    drop(page, path, "application/pdf")
    page.get_by_text("1 / 2").wait_for()
    page.click("#next")
    page.get_by_text("2 / 2").wait_for()
    assert ask(page, "What is in the picture?").strip() == "apple"
