/** Compare the labels in hand with the picture, the prediction, or what the region began with. */

import { predictionUrl } from "../api.js";
import { byId, controlOf, h, keyOf, show } from "../dom.js";
import { Raster, UNLABELLED } from "../editor/raster.js";
import { classPixels, LabelLayer } from "../viewer/layers.js";

const NAMES = { picture: "Picture", prediction: "Prediction", start: "As it was opened" };

export class Compare {
  /**
   * @param {import("../types.js").App} app
   * @param {import("../viewer/viewer.js").Viewer} viewer
   * @param {import("../editor/editor.js").Editor} editor
   */
  constructor(app, viewer, editor) {
    this.app = app;
    this.viewer = viewer;
    this.editor = editor;
    /** @type {import("../types.js").Item | null} */
    this.item = null;
    this.turn = 0;
    this.kind = "prediction"; // wanted; where there is none, the picture
    controlOf("compare").addEventListener("change", () => {
      this.kind = controlOf("compare").value;
      this.load();
    });
    controlOf("double").addEventListener("change", () => this.setDouble(controlOf("double").checked));
  }

  show(item) {
    this.item = item;
    const kinds = Object.keys(NAMES).filter((kind) => this.has(kind));
    show(byId("compare"), kinds.map((kind) => h("option", { value: kind }, NAMES[kind])));
    controlOf("compare").value = this.shown;
    this.load();
  }

  has(kind) {
    if (kind === "prediction") return Boolean(this.item?.piece?.prediction);
    if (kind === "start") return this.editor.first.some((value) => value !== UNLABELLED);
    return true;
  }

  /** What is compared with: what is wanted, if there is one. */
  get shown() {
    return this.has(this.kind) ? this.kind : "picture";
  }

  setDouble(isDouble) {
    this.viewer.setOption("isDouble", isDouble);
    this.update();
  }

  /** Show the other one in place of the labels, or the labels again. */
  flicker() {
    this.viewer.setOption("showReference", !this.viewer.options.showReference);
    this.update();
  }

  /** Fetch what is compared with; of several on their way the newest counts. */
  async load() {
    const turn = ++this.turn;
    this.viewer.setReference(null);
    this.update();
    const layer = await this.layer().catch(() => null);
    if (turn === this.turn) this.viewer.setReference(layer);
  }

  async layer() {
    const { item } = this;
    if (!item || this.shown === "picture") return null;
    if (this.shown === "start") return this.drawn(this.editor.first, item);
    const piece = /** @type {import("../types.js").Piece} */ (item.piece);
    return this.drawn(await classPixels(predictionUrl(item)), piece);
  }

  drawn(data, { row, col, width, height }) {
    const { canvas } = new LabelLayer(new Raster(width, height, data), this.app.project.classes, this.viewer.options.labels);
    return { canvas, row, col, width, height };
  }

  update() {
    const { isDouble, showReference } = this.viewer.options;
    const name = NAMES[this.shown];
    controlOf("double").checked = isDouble;
    byId("canvas").dataset.compare = isDouble ? "double" : showReference ? "reference" : "off";
    byId("badges").hidden = !this.item || (!isDouble && !showReference);
    const badges = isDouble ? [name, "Your labels"] : [`${name}; C: back to your labels`];
    show(byId("badges"), badges.map((text) => h("div", {}, h("span", {}, text))));
    byId("badges").dataset.item = this.item ? keyOf(this.item) : "";
  }
}
