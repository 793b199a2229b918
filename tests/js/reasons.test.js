import assert from "node:assert/strict";
import { test } from "node:test";

import { reason, term, trainingText } from "../../src/askmask/serve/web/static/reasons.js";

/** @param {string} acquisition @param {string | null} [model] @param {number} [score] */
const item = (acquisition, model = "round_001", score = 3931.26) => ({ acquisition, model, score });

test("a reason is said in words, for every kind of strategy", () => {
  for (const name of ["predictive_entropy", "margin", "variation_ratio", "power_predictive_entropy"]) {
    assert.equal(reason(item(name)), "the model is unsure here", name);
  }
  assert.equal(reason(item("kmeans_mutual_information")), "the model contradicts itself here");
  assert.equal(reason(item("typical")), "typical of what has no label yet");
  assert.equal(reason(item("coreset")), "unlike what is labelled so far");
  assert.equal(reason(item("random", null)), "picked at random");
  assert.equal(reason(item("my_package:mine")), "asked by my package:mine");
  assert.equal(reason(item("my_package:mine", null)), "one of the first, before there is a model");
});

test("why the model is unsure says how many pixels are close calls, where that is known", () => {
  const unsure = item("predictive_entropy");
  assert.equal(reason({ ...unsure, piece: { close: 0.48 } }), "the model is unsure here: 48 % of its pixels are close calls");
  assert.equal(reason({ ...unsure, piece: { close: null } }), "the model is unsure here");
  assert.equal(reason({ ...unsure, piece: null }), "the model is unsure here");
  assert.equal(reason({ ...item("random", null), piece: { close: 0.48 } }), "picked at random");
});

test("the term behind a reason has its number, but a random one has none", () => {
  assert.equal(term(item("predictive_entropy")), "predictive entropy 3,931");
  assert.equal(term(item("random", null, -0.000179)), "random");
});

test("a training that is due is not counted beyond what it waits for", () => {
  const text = (given, needed) => trainingText({ answers_since_training: given, train_after: needed });
  assert.equal(text(3, 10), "7 more answers until the next training");
  assert.equal(text(9, 10), "1 more answer until the next training");
  assert.equal(text(20, 10), "20 new answers to learn from: the next training is due");
});
