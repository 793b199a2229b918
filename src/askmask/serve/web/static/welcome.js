/** Four steps over the real page, for who comes for the first time; keys and mouse go on working. */

import { byId, h, show } from "./dom.js";

const STEPS = [
  { at: "#canvas", title: "This square is asked", text: "The bright square is what the model wants to learn from. If there is a model, it has filled the square: mend what is wrong instead of drawing it all." },
  { at: ".tools", title: "Mend it", text: "Choose a class and a tool, and draw. Undo has no limit, and every stroke is kept in this browser at once." },
  { at: ".actions", title: "Say what you know", text: "Accept takes you on. Unsure is an honest answer: it teaches nothing, and nobody is asked again. Artefact is for what should not be learned." },
  { at: "nav", title: "See whether it helps", text: "Status shows how good the model is and what it does now. Review shows every answer, to change it. H shows all keys." },
];

export class Welcome {
  /** @param {import("./preferences.js").Preferences} preferences @param {string} person */
  constructor(preferences, person) {
    this.preferences = preferences;
    this.name = `welcome-${person}`;
    this.step = 0;
    /** @type {Element | null} */
    this.marked = null;
    this.hear = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.end();
  }

  /** Begin, unless this person has seen it in this browser. */
  begin() {
    if (this.preferences.read(this.name, "") === "seen") return;
    this.draw();
    byId("welcome").hidden = false;
    document.addEventListener("keydown", this.hear);
  }

  /** Show the step; who came by the keyboard keeps the focus on the way on. */
  draw(isByKey = false) {
    const { title, text, at } = STEPS[this.step];
    const isLast = this.step === STEPS.length - 1;
    this.mark(document.querySelector(at));
    byId("welcome").classList.toggle("high", at === ".tools" || at === ".actions");
    show(
      byId("welcome"),
      h("p", { class: "muted small-text" }, `Step ${this.step + 1} of ${STEPS.length}`),
      h("h2", {}, title),
      h("p", {}, text),
      h("div", { class: "row" },
        isLast ? null : h("button", { type: "button", class: "quiet", onclick: () => this.end() }, "Skip"),
        h("span", { class: "spring" }),
        h("button", { type: "button", class: "primary", onclick: (event) => this.next(event.detail === 0) }, isLast ? "Begin" : "Next"),
      ),
    );
    if (isByKey) /** @type {HTMLElement} */ (byId("welcome").querySelector(".primary")).focus();
  }

  mark(element) {
    this.marked?.classList.remove("marked");
    this.marked = element;
    element?.classList.add("marked");
  }

  next(isByKey) {
    if (this.step === STEPS.length - 1) {
      this.end();
      return;
    }
    this.step++;
    this.draw(isByKey);
  }

  end() {
    this.mark(null);
    byId("welcome").hidden = true;
    document.removeEventListener("keydown", this.hear);
    this.preferences.write(this.name, "seen");
    byId("canvas").focus({ preventScroll: true });
  }
}
