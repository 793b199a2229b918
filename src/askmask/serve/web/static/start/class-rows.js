/** Rows of classes with names and colours, to be written and changed. */

import { h, show } from "../dom.js";

const COLOURS = ["#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];

/** Event "change": a name or a colour was changed by a person. */
export class ClassRows extends EventTarget {
  /** @param {{kept?: number}} [options] so many of the first cannot be removed */
  constructor({ kept = 2 } = {}) {
    super();
    this.kept = kept;
    /** @type {{name: string, colour: string}[]} */
    this.classes = [];
    this.list = h("div", { class: "class-rows" });
    this.element = h("div", {}, this.list, h("button", { type: "button", class: "small", onclick: () => this.add() }, "Add a class"));
  }

  set(classes) {
    this.classes = classes.map(({ name, colour }) => ({ name, colour }));
    this.draw();
  }

  add(colour = COLOURS[this.classes.length % COLOURS.length]) {
    this.classes.push({ name: "", colour });
    this.draw();
    this.list.querySelector(".class-row:last-child input[type=text]")?.focus();
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  draw() {
    show(this.list, this.classes.map((cls, index) => this.row(cls, index)));
  }

  row(cls, index) {
    const named = index === 0 ? "Name of the background" : `Name of class ${index}`;
    const name = h("input", { type: "text", value: cls.name, maxlength: 100, placeholder: named, "aria-label": named });
    const colour = h("input", { type: "color", value: cls.colour, "aria-label": `Colour of class ${index}` });
    name.addEventListener("input", () => {
      cls.name = name.value;
      this.changed();
    });
    colour.addEventListener("input", () => {
      cls.colour = colour.value;
      this.changed();
    });
    const remove = () => {
      this.classes.splice(index, 1);
      this.draw();
      this.changed();
    };
    return h("div", { class: "class-row" }, colour, name,
      index === 0 ? h("span", { class: "muted small-text" }, "the background") : null,
      index >= this.kept ? h("button", { type: "button", class: "quiet small", "aria-label": `Remove class ${index}`, onclick: remove }, "✕") : null,
    );
  }

  /** As the API takes them: blanks around names taken off. */
  get values() {
    return this.classes.map(({ name, colour }) => ({ name: name.trim(), colour }));
  }
}

export const FIRST_CLASSES = [
  { name: "background", colour: COLOURS[0] },
  { name: "", colour: COLOURS[1] },
];
