/** Choosing files: a folder of this machine, or files dropped onto the page; and how they are read. */

import { get, query } from "../api.js";
import { h, show } from "../dom.js";
import { chooseFolder } from "./chooser.js";
import { problemsOf } from "./jobs.js";
import { filesOf, filesOfInput, upload } from "./upload.js";

/** @typedef {{path?: string, upload?: string, below?: string, words: string}} Chosen  a place and what to call it */

/** A place as the API takes it; null stays null. @param {Chosen | null} chosen */
export function placeOf(chosen) {
  if (chosen === null) return null;
  return chosen.path === undefined ? { upload: chosen.upload, below: chosen.below ?? null } : { path: chosen.path };
}

/**
 * A field that takes a folder, dropped files or picked files, and tells `onChosen` which.
 *
 * @param {{title: string, id: string, wants?: import("./chooser.js").Wanted, canBrowse: boolean,
 *   onChosen: (chosen: Chosen, names: string[]) => void}} options
 */
export function fileField({ title, id, wants = "images", canBrowse, onChosen }) {
  const told = h("div", { class: "muted" });
  const take = async (files) => {
    try {
      if (files.length === 0) throw new Error("Nothing was dropped that could be read.");
      const sent = await upload(files, (done, total) => {
        told.textContent = `Sending ${files.length} files: ${Math.round((100 * done) / Math.max(total, 1))} % …`;
      });
      const words = files.length === 1 ? files[0].name : `${files.length} dropped files`;
      told.textContent = words;
      const below = wants === "file" && files.length === 1 ? files[0].name : undefined;
      onChosen({ upload: sent, below, words }, files.map(({ name }) => name));
    } catch (error) {
      show(told, problemsOf(error));
    }
  };
  const browse = async () => {
    const path = await chooseFolder(title, { wants });
    if (path === null) return;
    told.textContent = path;
    const found = wants === "file" ? { folders: [] } : await get(`/folders${query({ path })}`);
    onChosen({ path, words: path }, found.folders.map((name) => `${name}/`));
  };
  const picked = (/** @type {Event} */ event) => take(filesOfInput(/** @type {any} */ (event.target).files));
  const zone = h("div", { class: "drop", id },
    h("div", { class: "row" },
      canBrowse ? h("button", { type: "button", onclick: browse }, wants === "file" ? "Choose a file or folder …" : "Choose a folder …") : null,
      h("label", { class: "button-like" }, h("span", {}, "Pick files "), h("input", { type: "file", multiple: true, onchange: picked })),
    ),
    h("p", { class: "muted small-text" }, "or drop files or a folder here"),
    told,
  );
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(await filesOf(/** @type {DataTransfer} */ (event.dataTransfer)));
  });
  return zone;
}

const KINDS = [
  ["auto", "find out, or ask"],
  ["index", "class numbers: 0, 1, 2 …"],
  ["binary", "black and white"],
  ["palette", "a colour for each class"],
  ["instances", "a number for each object"],
  ["instance-files", "a file for each object"],
];
/** @type {{name: string, option: string, words: string, choices?: string[][], number?: boolean, of: string}[]} */
const FIELDS = [
  { name: "kind", option: "--kind", words: "What masks hold", choices: KINDS, of: "masks" },
  { name: "mask_suffix", option: "--mask-suffix", words: "What masks' names have after the images'", of: "masks" },
  { name: "ignore_value", option: "--ignore-value", words: "Value of pixels without a label", number: true, of: "masks" },
  { name: "threshold", option: "--threshold", words: "Soft edges: foreground from this value on", number: true, of: "masks" },
  { name: "overlaps", option: "--overlaps", words: "A pixel in several objects' files goes to", choices: [["", "nobody: refuse it"], ["first", "the first by name"], ["last", "the last by name"]], of: "masks" },
  { name: "white_is_zero", option: "--white-is-zero", words: "Masks that show 0 white", choices: [["", "ask"], ["shown", "the look counts"], ["stored", "the number counts"]], of: "masks" },
  { name: "orientation", option: "--orientation", words: "Files that are stored turned", choices: [["", "ask"], ["apply", "turn them"], ["ignore", "take them as stored"]], of: "images" },
  { name: "channels", option: "--channels", words: "Channels that are red, green, blue; or the grey one", of: "images" },
  { name: "value_range", option: "--value-range", words: "16 bits: what becomes black and white", of: "images" },
  { name: "scale", option: "--scale", words: "Shrink images and masks, 0.01 to 1", number: true, of: "images" },
];

/** Fields for what is said of files: the options of the command line, and the values chosen. */
export class FileOptions {
  constructor({ hasImages = true } = {}) {
    this.fields = FIELDS.filter(({ of }) => hasImages || of === "masks");
    this.controls = new Map(this.fields.map((field) => [field.name, controlFor(field)]));
  }

  element() {
    return h("div", { class: "fields" },
      this.fields.map((field) => h("label", {}, field.words, this.controls.get(field.name), h("small", {}, field.option))),
    );
  }

  /** What was chosen, as the API takes it; what is empty is left out. */
  get values() {
    const found = {};
    for (const { name, number } of this.fields) {
      const { value } = this.controls.get(name);
      if (value !== "") found[name] = number ? Number(value) : value;
    }
    return found;
  }
}

/** @param {{name: string, choices?: string[][], number?: boolean}} field */
function controlFor({ name, choices, number }) {
  if (choices) return h("select", { name }, choices.map(([value, words]) => h("option", { value }, words)));
  return h("input", { name, type: number ? "number" : "text", step: "any" });
}
