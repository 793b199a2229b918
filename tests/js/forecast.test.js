import assert from "node:assert/strict";
import { test } from "node:test";

import { forecastText } from "../../src/askmask/serve/web/static/forecast-text.js";

const forecast = (more, low, high) => ({ more, low, high, step: 10, worth: 0.005, most: 1000 });
const bar = "10 more regions would bring less than 0.5 points of mean Dice";

test("a forecast names the number, its interval, and what comes after", () => {
  assert.equal(forecastText(forecast(40, 20, 90)), `About 40 more regions (20 to 90) are likely worth it; then ${bar}.`);
  assert.equal(forecastText(forecast(40, 40, 40)), `About 40 more regions are likely worth it; then ${bar}.`);
  assert.equal(forecastText(forecast(40, 20, 1000)), `About 40 more regions (20 to 1000 or more) are likely worth it; then ${bar}.`);
});

test("where nothing more is to be had, that is said; where nothing is known, nothing", () => {
  assert.equal(forecastText(forecast(0, 0, 0)), `Going on like this, ${bar}.`);
  assert.equal(forecastText(forecast(0, 0, 30)), `It may be enough: about 0 more regions (0 to 30) are likely worth it; then ${bar}.`);
  assert.equal(forecastText(null), null);
});
