// SPDX-License-Identifier: Apache-2.0
// Boxes, points and scribbles on the picture, with pointer, finger or keyboard. What they are is what the server is sent.

import { element, marks, scale, shown } from "./picture.js";

const overlay = document.getElementById("overlay");
const hint = document.getElementById("hint");
const tools = [...document.querySelectorAll("[data-tool]")];
const hints = {
  box: "Draw a box. With the keyboard: arrows move, Enter sets a corner.",
  point: "Mark a point. With the keyboard: arrows move, Enter sets it.",
  scribble: "Scribble on the thing. With the keyboard: arrows move, Enter adds a point, Space ends.",
};

/** The marks of the next question. */
let regions = [];
let tool = "";
let begun = null; // {points, shape}
let cursor = null;
const cross = element("path", { class: "cross" });

export const taken = () => regions.map(({ region }) => region);

/** Marks that were asked about stay, paler. */
export function settle() {
  for (const { shape } of regions) shape.classList.add("old");
  regions = [];
}

export function clear() {
  regions = [];
  begun = null;
  marks.replaceChildren();
}

export function choose(name) {
  tool = tool === name ? "" : name;
  for (const button of tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  overlay.classList.toggle("drawing", tool !== "");
  if (tool) overlay.setAttribute("tabindex", "0");
  else overlay.removeAttribute("tabindex");
  hint.textContent = hints[tool] ?? "";
  cross.remove();
  abandon();
}

function place(event) {
  const box = overlay.getBoundingClientRect();
  const inside = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
  return [
    inside((event.clientX - box.left) / box.width * shown.width, shown.width - 1),
    inside((event.clientY - box.top) / box.height * shown.height, shown.height - 1),
  ];
}

const radius = () => Math.max(1, 7 / scale());

function start(point) {
  const shape = tool === "point"
    ? element("circle", { class: "region", r: 7 / scale() })
    : tool === "box" ? element("rect", { class: "region" })
    : element("polyline", { class: "region scribble", "stroke-width": 2 * radius() });
  marks.append(shape);
  begun = { points: [point], shape };
  follow(point);
}

function follow(point) {
  const { points, shape } = begun;
  if (tool === "point") {
    begun.points = [point];
    shape.setAttribute("cx", point[0]);
    shape.setAttribute("cy", point[1]);
  } else if (tool === "box") {
    points[1] = point;
    const [[x1, y1], [x2, y2]] = points;
    const values = { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) };
    for (const [key, value] of Object.entries(values)) shape.setAttribute(key, value);
  } else {
    const last = points.at(-1);
    if (points.length < 2000 && Math.hypot(point[0] - last[0], point[1] - last[1]) * scale() >= 3) points.push(point);
    shape.setAttribute("points", points.map((p) => p.join(",")).join(" "));
  }
}

function finish() {
  if (!begun) return;
  const { points, shape } = begun;
  begun = null;
  let region;
  if (tool === "point") region = { type: "region", point: points[0] };
  else if (tool === "box") {
    const [[x1, y1], [x2, y2]] = [points[0], points[1] ?? points[0]];
    // A box of nothing was a slip.
    if (Math.abs(x2 - x1) < 2 || Math.abs(y2 - y1) < 2) return shape.remove();
    region = { type: "region", box: [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)] };
  } else region = { type: "region", scribble: points, radius: Math.round(radius() * 10) / 10 };
  regions.push({ region, shape });
  overlay.dispatchEvent(new CustomEvent("marked", { bubbles: true }));
}

function abandon() {
  begun?.shape.remove();
  begun = null;
}

overlay.addEventListener("pointerdown", (event) => {
  if (!tool || event.button > 0) return;
  event.preventDefault();
  overlay.setPointerCapture(event.pointerId);
  start(place(event));
});
overlay.addEventListener("pointermove", (event) => {
  if (begun && overlay.hasPointerCapture(event.pointerId)) follow(place(event));
});
overlay.addEventListener("pointerup", finish);
overlay.addEventListener("pointercancel", abandon);

overlay.addEventListener("keydown", (event) => {
  if (!tool) return;
  cursor ??= [shown.width / 2, shown.height / 2];
  const step = (event.shiftKey ? 24 : 6) / scale();
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[event.key]) {
    const [dx, dy] = moves[event.key];
    cursor = [Math.min(Math.max(cursor[0] + dx * step, 0), shown.width - 1), Math.min(Math.max(cursor[1] + dy * step, 0), shown.height - 1)];
    const arm = 9 / scale();
    cross.setAttribute("d", `M${cursor[0] - arm} ${cursor[1]}h${2 * arm}M${cursor[0]} ${cursor[1] - arm}v${2 * arm}`);
    overlay.append(cross);
    if (begun && tool === "box") follow(cursor);
  } else if (event.key === "Enter") {
    if (!begun) start(cursor);
    else follow(cursor);
    if (tool === "point" || (tool === "box" && begun.points.length > 1 && begun.keyed)) finish();
    else begun.keyed = true;
  } else if (event.key === " ") finish();
  else if (event.key === "Escape") abandon();
  else return;
  event.preventDefault();
});

for (const button of tools) button.addEventListener("click", () => choose(button.dataset.tool));
