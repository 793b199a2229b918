/** Whole slides with the regions that are asked; a click opens one. */

import { get } from "../api.js";
import { h, keyOf, place, show, svg } from "../dom.js";
import { stateOf } from "../items.js";

const BASE = "/api/v1";

export class SlidesPanel {
  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {any[] | null} every slide; null before they are known */
    this.slides = null;
    this.body = h("div", { class: "slides" });
    this.element = h("section", { class: "panel", hidden: true }, h("h2", {}, "Slides"), this.body);
    app.items.addEventListener("change", () => this.draw());
  }

  async load() {
    try {
      this.slides ??= (await get("/slides")).slides;
    } catch {
      return; // the report beside it says that the server does not answer
    }
    this.draw();
  }

  draw() {
    if (!this.slides || this.slides.length === 0) return;
    this.element.hidden = false;
    const round = Math.max(0, ...this.app.items.list.map((item) => item.round));
    show(this.body, this.slides.map((slide) => this.figure(slide, round)));
  }

  figure(slide, round) {
    const fields = new Map(slide.fields.map((field) => [field.image, field]));
    const items = this.app.items.list.filter((item) => fields.has(item.image));
    const { height, width } = slide;
    const picture = svg("image", { href: `${BASE}/slides/${slide.number}/overview?round=${round}`, width, height });
    const told = `${slide.name}: ${(100 * slide.tissue_share).toFixed(0)} % tissue, ${items.length} regions`;
    return h(
      "figure",
      {},
      svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": told }, picture, items.map((item) => this.box(item, fields.get(item.image)))),
      h("figcaption", {}, told),
    );
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
