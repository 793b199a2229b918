/** The line above the picture: which region, why it was asked, how long it took; and the legend. */

import { byId, controlOf, detailOf, duration, h, penOf, place, show, words } from "../dom.js";
import { Comments } from "./comments.js";
import { heat } from "../viewer/layers.js";
import { percent, several } from "./numbers.js";
import { reason, term } from "../reasons.js";

export class RegionInfo {
  /**
   * @param {import("../types.js").App} app
   * @param {import("../work.js").Work} work
   * @param {import("../viewer/viewer.js").Viewer} viewer
   */
  constructor(app, work, viewer) {
    this.app = app;
    this.work = work;
    this.viewer = viewer;
    /** @type {import("../types.js").Item | null} */
    this.item = null;
    setInterval(() => this.tick(), 1000);
    work.addEventListener("notice", (event) => this.notice(detailOf(event)));
    this.comments = new Comments((count) => {
      byId("comments-title").textContent = count > 0 ? several(count, "comment") : "Comment";
    });
    byId("region-comments").append(this.comments.element);
    work.addEventListener("close", () => this.notice(null));
  }

  show(item) {
    this.item = item;
    show(byId("region-info"), item ? this.parts(item) : []);
    const label = item ? `Region ${place(item)} of image ${item.image_id}` : "No region";
    byId("canvas").setAttribute("aria-label", label);
    controlOf("reset").disabled = !item;
    this.tick();
    this.legend();
    byId("region-comments").hidden = !item;
    byId("comments-title").textContent = "Comment";
    this.comments.open(item);
  }

  parts(item) {
    const parts = [
      h("strong", {}, `Region ${place(item)}`), // as in the strip and under Review
      h("span", {}, `image ${item.image_id}`),
      h("span", { class: "why", title: item.piece?.scores ? `${term(item)}: the score it was asked for. O shows where.` : term(item) }, reason(item)),
    ];
    const sure = item.piece?.confidence;
    if (sure !== null && sure !== undefined) parts.push(h("span", { title: "Mean probability of the predicted class over the region. Recalibrated, it is the share of its pixels that should be right: see Calibration on the status page" }, `${percent(sure)} sure on average`));
    parts.push(h("span", {}, this.origin(item)));
    return parts;
  }

  origin(item) {
    if (item.answer) return `${item.answer.kind === "labels" ? "labelled" : item.answer.kind} by ${item.answer.author}`;
    if (item.prefill?.from === "prediction") return "filled by the model";
    return item.model && !item.piece ? "the prediction is being drawn" : "empty: no prediction";
  }

  notice(text) {
    byId("region-notice").hidden = text === null;
    byId("region-notice").textContent = text ?? "";
  }

  tick() {
    const { timer } = this.work;
    const idle = timer?.idle ? " (paused)" : "";
    byId("region-time").textContent = timer && this.item ? `${duration(Math.round(timer.seconds))}${idle}` : "";
  }

  /** Colours of the uncertainty overlay, with the scores that they stand for. */
  legend() {
    const { item } = this;
    const isShown = this.viewer.options.showScores && item !== null;
    byId("legend").hidden = !isShown;
    if (!isShown) return;
    if (!item.piece?.scores) {
      show(byId("legend"), item.model === null ? "No model chose this region, so it has no map." : "This region has no score map.");
      return;
    }
    const bar = h("canvas", { width: 120, height: 1 });
    const context = penOf(bar);
    for (let i = 0; i < 120; i++) {
      context.fillStyle = `rgb(${heat(i / 119).join(" ")})`;
      context.fillRect(i, 0, 1, 1);
    }
    const number = (value) => (value === null ? "–" : Number(value.toPrecision(2)).toString());
    const parts = [words(item.acquisition), number(item.piece.low), bar, number(item.piece.high)];
    show(byId("legend"), parts.map((part) => h("span", {}, part)));
  }
}
