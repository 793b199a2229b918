/** What the worker does now, and the buttons that steer it. */

import { get, post } from "../api.js";
import { choice, decimal, h, show, words } from "../dom.js";
import { toast } from "../notices.js";
import { trainingText } from "../reasons.js";

const STATES = {
  off: "The worker is off",
  starting: "Starting",
  idle: "Waiting for answers",
  training: "Training",
  evaluating: "Measuring on the validation images",
  asking: "Scoring the pool for the next query",
  drawing: "Drawing what the page needs",
  paused: "Paused",
  stopped: "Stopped",
  failed: "Failed",
};
const LOOK_AGAIN_MS = 1000;
const LOOKS = 30;

export class ControlPanel {
  constructor(app) {
    this.app = app;
    const isAdmin = app.me.role === "admin";
    const button = (command, text, hint) => h("button", { type: "button", "data-command": command, title: hint, disabled: !isAdmin, onclick: () => this.send(command) }, text);
    this.buttons = {
      start: button("start", "Start", "Begin again after a stop"),
      pause: button("pause", "Pause", "Hold training where it is"),
      resume: button("resume", "Go on", "Go on after a pause"),
      stop: button("stop", "Stop", "Give the present work up, and wait"),
      train: button("train", "Train now", "Train with the answers there are"),
    };
    this.strategy = choice("Strategy", [], { id: "ask-strategy", disabled: !isAdmin });
    this.offer(app.project.acquisitions);
    this.worker = h("div", { class: "big", role: "status" });
    this.queue = h("p", { class: "muted" });
    this.element = h(
      "section",
      { class: "panel", "aria-labelledby": "worker-title" },
      h("h2", { id: "worker-title" }, "Training now"),
      this.worker,
      this.queue,
      h("div", { class: "row" }, Object.values(this.buttons)),
      h("h3", {}, "Ask again"),
      h("p", { class: "muted" }, "Open regions that nobody holds are withdrawn, and others are asked in their place, by this strategy from now on. Answers stay."),
      h("div", { class: "row" }, this.strategy.label, button("ask_again", "Ask again", "Withdraw the open regions and ask anew")),
      isAdmin ? null : h("p", { class: "muted" }, "Only an admin may steer the training."),
    );
    app.addEventListener("worker", () => this.updateWorker());
  }

  /** Strategies to choose from; more are known once a worker has run. */
  offer(names) {
    const { select } = this.strategy;
    if (select.options.length === names.length + 1) return;
    const chosen = select.value;
    const options = [["", `as configured (${words(this.app.project.acquisition)})`], ...names.map((name) => [name, words(name)])];
    show(select, options.map(([value, text]) => h("option", { value }, text)));
    select.value = names.includes(chosen) ? chosen : "";
  }

  update({ queue, acquisitions }) {
    this.updateWorker();
    this.offer(acquisitions);
    const next = { ready: "the next regions are ready", asking: "the next regions are being chosen", waiting: "" }[queue.next_query];
    this.queue.textContent = `${queue.open} open, ${queue.leased} in hand · ${trainingText(queue)}${next ? ` · ${next}` : ""}`;
  }

  updateWorker() {
    const { worker } = this.app;
    if (!worker) return;
    const isRunning = worker.total > 0 && !["idle", "off", "stopped", "failed"].includes(worker.state);
    const text = STATES[worker.state] ?? words(worker.state);
    const round = isRunning && worker.round !== null ? `, round ${worker.round}` : "";
    const parts = [h("p", {}, h("strong", {}, text + round))];
    if (isRunning) {
      const loss = typeof worker.loss === "number" ? ` · loss ${decimal(worker.loss)}` : "";
      parts.push(h("progress", { max: worker.total, value: worker.done, "aria-label": text }));
      parts.push(h("p", { class: "muted" }, `${worker.done} of ${worker.total}${loss}`));
    }
    if (worker.state === "failed") parts.push(h("p", {}, "Answers go on being kept. Mend what the message says, then press Start."));
    if (worker.message) parts.push(h("p", { class: worker.state === "failed" ? "error" : "muted" }, worker.message));
    show(this.worker, parts);
    const inHand = Object.values(this.buttons).find((button) => button === document.activeElement);
    this.buttons.start.hidden = !["off", "stopped", "failed"].includes(worker.state);
    this.buttons.resume.hidden = worker.state !== "paused";
    this.buttons.pause.hidden = ["off", "stopped", "failed", "paused"].includes(worker.state);
    this.buttons.stop.hidden = ["off", "stopped"].includes(worker.state);
    if (inHand?.hidden) Object.values(this.buttons).find((button) => !button.hidden).focus(); // keys go on from here
  }

  async send(command) {
    const acquisition = command === "ask_again" ? this.strategy.select.value || null : null;
    try {
      const sent = await post("/control", { command, acquisition });
      toast("Sent to the worker.");
      await this.follow(sent.command);
    } catch (error) {
      toast(error.message);
    }
  }

  /** Tell what became of a command, if it is decided soon. */
  async follow(number) {
    for (let i = 0; i < LOOKS; i++) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      const { commands } = await get("/control");
      const found = commands.find((row) => row.command === number);
      if (!found || found.state === "waiting") continue;
      if (found.state === "refused") toast(found.message);
      return;
    }
  }
}
