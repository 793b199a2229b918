/** What is shown while there is no region to label, and why. */

import { byId, h, show } from "../dom.js";
import { news } from "../events.js";

export class Waiting {
  constructor(app) {
    this.app = app;
    this.error = null;
    news.addEventListener("worker", () => this.fill());
    app.items.addEventListener("change", () => this.fill());
    app.outbox.addEventListener("change", () => this.fill());
  }

  show(error) {
    this.error = error;
    byId("waiting").hidden = false;
    this.fill();
  }

  hide() {
    byId("waiting").hidden = true;
  }

  fill() {
    if (byId("waiting").hidden) return;
    const { title, text } = this.error ? this.failure() : this.reason();
    const worker = this.app.worker;
    const isRunning = worker && worker.total > 0 && ["training", "evaluating", "asking"].includes(worker.state);
    show(
      byId("waiting"),
      h("h2", {}, title),
      h("p", {}, text),
      isRunning ? h("progress", { max: worker.total, value: worker.done, "aria-label": worker.state }) : null,
      isRunning ? h("p", { class: "muted" }, `${worker.state}, ${worker.done} of ${worker.total}`) : null,
    );
  }

  failure() {
    if (!this.error.isTemporary) return { title: "No region", text: this.error.message };
    return {
      title: "The server does not answer",
      text: "Your answers are kept in this browser. The next region opens as soon as the server is back.",
    };
  }

  reason() {
    const { items, worker, outbox } = this.app;
    const open = items.totals.open - outbox.waiting.filter((entry) => items.get(entry)?.state === "open").length;
    if (open > 0) {
      return { title: "Every open region is taken", text: `${open} are open, each in the hands of somebody else or in another tab.` };
    }
    const asked = items.totals.total > 0 ? "Every asked region is answered. " : "Nothing has been asked yet. ";
    const state = worker?.state ?? "off";
    const next = {
      off: "No worker runs, so nothing is trained or asked: start it under Status.",
      stopped: "Training is stopped: start it under Status.",
      paused: "Training is paused: let it go on under Status.",
      failed: `The training failed: ${worker?.message ?? ""} Your answers are safe. Mend that, then press Start under Status.`,
    }[state];
    return {
      title: items.totals.total > 0 ? "All done for now" : "The first regions are being chosen",
      text: asked + (next ?? "The next region opens here by itself, as soon as there is one."),
    };
  }
}
