import assert from "node:assert/strict";
import { test } from "node:test";

import { distanceText, Ruler } from "../../src/askmask/serve/web/static/viewer/ruler.js";

const at = (row, col) => ({ row, col });

test("a distance is told in pixels, and in micrometres where a pixel's size is known", () => {
  // 3, 4, 5
  assert.equal(distanceText(at(1, 1), at(4, 5), null), "5.0 pixels");
  assert.equal(distanceText(at(1, 1), at(4, 5), 0.5), "5.0 pixels, 2.5 µm");
  assert.equal(distanceText(at(0, 0), at(0, 3000), 0.5), "3000.0 pixels, 1.5 mm");
  assert.equal(distanceText(at(2, 2), at(2, 2), 0.5), "0.0 pixels");
});

test("two clicks lay a ruler, whose end goes with the pointer in between", () => {
  const ruler = new Ruler(null);
  ruler.toggle();
  assert.equal(ruler.press(at(0, 0)), false);
  assert.equal(ruler.lift(), false);
  ruler.move(at(0, 7));
  assert.equal(ruler.text, "7.0 pixels");
  assert.equal(ruler.press(at(0, 10)), true);
  ruler.move(at(50, 50));
  assert.equal(ruler.text, "10.0 pixels");
});

test("one drag lays a ruler, and the next press begins another", () => {
  const ruler = new Ruler(null);
  ruler.toggle();
  ruler.press(at(0, 0));
  ruler.move(at(6, 8));
  assert.equal(ruler.lift(), true);
  assert.equal(ruler.text, "10.0 pixels");
  assert.equal(ruler.press(at(1, 1)), false);
  assert.equal(ruler.text, "0.0 pixels");
});

test("a ruler that is put away forgets what it measured", () => {
  const ruler = new Ruler(1);
  ruler.toggle();
  ruler.press(at(0, 0));
  ruler.toggle();
  assert.deepEqual([ruler.isOn, ruler.text, ruler.lift()], [false, "", false]);
});
