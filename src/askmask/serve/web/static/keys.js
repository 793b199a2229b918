/** Every key of the page, in one table: the help sheet shows what the dispatcher does. */

import { nameOf } from "./key-names.js";

/** @type {{group: string, show: string[], match: string[], action: string, text: string, isFixed?: boolean}[]} */
export const KEYS = [
  { group: "Answer", show: ["Space"], match: [" "], action: "accept", text: "accept and go to the next region" },
  { group: "Answer", show: ["Backspace"], match: ["backspace"], action: "back", text: "back to the region before" },
  { group: "Answer", show: ["U"], match: ["u"], action: "unsure", text: "I am not sure: asked of nobody again, teaches nothing" },
  { group: "Answer", show: ["A"], match: ["a"], action: "artefact", text: "artefact: never asked again, counted" },
  { group: "Answer", show: ["N"], match: ["n"], action: "skip", text: "next region, leave this one for later" },
  { group: "Draw", show: ["0", "…", "9"], match: [..."0123456789"], action: "chooseClass", text: "choose the class" },
  { group: "Draw", show: ["/"], match: ["/"], action: "findClass", text: "find a class by its name" },
  { group: "Draw", show: ["B"], match: ["b"], action: "brush", text: "brush" },
  { group: "Draw", show: ["E"], match: ["e"], action: "eraser", text: "eraser: the pixels are unlabelled again" },
  { group: "Draw", show: ["P"], match: ["p"], action: "polygon", text: "polygon: click corners or drag; double click closes" },
  { group: "Draw", show: ["F"], match: ["f"], action: "fill", text: "fill a connected area" },
  { group: "Draw", show: ["S"], match: ["s"], action: "superpixel", text: "superpixels: patches that follow edges" },
  { group: "Draw", show: [";"], match: [";"], action: "smart", text: "smart brush: a short stroke gives its class to what belongs to it; Enter keeps, Esc drops" },
  { group: "Draw", show: ["F2"], match: ["f2"], action: "box", text: "box: drag around one object for a proposal, click where it is wrong; Enter keeps, Esc drops" },
  { group: "Draw", show: ["L"], match: ["l"], action: "lasso", text: "lasso: drag around what you want" },
  { group: "Draw", show: ["W"], match: ["w"], action: "line", text: "straight line as wide as the brush" },
  { group: "Draw", show: ["Q"], match: ["q"], action: "ellipse", text: "ellipse: drag from corner to corner" },
  { group: "Draw", show: ["X"], match: ["x"], action: "cut", text: "cut: a line that keeps touching objects apart" },
  { group: "Draw", show: ["Y"], match: ["y"], action: "again", text: "the last shape once more, at the pointer" },
  { group: "Draw", show: ["I"], match: ["i"], action: "grow", text: "grow the class by a pixel" },
  { group: "Draw", show: ["J"], match: ["j"], action: "shrink", text: "shrink the class by a pixel" },
  { group: "Draw", show: ["Z"], match: ["z"], action: "tidy", text: "remove specks and holes below the size set" },
  { group: "Draw", show: ["M"], match: ["m"], action: "move", text: "move the picture" },
  { group: "Draw", show: ["["], match: ["["], action: "smaller", text: "smaller brush or superpixels (or Alt and the wheel)" },
  { group: "Draw", show: ["]"], match: ["]"], action: "larger", text: "larger brush or superpixels (or Alt and the wheel)" },
  { group: "Draw", show: ["G"], match: ["g"], action: "fillRest", text: "give the class to all pixels without a label" },
  { group: "Draw", show: ["R"], match: ["r"], action: "reset", text: "reset to the prediction" },
  { group: "Draw", show: ["Ctrl", "Z"], match: ["ctrl+z"], action: "undo", text: "undo" },
  { group: "Draw", show: ["Ctrl", "Y"], match: ["ctrl+y", "ctrl+shift+z"], action: "redo", text: "redo" },
  { group: "Draw", show: ["Esc"], match: ["escape"], action: "cancel", isFixed: true, text: "drop a half drawn stroke or polygon, or what the smart brush or a box proposed" },
  { group: "Look", show: ["+"], match: ["+", "="], action: "zoomIn", text: "zoom in (or turn the wheel)" },
  { group: "Look", show: ["−"], match: ["-"], action: "zoomOut", text: "zoom out" },
  { group: "Look", show: ["Home"], match: ["home"], action: "fitRegion", text: "fit the region; again: the whole image" },
  { group: "Look", show: ["← ↑ ↓ →"], match: ["arrowleft", "arrowup", "arrowdown", "arrowright"], action: "arrow", isFixed: true, text: "move the picture, or the keyboard cursor" },
  { group: "Look", show: ["O"], match: ["o"], action: "scores", text: "uncertainty overlay" },
  { group: "Look", show: ["V"], match: ["v"], action: "labels", text: "labels on or off" },
  { group: "Look", show: ["T"], match: ["t"], action: "texture", text: "dots where no label is, on or off" },
  { group: "Look", show: ["C"], match: ["c"], action: "compare", text: "what the labels are compared with, and back" },
  { group: "Look", show: ["D"], match: ["d"], action: "double", text: "the two side by side" },
  { group: "Look", show: ["*"], match: ["*"], action: "ruler", text: "ruler on or off: two clicks, or one drag, tell a distance" },
  { group: "Look", show: [","], match: [","], action: "fainter", text: "overlay fainter" },
  { group: "Look", show: ["."], match: ["."], action: "stronger", text: "overlay stronger" },
  { group: "Keyboard cursor", show: ["K"], match: ["k"], action: "keyboard", text: "keyboard cursor on or off" },
  { group: "Keyboard cursor", show: ["Shift", "arrow"], match: ["shift+arrowleft", "shift+arrowup", "shift+arrowdown", "shift+arrowright"], action: "arrow", text: "ten pixels at once" },
  { group: "Keyboard cursor", show: ["Enter"], match: ["enter"], action: "act", isFixed: true, text: "brush down or up, set a corner, fill" },
  { group: "Keyboard cursor", show: ["Shift", "Enter"], match: ["shift+enter"], action: "closePolygon", text: "close the polygon" },
  { group: "Page", show: ["H"], match: ["h", "?"], action: "help", text: "this sheet" },
  { group: "Page", show: ["Alt", "1 2 3"], match: ["alt+1", "alt+2", "alt+3"], action: "view", text: "label, review, status" },
];

const NATIVE = { " ": "button, summary, [role=option]", enter: "button, summary, a, [role=option]" };
const ROVING = "[role=listbox]";

/** Whether a key belongs to the element that has the focus: typing, pressing a button. */
function isTaken(event, key) {
  const { target } = event;
  if (!(target instanceof Element)) return false;
  if (document.querySelector("dialog[open]")) return true;
  if (key.startsWith("alt+")) return false; // another view, also from a field
  if (target.closest("input:not([type=checkbox]):not([type=range]), select, textarea")) return true;
  if (target.closest("input[type=range]") && (key.startsWith("arrow") || key === "home")) return true;
  if (target.closest("input[type=checkbox]") && key === " ") return true;
  if (target.closest(ROVING) && (key.startsWith("arrow") || key === "home")) return true;
  return key in NATIVE && target.closest(NATIVE[key]) !== null;
}

/**
 * Send every key to the action it stands for: `find(action)` gives the function, if there is one.
 *
 * @param {{actionOf: (key: string) => string | undefined}} map
 * @param {(action: string) => ((key: string) => unknown) | undefined} find
 */
export function bindKeys(map, find) {
  document.addEventListener("keydown", (event) => {
    const key = nameOf(event);
    const action = map.actionOf(key);
    if (!action || event.isComposing || isTaken(event, key)) return;
    const act = find(action);
    if (!act) return;
    event.preventDefault();
    act(key);
  });
}
