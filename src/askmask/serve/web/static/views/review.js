/** Review: what was answered, by whom and when; change it, settle conflicts, agree to the sure ones. */

import { get, query } from "../api.js";
import { byId, choice, duration, h, moment, place, show } from "../dom.js";
import { toast } from "../notices.js";
import { AgreePanel } from "./agree.js";
import { ConflictPanel } from "./conflicts.js";
import { maskPicture } from "./masks.js";

const PAGE = 30;
const KINDS = [
  ["", "all"],
  ["labels", "labelled"],
  ["unsure", "unsure"],
  ["artefact", "artefact"],
];

export class ReviewView {
  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.app = app;
    this.actions = {};
    /** @type {import("../types.js").Answer[]} */
    this.answers = [];
    this.turn = 0;
    this.agree = new AgreePanel(app);
    this.conflicts = new ConflictPanel(app);
    const reload = () => this.reload();
    this.round = choice("Round", [["", "all"]], { id: "review-round", onchange: reload });
    this.kind = choice("Answer", KINDS, { id: "review-kind", onchange: reload });
    this.author = choice("Who", [["", "everybody"]], { id: "review-author", onchange: reload });
    this.body = h("tbody");
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.loadMore() }, "Show older answers");
    this.empty = h("p", { class: "muted" }, "No answer yet. What is answered under Label appears here, to be looked at and changed.");
    this.build();
    app.items.addEventListener("change", () => {
      if (app.view === this) this.reload();
    });
  }

  build() {
    show(
      byId("view-review"),
      h("div", { class: "inner" },
        h("div", { class: "cards" }, this.agree.element, this.conflicts.element),
        h("section", { class: "panel", "aria-labelledby": "answers-title" },
          h("div", { class: "row" }, h("h2", { id: "answers-title" }, "Answers"), h("span", { class: "spring" }), this.round.label, this.kind.label, this.author.label),
          h("div", { class: "table-box" }, h("table", {}, head(), this.body)),
          this.empty,
          h("div", { class: "row" }, this.more),
        ),
      ),
    );
  }

  enter() {
    this.reload();
    this.agree.check();
  }

  async reload() {
    this.fillChoices();
    this.conflicts.update();
    await this.fetch(null, Math.max(PAGE, this.answers.length));
  }

  loadMore() {
    return this.fetch(this.answers[this.answers.length - 1].number, PAGE);
  }

  fillChoices() {
    setOptions(this.round.select, this.app.items.rounds.map((row) => String(row.round)), "all");
    const names = new Set(this.app.items.list.flatMap((item) => (item.answer ? [item.answer.author] : [])));
    setOptions(this.author.select, [...names].sort(), "everybody");
  }

  /** Fetch and show answers; of several lists under way the newest counts. */
  async fetch(before, limit) {
    const turn = ++this.turn;
    const wanted = { round: this.round.select.value, kind: this.kind.select.value, author: this.author.select.value };
    try {
      const page = await get(`/answers${query({ ...wanted, before, limit: Math.min(limit, 200) })}`);
      if (turn !== this.turn) return;
      this.answers = before === null ? page.answers : [...this.answers, ...page.answers];
      this.more.hidden = !page.more;
      this.draw();
    } catch (error) {
      if (turn === this.turn) toast(error.message);
    }
  }

  draw() {
    const rows = new Map(Array.from(this.body.children, (row) => [row.dataset.answer, row]));
    show(this.body, this.answers.map((answer) => rows.get(String(answer.number)) ?? this.row(answer)));
    this.empty.hidden = this.answers.length > 0;
  }

  row(answer) {
    const item = this.app.items.get(answer) ?? answer;
    const picture = h("td", { "data-drawn": item.width ? "no" : "yes" });
    if (item.width) this.fillPicture(picture, item, answer);
    return h(
      "tr",
      { "data-answer": answer.number },
      picture,
      h("td", {}, place(answer)),
      h("td", {}, item.image_id ?? `image ${answer.image}`),
      h("td", {}, { labels: "labelled", unsure: "unsure", artefact: "artefact" }[answer.kind]),
      h("td", {}, answer.author),
      h("td", {}, moment(answer.answered_at)),
      h("td", { class: "number" }, duration(answer.seconds)),
      h("td", {}, answer.tool),
      h("td", {}, h("button", { type: "button", class: "small", "aria-label": `Change region ${place(answer)}`, onclick: () => this.app.openRegion(answer) }, "Change")),
    );
  }

  async fillPicture(cell, item, answer) {
    try {
      const { runs } = answer.kind === "labels" ? await get(`/answers/${answer.number}`) : { runs: null };
      cell.replaceChildren(maskPicture(item, runs, this.app.project.classes, `Answer to region ${place(item)}`));
    } catch {
      cell.textContent = "–";
    }
    cell.dataset.drawn = "yes";
  }
}

function head() {
  const names = ["Picture", "Region", "Image", "Answer", "Who", "When", "Time", "Tools", ""];
  return h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col", class: name === "Time" ? "number" : null }, name))));
}

function setOptions(select, values, all) {
  const wanted = ["", ...values];
  const label = select.closest("label");
  if (label) label.hidden = wanted.length < 3; // a choice among one is none
  if (wanted.join("\n") === Array.from(select.options, (option) => option.value).join("\n")) return;
  const chosen = select.value;
  show(select, wanted.map((value) => h("option", { value }, value || all)));
  select.value = wanted.includes(chosen) ? chosen : "";
}
