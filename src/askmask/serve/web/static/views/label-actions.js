/** What the keys and buttons of the label view do. */

import { byId, controlOf } from "../dom.js";
import { TOOLS } from "../editor/editor.js";
import { say, toast } from "../notices.js";

const PAN_STEP = 60;
const ARROWS = { arrowleft: [0, -1], arrowright: [0, 1], arrowup: [-1, 0], arrowdown: [1, 0] };

/** Functions by the action names of the key table. */
export function labelActions(view) {
  const { editor, viewer, keyboard } = view;
  const busy = (act) => (...given) => {
    if (editor.raster) act(...given);
  };
  return {
    ...answering(view),
    ...drawing(view, busy),
    ...looking(view, busy),
    keyboard: busy(() => keyboard.toggle()),
    act: busy(() => (keyboard.isOn ? keyboard.act() : closePolygon(editor))),
    closePolygon: busy(() => (keyboard.isOn ? keyboard.act({ closing: true }) : closePolygon(editor))),
    arrow: busy((key) => arrow(key, viewer, keyboard)),
  };
}

function answering(view) {
  return {
    accept: () => view.answer("labels"),
    unsure: () => view.answer("unsure"),
    artefact: () => view.answer("artefact"),
    skip: () => skip(view),
    back: () => back(view),
  };
}

async function skip(view) {
  const { item } = view.work;
  if (!item) return;
  view.visited.push(item);
  view.leave();
  await view.openNext(item);
}

/** The region visited before this one, else the one before it in the order of asking. */
async function back(view) {
  if (view.editor.polygon.length > 0) {
    view.editor.removeCorner();
    return;
  }
  const before = view.visited.pop() ?? (await view.app.items.before(view.work.item).catch((error) => error));
  if (before instanceof Error) toast(before.message);
  else if (before) await view.openPlace(before);
  else toast("This is the first region.");
}

function drawing(view, busy) {
  const { editor, pointer } = view;
  const offered = TOOLS.filter((tool) => tool !== "box" || view.app.project.assistant);
  const tools = offered.map((tool) => [tool, () => setTool(view, tool)]);
  return {
    ...Object.fromEntries(tools),
    chooseClass: (key) => chooseClass(view, Number(key)),
    smaller: () => editor.stepSize(-1),
    larger: () => editor.stepSize(1),
    setSize: (size) => editor.setSize(size),
    setPressure: (isUsed) => {
      pointer.usePressure = isUsed;
    },
    undo: busy(() => say(editor.undo() ? "Undone." : "Nothing to undo.")),
    redo: busy(() => say(editor.redo() ? "Redone." : "Nothing to redo.")),
    reset: busy(() => editor.reset()),
    grow: busy(() => editor.grow()),
    shrink: busy(() => editor.shrink()),
    tidy: busy(() => editor.tidy(Math.max(2, Number(controlOf("speck-size").value) || 2))),
    again: busy(() => repeatShape(view)),
    fillRest: busy(() => editor.fillUnlabelled()),
    cancel: busy(() => cancel(view)),
  };
}

function cancel(view) {
  const { editor, keyboard } = view;
  if (editor.cancel()) return;
  if (view.ruler.isOn) switchRuler(view);
  else if (editor.dropProposal()) say("Dropped.");
  else if (keyboard.isOn) keyboard.toggle();
}

/** The last shape once more, at the pointer or the keyboard cursor, else in the middle. */
function repeatShape({ editor, pointer, keyboard }) {
  const { width, height } = editor.raster;
  const at = (keyboard.isOn ? keyboard.at : pointer.at) ?? { row: height / 2, col: width / 2 };
  if (!editor.again(at)) toast("No shape has been drawn yet: polygon, lasso, line, ellipse or cut.");
}

function setTool(view, tool) {
  if (view.ruler.isOn) switchRuler(view);
  view.editor.setTool(tool);
  say(tool);
}

function chooseClass({ editor, app }, value) {
  const cls = app.project.classes[value];
  if (!cls) {
    toast(`There is no class ${value}; classes go from 0 to ${app.project.classes.length - 1}.`);
    return;
  }
  editor.setClass(value);
  say(cls.name);
}

function closePolygon(editor) {
  if (editor.smart.isBegun || editor.prompt.isBegun) {
    editor.setTool(editor.tool); // the next strokes, or the next box, begin anew
    say("Kept.");
  }
  if (editor.polygon.length > 0 && !editor.closePolygon()) toast("A polygon needs at least three corners.");
}

function looking(view, busy) {
  const { viewer } = view;
  const fade = (change) => () => {
    const option = viewer.options.showScores ? "scores" : "labels";
    const value = Math.min(1, Math.max(0.05, viewer.options[option] + change));
    viewer.setOption(option, Math.round(value * 100) / 100);
    view.panel.update();
  };
  const flip = (option) => () => {
    viewer.setOption(option, !viewer.options[option]);
    view.panel.update();
    view.info.legend();
  };
  return {
    zoomIn: busy(() => viewer.zoom(1.3)),
    zoomOut: busy(() => viewer.zoom(1 / 1.3)),
    fitRegion: busy(() => fitTwice(viewer)),
    scores: flip("showScores"),
    labels: flip("showLabels"),
    texture: flip("showTexture"),
    compare: busy(() => view.compare.flicker()),
    ruler: busy(() => switchRuler(view)),
    double: busy(() => view.compare.setDouble(!viewer.options.isDouble)),
    findClass: () => view.panel.classes.find(),
    fainter: fade(-0.1),
    stronger: fade(0.1),
  };
}

function switchRuler({ ruler, viewer, editor }) {
  editor.cancel();
  ruler.toggle();
  byId("ruler").setAttribute("aria-pressed", String(ruler.isOn));
  say(ruler.isOn ? "Ruler: two clicks, or one drag, tell a distance." : "Ruler off.");
  viewer.redrawCursor();
}

/** Fit the region; when it fits already, the whole image. */
function fitTwice(viewer) {
  const before = JSON.stringify(viewer.viewport);
  viewer.fitRegion();
  if (JSON.stringify(viewer.viewport) === before) viewer.fitImage();
}

function arrow(key, viewer, keyboard) {
  const [rows, cols] = ARROWS[key.replace("shift+", "")];
  const isFar = key.startsWith("shift+");
  if (keyboard.isOn) keyboard.move(rows * (isFar ? 10 : 1), cols * (isFar ? 10 : 1));
  else viewer.pan(-cols * PAN_STEP * (isFar ? 4 : 1), -rows * PAN_STEP * (isFar ? 4 : 1));
}
