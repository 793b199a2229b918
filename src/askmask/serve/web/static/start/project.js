/** One project from outside: its model's card, classes, prediction, exchange, and putting it away. */

import { call, get } from "../api.js";
import { h, show } from "../dom.js";
import { ClassRows } from "./class-rows.js";
import { exportCard, importCard, predictCard } from "./exchange.js";
import { problemsOf } from "./jobs.js";
import { openProject } from "./open.js";
import { binCard } from "./putting-away.js";

const COLOURS = ["#999999", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"];

export async function showProject(frame, id) {
  const [project, { roots }] = await Promise.all([get(`/projects/${id}`), get("/projects")]);
  const canBrowse = roots.length > 0;
  const told = h("div", {});
  const open = () => openProject(id).catch((error) => show(told, problemsOf(error)));
  const card = h("section", { class: "card", "aria-label": "Model" });
  const classes = h("section", { class: "card", "aria-label": "Classes" });
  const draw = async () => {
    const facts = await get(`/projects/${id}/card`);
    show(card, ...cardParts(facts));
    show(classes, ...classParts(id, facts, draw));
    return facts.commands.length > 0;
  };
  const hasModel = await draw();
  show(
    frame,
    h("h1", {}, project.name),
    h("p", { class: "muted path" }, project.folder),
    h("div", { class: "row" }, h("button", { type: "button", class: "primary", onclick: open }, project.is_open ? "Go on labelling" : "Open and label")),
    told,
    card,
    predictCard(id, { canBrowse, hasModel }),
    classes,
    exportCard(id),
    importCard(id, { canBrowse }),
    binCard(project),
  );
}

function cardParts(facts) {
  const save = () => {
    const link = h("a", { href: URL.createObjectURL(new Blob([facts.text], { type: "text/markdown" })), download: `${facts.name}-model.md` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  return [
    h("h2", {}, "The model"),
    h("div", { class: "wide" }, h("table", { class: "facts", id: "model-card" }, h("tbody", {}, facts.facts.map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, value)))))),
    facts.commands.length ? h("p", { class: "muted" }, "The same from a command line:") : null,
    facts.commands.length ? h("pre", {}, facts.commands.join("\n")) : null,
    h("button", { type: "button", class: "small", onclick: save }, "Save this card"),
  ];
}

function classParts(id, facts, redraw) {
  const rows = new ClassRows({ kept: facts.classes.length });
  rows.set(facts.classes.map(({ name, colour }, index) => ({ name, colour: colour || COLOURS[index % COLOURS.length] })));
  const told = h("div", {});
  const words = h("p", { class: "muted", id: "classes-mean" });
  const keep = h("button", { type: "button", class: "primary", id: "keep-classes", disabled: true }, "Keep the classes");
  rows.addEventListener("change", () => {
    const added = rows.values.length - facts.classes.length;
    keep.disabled = rows.values.some(({ name }) => name === "");
    words.textContent = added > 0 ? meansOf(added) : "";
  });
  keep.addEventListener("click", async () => {
    keep.disabled = true;
    try {
      const change = await call("PUT", `/projects/${id}/classes`, { classes: rows.values }, { timeoutSeconds: 60 });
      await redraw();
      document.querySelector("#classes-kept")?.replaceChildren(keptWords(change));
    } catch (error) {
      show(told, problemsOf(error));
      keep.disabled = false;
    }
  });
  return [
    h("h2", {}, "Classes"),
    h("p", { class: "muted" }, "A new name or colour changes no answer. A class cannot be removed, since answers speak of it."),
    rows.element,
    words,
    told,
    h("p", { id: "classes-kept", role: "status" }),
    keep,
  ];
}

const meansOf = (added) =>
  `Answers are kept, and say nothing of the ${added === 1 ? "new class" : "new classes"}: where it occurs in a region that was answered, the answer calls it something else. ` +
  "Go through Review and change those. The models so far are set aside, and the next training starts from all answers.";

function keptWords({ added, renamed, labelled_images: images, models }) {
  const parts = [];
  if (renamed.length) parts.push(`${renamed.map(([before, now]) => `${before} is now ${now}`).join(", ")}.`);
  if (added.length) parts.push(`Added ${added.join(", ")}. ${images} images have answers that do not know it; ${models} models were set aside.`);
  return parts.join(" ") || "Kept.";
}

