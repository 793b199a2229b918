/** Calls to the server. Every failure is an ApiError that says whether trying again can help. */

// Relative: the page of a project may lie below the start (/projects/.../) or below a proxy's prefix.
const BASE = new URL("api/v1", globalThis.document?.baseURI ?? "file:///").pathname;

export class ApiError extends Error {
  constructor(status, code, message, body = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.body = body;
  }

  /** The server was not reached, is busy, or cannot write: the same call may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** Events: "reached" and "lost" (the server), "unauthorised" (log in). */
export const connection = new EventTarget();
let reached = true;

export const isReached = () => reached;

function setReached(now) {
  if (now === reached) return;
  reached = now;
  connection.dispatchEvent(new Event(now ? "reached" : "lost"));
}

/** Call the API; returns the parsed body, or null for 204. */
export async function call(method, path, body, { timeoutSeconds = 20, keepalive = false } = {}) {
  /** @type {RequestInit & {headers: Record<string, string>}} */
  const options = { method, headers: {}, credentials: "same-origin", keepalive };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  options.signal = AbortSignal.timeout(timeoutSeconds * 1000);
  let response;
  try {
    response = await fetch(BASE + path, options);
  } catch (error) {
    setReached(false);
    throw new ApiError(0, "unreachable", `The server does not answer (${error.name}).`);
  }
  setReached(true);
  return parse(response);
}

async function parse(response) {
  if (response.status === 204) return null;
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError(502, "no_json", `Expected an answer of askmask, got status ${response.status} and ${text.slice(0, 80)}: a proxy before it may refuse this.`);
  }
  if (response.ok) return body;
  const error = new ApiError(
    response.status,
    body.error?.code ?? "error",
    body.error?.message ?? `The server answered ${response.status}.`,
    body,
  );
  if (response.status === 401) connection.dispatchEvent(new CustomEvent("unauthorised", { detail: error }));
  throw error;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}, options) => call("POST", path, body, options);

export const itemPath = (item) => `/items/${item.round}/${item.rank}`;
export const thumbnailUrl = (item, size) => `${BASE}${itemPath(item)}/thumbnail?size=${size}`;
export const scoresUrl = (item) => `${BASE}${itemPath(item)}/scores.png`;
export const predictionUrl = (item) => `${BASE}${itemPath(item)}/prediction.png`;
/** Tile of an image, by its number, or of a slide: "slides/2". */
export const tileUrl = (image, tile) =>
  `${BASE}/${typeof image === "number" ? `images/${image}` : image}/tiles/${tile.level}/${tile.row}/${tile.col}`;
export const urlOf = (path) => BASE + path;
export const eventsUrl = `${BASE}/events`;

/** Query string of the fields that are set. */
export function query(fields) {
  const set = Object.entries(fields).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return set.length ? `?${new URLSearchParams(set)}` : "";
}

/** A fresh id for an answer, so that sending it twice keeps it once. */
export function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID needs https off this host
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** While the server is lost, look for it every two seconds. */
export function watchForReturn() {
  let timer = null;
  connection.addEventListener("lost", () => {
    timer ??= setInterval(() => call("GET", "/health", undefined, { timeoutSeconds: 4 }).catch(() => {}), 2000);
  });
  connection.addEventListener("reached", () => {
    clearInterval(timer);
    timer = null;
  });
  window.addEventListener("online", () => call("GET", "/health").catch(() => {}));
}
