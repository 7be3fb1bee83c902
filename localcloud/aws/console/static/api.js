// The console's data, read with the key that was in the address.

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

export async function read(what, parameters = {}) {
  const key = localStorage.getItem(STORED);
  if (!key) throw new Refused("no key");
  const query = new URLSearchParams(parameters);
  let response;
  try {
    response = await fetch(`data/${what}?${query}`, { headers: { Authorization: `Bearer ${key}` } });
  } catch {
    throw new Error("the embedded AWS does not answer; `make local` starts it");
  }
  if (response.status === 403) throw new Refused("wrong key");
  const body = await response.json();
  if (!response.ok) throw new Error(body.message);
  return body;
}
