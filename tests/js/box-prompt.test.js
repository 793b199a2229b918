import assert from "node:assert/strict";
import { test } from "node:test";

import { BoxPrompt } from "../../src/askmask/serve/web/static/editor/box-prompt.js";
import { Editor } from "../../src/askmask/serve/web/static/editor/editor.js";
import { History } from "../../src/askmask/serve/web/static/editor/history.js";
import { Raster } from "../../src/askmask/serve/web/static/editor/raster.js";
import { KeyMap } from "../../src/askmask/serve/web/static/key-map.js";
import { Preferences } from "../../src/askmask/serve/web/static/preferences.js";

const ROWS = ["0000", "0022", "0022"];
const digits = (rows) => Uint8Array.from(rows.join(""), Number);
const drawn = (editor) => editor.raster.data.join("").match(/.{4}/g);

function opened() {
  const editor = new Editor();
  const heard = [];
  for (const kind of ["prompt", "unprompted"]) editor.addEventListener(kind, () => heard.push(kind));
  editor.open({ raster: new Raster(4, 3, digits(ROWS)), history: new History(), first: digits(ROWS) });
  editor.setTool("box");
  editor.setClass(1);
  return { editor, heard };
}

function drag(editor, from, to) {
  editor.beginStroke({ row: from[0], col: from[1] });
  editor.extendStroke({ row: to[0], col: to[1] });
  editor.endStroke();
}

const MASK = digits(["0110", "0110", "0000"]);

test("a drag is a box from any corner, also out of the region", () => {
  const { editor, heard } = opened();
  drag(editor, [3.5, 4], [-1, 0.5]);
  assert.deepEqual(editor.prompt.box, { top: -1, left: 0.5, bottom: 3.5, right: 4 });
  assert.deepEqual(heard, ["prompt"]);
  assert.deepEqual(drawn(editor), ROWS);
});

test("a proposal is drawn in the class in hand and counts as the tool of the answer", () => {
  const { editor } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  assert.deepEqual(drawn(editor), ["0110", "0112", "0022"]);
  assert.deepEqual([...editor.used], ["box"]);
});

test("a click outside of the proposal adds, one inside takes away, also beyond the region", () => {
  const { editor, heard } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  drag(editor, [0.5, 1.5], [0.6, 1.5]);
  drag(editor, [2.5, 0.5], [2.5, 0.5]);
  drag(editor, [-3, 9], [-3, 9]);
  assert.deepEqual(editor.prompt.clicks.map(({ inside }) => inside), [false, true, true]);
  assert.deepEqual(heard, ["prompt", "prompt", "prompt", "prompt"]);
});

test("a refined proposal brings back what the one before had covered", () => {
  const { editor } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  editor.proposeMask(digits(["1000", "0000", "0000"]));
  assert.deepEqual(drawn(editor), ["1000", "0022", "0022"]);
});

test("undo takes back the last proposal, then the one before", () => {
  const { editor } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  editor.proposeMask(digits(["1000", "0000", "0000"]));
  editor.undo();
  assert.deepEqual(drawn(editor), ["0110", "0112", "0022"]);
  assert.equal(editor.prompt.isBegun, false);
  editor.undo();
  assert.deepEqual(drawn(editor), ROWS);
});

test("dropped, the region is as before the box, and that can be undone, too", () => {
  const { editor } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  assert.equal(editor.dropProposal(), true);
  assert.deepEqual(drawn(editor), ROWS);
  assert.equal(editor.dropProposal(), false);
  editor.undo();
  assert.deepEqual(drawn(editor), ["0110", "0112", "0022"]);
});

/** @type {[string, (editor: Editor) => unknown][]} */
const SETTLING = [
  ["another tool", (editor) => editor.setTool("brush")],
  ["another class", (editor) => editor.setClass(2)],
  ["growing", (editor) => editor.grow()],
  ["undo", (editor) => editor.undo()],
];
for (const [what, act] of SETTLING) {
  test(`a mask that comes after ${what} changes nothing`, () => {
    const { editor } = opened();
    drag(editor, [0, 0], [3, 3]);
    act(editor);
    const before = drawn(editor);
    editor.proposeMask(MASK);
    assert.deepEqual(drawn(editor), before);
  });
}

test("the next box begins with what the last proposal left", () => {
  const { editor } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  drag(editor, [1, 1], [3, 4]);
  editor.proposeMask(digits(["0000", "0000", "0011"]));
  assert.deepEqual(drawn(editor), ["0110", "0112", "0011"]);
});

test("a click without a box, and a line, say so and change nothing", () => {
  const { editor, heard } = opened();
  drag(editor, [1, 1], [1, 1]);
  drag(editor, [1, 0], [1, 4]);
  assert.deepEqual(heard, ["unprompted", "unprompted"]);
  assert.equal(editor.prompt.isBegun, false);
});

test("the hand that clicks may move as far as it is told", () => {
  const prompt = new BoxPrompt();
  const raster = new Raster(4, 3);
  for (const { reach, kind } of [{ reach: 3, kind: null }, { reach: 1, kind: "box" }]) {
    prompt.reach = reach;
    prompt.press({ row: 0, col: 0 });
    prompt.extend({ row: 2, col: 2 });
    assert.equal(prompt.lift(raster, 1), kind);
  }
});

test("escape while dragging drops the drag alone", () => {
  const { editor } = opened();
  drag(editor, [0, 0], [3, 3]);
  editor.proposeMask(MASK);
  editor.beginStroke({ row: 0, col: 0 });
  assert.equal(editor.isDrawing, true);
  assert.equal(editor.cancel(), true);
  assert.equal(editor.isDrawing, false);
  assert.equal(editor.prompt.isBegun, true);
});

test("a key that a person gave to the brush stays with the brush", () => {
  const kept = { getItem: () => JSON.stringify({ brush: "f2" }), setItem: () => {} };
  assert.equal(new KeyMap(new Preferences("every project", kept)).actionOf("f2"), "brush");
  const plain = { getItem: () => null, setItem: () => {} };
  assert.equal(new KeyMap(new Preferences("every project", plain)).actionOf("f2"), "box");
});
