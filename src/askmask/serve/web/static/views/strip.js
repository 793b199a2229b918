/**
 * The film strip: the asked regions in order, with reason and state; filter, and jump.
 *
 * Only the cards in sight are there, and only their regions are fetched: a strip of fifty thousand
 * regions costs what one of fifty costs. Places in the list are counted from 0.
 */

import { byId, choice, detailOf, h, keyOf, place, show } from "../dom.js";
import { StripCard } from "./strip-card.js";

const GAP = 8; // between cards, as in label.css
const MORE = 6; // cards beside those in sight
const MOST_FETCHED = 100;
const SETTLE_MS = 120; // cards that fly past are neither fetched nor drawn
const WIDEST = 15e6; // wider elements are cut off by some browsers; the filter reaches what is behind
const FILTERS = [
  ["all", "all"],
  ["open", "open"],
  ["labels", "labelled"],
  ["unsure", "unsure"],
  ["artefact", "artefact"],
  ["conflict", "conflict"],
];

export class Strip {
  /** `onChoose(item)` is called when a region is chosen. */
  constructor(app, onChoose) {
    this.app = app;
    this.onChoose = onChoose;
    /** @type {Map<number, string>} keys of regions by their place in the list, as far as known */
    this.order = new Map();
    /** @type {Set<number>} places that need not be fetched */
    this.fresh = new Set();
    /** @type {Map<number, StripCard>} cards by place */
    this.cards = new Map();
    this.total = 0;
    this.step = 148;
    /** @type {import("../types.js").Item | null} the region in hand */
    this.current = null;
    this.cursor = 0;
    this.turn = 0; // of several lists under way the newest counts
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.list = byId("strip");
    this.reel = h("div", { class: "reel", role: "presentation" });
    this.list.append(this.reel);
    this.buildControls();
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("scroll", () => this.render(), { passive: true });
    new ResizeObserver(() => this.render()).observe(this.list);
    app.items.addEventListener("change", (event) => this.hear(detailOf(event).stale));
    app.outbox.addEventListener("change", () => this.render());
  }

  buildControls() {
    const state = choice("State", FILTERS, { id: "strip-state", onchange: () => this.restart() });
    const round = choice("Round", [["all", "all"]], { id: "strip-round", onchange: () => this.restart() });
    this.jump = h("input", { id: "strip-jump", type: "search", placeholder: "3.12, or image", "aria-label": "Go to a region by its number or image", onchange: () => this.jumpTo(this.jump.value) });
    this.state = state.select;
    this.round = round.select;
    this.hideNarrow();
    show(byId("strip-controls"), round.label, state.label, h("label", { class: "field" }, h("span", {}, "Go to"), this.jump));
  }

  /** Which regions the strip has. */
  get chosen() {
    const value = (select) => (select.value === "all" ? undefined : select.value);
    return { state: value(this.state), round: value(this.round) };
  }

  /** Another list: begin at the region in hand, if it has it. */
  restart() {
    this.order.clear();
    this.fresh.clear();
    this.goTo(this.current);
  }

  /** The server's news: what is shown may have changed, or even its place in the list. */
  hear(isStale) {
    this.updateRounds(this.app.items.rounds);
    if (isStale || this.chosen.state) this.fresh.clear(); // a new state may leave the list, or enter it
    this.render();
  }

  /** Bring the strip up to date when it comes into sight. */
  update() {
    this.updateRounds(this.app.items.rounds);
    this.render();
  }

  updateRounds(rounds) {
    const names = ["all", ...rounds.map((row) => String(row.round))];
    if (names.join() === Array.from(this.round.options, (option) => option.value).join()) return;
    const chosen = this.round.value;
    show(this.round, names.map((name) => h("option", { value: name }, name)));
    this.round.value = names.includes(chosen) ? chosen : "all";
    this.hideNarrow();
  }

  /** A choice among one is none. */
  hideNarrow() {
    const label = this.round.closest("label");
    if (label) label.hidden = this.round.options.length < 3;
  }

  /** First and last place (excluded) of the cards that should be there. */
  get span() {
    const { scrollLeft, clientWidth } = this.list;
    const first = Math.max(0, Math.floor(scrollLeft / this.step) - MORE);
    const last = Math.ceil((scrollLeft + clientWidth) / this.step) + MORE;
    return { first, last: Math.max(last, first + MORE) };
  }

  /** Put the cards in sight there, and see to those whose regions are not known. */
  render() {
    const { first, last } = this.span;
    const end = Math.min(last, this.total);
    for (const [at, card] of this.cards) {
      if (at >= first && at < end) continue;
      card.element.remove();
      this.cards.delete(at);
    }
    this.reel.style.width = `${Math.min(this.total * this.step, WIDEST)}px`;
    this.reel.style.paddingInlineStart = `${Math.min(first, this.total) * this.step}px`;
    for (let at = first; at < end; at++) this.renderCard(at, at - first);
    this.measureStep();
    clearTimeout(this.timer);
    const isMissing = this.missing(first, last) !== null;
    this.timer = setTimeout(() => this.settle(), isMissing && this.order.size === 0 ? 0 : SETTLE_MS);
  }

  renderCard(at, index) {
    const key = this.order.get(at);
    let card = this.cards.get(at);
    if (!card || card.key !== key) {
      card?.element.remove();
      card = new StripCard(key, (item) => this.onChoose(item));
      this.cards.set(at, card);
    }
    const item = key === undefined ? undefined : this.app.items.known.get(key);
    if (item) card.fill(item, this.app.outbox);
    card.place(at, this.total, {
      isCurrent: key !== undefined && this.current !== null && key === keyOf(this.current),
      isCursor: at === this.cursor && document.activeElement === this.list,
    });
    if (this.reel.children[index] !== card.element) this.reel.insertBefore(card.element, this.reel.children[index] ?? null);
    if (at === this.cursor && key !== undefined) this.list.setAttribute("aria-activedescendant", card.element.id);
  }

  /** Styles decide how wide a card is. */
  measureStep() {
    const width = /** @type {HTMLElement | null} */ (this.reel.firstElementChild)?.offsetWidth;
    if (!width || width + GAP === this.step) return;
    this.step = width + GAP;
    if (this.current) this.scrollTo(this.placeOf(this.current));
    this.render();
  }

  /** What lies in sight for a moment is fetched and drawn. */
  settle() {
    for (const card of this.cards.values()) card.draw();
    const { first, last } = this.span;
    const from = this.missing(first, last);
    if (from !== null) this.fetch({ first: Math.max(0, from - MORE), limit: Math.min(MOST_FETCHED, last - from + 2 * MORE) });
  }

  /** First place of a span whose region must be fetched; null if there is none. */
  missing(first, last) {
    const end = Math.min(last, Math.max(this.total, 1)); // the first look tells how many there are
    for (let at = first; at < end; at++) if (!this.isHere(at)) return at;
    return null;
  }

  isHere(at) {
    const key = this.order.get(at);
    return this.fresh.has(at) && (key === undefined || this.app.items.known.has(key));
  }

  /** Fetch a part of the list; returns the place of `at` in it, or -1. */
  async fetch(part) {
    const turn = ++this.turn;
    let told;
    try {
      told = await this.app.items.window(this.chosen, part);
    } catch {
      return -1; // the news after the server's return comes here again
    }
    if (turn !== this.turn) return -1;
    if (told.total !== this.total) this.forgetBehind(told.total);
    this.total = told.total;
    if (told.total === 0) this.fresh.add(0);
    told.items.forEach((item, index) => {
      this.order.set(told.first + index, keyOf(item));
      this.fresh.add(told.first + index);
    });
    const at = part.at ? this.placeOf(part.at) : -1;
    if (at >= 0) this.scrollTo(at);
    this.render();
    return at;
  }

  forgetBehind(total) {
    for (const at of this.order.keys()) if (at >= total) this.order.delete(at);
    this.fresh.delete(0);
  }

  placeOf(item) {
    const key = keyOf(item);
    for (const [at, other] of this.order) if (other === key) return at;
    return -1;
  }

  /** Mark the region in hand and bring it into sight. */
  setCurrent(item) {
    this.current = item;
    if (item) this.goTo(item);
    else this.render();
  }

  /** Bring a region into the middle; what is around it is fetched if need be. */
  goTo(item) {
    const at = item ? this.placeOf(item) : 0;
    if (at >= 0 && this.order.size > 0) {
      this.cursor = at;
      this.scrollTo(at);
      this.render();
      return;
    }
    const half = Math.ceil(this.list.clientWidth / this.step / 2) + MORE;
    const part = item ? { at: item, first: -half, limit: Math.min(MOST_FETCHED, 2 * half) } : { limit: MOST_FETCHED };
    this.fetch(part).then((found) => {
      if (found >= 0) this.cursor = found;
    });
  }

  scrollTo(at) {
    if (at < 0) return;
    this.reel.style.width = `${Math.min(this.total * this.step, WIDEST)}px`;
    this.list.scrollLeft = at * this.step - (this.list.clientWidth - this.step) / 2;
  }

  /** Move the cursor of the keys, and no further than it takes to see it. */
  setCursor(at) {
    this.cursor = at;
    const left = at * this.step;
    const { scrollLeft, clientWidth } = this.list;
    if (left < scrollLeft) this.list.scrollLeft = left;
    else if (left + this.step > scrollLeft + clientWidth) this.list.scrollLeft = left + this.step - clientWidth;
    this.render();
  }

  key(event) {
    if (this.total === 0) return;
    const { cursor, total } = this;
    const to = { ArrowRight: cursor + 1, ArrowLeft: cursor - 1, Home: 0, End: total - 1, PageDown: cursor + 8, PageUp: cursor - 8 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.setCursor(Math.min(total - 1, Math.max(0, to)));
    } else if (event.key === "Enter" && this.cards.get(cursor)?.item) {
      event.preventDefault();
      event.stopPropagation();
      this.onChoose(this.cards.get(cursor)?.item);
    }
  }

  async jumpTo(text) {
    const wanted = text.trim();
    if (!wanted) return;
    const found = await this.find(wanted).catch(() => null);
    if (found) this.onChoose(found);
    this.jump.setCustomValidity(found ? "" : "No asked region has this number or image.");
    this.jump.reportValidity();
  }

  /** A region by its number as people see it, else the first of an image. */
  async find(text) {
    const numbers = /^(\d{1,9})\.(\d{1,9})$/.exec(text);
    const { items } = this.app;
    const byNumber = numbers && (await items.fetch({ round: Number(numbers[1]), rank: Number(numbers[2]) - 1 }));
    if (byNumber && place(byNumber) === text) return byNumber;
    return (await items.window({ text }, { limit: 1 })).items[0] ?? null;
  }
}
