// The server's requests: pictures, videos, a camera's frames; problems as errors; the bearer token.

const TOKEN = "vitruvian-token";
const TRIES = 4;

/** What the server, or the way to it, says went wrong. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = null) {
    super(detail);
    Object.assign(this, { name: "Problem", status, retryAfter });
  }
}

let askForToken = async () => null;

/** Sets what asks the user for a token when the server answers 401; it returns a promise of a text, or null. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

const address = (path, query = {}) => {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) if (value !== null) url.searchParams.set(name, value);
  return url;
};

/** The token of this tab; where the browser keeps nothing, that of this visit. */
let token = null;
try {
  token = sessionStorage.getItem(TOKEN);
} catch {
  // Storage is forbidden.
}

function keepToken(text) {
  token = text;
  try {
    sessionStorage.setItem(TOKEN, text);
  } catch {
    // As above.
  }
}

/** A server's answer; asks for a token once it is needed, and waits while the server is busy. */
async function request(path, { query, signal, waiting = () => {}, ...rest } = {}) {
  for (let attempt = 1; ; attempt++) {
    const used = token;
    const headers = used ? { ...rest.headers, authorization: `Bearer ${used}` } : rest.headers;
    const response = await reach(address(path, query), { ...rest, signal, headers });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status === 401 && (await renewToken(used))) continue;
    if (response.status !== 503 || attempt === TRIES) throw problem;
    waiting(problem);
    await pause(Math.min(problem.retryAfter ?? 1, 10) * 1000, signal);
  }
}

async function reach(url, settings) {
  try {
    return await fetch(url, { ...settings, redirect: "error", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server can't be reached. Check that it is running, then try again.");
  }
}

let asking = null;

/** Whether there is another token than the one that was used; requests that are refused together ask once. */
async function renewToken(used) {
  if (token !== used) return true;
  asking ??= askForToken(used !== null).finally(() => (asking = null));
  const given = await asking;
  if (given) keepToken(given);
  return Boolean(given);
}

async function problemOf(response) {
  const text = await response.text().catch(() => "");
  const after = Number(response.headers.get("retry-after"));
  return asProblem(response.status, parsed(text), after > 0 ? after : null);
}

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** A problem of a problem+json object, as far as it is one. */
export function asProblem(status, body, retryAfter = null) {
  const detail = [body?.detail, body?.title].find((text) => typeof text === "string" && text);
  return new Problem(body?.status ?? status, detail ?? `The server answered ${status} without a reason.`, retryAfter);
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    }, { once: true });
  });
}

/** A file as a part of a form, so that the server's sentences name it. */
function form(field, file, name) {
  const body = new FormData();
  body.append(field, file, name);
  return { method: "POST", body };
}

/** What the server runs, as GET /v1/models tells. */
export async function models() {
  return (await request("v1/models")).json();
}

/** The answer to a picture: {generator, skeleton, frames} with one frame. */
export async function poses(file, name, query, { signal, waiting }) {
  const response = await request("v1/poses", { ...form("picture", file, name), query, signal, waiting });
  const answer = await response.json();
  const { error } = answer.frames[0];
  if (error) throw asProblem(422, error);
  return answer;
}

/** The lines of a video's answer one after the other: the header, then frames; ends when the server is done. */
export async function* video(file, name, query, { signal, waiting }) {
  const response = await request("v1/videos", { ...form("video", file, name), query, signal, waiting });
  for await (const line of lines(response.body)) {
    const record = JSON.parse(line);
    if (record.error) throw asProblem(500, record.error);
    if (record.done) return;
    yield record;
  }
  throw new Problem(0, "The server stopped in the middle of the video.");
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      yield* parts.filter((line) => line.trim());
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Problem) throw error;
    throw new Problem(0, "The connection broke in the middle of the video.");
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest.trim()) yield rest;
}

/** A socket for a camera's frames. */
export function stream(query) {
  const url = address("v1/stream", query);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (!token) return new WebSocket(url);
  try {
    // A browser sets no headers of a socket: the token is a subprotocol.
    return new WebSocket(url, ["vitruvian", `bearer.${token}`]);
  } catch {
    throw new Problem(0, "Browsers can't send this token with a camera, as it has a / or a =: ask for one without.");
  }
}
