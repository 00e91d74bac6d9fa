// SPDX-License-Identifier: Apache-2.0
// The page: which model, which picture, the conversation.

import { Answer, addQuestion } from "./answer.js";
import * as drawing from "./drawing.js";
import * as picture from "./picture.js";
import * as server from "./server.js";

const $ = (id) => document.getElementById(id);
const question = $("question"), send = $("send");

let models = [];
let model = null;
let task = "";
let messages = [];
let views = [];
let pdf = null; // {file, number, count}
let running = null;

// ---- Models

async function start() {
  try {
    models = await server.models();
  } catch (refusal) {
    if (refusal.status === 401) return askForKey();
    return addNotice(refusal.message);
  }
  $("model").replaceChildren(...models.map((it) => new Option(it.id, it.id)));
  chooseModel(models[0]?.id);
}

function chooseModel(id) {
  model = models.find((it) => it.id === id) ?? null;
  const facts = model?.fovea;
  $("draw").hidden = !facts?.regions;
  task = "";
  $("tasks").hidden = !facts?.tasks.length;
  $("tasks").replaceChildren(...(facts?.tasks ?? []).map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => chooseTask(task === name ? "" : name));
    return button;
  }));
  restart();
}

function chooseTask(name) {
  task = name;
  for (const button of $("tasks").children) button.setAttribute("aria-pressed", String(button.textContent === name));
  question.placeholder = task ? `Ask in the form “${task}”` : "Ask about the picture";
  question.focus();
}

function askForKey() {
  $("key").hidden = false;
  $("key-dialog").showModal();
}
$("key").addEventListener("click", askForKey);
$("key-dialog").addEventListener("close", () => {
  if ($("key-dialog").returnValue !== "ok") return;
  server.useKey($("key-text").value.trim());
  start();
});
$("model").addEventListener("change", () => chooseModel($("model").value));

// ---- Pictures

function restart() {
  running?.abort();
  messages = [];
  views = [];
  $("slices").disabled = true;
  $("slices").setAttribute("aria-pressed", "false");
  picture.showSlices([], false);
  picture.showPlaces([], () => {});
  drawing.clear();
}

function addNotice(text) {
  new Answer("", "").fail(text);
}

async function open(file) {
  if (!file) return;
  try {
    if (file.type === "application/pdf" || /\.pdf$/i.test(file.name ?? "")) {
      pdf = { file, number: 1, count: 1 };
      await turnPage(1);
    } else {
      pdf = null;
      await put(file);
    }
  } catch (failure) {
    addNotice(failure.message);
  }
}

async function put(blob) {
  await picture.show(blob);
  restart();
  $("empty").hidden = true;
  $("viewer").hidden = false;
  $("pages").hidden = !pdf || pdf.count < 2;
  question.focus({ preventScroll: true });
}

async function turnPage(number) {
  const { picture: page, count } = await server.renderPage(pdf.file, number);
  Object.assign(pdf, { number, count });
  $("page").textContent = `${number} / ${count}`;
  $("previous").disabled = number <= 1;
  $("next").disabled = number >= count;
  await put(page);
}

for (const id of ["file", "photo"]) {
  $(id).addEventListener("change", (event) => { open(event.target.files[0]); event.target.value = ""; });
}
$("another").addEventListener("click", () => $("file").click());
$("previous").addEventListener("click", () => turnPage(pdf.number - 1).catch((failure) => addNotice(failure.message)));
$("next").addEventListener("click", () => turnPage(pdf.number + 1).catch((failure) => addNotice(failure.message)));

let dragged = 0;
addEventListener("dragenter", (event) => { event.preventDefault(); $("drop").hidden = !(dragged += 1); });
addEventListener("dragleave", () => { dragged = Math.max(0, dragged - 1); $("drop").hidden = !dragged; });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  dragged = 0;
  $("drop").hidden = true;
  open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files][0];
  if (file) { event.preventDefault(); open(file); }
});

$("slices").addEventListener("click", () => {
  const on = $("slices").getAttribute("aria-pressed") !== "true";
  $("slices").setAttribute("aria-pressed", String(on));
  picture.showSlices(views, on);
});
$("clear").addEventListener("click", () => drawing.clear());
document.addEventListener("marked", () => question.focus({ preventScroll: true }));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(TEXTAREA|INPUT|SELECT)$/.test(event.target.tagName)) return;
  const tool = { b: "box", p: "point", s: "scribble" }[event.key];
  if (tool && !$("draw").hidden && picture.shown.width) drawing.choose(tool);
});

// ---- Questions

async function ask() {
  const regions = drawing.taken();
  let text = question.value.trim();
  if (!text && regions.length) text = task ? "<region>" : "What is the object <region>?";
  if (!model || (!text && !task)) return question.focus();
  if (!picture.shown.width && model.fovea.image_tokens) return addNotice("There is no picture yet.");
  const content = [{ type: "text", text }, ...regions];
  const withPicture = [{ type: "image_url", image_url: { url: picture.shown.address } }, ...content];
  const alone = { role: "user", content: picture.shown.width ? withPicture : content };
  const conversation = task || !messages.length ? [alone] : [...messages, { role: "user", content: numbered(content) }];
  addQuestion(text.replaceAll("<region>", "▢") || task, regions.length);
  const answer = new Answer(text || task, model.id);
  question.value = "";
  grow();
  running = new AbortController();
  send.textContent = "Stop";
  let heard = "";
  const hear = (words) => { heard = words; answer.hear(words); };
  try {
    const request = (list) => ({ model: model.id, messages: list, ...(task ? { task } : {}) });
    let asked = conversation, result;
    try {
      result = await server.chat(request(asked), hear, running.signal);
    } catch (refusal) {
      // Models that were trained on single questions get this one by itself.
      if (refusal.code !== "unsupported" || conversation.length < 2) throw refusal;
      asked = [alone];
      result = await server.chat(request(asked), hear, running.signal);
    }
    messages = task ? [] : [...asked, { role: "assistant", content: result.text }];
    views = result.images[0]?.views ?? [];
    $("slices").disabled = !views.length;
    picture.showSlices(views, $("slices").getAttribute("aria-pressed") === "true");
    answer.finish(result);
    drawing.settle();
  } catch (failure) {
    if (failure.name === "AbortError") answer.finish({ text: heard, places: [], images: [], finish: "", usage: null }, true);
    else {
      answer.fail(failure.message);
      if (failure.status === 401) askForKey();
    }
  } finally {
    running = null;
    send.textContent = "Ask";
  }
}

/** Later questions speak of the conversation's one picture. */
const numbered = (content) => content.map((part) => (part.type === "region" ? { ...part, image: 0 } : part));

function grow() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight + 2}px`;
}
question.addEventListener("input", grow);
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); $("composer").requestSubmit(); }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.abort();
  else ask();
});

start();
