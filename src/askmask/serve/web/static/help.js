/** The help sheet: every key, from the table that the dispatcher uses. */

import { dialogOf, h, show } from "./dom.js";
import { KEYS } from "./keys.js";

export function toggleHelp() {
  const dialog = dialogOf("help-sheet");
  if (dialog.open) {
    dialog.close();
    return;
  }
  const groups = [...new Set(KEYS.map((entry) => entry.group))];
  show(
    dialog,
    h("div", { class: "row" },
      h("h2", { id: "help-title" }, "Keys"),
      h("span", { class: "spring" }),
      h("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, "Close"),
    ),
    h("div", { class: "sheet" }, groups.map(section)),
    h("p", { class: "muted" },
      "Mouse: the wheel zooms, the right or middle button moves the picture. Touch: one finger draws, two move and zoom. ",
      "Every stroke is kept in this browser at once, every answer goes to the server at once."),
  );
  dialog.onkeydown = (event) => {
    if (event.key.toLowerCase() === "h") dialog.close();
    event.stopPropagation();
  };
  dialog.showModal();
}

function section(group) {
  const rows = KEYS.filter((entry) => entry.group === group).flatMap((entry) => [
    h("dt", {}, entry.show.map((key) => h("kbd", {}, key))),
    h("dd", {}, entry.text),
  ]);
  return h("section", {}, h("h3", {}, group), h("dl", {}, rows));
}
