/** A new project: images, masks if there are any, classes, settings; nothing is made before the end. */

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { ClassRows, FIRST_CLASSES } from "./class-rows.js";
import { FileOptions, fileField, placeOf } from "./files-form.js";
import { problemsOf, runJob } from "./jobs.js";
import { foundWords, pictures } from "./found.js";
import { openProject } from "./open.js";

export async function showNew(frame) {
  const { roots, new_folder: above } = await get("/projects");
  new NewProject(frame, { canBrowse: roots.length > 0, above: above ?? "" }).draw();
}

const TIMES = [
  ["", "as fits this machine (about 20 seconds)"],
  ["10", "short: 10 seconds, a new model often"],
  ["60", "long: a minute, better models, fewer of them"],
  ["300", "very long: 5 minutes"],
];
const REGIONS = [
  ["", "as fits the objects"],
  ["64", "small squares, 64 pixels"],
  ["128", "middle squares, 128 pixels"],
  ["256", "large squares, 256 pixels"],
];
const STRATEGIES = [
  ["", "what the model is unsure about"],
  ["mutual_information", "what the model contradicts itself about"],
  ["margin", "what is a close call between two classes"],
  ["random", "anything, by chance"],
];

class NewProject {
  constructor(frame, { canBrowse, above }) {
    this.frame = frame;
    this.canBrowse = canBrowse;
    this.above = above;
    this.images = null;
    this.masks = null;
    this.found = null;
    this.isEdited = false;
    this.options = new FileOptions();
    this.classes = new ClassRows();
    this.classes.set(FIRST_CLASSES);
    this.classes.addEventListener("change", () => this.edited());
    this.told = h("div", {});
    this.result = h("div", {});
    this.making = h("div", {});
    this.rest = h("div", { class: "start-rest", hidden: true });
  }

  draw() {
    const { canBrowse } = this;
    const images = fileField({ title: "Folder of images", id: "images-field", canBrowse, onChosen: (chosen, names) => this.choseImages(chosen, names) });
    this.maskField = h("div", {});
    this.drawMasks(null);
    show(
      this.frame,
      h("h1", {}, "New project"),
      h("section", { class: "card", "aria-label": "Images" },
        h("h2", {}, "1. Your images"),
        h("p", { class: "muted" }, "PNG, JPEG, TIFF, BMP or WebP. They are copied into the project; yours stay as they are."),
        images,
      ),
      h("section", { class: "card", "aria-label": "Masks" },
        h("h2", {}, "2. Masks, if you have some"),
        h("p", { class: "muted" }, "Images with the class of each pixel, named as their images. Without any, the page asks and you draw."),
        this.maskField,
      ),
      h("section", { class: "card", "aria-label": "What was found" },
        h("h2", {}, "3. What was found"),
        h("details", { id: "how-read" }, h("summary", {}, "How files are read"), this.options.element()),
        h("button", { type: "button", id: "look", onclick: () => this.look() }, "Look again"),
        this.told,
        this.result,
      ),
      this.rest,
    );
    this.drawRest();
  }

  drawMasks(words) {
    const field = fileField({ title: "Folder of masks", id: "masks-field", canBrowse: this.canBrowse, onChosen: (chosen) => this.choseMasks(chosen) });
    show(this.maskField, words === null ? field : h("div", { class: "row" }, h("span", {}, words), h("button", { type: "button", class: "small", onclick: () => { this.drawMasks(null); this.choseMasks(null); } }, "Without masks")));
  }

  /** A folder that holds `images` and `masks` means both, as for `askmask check`. */
  choseImages(chosen, names) {
    const folders = new Set(names.flatMap(foldersOf));
    const above = [...folders].map((name) => name.replace(/images\/$/, "")).find((name) => folders.has(`${name}images/`) && folders.has(`${name}masks/`));
    this.images = chosen;
    if (above !== undefined) {
      this.images = inside(chosen, `${above}images`);
      this.masks = inside(chosen, `${above}masks`);
      this.drawMasks(`Masks: ${this.masks.words}`);
    }
    this.look();
  }

  choseMasks(masks) {
    this.masks = masks;
    if (this.images) this.look();
  }

  edited() {
    this.isEdited = true;
    this.update();
  }

  get body() {
    const isSaid = this.isEdited || this.masks === null;
    const classes = this.classes.values.filter(({ name }) => name !== "");
    return { images: placeOf(this.images), masks: placeOf(this.masks), options: this.options.values, classes: isSaid ? classes : [] };
  }

  async look() {
    if (!this.images) return show(this.told, h("p", { class: "muted" }, "Choose images first."));
    this.found = null;
    show(this.result);
    this.update();
    try {
      const body = this.body;
      if (this.masks === null) body.classes = []; // they are named below
      const { result } = await runJob(this.told, "/checks", body);
      this.found = result;
      if (this.masks && !this.isEdited && result.classes?.length) this.classes.set(result.classes);
      this.drawFound();
    } catch (error) {
      show(this.told, problemsOf(error));
    }
    this.update();
  }

  drawFound() {
    const { found } = this;
    const hasProblems = found.problems.length > 0;
    const details = this.frame.querySelector("#how-read");
    if (hasProblems && details) details.open = true;
    show(
      this.result,
      hasProblems ? h("p", {}, "This has to be settled first; the fields above have the options that are named:") : null,
      hasProblems ? problemsOf({ problems: found.problems }) : null,
      this.coloursFound(),
      foundWords(found),
      pictures(found.pictures),
    );
  }

  coloursFound() {
    const { colours_found: colours } = this.found;
    if (!colours?.length) return null;
    const take = () => {
      this.classes.set(colours.map((colour, index) => ({ name: this.classes.classes[index]?.name ?? "", colour })));
      const kind = this.options.controls.get("kind");
      if (kind) kind.value = "palette";
      this.edited();
      this.rest.hidden = false;
    };
    return h("div", { class: "row" }, `The masks hold ${colours.length} colours.`, h("button", { type: "button", class: "small", onclick: take }, "Each is a class: name them below, then look again"));
  }

  drawRest() {
    this.name = h("input", { type: "text", id: "new-name", maxlength: 100 });
    this.folder = h("input", { type: "text", id: "new-folder", value: `${this.above}/`, spellcheck: "false" });
    this.name.addEventListener("input", () => {
      this.folder.value = `${this.above}/${this.name.value.trim().replace(/[^\p{L}\p{N}._-]+/gu, "-") || "project"}`;
      this.update();
    });
    this.confirm = h("input", { type: "checkbox", id: "masks-right", onchange: () => this.update() });
    this.confirmText = h("span", {});
    this.confirmLine = h("label", { class: "check" }, this.confirm, this.confirmText);
    this.seconds = select("seconds", TIMES);
    this.region = select("region", REGIONS);
    this.strategy = select("strategy", STRATEGIES);
    this.create = h("button", { type: "button", class: "primary", id: "create", onclick: () => this.make() }, "Make the project");
    this.missing = h("p", { class: "muted", id: "missing" });
    show(
      this.rest,
      h("section", { class: "card", "aria-label": "Classes" },
        h("h2", {}, "4. Classes"),
        h("p", { class: "muted" }, "What a pixel can be. The first one is the background. More can be added later."),
        this.classes.element,
        this.confirmLine,
      ),
      h("section", { class: "card", "aria-label": "Settings" },
        h("h2", {}, "5. Settings"),
        h("div", { class: "fields" },
          h("label", {}, "Name of the project", this.name),
          h("label", {}, "Its folder", this.folder),
          h("label", {}, "A training takes", this.seconds),
          h("label", {}, "It asks for", this.region),
          h("label", {}, "It asks about", this.strategy),
        ),
        h("p", { class: "muted" }, "Everything can be changed later in the project's askmask.yaml, where each setting has its reason."),
        this.making,
        this.create,
        this.missing,
      ),
    );
  }

  /** What still has to be done before the project can be made; empty if nothing. */
  get lacks() {
    const lacks = [];
    if (!this.found) lacks.push("images");
    else if (this.found.problems.length) lacks.push("an answer to what is written in 3");
    const names = this.classes.values.map(({ name }) => name);
    if (names.some((name) => name === "") || names.length < 2) lacks.push("a name for each class, the background too");
    if (new Set(names).size < names.length) lacks.push("different names for the classes");
    if (this.masks && !this.confirm.checked) lacks.push("a look at the masks: are they read right?");
    if (this.name.value.trim() === "") lacks.push("a name for the project");
    return lacks;
  }

  update() {
    const { found } = this;
    this.rest.hidden = !found;
    this.confirmLine.hidden = !this.masks || !found;
    this.confirmText.textContent = found?.kind ? `The masks are read as ${found.kind}, and the pictures above show the classes where they are.` : "";
    const { lacks } = this;
    this.create.disabled = lacks.length > 0;
    this.missing.textContent = lacks.length ? `Still needed: ${lacks.join("; ")}.` : "";
  }

  async make() {
    this.create.disabled = true;
    const chosen = (control) => (control.value === "" ? null : control.value);
    const number = (control) => (control.value === "" ? null : Number(control.value));
    const body = { ...this.body, name: this.name.value.trim(), folder: this.folder.value.trim(), seconds: number(this.seconds), region: number(this.region), acquisition: chosen(this.strategy) };
    try {
      const { result } = await runJob(this.making, "/projects/new", body);
      const { id } = await post("/projects", { folder: result.root });
      await openProject(id);
    } catch (error) {
      show(this.making, problemsOf(error));
    }
    this.update();
  }
}

/** Every folder on the way to a file: "a/b/c.png" has "a/" and "a/b/". */
function foldersOf(name) {
  const parts = name.split("/").slice(0, -1);
  return parts.map((_, index) => `${parts.slice(0, index + 1).join("/")}/`);
}

function inside(chosen, below) {
  const words = `${chosen.words}: ${below}`;
  return chosen.path === undefined ? { upload: chosen.upload, below, words } : { path: `${chosen.path}/${below}`, words };
}

const select = (id, choices) => h("select", { id }, choices.map(([value, words]) => h("option", { value }, words)));
