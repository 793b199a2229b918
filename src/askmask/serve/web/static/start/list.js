/** The list of projects, the example, and the way to a new one. */

import { get, post } from "../api.js";
import { h, moment, show } from "../dom.js";
import { chooseFolder } from "./chooser.js";
import { problemsOf, runJob } from "./jobs.js";
import { openProject } from "./open.js";

export async function showList(frame) {
  const { projects, roots } = await get("/projects");
  const told = h("div", {});
  const guarded = (work) => async () => {
    show(told);
    try {
      await work();
    } catch (error) {
      show(told, problemsOf(error));
    }
  };
  const redraw = async () => showList(frame);
  show(
    frame,
    h("h1", {}, "Projects"),
    h("div", { class: "row choices" },
      h("a", { class: "button primary", href: "#/new" }, "New project"),
      h("button", { type: "button", id: "example", onclick: guarded(() => openExample(told)) }, "Try the example"),
      roots.length ? h("button", { type: "button", id: "open-folder", onclick: guarded(addFolder) }, "Open a folder …") : null,
    ),
    told,
    projects.length === 0 ? emptyWords() : null,
    h("ul", { class: "projects" }, projects.map((project) => row(project, guarded, redraw))),
  );
}

const emptyWords = () =>
  h("p", { class: "muted" }, "No project was opened here yet. Make one from your images, or look at the example first: drawn tissue, already labelled in part.");

function row(project, guarded, redraw) {
  const opening = h("button", { type: "button", class: "primary", onclick: guarded(() => openProject(project.id)) }, project.is_open ? "Go on" : "Open");
  const closing = h("button", { type: "button", onclick: guarded(async () => { await post(`/projects/${project.id}/close`); await redraw(); }) }, "Close");
  const forgetting = h("button", { type: "button", onclick: guarded(async () => { await post(`/projects/${project.id}/forget`); await redraw(); }) }, "Take out of this list");
  return h("li", { class: "project", "data-project": project.id },
    h("div", { class: "what" },
      h("strong", {}, project.name),
      project.is_open ? h("span", { class: "tag" }, "open") : null,
      h("div", { class: "muted path" }, project.folder),
      h("div", { class: "muted small-text" }, `Opened ${moment(project.opened_at)}`),
      project.problem ? h("p", { class: "error" }, project.problem) : null,
    ),
    h("div", { class: "row" },
      project.problem ? null : opening,
      project.problem ? null : h("a", { class: "button", href: `#/project/${project.id}` }, "Use and change"),
      project.is_open ? closing : null,
      project.problem ? forgetting : null,
    ),
  );
}

async function openExample(told) {
  await runJob(told, "/example", {});
  const { projects } = await get("/projects");
  await openProject(projects[0].id); // it was just put first
}

async function addFolder() {
  const folder = await chooseFolder("Open a project", { wants: "project" });
  if (folder === null) return;
  const { id } = await post("/projects", { folder });
  await openProject(id);
}
