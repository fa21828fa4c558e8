// Talks to the JSON API. Every failure is a Problem with words for the user.

export class Problem extends Error {
  /** @param {string} message what happened @param {string} hint what to do @param {number} status 0: no answer */
  constructor(message, hint = "", status = 0) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

/** The JSON answer of `path`; null for an empty one. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const response = await send(path, {
    method,
    signal,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 204) return null;
  return response.json();
}

/** The HTML of a page or a part of one. */
export async function askPage(path, { signal, method, body } = {}) {
  const accept = { Accept: "text/html" };
  const response = await send(path, { signal, method, body, headers: accept }, (status) => status < 500);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** A file of the server's, to save; `heard` is told how many bytes have come. */
export async function askFile(path, heard = () => {}) {
  const response = await send(path, {});
  const parts = [];
  let bytes = 0;
  try {
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      bytes += part.value.length;
      heard(bytes);
    }
  } catch {
    throw new Problem("The download was cut off.", "Try again; if it happens again, see the server's log.");
  }
  return new Blob(parts, { type: response.headers.get("Content-Type") ?? "" });
}

async function send(path, options, isFine = (status) => status < 400) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server is not responding.", "Is it still running? See the terminal of etrm up.");
  }
  if (response.status === 401) location.assign("/login");
  if (!isFine(response.status)) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  try {
    const { error } = await response.json();
    const fields = (error.fields ?? []).map((each) => `${each.field} ${each.message} ${each.hint}`.trim());
    return new Problem([error.message, ...fields].join(" "), error.hint, response.status);
  } catch {
    return new Problem(`The server answered ${response.status}.`, "See the server's log.", response.status);
  }
}
