/** The tools beside the picture: buttons, classes, sliders; they show what the editor holds. */

import { byId, controlOf, h, show, sourceOf } from "../dom.js";
import { TOOLS } from "../editor/editor.js";
import { UNLABELLED } from "../editor/raster.js";
import { ClassList } from "./class-list.js";
import { icon } from "./icons.js";
import { percent } from "./numbers.js";

const LETTERS = { brush: "B", eraser: "E", polygon: "P", lasso: "L", line: "W", ellipse: "Q", fill: "F", superpixel: "S", smart: ";", box: "F2", cut: "X", move: "M" };
const ANSWERS = ["accept", "unsure", "artefact", "skip"];
const NAMES = { brush: "Brush", eraser: "Eraser", polygon: "Polygon", lasso: "Lasso", line: "Line", ellipse: "Ellipse", fill: "Fill", superpixel: "Patches", smart: "Smart", box: "Box", cut: "Cut", move: "Move" };

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
    const offered = TOOLS.filter((tool) => tool !== "box" || app.project.assistant);
    this.tools = new Map(offered.map((tool) => [tool, this.toolButton(tool, actions)]));
    show(byId("tool-buttons"), ...this.tools.values());
    this.classes = new ClassList(app, editor, (index) => actions.chooseClass(index));
    const narrow = matchMedia("(max-width: 900px)"); // there open settings would cover the picture
    const fold = () => {
      for (const id of ["tidy", "look", "picture-panel"]) {
        /** @type {HTMLDetailsElement} */ (byId(id)).open = id === "look" && !narrow.matches;
      }
    };
    narrow.addEventListener("change", fold);
    fold();
    this.bindSliders(actions);
    byId("undo").addEventListener("click", actions.undo);
    byId("redo").addEventListener("click", actions.redo);
    for (const [id, action] of [["grow", "grow"], ["shrink", "shrink"], ["tidy-specks", "tidy"], ["again", "again"]]) {
      byId(id).addEventListener("click", () => actions[action]());
    }
    byId("fill-rest").addEventListener("click", actions.fillRest);
    for (const kind of ["tool", "step"]) editor.addEventListener(kind, () => this.update());
    this.update();
  }

  toolButton(tool, actions) {
    return h(
      "button",
      { type: "button", "data-tool": tool, "aria-label": `${NAMES[tool]} ${LETTERS[tool]}`, "aria-keyshortcuts": LETTERS[tool], title: `${NAMES[tool]} (${LETTERS[tool]})`, onclick: () => actions[tool]() },
      icon(tool),
      h("span", {}, NAMES[tool]),
      " ", // else what is seen reads as one word, and is not the name
      h("kbd", { "data-key": tool }, LETTERS[tool]),
    );
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
    byId("texture-on").addEventListener("change", actions.texture);
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
    controlOf("texture-on").checked = viewer.options.showTexture;
    controlOf("undo").disabled = !editor.history?.canUndo && editor.polygon.length === 0;
    controlOf("redo").disabled = !editor.history?.canRedo;
    for (const id of ANSWERS) controlOf(id).disabled = !editor.raster;
    for (const id of ["grow", "shrink", "tidy-specks"]) controlOf(id).disabled = !editor.raster;
    controlOf("again").disabled = !editor.raster || !editor.lastShape;
    this.updateShares();
  }

  /** Key that fills the rest, as it is now. */
  get fillKey() {
    return document.querySelector("#fill-rest kbd")?.textContent ?? "G";
  }

  updateShares() {
    const { raster, value } = this.editor;
    const counts = this.classes.update();
    const rest = counts?.[UNLABELLED] ?? 0;
    const name = this.app.project.classes[value]?.name ?? "";
    byId("fill-rest").classList.toggle("unseen", rest === 0); // it keeps its place: else the picture would move
    show(byId("fill-rest"), `Rest (${percent(rest / (raster?.data.length ?? 1))}): ${name} `, h("kbd", { "data-key": "fillRest" }, this.fillKey));
    byId("fill-rest").title = `Make every pixel without a label ${name}`;
  }
}
