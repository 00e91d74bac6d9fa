// SPDX-License-Identifier: Apache-2.0
// A turn of the conversation. All text of the model goes in as text, never as markup.

import { showPlaces } from "./picture.js";

const turns = document.getElementById("turns");

function add(parent, name, className, text) {
  const it = parent.appendChild(document.createElement(name));
  if (className) it.className = className;
  if (text !== undefined) it.textContent = text;
  return it;
}

export function addQuestion(text, marked) {
  document.getElementById("welcome")?.remove();
  const asked = add(turns, "div", "asked", text);
  if (marked) {
    asked.append(" ");
    add(asked, "span", "mark", marked === 1 ? "marked" : `${marked} marked`);
  }
  turns.scrollTop = turns.scrollHeight;
}

/** An answer that grows. */
export class Answer {
  constructor(question, model) {
    Object.assign(this, { question, model });
    this.box = add(turns, "article", "answer");
    this.words = add(this.box, "div", "words waiting");
  }

  hear(text) {
    const atEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 60;
    this.words.textContent = text;
    if (atEnd) turns.scrollTop = turns.scrollHeight;
  }

  fail(message) {
    this.words.classList.remove("waiting");
    add(this.box, "p", "failed", message).setAttribute("role", "alert");
    turns.scrollTop = turns.scrollHeight;
  }

  finish(result, stopped = false) {
    this.result = result;
    this.words.classList.remove("waiting");
    this.words.textContent = result.text;
    this.link();
    const foot = add(this.box, "div", "foot");
    this.copies(foot);
    const figures = [];
    if (stopped) figures.push("stopped");
    if (result.finish === "length") figures.push("cut at the limit");
    if (result.usage) figures.push(result.usage.completion_tokens === 1 ? "1 token" : `${result.usage.completion_tokens} tokens`);
    if (result.seconds) figures.push(`${(result.seconds.encode + result.seconds.prefill + result.seconds.decode).toFixed(2)} s`);
    add(foot, "span", "figures", figures.join(" · "));
    turns.scrollTop = turns.scrollHeight;
  }

  /** Words and the places they name, tied together. */
  link() {
    const { text, places } = this.result;
    if (!places.length) return;
    const scalars = [...text];
    this.words.replaceChildren();
    let done = 0;
    const buttons = [];
    places.forEach((place, index) => {
      const start = Math.min(Math.max(place.start, done), scalars.length), end = Math.min(Math.max(place.end, start), scalars.length);
      this.words.append(scalars.slice(done, start).join(""));
      const piece = scalars.slice(start, end).join("");
      const at = place.phrase ? piece.indexOf(place.phrase) : -1;
      if (at > 0) this.words.append(piece.slice(0, at));
      const button = add(this.words, "button", `c${index % 6}`, at >= 0 ? place.phrase : piece.trim() || "place");
      button.type = "button";
      for (const [event, on] of [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]]) {
        button.addEventListener(event, () => this.light(index, on));
      }
      button.addEventListener("click", () => { this.draw(); this.light(index, true); });
      buttons.push(button);
      if (at >= 0) add(this.words, "span", "coordinates", piece.slice(at + place.phrase.length));
      done = end;
    });
    this.words.append(scalars.slice(done).join(""));
    this.buttons = buttons;
    this.draw();
  }

  draw() {
    this.lightShape = showPlaces(this.result.places, (index, on) => this.light(index, on));
    Answer.drawn = this;
  }

  light(index, on) {
    if (Answer.drawn !== this) this.draw();
    this.buttons.forEach((button, i) => button.classList.toggle("lit", on && i === index));
    this.result.places.forEach((_, i) => this.lightShape(i, on && i === index));
  }

  get plain() {
    return this.buttons ? [...this.words.childNodes].filter((n) => n.className !== "coordinates").map((n) => n.textContent).join("") : this.result.text;
  }

  get markdown() {
    const lines = this.result.places.map((p) => `- ${p.phrase || "place"}: ${[p.x1, p.y1, ...(p.point ? [] : [p.x2, p.y2])].map(Math.round).join(", ")}`);
    return [`**${this.question}**`, this.plain.trim(), ...(lines.length ? [lines.join("\n")] : [])].join("\n\n") + "\n";
  }

  get json() {
    const { text, finish, usage, places, images, seconds } = this.result;
    return JSON.stringify({ model: this.model, question: this.question, answer: text, finish_reason: finish, places, images, usage, seconds }, null, 2);
  }

  copies(foot) {
    add(foot, "span", "", "Copy");
    for (const [name, text] of [["Text", () => this.plain], ["Markdown", () => this.markdown], ["JSON", () => this.json]]) {
      const button = add(foot, "button", "quiet", name);
      button.type = "button";
      button.title = `Copy as ${name}`;
      button.setAttribute("aria-label", `Copy as ${name}`);
      button.addEventListener("click", async () => {
        button.textContent = (await copy(text())) ? "Copied" : "Not copied";
        setTimeout(() => { button.textContent = name; }, 1400);
      });
    }
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that came over plain HTTP from another machine have no clipboard.
    const area = add(document.body, "textarea", "hidden", text);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
