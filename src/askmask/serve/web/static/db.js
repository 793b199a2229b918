/** The browser's own database (IndexedDB): drafts, their strokes, and answers not yet sent. */

const NAME = "askmask";
const VERSION = 1;

let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("drafts", { keyPath: "key" });
      db.createObjectStore("steps", { keyPath: ["draft", "number"] });
      db.createObjectStore("outbox", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/**
 * Run `work(stores)` in one transaction; resolves with its result once everything is on disk.
 *
 * `work` must not wait for anything but requests of its stores; it may return an IDBRequest.
 */
export async function transaction(names, mode, work) {
  const db = await open();
  return new Promise((resolve, reject) => {
    const running = db.transaction(names, mode, { durability: mode === "readwrite" ? "strict" : "default" });
    const stores = Object.fromEntries(names.map((name) => [name, running.objectStore(name)]));
    const outcome = work(stores);
    if (mode === "readwrite") running.commit(); // the page may be gone before its requests return
    running.oncomplete = () => resolve(outcome instanceof IDBRequest ? outcome.result : outcome);
    running.onerror = () => reject(running.error);
    running.onabort = () => reject(running.error);
  });
}

export const read = (name, key) => transaction([name], "readonly", (stores) => stores[name].get(key));

export const readAll = (name, range) =>
  transaction([name], "readonly", (stores) => stores[name].getAll(range));
