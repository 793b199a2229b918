/** How far people agree who labelled the same regions: by person and class. */

import { get } from "../api.js";
import { h, show } from "../dom.js";
import { several } from "./numbers.js";

export class AgreementPanel {
  constructor(app) {
    this.app = app;
    this.turn = 0;
    this.body = h("div", { id: "agreement" });
    this.element = h("section", { class: "panel", hidden: true, "aria-labelledby": "agreement-title" }, h("h2", { id: "agreement-title" }, "Agreement"), this.body);
  }

  /** Hidden until two people have labelled one region. */
  async update() {
    const turn = ++this.turn;
    const told = await get("/agreement").catch(() => null);
    if (!told || turn !== this.turn) return;
    this.element.hidden = told.people.length === 0;
    if (told.people.length === 0) return;
    const { classes } = this.app.project;
    const cell = (value) => h("td", { class: "number" }, value === null ? "–" : value.toFixed(2));
    const rows = told.people.map(({ person, regions, dice }) => h("tr", {}, h("th", { scope: "row" }, person), h("td", { class: "number" }, String(regions)), dice.map(cell)));
    const names = ["Who", "Regions", ...classes.map(({ name }) => name)];
    show(
      this.body,
      h("p", { class: "muted" }, `Dice with everybody else's labels, in the ${several(told.regions, "region")} that two people or more have labelled: 1 is the same, 0 has nothing in common.`),
      h("div", { class: "table-box" }, h("table", {}, h("thead", {}, h("tr", {}, names.map((name, i) => h("th", { scope: "col", class: i > 0 ? "number" : null }, name)))), h("tbody", {}, rows))),
    );
  }
}
