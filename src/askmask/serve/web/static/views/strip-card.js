/** One card of the film strip: a region small, its reason, its number and state. */

import { scoresUrl, thumbnailUrl } from "../api.js";
import { h, penOf, place } from "../dom.js";
import { stateOf } from "../items.js";
import { reason, term } from "../reasons.js";
import { heatCanvas } from "../viewer/layers.js";

const SIDE = 64;

export class StripCard {
  /** A card for the region with a key, or an empty one; `onChoose(item)` when it is clicked. */
  constructor(key, onChoose) {
    this.key = key;
    /** @type {import("../types.js").Item | null} */
    this.item = null;
    this.picture = h("img", { alt: "", width: SIDE, height: SIDE, decoding: "async", fetchpriority: "low" });
    this.map = h("canvas", { class: "reason", width: SIDE, height: SIDE, "aria-hidden": "true" });
    this.caption = h("span", {});
    this.state = h("span", {});
    this.isDrawn = false;
    this.element = h(
      "div",
      { class: "card", role: "option", "aria-selected": "false", id: key && `card-${key.replace("/", "-")}`, onclick: () => this.item && onChoose(this.item) },
      this.picture,
      this.map,
      h("span", { class: "caption" }, this.caption, " ", this.state),
    );
  }

  /** Say where in the list it stands, and whether it is the region in hand or under the cursor. */
  place(at, total, { isCurrent, isCursor }) {
    const { element } = this;
    element.setAttribute("aria-posinset", String(at + 1));
    element.setAttribute("aria-setsize", String(total));
    element.setAttribute("aria-selected", String(isCurrent));
    element.classList.toggle("cursor", isCursor);
    if (!this.item) element.setAttribute("aria-label", `Region at place ${at + 1}`);
  }

  fill(item, outbox) {
    const [state, text] = stateOf(item, outbox);
    this.item = item;
    setText(this.caption, place(item));
    setText(this.state, text);
    this.state.className = `state ${state}`;
    this.element.title = `${item.image_id}: ${reason(item)} (${term(item)})`;
    this.element.setAttribute("aria-label", `${place(item)} ${text}: region of image ${item.image_id}, ${reason(item)}`);
  }

  /** Load the pictures, once. */
  draw() {
    const { item, picture, map } = this;
    if (!item) return;
    if (!picture.hasAttribute("src")) picture.setAttribute("src", thumbnailUrl(item, 128));
    if (this.isDrawn || !item.piece?.scores) return;
    this.isDrawn = true;
    map.dataset.drawn = "no";
    drawReason(map, item).finally(() => {
      map.dataset.drawn = "yes";
    });
  }
}

/** Text that did not change is left alone: a screen reader would read it again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The part of the score map inside the region, as large as fits. */
async function drawReason(canvas, item) {
  const map = await heatCanvas(scoresUrl(item));
  if (!map) return;
  const scale = SIDE / Math.max(item.width, item.height);
  const [width, height] = [item.width * scale, item.height * scale];
  const [left, top] = [(SIDE - width) / 2, (SIDE - height) / 2];
  const pen = penOf(canvas);
  pen.drawImage(map, item.col - item.piece.col, item.row - item.piece.row, item.width, item.height, left, top, width, height);
}
