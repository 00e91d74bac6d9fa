// SPDX-License-Identifier: Apache-2.0
// The picture: opened from a file, shown as large as it fits, with slices and places drawn on it in its own pixels.

const svg = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);
const frame = $("frame"), canvas = $("canvas"), image = $("picture"), overlay = $("overlay");

/** What is shown: its size, and itself as a data URL for the server. */
export const shown = { width: 0, height: 0, address: "" };

export function element(name, attributes) {
  const it = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) it.setAttribute(key, value);
  return it;
}

const layers = Object.fromEntries(["slices", "places", "marks"].map((name) => [name, overlay.appendChild(element("g", {}))]));
export const marks = layers.marks;

const read = (blob) => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => failed(new Error("The file cannot be read."));
  reader.readAsDataURL(blob);
});

/** Others than PNG and JPEG are drawn anew, since the server reads no others. */
async function readable(blob) {
  if (["image/png", "image/jpeg"].includes(blob.type)) return blob;
  const bitmap = await createImageBitmap(blob).catch(() => { throw new Error("The browser cannot read this picture."); });
  const sheet = new OffscreenCanvas(bitmap.width, bitmap.height);
  sheet.getContext("2d").drawImage(bitmap, 0, 0);
  return sheet.convertToBlob({ type: "image/png" });
}

export async function show(blob) {
  const picture = await readable(blob);
  const address = await read(picture);
  image.src = address;
  await image.decode().catch(() => { throw new Error("The browser cannot read this picture."); });
  Object.assign(shown, { address, width: image.naturalWidth, height: image.naturalHeight });
  overlay.setAttribute("viewBox", `0 0 ${shown.width} ${shown.height}`);
  image.classList.toggle("small", Math.max(shown.width, shown.height) <= 256);
  for (const layer of Object.values(layers)) layer.replaceChildren();
  fit();
}

function fit() {
  if (!shown.width) return;
  const style = getComputedStyle(frame);
  const width = frame.clientWidth - 2 * parseFloat(style.paddingLeft), height = frame.clientHeight - 2 * parseFloat(style.paddingTop);
  // Small pictures are enlarged, but not without end.
  const scale = Math.min(width / shown.width, height / shown.height, Math.max(1, 640 / Math.max(shown.width, shown.height)));
  canvas.style.width = `${Math.max(1, shown.width * scale)}px`;
  canvas.style.height = `${Math.max(1, shown.height * scale)}px`;
  // A scribble's line is as wide as what it means, at least a finger's trace.
  overlay.dataset.scale = scale;
}
new ResizeObserver(fit).observe(frame);

/** Screen pixels a picture's pixel. */
export const scale = () => Number(overlay.dataset.scale) || 1;

export function showSlices(views, visible) {
  layers.slices.replaceChildren();
  if (!visible) return;
  for (const view of views) {
    if (view.row < 0 && views.length > 1) continue;
    layers.slices.append(element("rect", { class: "slice", x: view.x, y: view.y, width: view.width, height: view.height }));
  }
}

/** Draws places; `light(index, on)` is called when one is pointed at. Gives a function that lights one. */
export function showPlaces(places, light) {
  layers.places.replaceChildren();
  const shapes = places.map((place, index) => {
    const shape = place.point
      ? element("circle", { cx: place.x1, cy: place.y1, r: 6 / scale() })
      : element("rect", { x: place.x1, y: place.y1, width: place.x2 - place.x1, height: place.y2 - place.y1, rx: 2 / scale() });
    shape.setAttribute("class", `place c${index % 6}`);
    const title = element("title", {});
    title.textContent = place.phrase;
    shape.append(title);
    shape.addEventListener("pointerenter", () => light(index, true));
    shape.addEventListener("pointerleave", () => light(index, false));
    shape.addEventListener("click", () => light(index, true));
    layers.places.append(shape);
    return shape;
  });
  return (index, on) => shapes[index]?.classList.toggle("lit", on);
}
