/** What people wrote about a region, and a field to write more. */

import { get, itemPath, post } from "../api.js";
import { h, keyOf, moment, place, show } from "../dom.js";
import { toast } from "../notices.js";

const LONGEST = 2000;

export class Comments {
  /** `onChange(count)` is told how many comments there are. */
  constructor(onChange = (/** @type {number} */ _count) => {}) {
    this.onChange = onChange;
    /** @type {import("../types.js").Place | null} */
    this.item = null;
    this.turn = 0; // of several lists under way the newest counts
    this.list = h("ul", { class: "comments" });
    this.field = h("input", { type: "text", maxlength: LONGEST, placeholder: "Write a comment", "aria-label": "Comment" });
    this.button = h("button", { type: "submit", class: "small" }, "Send");
    this.form = h("form", { class: "row", onsubmit: (event) => this.send(event) }, this.field, this.button);
    this.element = h("div", { class: "comment-box" }, this.list, this.form);
  }

  /** Show the comments of a region; null: of none. */
  async open(item) {
    const turn = ++this.turn;
    this.item = item;
    show(this.list);
    if (!item) return;
    this.field.setAttribute("aria-label", `Comment on region ${place(item)}`);
    const told = await get(`${itemPath(item)}/comments`).catch(() => null);
    if (!told || turn !== this.turn) return;
    show(this.list, told.comments.map(line));
    this.onChange(told.comments.length);
  }

  async send(event) {
    event.preventDefault();
    const { item } = this;
    const text = this.field.value.trim();
    if (!item || !text) return;
    this.button.disabled = true;
    try {
      await post(`${itemPath(item)}/comments`, { text });
      this.field.value = "";
      if (this.item && keyOf(this.item) === keyOf(item)) await this.open(item);
    } catch (error) {
      toast(`The comment could not be kept (${error.message}) It is still in the field.`);
    }
    this.button.disabled = false;
  }
}

function line({ author, text, written_at: when }) {
  return h("li", {}, h("strong", {}, author), ` ${text} `, h("span", { class: "muted" }, moment(when)));
}
