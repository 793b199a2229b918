/** The start: projects that are known, opened, made, used and put away. */

import { connection, get, watchForReturn } from "../api.js";
import { byId, detailOf, h, show } from "../dom.js";
import { banner } from "../notices.js";
import { askPerson, logIn, logOut } from "../session.js";
import { bindThemeButton } from "../theme.js";
import { showList } from "./list.js";
import { showNew } from "./new.js";
import { openProject } from "./open.js";
import { showProject } from "./project.js";

const PLACES = [
  { match: /^#\/new$/, view: "new", draw: showNew },
  { match: /^#\/open\/([0-9a-f]{12})$/, view: "projects", draw: openNow },
  { match: /^#\/project\/([0-9a-f]{12})$/, view: "projects", draw: showProject },
  { match: /^/, view: "projects", draw: showList },
];
let turn = 0;

/** Draw what the address names; a view that comes late, after another was chosen, is not shown. */
async function route() {
  const mine = ++turn;
  const place = PLACES.find(({ match }) => match.test(location.hash)) ?? PLACES[PLACES.length - 1];
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.getAttribute("data-view") === place.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const frame = h("div", { class: "start-view" });
  try {
    await place.draw(frame, location.hash.match(place.match)?.[1] ?? "");
  } catch (error) {
    show(frame, h("p", { class: "error", role: "alert" }, error.message), h("p", {}, h("a", { href: "#/" }, "All projects")));
  }
  if (mine !== turn) return;
  show(byId("main"), frame);
  document.documentElement.dataset.started = "yes";
  byId("main").focus({ preventScroll: true });
}

async function openNow(frame, id) {
  show(frame, h("p", { class: "muted" }, "Opening …"));
  await openProject(id);
}

let isAsking = false;

async function logInAgain(error) {
  if (isAsking) return;
  isAsking = true;
  await askPerson(error.body.token_required === true, error.message);
  isAsking = false;
  route();
}

async function begin() {
  const me = await logIn("#/");
  byId("person").textContent = me.name;
  byId("person").hidden = false;
  byId("person").addEventListener("click", async () => {
    await logOut().catch(() => {});
    location.reload();
  });
  connection.addEventListener("unauthorised", (event) => logInAgain(detailOf(event)));
  connection.addEventListener("lost", () => banner("server", "The server does not answer. Was it ended? Start it again: askmask"));
  connection.addEventListener("reached", () => banner("server", null));
  window.addEventListener("hashchange", route);
  await get("/projects");
  await route();
}

bindThemeButton(byId("theme"));
watchForReturn();
begin().catch((error) => banner("start", `The page could not start: ${error.message}`, { bad: true }));
