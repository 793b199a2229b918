/** Putting a project away: asked twice, and nothing is deleted. */

import { post } from "../api.js";
import { dialogOf, h, show } from "../dom.js";
import { toast } from "../notices.js";
import { problemsOf } from "./jobs.js";

export function binCard(project) {
  const told = h("div", {});
  const begin = async () => {
    if (!(await confirmTwice(project))) return;
    try {
      const { folder } = await post(`/projects/${project.id}/bin`, { name: project.name }, { timeoutSeconds: 60 });
      toast(`Moved to ${folder}`);
      location.hash = "#/";
    } catch (error) {
      show(told, problemsOf(error));
    }
  };
  return h("section", { class: "card", "aria-label": "Put away" },
    h("h2", {}, "Delete"),
    h("p", { class: "muted" }, "The project is moved into the folder askmask-bin beside it, with its answers and models. Move it back to undo that; delete it there to be rid of it."),
    told,
    h("button", { type: "button", class: "bad-button", id: "delete", onclick: begin }, "Delete the project …"),
  );
}

/** Ask, then ask for the name; resolves with whether both were answered. */
function confirmTwice(project) {
  const dialog = dialogOf("choose");
  return new Promise((resolve) => {
    let isSure = false;
    dialog.onclose = () => resolve(isSure);
    const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Keep it");
    const second = () => {
      const typed = h("input", { type: "text", id: "typed-name", autocomplete: "off" });
      const sure = h("button", { type: "submit", class: "bad-button", disabled: true }, "Delete");
      typed.addEventListener("input", () => { sure.disabled = typed.value !== project.name; });
      const finish = (event) => {
        event.preventDefault();
        isSure = typed.value === project.name;
        dialog.close();
      };
      show(dialog, h("form", { onsubmit: finish },
        h("h2", { id: "choose-title" }, "Really?"),
        h("label", {}, `Type the project's name: ${project.name}`, typed),
        h("div", { class: "row" }, cancel, h("span", { class: "spring" }), sure),
      ));
      typed.focus();
    };
    show(dialog,
      h("h2", { id: "choose-title" }, `Delete ${project.name}?`),
      h("p", {}, "Nobody can label in it any more. Who works on it now keeps unsent answers in the browser only."),
      h("div", { class: "row" }, cancel, h("span", { class: "spring" }), h("button", { type: "button", class: "bad-button", id: "delete-first", onclick: second }, "Delete")),
    );
    dialog.showModal();
  });
}
