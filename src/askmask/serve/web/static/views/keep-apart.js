/** Where no image is kept apart: keep some of the labelled ones, so that the page can tell how good the model is. */

import { call, get, post } from "../api.js";
import { h, show } from "../dom.js";
import { toast } from "../notices.js";

const WHY = "so that we can tell you how good the model is";

export class KeepApart {
  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.app = app;
    this.element = h("div", { id: "keep-apart" });
    this.turn = 0; // of several replies under way the newest counts
  }

  /** Ask the server how it stands, and draw that. */
  async load() {
    const turn = ++this.turn;
    const told = await get("/validation").catch((error) => ({ problem: error.message }));
    if (turn === this.turn) this.draw(told);
  }

  draw({ state, images, labelled, least, by, problem }) {
    const isAdmin = this.app.me.role === "admin";
    const button = (id, text, work) => h("button", { type: "button", id, disabled: !isAdmin, onclick: () => this.change(work) }, text);
    const keep = () => button("keep-some", `Keep ${images} of ${labelled} labelled images apart`, () => post("/validation"));
    const undo = () => button("use-again", "Learn from them after all", () => call("DELETE", "/validation"));
    const parts = {
      few: () => [sentence(`No image is kept apart to measure the model, so nobody can say how good it is. When ${least} images have labels (now ${labelled}), some of them can be kept for it here.`)],
      offered: () => [
        sentence(`No image is kept apart to measure the model. Keep some of the labelled ones, ${WHY}. From the next training on the model does not learn from them, and nobody is asked about them.`),
        h("div", { class: "row" }, keep()),
      ],
      waiting: () => [
        sentence(`${images} labelled images are kept apart from the next training on, ${WHY}. (${by} did that.)`),
        h("div", { class: "row" }, undo()),
      ],
    }[state];
    const told = problem ? [h("p", { class: "error" }, problem)] : (parts?.() ?? []);
    const needsAdmin = !isAdmin && ["offered", "waiting"].includes(state);
    show(this.element, ...told, needsAdmin ? sentence("Only an admin may do that.") : null);
  }

  async change(work) {
    this.turn++;
    try {
      this.draw(await work());
    } catch (error) {
      toast(error.message);
      this.load();
    }
  }
}

const sentence = (text) => h("p", { class: "muted" }, text);
