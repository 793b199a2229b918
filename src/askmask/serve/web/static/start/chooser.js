/** A dialog that chooses a folder or a file of this machine, below the folders that are allowed. */

import { get, query } from "../api.js";
import { dialogOf, h, show } from "../dom.js";

/** @typedef {"project" | "images" | "folder" | "file"} Wanted  what the dialog is to find */

/**
 * Ask for a folder; resolves with its path, or null if nobody wants one.
 *
 * @param {string} title
 * @param {{wants?: Wanted, from?: string}} [options]
 * @returns {Promise<string | null>}
 */
export function chooseFolder(title, { wants = "folder", from } = {}) {
  const dialog = dialogOf("choose");
  return new Promise((resolve) => {
    let chosen = null;
    const choose = (path) => {
      chosen = path;
      dialog.close();
    };
    dialog.onclose = () => resolve(chosen);
    const go = async (path) => {
      try {
        draw(await get(`/folders${query({ path })}`));
      } catch (error) {
        if (path !== undefined) await go(undefined).catch(() => {});
        const told = dialog.querySelector(".error");
        if (told) told.textContent = error.message;
        else show(dialog, h("p", { class: "error", role: "alert" }, error.message), h("button", { type: "button", onclick: () => dialog.close() }, "Close"));
      }
    };
    const draw = (folder) => show(dialog, ...parts(title, folder, wants, go, choose, () => dialog.close()));
    show(dialog, h("p", { class: "muted" }, "Looking …"));
    dialog.showModal();
    go(from);
  });
}

function parts(title, folder, wants, go, choose, close) {
  const inner = (name) => `${folder.path.replace(/\/$/, "")}/${name}`;
  const isFine = wants !== "project" || folder.is_project;
  const typed = h("input", { type: "text", value: folder.path, "aria-label": "Path", spellcheck: "false" });
  const visit = (event) => {
    event.preventDefault();
    go(typed.value);
  };
  return [
    h("h2", { id: "choose-title" }, title),
    h("form", { class: "row path-row", onsubmit: visit }, typed, h("button", { type: "submit" }, "Go")),
    h("p", { class: "error", role: "alert" }),
    h("p", { class: "muted" }, wordsOf(folder)),
    h("div", { class: "entries", role: "group", "aria-label": "Folders" },
      folder.above === null ? null : h("button", { type: "button", class: "quiet", onclick: () => go(folder.above) }, "↑ The folder above"),
      folder.folders.map((name) => h("button", { type: "button", class: "quiet", onclick: () => go(inner(name)) }, `▸ ${name}`)),
      wants === "file" ? folder.files.map((name) => h("button", { type: "button", class: "quiet file", onclick: () => choose(inner(name)) }, name)) : null,
    ),
    h("div", { class: "row" },
      h("span", { class: "spring" }),
      h("button", { type: "button", onclick: close }, "Cancel"),
      h("button", { type: "button", class: "primary", id: "choose-this", disabled: !isFine, onclick: () => choose(folder.path) }, "Choose this folder"),
    ),
  ];
}

function wordsOf(folder) {
  if (folder.is_project) return "A project lies here.";
  const more = folder.has_more ? " There is more than is listed: type the path." : "";
  return `${folder.images} images, ${folder.files.length - folder.images} other files, ${folder.folders.length} folders.${more}`;
}
