import assert from "node:assert/strict";
import { test } from "node:test";

import { distinct, mix } from "../../src/askmask/serve/web/static/colours.js";
import { isTrackpad } from "../../src/askmask/serve/web/static/editor/pointer.js";
import { Preferences } from "../../src/askmask/serve/web/static/preferences.js";
import { adjust, AS_IT_IS, robustRange, shownRange, table } from "../../src/askmask/serve/web/static/viewer/display.js";

const WHOLE = { low: 0, high: 255 };
const pixels = (...colours) => Uint8ClampedArray.from(colours.flatMap((colour) => [...colour, 255]));

test("pictures are shown as they are until somebody changes something", () => {
  assert.deepEqual([...table(AS_IT_IS, WHOLE)], Array.from({ length: 256 }, (_, i) => i));
});

test("a range is stretched to black and white", () => {
  const shown = table(AS_IT_IS, { low: 10, high: 60 });
  assert.deepEqual([shown[0], shown[10], shown[35], shown[60], shown[255]], [0, 0, 128, 255, 255]);
});

test("gamma above one lightens dark parts and leaves the ends", () => {
  const shown = table({ ...AS_IT_IS, gamma: 2 }, WHOLE);
  assert.deepEqual([shown[0], shown[64], shown[255]], [0, 128, 255]); // sqrt(64 / 255) = 0.501
});

test("contrast keeps the middle, brightness moves everything", () => {
  const steep = table({ ...AS_IT_IS, contrast: 0.5 }, WHOLE);
  assert.ok(Math.abs(steep[128] - 128) <= 1);
  assert.ok(steep[64] < 2 && steep[192] > 254);
  assert.equal(table({ ...AS_IT_IS, brightness: 0.2 }, WHOLE)[100], 151);
});

test("shown values never fall as values rise", () => {
  for (const gamma of [0.2, 1, 5]) {
    for (const contrast of [-0.9, 0, 0.9]) {
      const shown = table({ ...AS_IT_IS, gamma, contrast, brightness: -0.3 }, { low: 20, high: 200 });
      for (let i = 1; i < 256; i++) assert.ok(shown[i] >= shown[i - 1], `${gamma} ${contrast} ${i}`);
    }
  }
});

test("a channel that is off is black, the others are as they were", () => {
  const rgba = pixels([10, 20, 30]);
  adjust(rgba, table(AS_IT_IS, WHOLE), [true, false, true]);
  assert.deepEqual([...rgba], [10, 0, 30, 255]);
});

test("the robust range leaves out single bright and dark pixels", () => {
  const rows = Array.from({ length: 1000 }, (_, i) => [20 + (i % 40), 0, 0]);
  const { low, high, isGrey } = robustRange(pixels([255, 255, 255], [0, 0, 0], ...rows));
  assert.deepEqual([low, high, isGrey], [20, 59, false]);
});

test("an image whose channels are the same is grey", () => {
  assert.equal(robustRange(pixels([7, 7, 7], [90, 92, 91])).isGrey, true);
});

test("only dark images are stretched unless told otherwise", () => {
  const dark = { low: 3, high: 60 };
  const bright = { low: 3, high: 250 };
  assert.deepEqual(shownRange("dark", dark), dark);
  assert.deepEqual(shownRange("dark", bright), WHOLE);
  assert.deepEqual(shownRange("always", bright), bright);
  assert.deepEqual(shownRange("never", dark), WHOLE);
  assert.deepEqual(shownRange("always", { low: 9, high: 9 }), WHOLE); // one value: nothing to stretch
  assert.deepEqual(shownRange("dark", null), WHOLE);
});

const EIGHT = ["#999999", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];

test("thirty classes have thirty colours, the first eight as the project gives them", () => {
  const classes = Array.from({ length: 30 }, (_, index) => ({ index, name: `class ${index}`, color: EIGHT[index % 8] }));
  const colours = distinct(classes);
  assert.deepEqual(colours.slice(0, 8), EIGHT);
  assert.equal(new Set(colours).size, 30);
  for (const colour of colours) assert.match(colour, /^#[0-9a-f]{6}$/);
});

test("a mix lies between its two colours", () => {
  assert.equal(mix("#000000", "#ffffff", 0.5), "#808080");
  assert.equal(mix("#123456", "#ffffff", 0), "#123456");
});

function storage(kept = {}) {
  return {
    getItem: (key) => kept[key] ?? null,
    setItem: (key, value) => {
      kept[key] = value;
    },
  };
}

test("a choice is kept for its project alone", () => {
  const box = storage();
  new Preferences("one", box).write("display", { gamma: 2 });
  assert.deepEqual(new Preferences("one", box).read("display", { gamma: 1, contrast: 0 }), { gamma: 2, contrast: 0 });
  assert.deepEqual(new Preferences("two", box).read("display", { gamma: 1 }), { gamma: 1 });
});

test("a choice that cannot be read counts as not made", () => {
  const box = storage({ "askmask-display|one": "{half" });
  assert.deepEqual(new Preferences("one", box).read("display", { gamma: 1 }), { gamma: 1 });
});

const wheel = (fields) => /** @type {any} */ ({ deltaMode: 0, deltaX: 0, deltaY: 0, ...fields });

test("whole notches are a wheel, small and sideways steps a trackpad", () => {
  assert.equal(isTrackpad(wheel({ deltaY: 100, wheelDeltaY: -120 })), false);
  assert.equal(isTrackpad(wheel({ deltaY: 3, deltaMode: 1 })), false);
  assert.equal(isTrackpad(wheel({ deltaY: 4, wheelDeltaY: -12 })), true);
  assert.equal(isTrackpad(wheel({ deltaX: 2, deltaY: 100, wheelDeltaY: -120 })), true);
});
