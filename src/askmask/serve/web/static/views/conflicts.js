/** Regions that two people answered without seeing each other's: both answers, side by side. */

import { freshId, get, itemPath } from "../api.js";
import { h, keyOf, moment, place, show } from "../dom.js";
import { toast } from "../notices.js";
import { maskPicture } from "./masks.js";

const MOST_SHOWN = 20;

export class ConflictPanel {
  constructor(app) {
    this.app = app;
    this.shown = "";
    this.list = h("div", {});
    this.element = h("section", { class: "panel", "aria-labelledby": "conflicts-title" }, h("h2", { id: "conflicts-title" }, "Conflicts"), this.list);
  }

  async update() {
    const items = await this.find();
    if (!items) return;
    const state = items.map((item) => `${keyOf(item)}@${item.answer.number}`).join();
    if (state === this.shown && this.list.childElementCount > 0) return;
    this.shown = state;
    if (items.length === 0) {
      show(this.list, h("p", { class: "muted" }, "None: nobody answered a region that somebody else had answered meanwhile."));
      return;
    }
    try {
      const blocks = await Promise.all(items.map((item) => this.block(item)));
      if (state === this.shown) show(this.list, blocks);
    } catch (error) {
      if (state !== this.shown) return;
      this.shown = ""; // the next news tries again
      show(this.list, h("p", { class: "error", role: "alert" }, error.message));
    }
  }

  /** Regions in conflict, the oldest first; null if they cannot be had now. */
  async find() {
    const { items, outbox } = this.app;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (items.totals.conflicts === 0) return [];
    const told = await items.window({ state: "conflict" }, { limit: MOST_SHOWN }).catch(() => null);
    return told && turn === this.turn ? told.items.filter((item) => !outbox.holds(item)) : null;
  }

  async block(item) {
    const { answers } = await get(`${itemPath(item)}/answers`);
    const figures = answers.map((answer) => this.figure(item, answer, answer.number === item.answer.number));
    return h("div", { "data-conflict": keyOf(item) }, h("h3", {}, `Region ${place(item)}, image ${item.image_id}`), h("div", { class: "masks" }, figures));
  }

  figure(item, answer, isNewest) {
    const name = `${answer.author}'s answer`;
    const text = answer.kind === "labels" ? "" : ` (${answer.kind})`;
    return h(
      "figure",
      {},
      maskPicture(item, answer.runs, this.app.project.classes, name),
      h("figcaption", {}, `${answer.author}${text}`, h("br"), moment(answer.answered_at), isNewest ? " · counts now" : ""),
      h("button", { type: "button", class: "small", onclick: () => this.settle(item, answer) }, "Use this one"),
    );
  }

  /** Settle by answering again with the chosen labels, knowing the newest answer. */
  async settle(item, answer) {
    const body = { id: freshId(), kind: answer.kind, seconds: null, tool: "review", base: item.answer.number };
    if (answer.kind === "labels") body.runs = answer.runs;
    await this.app.outbox.add(item, body, null);
    toast(`Region ${place(item)}: ${answer.author}'s answer counts from now on; the others are kept.`);
  }
}
