/** Review: what was answered, by whom and when; change it, settle conflicts, agree to the sure ones. */

import { get, query } from "../api.js";
import { byId, choice, duration, h, moment, place, show } from "../dom.js";
import { toast } from "../notices.js";
import { suspicions } from "../suspicion.js";
import { AgreePanel } from "./agree.js";
import { AgreementPanel } from "./agreement.js";
import { Comments } from "./comments.js";
import { ConflictPanel } from "./conflicts.js";
import { maskPicture } from "./masks.js";
import { several } from "./numbers.js";

const PAGE = 30;
const ORDERS = [
  ["newest", "newest"],
  ["suspicion", "worth a second look"],
];
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
    this.order = choice("First", ORDERS, { id: "review-order", onchange: reload });
    this.cls = choice("Class", [["", "all"], ...app.project.classes.map(({ index, name }) => [String(index), name])], { id: "review-class", onchange: reload });
    this.agreement = new AgreementPanel(app);
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
        h("div", { class: "cards" }, this.agree.element, this.conflicts.element, this.agreement.element),
        h("section", { class: "panel", "aria-labelledby": "answers-title" },
          h("div", { class: "row" }, h("h2", { id: "answers-title" }, "Answers"), h("span", { class: "spring" }), this.order.label, this.round.label, this.kind.label, this.cls.label, this.author.label),
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
    this.agreement.update();
    await this.fetch(0, Math.max(PAGE, this.answers.length));
  }

  loadMore() {
    return this.fetch(this.answers.length, PAGE);
  }

  fillChoices() {
    setOptions(this.round.select, this.app.items.rounds.map((row) => String(row.round)), "all");
  }

  /** Fetch and show answers from place `skip` on; of several lists under way the newest counts. */
  async fetch(skip, limit) {
    const turn = ++this.turn;
    const order = this.order.select.value;
    const wanted = { round: this.round.select.value, kind: this.kind.select.value, author: this.author.select.value, class: this.cls.select.value, order };
    const from = order === "suspicion" ? { skip } : { before: skip > 0 ? this.answers[skip - 1].number : null };
    try {
      const page = await get(`/answers${query({ ...wanted, ...from, limit: Math.min(limit, 200) })}`);
      if (turn !== this.turn) return;
      this.answers = skip === 0 ? page.answers : [...this.answers, ...page.answers];
      this.more.hidden = !page.more;
      setOptions(this.author.select, page.people, "everybody");
      this.draw();
    } catch (error) {
      if (turn === this.turn) toast(error.message);
    }
  }

  draw() {
    const rows = new Map(Array.from(this.body.children, (row) => [row.dataset.answer, row]));
    const isSame = (row, answer) => row?.dataset.facts === factsOf(answer);
    const isWritten = (row) => Boolean(row?.querySelector("details[open]")); // a comment in it would be lost
    show(this.body, this.answers.map((answer) => {
      const row = rows.get(String(answer.number));
      return isSame(row, answer) || isWritten(row) ? row : this.row(answer);
    }));
    this.empty.hidden = this.answers.length > 0;
  }

  row(answer) {
    const picture = h("td", { "data-drawn": "no" });
    this.fillPicture(picture, answer);
    return h(
      "tr",
      { "data-answer": answer.number, "data-facts": factsOf(answer) },
      picture,
      h("td", {}, place(answer)),
      h("td", {}, answer.image_id),
      h("td", {}, { labels: "labelled", unsure: "unsure", artefact: "artefact" }[answer.kind]),
      h("td", {}, answer.author),
      h("td", {}, moment(answer.answered_at)),
      h("td", { class: "number" }, duration(answer.seconds)),
      h("td", {}, answer.tool),
      h("td", { class: "suspicions" }, suspicions(answer).join("; ")),
      h("td", {}, this.comments(answer)),
      h("td", {}, h("button", { type: "button", class: "small", "aria-label": `Change region ${place(answer)}`, onclick: () => this.app.openRegion(answer) }, "Change")),
    );
  }

  /** A fold that fetches the comments when it is opened. */
  comments(answer) {
    const title = h("summary", {}, answer.comments > 0 ? several(answer.comments, "comment") : "Comment");
    const comments = new Comments((count) => {
      title.textContent = count > 0 ? several(count, "comment") : "Comment";
    });
    comments.item = answer; // a comment may be sent before the fold has told that it is open
    const box = h("details", {}, title, comments.element);
    box.addEventListener("toggle", () => {
      if (box.open) comments.open(answer);
    });
    return box;
  }

  async fillPicture(cell, answer) {
    try {
      const { runs } = answer.kind === "labels" ? await get(`/answers/${answer.number}`) : { runs: null };
      cell.replaceChildren(maskPicture(answer, runs, this.app.project.classes, `Answer to region ${place(answer)}`));
    } catch {
      cell.textContent = "–";
    }
    cell.dataset.drawn = "yes";
  }
}

/** What of a row may change while it is shown; comments written in the row change it by themselves. */
const factsOf = ({ suspicion, differs, disagrees }) => [suspicion, differs, disagrees].join();

function head() {
  const names = ["Picture", "Region", "Image", "Answer", "Who", "When", "Time", "Tools", "Look at", "Comments", ""];
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
