/** The classes beside the picture: choose, find, and colour them; up to 30 and with long names. */

import { byId, controlOf, h, show, sourceOf } from "../dom.js";
import { histogram } from "../editor/raster.js";
import { isClear } from "../viewer/layers.js";
import { percent } from "./numbers.js";

const MANY = 10; // from then on there is a field to find one

export class ClassList {
  /**
   * @param {import("../types.js").App} app
   * @param {import("../editor/editor.js").Editor} editor
   * @param {(index: number) => unknown} choose
   */
  constructor(app, editor, choose) {
    this.app = app;
    this.editor = editor;
    this.choose = choose;
    this.rows = app.project.classes.map((cls) => this.row(cls));
    show(byId("classes"), this.rows.map(({ element }) => element));
    const find = controlOf("class-find");
    find.hidden = this.rows.length < MANY;
    find.addEventListener("input", () => this.narrow());
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.takeFirst();
      if (event.key === "Escape" || event.key === "Enter") byId("canvas").focus({ preventScroll: true });
    });
    app.colours.addEventListener("change", () => this.paint());
    this.paint();
  }

  row(cls) {
    const swatch = h("input", { type: "color", class: "swatch", "aria-label": `Colour of ${cls.name}`, title: `Colour of ${cls.name}: change; double click: as at first` });
    swatch.addEventListener("input", (event) => this.app.colours.set(cls.name, sourceOf(event).value));
    swatch.addEventListener("dblclick", () => this.app.colours.set(cls.name, null));
    const share = h("span", { class: "share" });
    const button = h(
      "button",
      { type: "button", "data-class": cls.index, title: cls.name, onclick: () => this.choose(cls.index) },
      h("span", { class: "name" }, cls.name),
      share,
      cls.index < 10 ? h("kbd", {}, cls.index) : null,
    );
    return { cls, swatch, share, button, element: h("div", { class: "class-row" }, swatch, button) };
  }

  /** Show the colours there are now; a background has none, since the picture is seen through it. */
  paint() {
    for (const { cls, swatch } of this.rows) {
      swatch.value = cls.color;
      swatch.classList.toggle("clear", isClear(cls));
      swatch.disabled = isClear(cls);
    }
  }

  /** Only classes whose name has what is typed. */
  narrow() {
    const wanted = controlOf("class-find").value.trim().toLowerCase();
    for (const { cls, element } of this.rows) element.hidden = !cls.name.toLowerCase().includes(wanted);
  }

  takeFirst() {
    const found = this.rows.find(({ element }) => !element.hidden);
    if (found) this.choose(found.cls.index);
    controlOf("class-find").value = "";
    this.narrow();
  }

  find() {
    const field = controlOf("class-find");
    if (!field.hidden) field.focus();
  }

  /** Which class is in hand, and the share of the region that each has. */
  update() {
    const { raster, value } = this.editor;
    const counts = raster ? histogram(raster) : null;
    for (const { cls, button, share } of this.rows) {
      button.setAttribute("aria-pressed", String(cls.index === value));
      share.textContent = counts ? percent(counts[cls.index] / raster.data.length) : "";
    }
    return counts;
  }
}
