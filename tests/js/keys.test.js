import assert from "node:assert/strict";
import { test } from "node:test";

import { isChangeable, KeyMap } from "../../src/askmask/serve/web/static/key-map.js";
import { nameOf, printed } from "../../src/askmask/serve/web/static/key-names.js";
import { KEYS } from "../../src/askmask/serve/web/static/keys.js";
import { Preferences } from "../../src/askmask/serve/web/static/preferences.js";

const press = (key, code, held = "") =>
  nameOf({
    key,
    code,
    shiftKey: held.includes("shift"),
    ctrlKey: held.includes("ctrl"),
    altKey: held.includes("alt"),
    metaKey: held.includes("meta"),
    getModifierState: (name) => name === "AltGraph" && held.includes("graph"),
  });

const CASES = [
  ["a plain letter", press("u", "KeyU"), "u"],
  ["a capital letter", press("U", "KeyU", "shift"), "u"],
  ["undo", press("z", "KeyZ", "ctrl"), "ctrl+z"],
  ["redo on a Mac", press("z", "KeyZ", "meta shift"), "ctrl+shift+z"],
  ["a letter of AZERTY by what it writes", press("a", "KeyQ"), "a"],
  ["undo of AZERTY by what it writes", press("z", "KeyW", "ctrl"), "ctrl+z"],
  ["the digit row of AZERTY", press("&", "Digit1"), "1"],
  ["zero on AZERTY", press("à", "Digit0"), "0"],
  ["six on AZERTY, which writes a minus", press("-", "Digit6"), "6"],
  ["a digit of AZERTY with Shift", press("2", "Digit2", "shift"), "2"],
  ["minus on the keyboard of the United States", press("-", "Minus"), "-"],
  ["a Cyrillic letter", press("г", "KeyU"), "u"],
  ["undo under Cyrillic", press("я", "KeyZ", "ctrl"), "ctrl+z"],
  ["a bracket under Cyrillic", press("х", "BracketLeft"), "["],
  ["a Greek letter", press("θ", "KeyU"), "u"],
  ["a dead key of Greek", press("Dead", "KeyW"), "w"],
  ["[ by AltGr on a German keyboard", press("[", "Digit8", "graph"), "["],
  ["] by AltGr as Windows tells it", press("]", "Digit9", "ctrl alt"), "]"],
  ["[ by Option on a German Mac", press("[", "Digit5", "alt"), "["],
  ["another view on a Mac, whose Option+1 writes a sign", press("¡", "Digit1", "alt"), "alt+1"],
  ["another view", press("3", "Digit3", "alt"), "alt+3"],
  ["another view on AZERTY", press("&", "Digit1", "alt"), "alt+1"],
  ["an arrow", press("ArrowLeft", "ArrowLeft", "shift"), "shift+arrowleft"],
  ["Space", press(" ", "Space"), " "],
  ["a question mark", press("?", "Slash", "shift"), "?"],
  ["a plus of the number block", press("+", "NumpadAdd"), "+"],
];
for (const [what, name, expected] of CASES) {
  test(`${what} is ${printed(expected)}`, () => assert.equal(name, expected));
}

test("no key stands for two things", () => {
  const keys = KEYS.flatMap((entry) => entry.match);
  assert.deepEqual(keys.filter((key, i) => keys.indexOf(key) !== i), []);
});

test("no key of the page is one that browsers keep for themselves", () => {
  const kept = ["ctrl+t", "ctrl+w", "ctrl+n", "ctrl+r", "ctrl+l", "ctrl+f", "ctrl+p", "ctrl+s", "f5", "f11", "f12", "tab"];
  const keys = new Set(KEYS.flatMap((entry) => entry.match));
  assert.deepEqual(kept.filter((key) => keys.has(key)), []);
  const held = [...keys].filter((key) => /^(ctrl|alt)\+/.test(key)).sort();
  assert.deepEqual(held, ["alt+1", "alt+2", "alt+3", "ctrl+shift+z", "ctrl+y", "ctrl+z"]);
});

function fresh(kept = {}) {
  const storage = {
    getItem: (key) => kept[key] ?? null,
    setItem: (key, value) => {
      kept[key] = value;
    },
  };
  return new KeyMap(new Preferences("every project", storage));
}

test("a changed key does what the old one did, and the old one nothing", () => {
  const kept = {};
  const map = fresh(kept);
  assert.equal(map.actionOf("u"), "unsure");
  map.change("unsure", "#");
  for (const one of [map, fresh(kept)]) {
    assert.equal(one.actionOf("#"), "unsure");
    assert.equal(one.actionOf("u"), undefined);
  }
  map.reset();
  assert.equal(fresh(kept).actionOf("u"), "unsure");
});

test("a key that is taken or the browser's is not given", () => {
  const map = fresh();
  assert.match(map.obstacle("unsure", "a") ?? "", /A is taken: artefact/);
  for (const key of ["ctrl+t", "f5", "tab", "alt+1", "arrowup", "dead"]) assert.match(map.obstacle("unsure", key) ?? "", /belongs/);
  assert.equal(map.obstacle("unsure", "u"), null);
  assert.equal(map.obstacle("unsure", "#"), null);
});

test("what stands for several keys at once cannot be changed", () => {
  const fixed = KEYS.filter((entry) => !isChangeable(entry)).map((entry) => entry.action);
  for (const action of ["chooseClass", "arrow", "undo", "redo", "view", "cancel", "act"]) assert.ok(fixed.includes(action), action);
  assert.ok(!fixed.includes("accept"));
});
