/** Agree to all predictions above a confidence: counted first, then answered in one go. */

import { freshId, get, itemPath, post } from "../api.js";
import { h, place, show } from "../dom.js";
import { toast } from "../notices.js";
import { maskPicture } from "./masks.js";
import { several } from "./numbers.js";

export class AgreePanel {
  constructor(app) {
    this.app = app;
    this.input = h("input", { type: "number", id: "agree-confidence", min: 50, max: 100, step: "any", value: 95, onchange: () => this.check() });
    this.result = h("p", { role: "status" });
    this.pictures = h("div", { class: "masks" });
    this.button = h("button", { type: "button", class: "primary", id: "agree", disabled: true, onclick: () => this.agree() }, "Agree");
    this.element = h(
      "section",
      { class: "panel", "aria-labelledby": "agree-title" },
      h("h2", { id: "agree-title" }, "Agree to all that are sure"),
      h("p", { class: "muted" }, "Open regions whose mean predicted probability is at least this are answered with the model's prediction. Look at a few first: a model can be sure and wrong."),
      h("div", { class: "row" }, h("label", { class: "field" }, h("span", {}, "Confidence at least"), this.input, "%"), this.button),
      this.result,
      this.pictures,
    );
  }

  body(isDry) {
    return { id: freshId(), min_confidence: Number(this.input.value) / 100, round: null, dry_run: isDry };
  }

  /** Count the regions above the bar; of several counts under way the newest is shown. */
  async check() {
    if (!this.input.reportValidity()) return;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const { items, places, count } = await post("/agree", this.body(true));
      if (turn !== this.turn) return;
      this.counted = places;
      this.button.disabled = count === 0;
      this.button.textContent = count === 0 ? "Agree" : `Agree to all ${count}`;
      this.result.textContent = count === 0 ? "No open region is that sure." : `${several(count, "open region")} ${count === 1 ? "is" : "are"} that sure.`;
      const shown = await Promise.all(items.map((item) => get(itemPath(item))));
      if (turn === this.turn) show(this.pictures, shown.map((item) => this.figure(item)));
    } catch (error) {
      if (turn !== this.turn) return;
      this.result.textContent = error.message;
      this.button.disabled = true;
    }
  }

  figure(item) {
    const share = `${(100 * item.piece.confidence).toFixed(1)} %`;
    return h("figure", {}, maskPicture(item, item.prefill.runs, this.app.project.classes, `Prediction of region ${place(item)}`), h("figcaption", {}, `${place(item)} · ${share}`));
  }

  /** Answer what was counted, and nothing that became sure meanwhile. */
  async agree() {
    this.button.disabled = true;
    try {
      const { count } = await post("/agree", { ...this.body(false), items: this.counted });
      toast(`${several(count, "region")} answered with the prediction.`);
      await this.app.items.refresh();
    } catch (error) {
      toast(error.message);
    }
    await this.check();
  }
}
