/** The tools beside the picture: buttons, classes, sliders; they show what the editor holds. */

import { byId, controlOf, h, show, sourceOf } from "../dom.js";
import { TOOLS } from "../editor/editor.js";
import { histogram, UNLABELLED } from "../editor/raster.js";
import { isClear } from "../viewer/layers.js";
import { icon } from "./icons.js";

const LETTERS = { brush: "B", eraser: "E", polygon: "P", fill: "F", superpixel: "S", move: "M" };
const ANSWERS = ["accept", "unsure", "artefact", "skip"];
const NAMES = { brush: "Brush", eraser: "Eraser", polygon: "Polygon", fill: "Fill", superpixel: "Patches", move: "Move" };

export class Panel {
  /**
   * @param {import("../types.js").App} app
   * @param {import("../editor/editor.js").Editor} editor
   * @param {import("../viewer/viewer.js").Viewer} viewer
   * @param {Record<string, (...given: any[]) => unknown>} actions
   */
  constructor(app, editor, viewer, actions) {
    this.app = app;
    this.editor = editor;
    this.viewer = viewer;
    this.tools = new Map(TOOLS.map((tool) => [tool, this.toolButton(tool, actions)]));
    show(byId("tool-buttons"), ...this.tools.values());
    this.classes = app.project.classes.map((cls) => this.classButton(cls, actions));
    show(byId("classes"), this.classes.map(({ button }) => button));
    this.bindSliders(actions);
    byId("undo").addEventListener("click", actions.undo);
    byId("redo").addEventListener("click", actions.redo);
    byId("fill-rest").addEventListener("click", actions.fillRest);
    for (const kind of ["tool", "step"]) editor.addEventListener(kind, () => this.update());
    this.update();
  }

  toolButton(tool, actions) {
    return h(
      "button",
      { type: "button", "data-tool": tool, "aria-keyshortcuts": LETTERS[tool], title: `${NAMES[tool]} (${LETTERS[tool]})`, onclick: () => actions[tool]() },
      icon(tool),
      h("span", {}, NAMES[tool]),
      h("kbd", {}, LETTERS[tool]),
    );
  }

  classButton(cls, actions) {
    const swatch = h("span", { class: "swatch" });
    swatch.style.background = isClear(cls) ? "transparent" : cls.color;
    const share = h("span", { class: "share" });
    const button = h(
      "button",
      { type: "button", "data-class": cls.index, title: cls.name, onclick: () => actions.chooseClass(cls.index) },
      swatch,
      h("span", { class: "name" }, cls.name),
      share,
      cls.index < 10 ? h("kbd", {}, cls.index) : null,
    );
    return { cls, button, share };
  }

  bindSliders(actions) {
    byId("size").addEventListener("input", (event) => actions.setSize(Number(sourceOf(event).value)));
    for (const [id, option] of [["labels-opacity", "labels"], ["scores-opacity", "scores"]]) {
      controlOf(id).value = String(this.viewer.options[option] * 100);
      byId(id).addEventListener("input", (event) => {
        this.viewer.setOption(option, Number(sourceOf(event).value) / 100);
        this.update();
      });
    }
    byId("scores-on").addEventListener("change", actions.scores);
    byId("pressure").addEventListener("change", (event) => actions.setPressure(sourceOf(event).checked));
  }

  update() {
    const { editor, viewer } = this;
    for (const [tool, button] of this.tools) button.setAttribute("aria-pressed", tool === editor.tool);
    const isPatches = editor.tool === "superpixel";
    const size = isPatches ? editor.patchSize : editor.size;
    byId("size-name").childNodes[0].textContent = isPatches ? "Patch size " : "Brush size ";
    controlOf("size").value = String(size);
    byId("size-text").textContent = `${size} px`;
    byId("labels-text").textContent = viewer.options.showLabels ? percent(viewer.options.labels) : "off";
    controlOf("labels-opacity").value = String(viewer.options.labels * 100);
    byId("scores-text").textContent = percent(viewer.options.scores);
    controlOf("scores-opacity").value = String(viewer.options.scores * 100);
    controlOf("scores-on").checked = viewer.options.showScores;
    controlOf("undo").disabled = !editor.history?.canUndo && editor.polygon.length === 0;
    controlOf("redo").disabled = !editor.history?.canRedo;
    for (const id of ANSWERS) controlOf(id).disabled = !editor.raster;
    this.updateShares();
  }

  updateShares() {
    const { raster, value } = this.editor;
    const counts = raster ? histogram(raster) : null;
    for (const { cls, button, share } of this.classes) {
      button.setAttribute("aria-pressed", cls.index === value);
      share.textContent = counts ? percent(counts[cls.index] / raster.data.length) : "";
    }
    const rest = counts?.[UNLABELLED] ?? 0;
    const name = this.app.project.classes[value]?.name ?? "";
    byId("fill-rest").hidden = rest === 0;
    show(byId("fill-rest"), `Rest (${percent(rest / (raster?.data.length ?? 1))}): ${name} `, h("kbd", {}, "G"));
    byId("fill-rest").title = `Make every pixel without a label ${name}`;
  }
}

/** "< 1 %" rather than a zero that is none. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  return `${Math.round(share * 100)} %`;
}
