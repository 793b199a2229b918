/** The page begins here: log in, fetch the project, show the view that the address names. */

import { connection, get, watchForReturn } from "./api.js";
import { byId, detailOf } from "./dom.js";
import { listen, news } from "./events.js";
import { Help } from "./help.js";
import { Items } from "./items.js";
import { KeyMap } from "./key-map.js";
import { bindKeys } from "./keys.js";
import { Colours } from "./colours.js";
import { banner } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Welcome } from "./welcome.js";
import { Preferences } from "./preferences.js";
import { askPerson, logIn, logOut } from "./session.js";
import { bindThemeButton } from "./theme.js";
import { Header } from "./views/header.js";
import { LabelView } from "./views/label.js";
import { ReviewView } from "./views/review.js";
import { StatusView } from "./views/status.js";

const VIEWS = ["label", "review", "status"];

/** What every part of the page may know. Event "worker": what the worker does has changed. */
export class App extends EventTarget {
  /**
   * @param {{name: string, role: string}} me
   * @param {any} project what does not change while people work
   */
  constructor(me, project) {
    super();
    this.me = me;
    this.project = project;
    this.preferences = new Preferences(project.id ?? project.name);
    this.colours = new Colours(project.classes, this.preferences);
    this.items = new Items();
    this.outbox = new Outbox(project.id ?? project.name, me.name);
    /** @type {any} what the worker does, once it is known */
    this.worker = null;
    /** @type {string | null} */
    this.viewName = null;
    this.isAsking = false;
    /** @type {{label: LabelView, review: ReviewView, status: StatusView}} */
    this.views = /** @type {any} */ (null);
  }

  async start() {
    news.addEventListener("worker", (event) => this.setWorker(detailOf(event)));
    this.outbox.addEventListener("sent", (event) => this.items.update(detailOf(event).item));
    connection.addEventListener("reached", () => this.items.refreshSoon());
    await Promise.all([this.items.refresh(), this.outbox.load()]);
    this.views = { label: new LabelView(this), review: new ReviewView(this), status: new StatusView(this) };
    new Header(this);
    this.bind();
    listen();
    this.route();
    document.documentElement.dataset.started = "yes";
    new Welcome(new Preferences("every project"), this.me.name).begin();
  }

  setWorker(worker) {
    this.worker = worker;
    this.dispatchEvent(new Event("worker"));
  }

  bind() {
    byId("person").textContent = this.me.name;
    byId("person").hidden = false;
    byId("person").addEventListener("click", () => this.changePerson());
    const keys = new KeyMap(new Preferences("every project")); // hands do not change with the project
    const help = new Help(keys, this.project.assistant ? [] : ["box"]);
    byId("help").addEventListener("click", () => help.toggle());
    window.addEventListener("hashchange", () => this.route());
    connection.addEventListener("unauthorised", (event) => this.logInAgain(detailOf(event)));
    const own = { help: () => help.toggle(), view: (key) => this.go(VIEWS[Number(key.at(-1)) - 1]) };
    bindKeys(keys, (action) => own[action] ?? this.view.actions?.[action]);
  }

  /** @returns {any} the view in front */
  get view() {
    return this.viewName === null ? null : this.views[this.viewName];
  }

  go(name) {
    location.hash = `#/${name}`;
  }

  route() {
    const name = location.hash.replace("#/", "");
    const next = VIEWS.includes(name) ? name : "label";
    if (next === this.viewName) return;
    this.view?.exit?.();
    this.viewName = next;
    for (const view of VIEWS) {
      byId(`view-${view}`).hidden = view !== next;
      const link = /** @type {Element} */ (document.querySelector(`nav [data-view=${view}]`));
      if (view === next) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (document.activeElement?.closest("[hidden]")) byId("main").focus({ preventScroll: true });
    this.view.enter();
  }

  /** Open a region in the label view, from anywhere. */
  openRegion(item) {
    this.views.label.wanted = item;
    if (this.viewName === "label") this.view.enter();
    else this.go("label");
  }

  async changePerson() {
    this.views.label.leave();
    await logOut().catch(() => {});
    location.reload();
  }

  /** The session ended under us: nothing is lost, the same person goes on after logging in. */
  async logInAgain(error) {
    if (this.isAsking) return;
    this.isAsking = true;
    const me = await askPerson(error.body.token_required === true, "Please log in again; your work is kept.");
    this.isAsking = false;
    if (me.name !== this.me.name) location.reload();
    else this.outbox.flush();
  }
}

bindThemeButton(byId("theme"));
watchForReturn();
async function begin() {
  const me = await logIn();
  await new App(me, await get("/project")).start();
}

begin().catch((error) => banner("start", `The page could not start: ${error.message} Load it again; if it stays so, look at what askmask serve prints.`, { bad: true }));
