// SPDX-License-Identifier: Apache-2.0
// What the page asks the server. The key, where one is needed, stays in the tab.

let key = sessionStorage.getItem("key") ?? "";
export function useKey(text) {
  key = text;
  sessionStorage.setItem("key", text);
}

export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error?.code ?? "";
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key) headers.authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, { message: "The server cannot be reached." });
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new Refusal(response.status, body?.error);
}

export async function models() {
  return (await (await ask("v1/models")).json()).data;
}

/** A page of a PDF file as a picture, and how many there are. */
export async function renderPage(file, number) {
  const form = new FormData();
  form.append("file", file);
  form.append("page", String(number));
  const response = await ask("v1/render", { method: "POST", body: form });
  return { picture: await response.blob(), count: Number(response.headers.get("x-page-count") ?? 1) };
}

/** Answers a conversation; `heard` is told the text as it comes. Gives the last chunk's figures and places. */
export async function chat(request, heard, signal) {
  const response = await ask("v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  const result = { text: "", finish: "", usage: null, places: [], images: [], seconds: null };
  for await (const data of events(response.body)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Refusal(500, chunk.error);
    if (chunk.usage) result.usage = chunk.usage;
    if (chunk.fovea) Object.assign(result, chunk.fovea);
    const choice = chunk.choices[0];
    if (choice?.delta.content) {
      result.text += choice.delta.content;
      heard(result.text);
    }
    if (choice?.finish_reason) result.finish = choice.finish_reason;
  }
  return result;
}

/** The data of server-sent events. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield part.slice(6);
  }
}
