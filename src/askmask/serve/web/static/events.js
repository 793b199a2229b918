/** The server's news by server-sent events; closed while the tab is hidden. */

import { connection, eventsUrl, get, isReached } from "./api.js";

const KINDS = ["hello", "items", "query", "worker", "rounds", "reload"];

/** Each event of the server is dispatched here under its own name, `detail` its data. */
export const news = new EventTarget();

let source = null;

function open() {
  if (source || document.hidden) return;
  source = new EventSource(eventsUrl);
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      news.dispatchEvent(new CustomEvent(kind, { detail: JSON.parse(event.data) }));
    });
  }
  source.onerror = () => {
    if (isReached()) get("/health").catch(() => {}); // a lost server shows at once, not at the next answer
    if (source.readyState === EventSource.CLOSED) reopenLater();
  };
}

function close() {
  source?.close();
  source = null;
}

function reopenLater() {
  close();
  setTimeout(open, 3000);
}

export function listen() {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  connection.addEventListener("reached", () => {
    close(); // a dead stream may take long to notice
    open();
  });
  open();
}
