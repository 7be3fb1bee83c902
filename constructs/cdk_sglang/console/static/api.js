// The console's data and actions, requested with the key that was in the address; it is sent in a header, and never in an address.

import { words } from "./words.js";

const STORED = "localcloud-console-key";

export class Refused extends Error {}

// Take the key out of the address, where screenshots and bookmarks would keep it.
export function takeKey() {
  const found = new URLSearchParams(location.hash.slice(1)).get("key");
  if (found) {
    localStorage.setItem(STORED, found);
    history.replaceState(null, "", location.pathname + location.search);
  }
}

export function saveKey(text) {
  localStorage.setItem(STORED, text.trim().replace(/^.*#key=/, ""));
}

async function ask(path, options = {}) {
  const key = localStorage.getItem(STORED);
  if (!key) throw new Refused("no key");
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${key}` } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(words.silent);
  }
  if (response.status === 403) throw new Refused("wrong key");
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).message ?? `the ${words.title} answered ${response.status}`);
  return response;
}

export async function read(what, parameters = {}) {
  return (await ask(`data/${what}?${new URLSearchParams(parameters)}`)).json();
}

const sent = (body, signal) => ({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal });

export async function act(what, body = {}) {
  return (await ask(`actions/${what}`, sent(body))).json();
}

// Events of the live stream, or of an answer of the chat: pairs of name and data, until the server or the signal ends them.
export async function* stream(path, signal, body) {
  const response = await ask(path, body ? sent(body, signal) : { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).replace(/\r\n/g, "\n").split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
      const data = field("data");
      if (data) yield { name: field("event") || "message", data };
    }
  }
}
