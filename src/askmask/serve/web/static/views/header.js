/** The head of the page: progress of the query, whether everything is saved, what the worker does. */

import { connection, isReached } from "../api.js";
import { byId } from "../dom.js";
import { banner } from "../notices.js";
import { several } from "./numbers.js";

export class Header {
  constructor(app) {
    this.app = app;
    byId("project-name").textContent = app.project.name;
    byId("projects").hidden = !/\/projects\/[0-9a-f]{12}\/$/.test(location.pathname); // one of several
    document.title = `${app.project.name} · askmask`;
    for (const [target, kind] of [
      [app.items, "change"],
      [app.outbox, "change"],
      [connection, "lost"],
      [connection, "reached"],
    ]) {
      target.addEventListener(kind, () => this.update());
    }
    app.addEventListener("worker", () => this.worker());
    this.update();
    this.worker();
  }

  update() {
    this.progress();
    this.saved();
  }

  /** Regions come in small portions, so a round says little: what is done, and what is ready. */
  progress() {
    const { items, outbox } = this.app;
    const held = outbox.entries.filter((entry) => items.get(entry)?.state === "open").length;
    const ready = items.totals.open - held;
    const done = items.totals.total - ready;
    byId("progress-text").textContent = done + ready > 0 ? `${done} answered, ${ready} ready` : "nothing asked yet";
    byId("progress-text").title = "Regions that are ready to be labelled. There are always some, until every pixel is asked.";
    const bar = byId("progress-bar");
    bar.setAttribute("aria-valuemax", String(done + ready));
    bar.setAttribute("aria-valuenow", String(done));
    /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${done + ready ? (100 * done) / (done + ready) : 0}%`;
  }

  saved() {
    const { waiting, refused } = this.app.outbox;
    const element = byId("saved");
    const text = waiting.length === 0 ? "All saved" : `${waiting.length} to be sent`;
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle("waiting", waiting.length > 0);
    this.banners(waiting, refused);
  }

  banners(waiting, refused) {
    const lost = `The server does not answer. Go on: your work is kept in this browser (${waiting.length} to be sent) and sent when the server is back.`;
    banner("server", isReached() ? null : lost);
    const { obstacle } = this.app.outbox;
    const kept = `The server cannot keep answers now. Go on: your work is kept in this browser (${waiting.length} to be sent) and sent when it can. It says: ${obstacle}`;
    banner("obstacle", isReached() && obstacle && waiting.length > 0 ? kept : null, { bad: true });
    const last = refused.at(-1);
    const buttons = [
      ["Try again", () => this.app.outbox.retry()],
      ["Save to a file", () => saveFile(refused)],
    ];
    const text = last ? `${several(refused.length, "answer")} refused, and kept in this browser: ${last.message}` : null;
    banner("refused", text, { bad: true, buttons });
  }

  worker() {
    const { worker } = this.app;
    if (!worker) return;
    const part = worker.total > 0 && worker.state === "training" ? ` ${Math.floor((100 * worker.done) / worker.total)} %` : "";
    byId("worker-state").textContent = `model: ${worker.state}${part}`;
  }
}

function saveFile(entries) {
  const blob = new Blob([JSON.stringify(entries, null, 1)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "askmask-answers.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
