/** A brush that corrects the tissue of slides: what is painted counts as tissue, or as glass. */

import { post } from "../api.js";
import { h, svg } from "../dom.js";
import { say, toast } from "../notices.js";

const SIZES = [
  ["fine", 0.005],
  ["medium", 0.015],
  ["broad", 0.04],
]; // radius, as a share of the longer side of the slide
const MOST_POINTS = 2000;

export class TissueBrush {
  /** @param {() => void} changed  called when the tissue of a slide is another one */
  constructor(changed) {
    this.changed = changed;
    /** @type {"tissue" | "glass" | null} what is painted; null: nothing */
    this.paints = null;
    this.isPainting = false;
    this.size = h("select", { "aria-label": "Brush" }, SIZES.map(([name, share]) => h("option", { value: share, selected: name === "medium" }, `${name} brush`)));
    this.buttons = {
      tissue: this.button("tissue", "Paint tissue"),
      glass: this.button("glass", "Paint glass"),
    };
    this.element = h(
      "div",
      { class: "row", role: "group", "aria-label": "Correct the tissue" },
      this.buttons.tissue,
      this.buttons.glass,
      this.size,
      h("span", { class: "muted small-text" }, "The blue edge is that of the tissue; only tissue is asked."),
    );
  }

  button(kind, text) {
    return h("button", { type: "button", class: "small", "aria-pressed": "false", "data-paint": kind, onclick: () => this.choose(kind) }, text);
  }

  /** Take a brush in hand, or put it down. */
  choose(kind) {
    this.paints = this.paints === kind ? null : kind;
    for (const [name, button] of Object.entries(this.buttons)) button.setAttribute("aria-pressed", String(name === this.paints));
    this.changed();
  }

  /** Let a picture of a slide be painted on, while a brush is in hand. */
  paintsOn(drawing, slide) {
    if (!this.paints) return;
    drawing.classList.add("painted");
    drawing.addEventListener("pointerdown", (event) => {
      if (event.button === 0) this.follow(event, drawing, slide);
    });
  }

  follow(start, drawing, slide) {
    start.preventDefault();
    this.isPainting = true;
    const radius = Number(this.size.value) * Math.max(slide.height, slide.width);
    const points = [placeOf(start, drawing)];
    const line = svg("polyline", { class: `stroke-of-${this.paints}`, "stroke-width": 2 * radius });
    drawing.append(line);
    const draw = () => line.setAttribute("points", points.map(([row, col]) => `${col},${row}`).join(" "));
    const move = (event) => {
      if (points.length < MOST_POINTS) points.push(placeOf(event, drawing));
      draw();
    };
    const end = async (event) => {
      drawing.removeEventListener("pointermove", move);
      this.isPainting = false;
      if (event.type === "pointerup") await this.send(slide, { is_tissue: this.paints === "tissue", radius, points });
      else line.remove();
    };
    move(start); // a dot is a line to the same place
    drawing.setPointerCapture(start.pointerId);
    drawing.addEventListener("pointermove", move);
    drawing.addEventListener("pointerup", end, { once: true });
    drawing.addEventListener("pointercancel", end, { once: true });
  }

  async send(slide, stroke) {
    try {
      Object.assign(slide, await post(`/slides/${slide.number}/tissue`, stroke));
      say(`${slide.name}: ${(100 * slide.tissue_share).toFixed(1)} % tissue.`);
    } catch (error) {
      toast(error.message);
    }
    this.changed();
  }
}

/** Where a pointer is on a slide, as [row, col]. */
function placeOf(event, drawing) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  return [y, x];
}
