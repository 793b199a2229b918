/** Images in, masks out: prediction; and labels to and from other programs. */

import { decimal, h, show } from "../dom.js";
import { FileOptions, fileField, placeOf } from "./files-form.js";
import { downloadOf, problemsOf, runJob } from "./jobs.js";

const FORMATS = [
  ["label-studio", "Label Studio"],
  ["qupath", "QuPath (GeoJSON)"],
  ["coco", "COCO"],
  ["nnunet", "nnU-Net"],
  ["png", "PNG masks"],
];
const WHAT = [
  ["answers", "every labelled image"],
  ["queries", "what is asked now, to be labelled elsewhere"],
  ["predictions", "the model's labels of every image"],
];

const select = (name, choices) => h("select", { name }, choices.map(([value, words]) => h("option", { value }, words)));

/** A card with a button whose work may fail; what came of it stands below. */
function workCard({ id, title, words, fields, button, work }) {
  const told = h("div", { class: "wide" });
  const press = h("button", { type: "button", class: "primary", id }, button);
  press.addEventListener("click", async () => {
    press.disabled = true;
    try {
      show(told, ...[await work(told)].flat());
    } catch (error) {
      show(told, problemsOf(error));
    }
    press.disabled = false;
  });
  return h("section", { class: "card", "aria-label": title }, h("h2", {}, title), h("p", { class: "muted" }, words), ...fields, press, told);
}

export function predictCard(id, { canBrowse, hasModel }) {
  if (!hasModel) {
    return h("section", { class: "card", "aria-label": "Predict" }, h("h2", {}, "Predict new images"), h("p", { class: "muted" }, "There is no model yet. Open the project and label: one is trained after the first answers."));
  }
  let images = null;
  const field = fileField({ title: "Images to predict", id: "predict-field", canBrowse, onChosen: (chosen) => (images = chosen) });
  return workCard({
    id: "predict",
    title: "Predict new images",
    words: "The newest model gives each image a mask and a map of its confidence. You get a zip with both and a table.",
    fields: [field],
    button: "Predict",
    work: async (told) => {
      if (!images) throw new Error("Choose images first.");
      const job = await runJob(told, `/projects/${id}/predictions`, { images: placeOf(images) });
      return [downloadOf(job, `Download masks of ${job.result.predicted} images`), predictedTable(job.result), job.result.problems.length ? problemsOf({ problems: job.result.problems }) : null];
    },
  });
}

function predictedTable({ images, classes }) {
  const cells = (line) => [line.image, ...line.shares.map((share) => `${(100 * share).toFixed(1)} %`), decimal(line.confidence), decimal(line.expected_accuracy)];
  const heads = ["image", ...classes, "confidence", "expected accuracy"];
  return h("table", { class: "facts" },
    h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, images.map((line) => h("tr", {}, cells(line).map((text) => h("td", {}, text))))),
  );
}

export function exportCard(id) {
  const what = select("what", WHAT);
  const format = select("format", FORMATS);
  return workCard({
    id: "export",
    title: "Export",
    words: "Labels for another program, as a zip.",
    fields: [h("div", { class: "fields" }, h("label", {}, "What", what), h("label", {}, "For", format))],
    button: "Export",
    work: async (told) => {
      const job = await runJob(told, `/projects/${id}/exports`, { what: what.value, format: format.value });
      return downloadOf(job, `Download ${job.result.count} ${what.value}`);
    },
  });
}

export function importCard(id, { canBrowse }) {
  let files = null;
  const field = fileField({ title: "Labels to take in", id: "import-field", wants: "file", canBrowse, onChosen: (chosen) => (files = chosen) });
  const format = select("import-format", FORMATS);
  const empty = select("empty", [["", "refuse the file"], ["background", "background"], ["skip", "left out"]]);
  const area = select("area", [["", "refuse the file"], ["image", "the whole image"], ["regions", "only rectangles named Region"]]);
  const apart = h("input", { type: "checkbox" });
  const options = new FileOptions({ hasImages: false });
  const ofFormat = { coco: h("label", {}, "COCO: images without an annotation are", empty), qupath: h("label", {}, "QuPath: without a rectangle Region, what was looked at is", area) };
  const masks = h("details", {}, h("summary", {}, "How PNG masks are read"), options.element());
  const choose = () => {
    for (const [name, element] of Object.entries(ofFormat)) element.hidden = format.value !== name;
    masks.hidden = format.value !== "png";
  };
  format.addEventListener("change", choose);
  choose();
  return workCard({
    id: "import",
    title: "Import",
    words: "Labels that were made in another program become answers. All of a file is taken, or nothing.",
    fields: [
      field,
      h("div", { class: "fields" }, h("label", {}, "From", format), ...Object.values(ofFormat)),
      masks,
      h("label", { class: "check" }, apart, h("span", {}, "Pass over images that are kept for validation and testing")),
    ],
    button: "Import",
    work: async (told) => {
      if (!files) throw new Error("Choose a file first.");
      const body = { files: placeOf(files), format: format.value, empty: empty.value || null, area: area.value || null, skip_kept_apart: apart.checked, options: options.values };
      const { result } = await runJob(told, `/projects/${id}/imports`, body);
      return importWords(result);
    },
  });
}

function importWords({ kept, items, passed_over: passed, not_kept: not }) {
  const lines = [
    `Kept ${kept} answers of ${items} labelled items.`,
    ...Object.entries(not).map(([reason, number]) => `${number} not kept: ${reason}.`),
    ...Object.entries(passed).map(([what, number]) => `Passed over ${number} ${what}.`),
  ];
  return h("ul", { role: "status" }, lines.map((line) => h("li", {}, line)));
}
