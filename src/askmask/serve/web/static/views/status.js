/** Status: is it worth it? The curve, the calibration, the cost, and what the worker does now. */

import { get } from "../api.js";
import { byId, choice, count, decimal, duration, h, show, signed, words } from "../dom.js";
import { news } from "../events.js";
import { forecastText } from "../forecast-text.js";
import { curve, reliability } from "./charts.js";
import { ControlPanel } from "./control.js";
import { KeepApart } from "./keep-apart.js";
import { SlidesPanel } from "./slides.js";

const DOWN_IS_GOOD = new Set(["nll", "brier", "ece", "object_hausdorff"]);
const NAMES = { nll: "NLL", brier: "Brier score", ece: "ECE", mean_dice: "mean Dice", object_f1: "object F1", object_dice: "object Dice", object_hausdorff: "object Hausdorff", mean_iou: "mean IoU" };
const RECALIBRATED = "recalibrated_";
const plain = (metric) => metric.replace(RECALIBRATED, "");
const nameOf = (metric) => (metric.startsWith(RECALIBRATED) ? "recalibrated " : "") + (NAMES[plain(metric)] ?? words(plain(metric)));

const PARTS = ["curve", "changed", "calibration", "cost", "people", "rounds", "notes"];

export class StatusView {
  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.app = app;
    this.actions = {};
    /** @type {any} the newest report */
    this.status = null;
    this.turn = 0; // of several reports under way the newest counts
    this.control = new ControlPanel(app);
    this.slides = new SlidesPanel(app);
    this.keeping = new KeepApart(app);
    this.metric = choice("Metric", [], { id: "status-metric", onchange: () => this.draw() });
    this.metric.select.setAttribute("aria-controls", "curve");
    this.axis = choice("over", [["labelled_pixels", "labelled pixels"], ["regions", "regions"], ["seconds", "time spent"]], { id: "status-axis", onchange: () => this.draw() });
    this.parts = Object.fromEntries(PARTS.map((name) => [name, h("div", { id: name, class: "part" })]));
    this.build();
    for (const kind of ["rounds", "items", "query", "reload"]) {
      news.addEventListener(kind, () => this.loadSoon());
    }
    app.addEventListener("worker", () => this.workerChanged());
  }

  build() {
    const panel = (title, name, ...extra) => h("section", { class: "panel" }, h("h2", {}, title), ...extra, this.parts[name]);
    show(
      byId("view-status"),
      h("div", { class: "inner" },
        this.parts.notes,
        h("div", { class: "cards" },
          this.control.element,
          panel("Learning curve", "curve", h("div", { class: "row" }, this.metric.label, this.axis.label)),
          panel("Calibration", "calibration"),
          panel("What the last round changed", "changed"),
          panel("Cost so far", "cost"),
          panel("People", "people"),
        ),
        this.slides.element,
        panel("Rounds", "rounds"),
      ),
    );
  }

  enter() {
    this.slides.load();
    this.load();
  }

  /** What the worker begins or ends changes more than its own lines. */
  workerChanged() {
    const { state } = this.app.worker;
    if (this.status && state !== this.status.worker.state) this.loadSoon();
  }

  loadSoon() {
    if (this.app.view !== this) return;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.load();
    }, 400);
  }

  async load() {
    const turn = ++this.turn;
    try {
      const status = await get("/status");
      if (turn !== this.turn) return;
      this.status = status;
      this.app.setWorker(this.status.worker);
      this.draw();
    } catch (error) {
      if (turn !== this.turn) return;
      this.parts.notes.hidden = false;
      show(this.parts.notes, h("p", { class: "error" }, error.message));
    }
  }

  draw() {
    const { status } = this;
    if (!status) return;
    this.parts.notes.hidden = status.notes.length === 0;
    show(this.parts.notes, status.notes.map((note) => h("p", { class: "notice" }, note)));
    this.control.update(status);
    this.hideEmpty(status);
    this.drawCurve(status.curve);
    this.drawCalibration(status.calibration);
    this.drawChanged(status.changed);
    this.drawCost(status);
    show(this.parts.people, status.people.length > 0 ? peopleTable(status.people) : none("Nobody has answered yet."));
    show(this.parts.rounds, status.rounds.length > 0 ? roundsTable(status.rounds) : none("No model has been trained yet."));
  }

  /** A card that has nothing to show yet is not shown; what is missing says so where the curve will be. */
  hideEmpty({ changed, calibration, people, rounds, curve: { points } }) {
    const isEmpty = { changed: !changed, calibration: !calibration, people: people.length === 0, rounds: rounds.length === 0 };
    for (const [name, hidden] of Object.entries(isEmpty)) {
      const card = this.parts[name].closest("section");
      if (card) card.hidden = hidden;
    }
    for (const { label } of [this.metric, this.axis]) label.hidden = points.length === 0;
  }

  drawCurve({ split, metrics, meanings, points }) {
    const { select } = this.metric;
    if (select.options.length !== metrics.length) {
      const chosen = select.value;
      show(select, metrics.map((metric) => h("option", { value: metric }, nameOf(metric))));
      if (metrics.includes(chosen)) select.value = chosen;
    }
    const axis = this.axis.select.value;
    const shown = points
      .filter((point) => isNumber(point.values[select.value]) && isNumber(point[axis] ?? (point.round === 0 ? 0 : null)))
      .map((point) => ({ x: point[axis] ?? 0, y: point.values[select.value], name: `Round ${point.round}` }));
    const names = { x: this.axis.select.selectedOptions[0].text + (axis === "seconds" ? " (s)" : ""), y: nameOf(select.value) };
    if (!split) this.drawWithoutCurve();
    else if (shown.length === 0) show(this.parts.curve, none("The curve begins when the first model has been measured."));
    else show(this.parts.curve, curve(shown, names), h("p", { class: "muted" }, `On the ${split} images, which are never asked.`));
    if (split && !this.status.has_validation) this.offerToKeep(); // the curve is of a time when some were kept
    const told = forecastText(this.status.forecast);
    if (shown.length > 0 && told) this.parts.curve.append(h("p", { id: "forecast" }, told));
    if (shown.length > 0) this.parts.curve.append(h("p", { class: "muted score-meaning" }, `${nameOf(select.value)}: ${meanings[select.value]}`));
    if (shown.length > 0) this.parts.curve.append(...this.status.scores_cover.words.map((sentence) => h("p", { class: "muted scores-cover" }, sentence)));
  }

  /** Nothing was measured yet, and perhaps there is nothing to measure by. */
  drawWithoutCurve() {
    if (this.status.has_validation) return show(this.parts.curve, none("The curve begins when the first model has been measured."));
    show(this.parts.curve);
    return this.offerToKeep();
  }

  /** Below what the curve shows: keep some of the labelled images for validation. */
  offerToKeep() {
    this.parts.curve.append(this.keeping.element);
    return this.keeping.load();
  }

  drawCalibration(calibration) {
    if (!calibration) return show(this.parts.calibration, none("It is measured on the validation images after the first training."));
    const { before, after } = calibration;
    const row = (name, key) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number" }, decimal(before[key])), after ? h("td", { class: "number" }, decimal(after[key])) : null);
    return show(
      this.parts.calibration,
      reliability(before, after),
      h("p", { class: "muted" }, h("span", { class: after ? "key-line second" : "key-line" }), "as trained ", after ? [h("span", { class: "key-line" }), "recalibrated"] : "(not recalibrated)"),
      h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, `Round ${calibration.round}`), h("th", { scope: "col", class: "number" }, "as trained"), after ? h("th", { scope: "col", class: "number" }, "recalibrated") : null)), h("tbody", {}, row("ECE", "ece"), row("NLL", "nll"), row("Brier score", "brier"))),
    );
  }

  drawChanged(changed) {
    if (!changed) return show(this.parts.changed, none("Two evaluated rounds are needed to compare."));
    const rows = Object.entries(changed.values).filter(([, value]) => isNumber(value));
    return show(
      this.parts.changed,
      h("p", { class: "muted" }, `From round ${changed.from} to round ${changed.to}, on the validation images.`),
      h("dl", { class: "figures" }, rows.map(([metric, value]) => {
        const isBetter = DOWN_IS_GOOD.has(plain(metric)) ? value < 0 : value > 0;
        const kind = value === 0 ? "" : isBetter ? "up" : "down";
        const verdict = value === 0 ? "unchanged" : isBetter ? "better" : "worse";
        return h("div", {}, h("dt", {}, `${nameOf(metric)}: ${verdict}`), h("dd", { class: kind }, signed(value)));
      })),
    );
  }

  drawCost({ cost, queue, conflicts }) {
    const share = cost.pool_pixels ? ` (${((100 * cost.labelled_pixels) / cost.pool_pixels).toFixed(1)} % of the pool)` : "";
    const figures = [
      ["Labelled pixels", count(cost.labelled_pixels) + share],
      ["Regions answered", count(cost.regions)],
      ["Time measured", duration(cost.seconds)],
      ["Time per region", cost.measured ? duration(cost.seconds / cost.measured) : "–"],
      ["Unsure", count(cost.unsure)],
      ["Artefacts", count(cost.artefact)],
      ["Conflicts", count(conflicts)],
      ["Open now", count(queue.open)],
    ];
    show(this.parts.cost, h("dl", { class: "figures" }, figures.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
  }
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const none = (text) => h("p", { class: "muted" }, text);

function table(names, rows) {
  const cell = (value, i) => h("td", { class: i > 0 ? "number" : null }, value);
  return h("div", { class: "table-box" },
    h("table", {},
      h("thead", {}, h("tr", {}, names.map((name, i) => h("th", { scope: "col", class: i > 0 ? "number" : null }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))),
    ),
  );
}

const peopleTable = (people) =>
  table(["Name", "Answers", "Time"], people.map((row) => [row.name, count(row.answers), duration(row.seconds)]));

function roundsTable(rounds) {
  const isListed = (metric) => !metric.startsWith(RECALIBRATED) || plain(metric) === "ece"; // the rest is under Calibration
  const metrics = [...new Set(rounds.flatMap((row) => Object.keys(row.metrics?.validation ?? {})))].filter(isListed);
  const names = ["Round", "Training", "Labelled pixels", "Regions", "Labelling time", "Training time", ...metrics.map(nameOf)];
  return table(names, rounds.map((row) => [
    row.round,
    row.reason ? h("span", { class: "reason" }, row.status === "failed" ? `failed: ${row.reason}` : row.reason) : `${count(row.steps)} steps`,
    count(row.labelled_pixels),
    count(row.regions),
    duration(row.seconds),
    duration(row.elapsed_seconds),
    ...metrics.map((metric) => decimal(row.metrics?.validation?.[metric])),
  ]));
}
