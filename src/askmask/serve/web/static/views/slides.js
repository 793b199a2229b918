/** Whole slides with the regions that are asked; a click opens one, a brush corrects the tissue. */

import { get, urlOf } from "../api.js";
import { h, keyOf, place, show, svg } from "../dom.js";
import { stateOf } from "../items.js";
import { TissueBrush } from "./tissue-brush.js";

const MOST_SHOWN = 200;

export class SlidesPanel {
  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {any[] | null} every slide; null before they are known */
    this.slides = null;
    this.body = h("div", { class: "slides" });
    this.brush = new TissueBrush(() => this.draw());
    const tools = app.me.role === "admin" ? this.brush.element : null;
    this.element = h("section", { class: "panel", hidden: true }, h("h2", {}, "Slides"), ...(tools ? [tools] : []), this.body);
    /** @type {import("../types.js").Item[]} the regions that were asked last */
    this.items = [];
    this.turn = 0; // of several lists under way the newest counts
    app.items.addEventListener("change", () => {
      if (app.viewName === "status" && !this.brush.isPainting) this.draw();
    });
  }

  async load() {
    try {
      this.slides = (await get("/slides")).slides; // somebody may have corrected the tissue
    } catch {
      return; // the report beside it says that the server does not answer
    }
    this.draw();
  }

  async draw() {
    if (!this.slides || this.slides.length === 0) return;
    const turn = ++this.turn;
    const part = { at: { round: 999999999, rank: 0 }, first: -MOST_SHOWN, limit: MOST_SHOWN };
    const told = await this.app.items.window({}, part).catch(() => null);
    if (!told || turn !== this.turn) return;
    this.items = told.items;
    this.element.hidden = false;
    this.brush.element.hidden = this.slides.every((slide) => !slide.tissue_version);
    const round = Math.max(0, ...this.items.map((item) => item.round));
    show(this.body, this.slides.map((slide) => this.figure(slide, round)));
  }

  figure(slide, round) {
    const fields = new Map(slide.fields.map((field) => [field.image, field]));
    const items = this.items.filter((item) => fields.has(item.image));
    const { height, width } = slide;
    const href = urlOf(`/slides/${slide.number}/overview?round=${round}&tissue=${slide.tissue_version}`);
    const told = `${slide.name}: ${(100 * slide.tissue_share).toFixed(0)} % tissue, ${items.length} regions`;
    const drawing = svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": told },
      svg("image", { href, width, height }),
      items.map((item) => this.box(item, fields.get(item.image))),
    );
    if (slide.tissue_version) this.brush.paintsOn(drawing, slide);
    return h("figure", {}, drawing, h("figcaption", {}, told));
  }

  box(item, field) {
    const [state, word] = stateOf(item, this.app.outbox);
    const open = () => this.app.openRegion(item);
    const label = `Region ${place(item)}, ${word}`;
    return svg(
      "rect",
      {
        x: field.col + item.col, y: field.row + item.row, width: item.width, height: item.height,
        class: `asked ${state}`, role: "button", tabindex: 0, "aria-label": label, "data-region": keyOf(item),
        onclick: open,
        onkeydown: (event) => {
          if (event.key === "Enter") open();
        },
      },
      svg("title", {}, label),
    );
  }
}
