/** The film strip: every asked region in order, with its reason and state; filter, and jump. */

import { scoresUrl, thumbnailUrl } from "../api.js";
import { byId, choice, h, keyOf, place, show } from "../dom.js";
import { stateOf } from "../items.js";
import { reason, term } from "../reasons.js";
import { heatCanvas } from "../viewer/layers.js";

const SIDE = 64;
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
    this.cards = new Map();
    this.current = null;
    this.cursor = null;
    this.list = byId("strip");
    this.buildControls();
    this.seen = new IntersectionObserver((entries) => this.fillReasons(entries), { root: this.list, rootMargin: "300px" });
    this.list.addEventListener("keydown", (event) => this.key(event));
    app.items.addEventListener("change", () => this.update());
    app.outbox.addEventListener("change", () => this.update());
  }

  buildControls() {
    const state = choice("State", FILTERS, { id: "strip-state", onchange: () => this.update() });
    const round = choice("Round", [["all", "all"]], { id: "strip-round", onchange: () => this.update() });
    this.jump = h("input", { id: "strip-jump", type: "search", placeholder: "3.12, or image", "aria-label": "Go to a region by its number or image", onchange: () => this.jumpTo(this.jump.value) });
    this.state = state.select;
    this.round = round.select;
    this.hideNarrow();
    show(byId("strip-controls"), round.label, state.label, h("label", { class: "field" }, h("span", {}, "Go to"), this.jump));
  }

  /** Bring the cards up to date; only what changed is touched. */
  update() {
    const { items } = this.app;
    this.updateRounds(items.rounds);
    const wanted = items.list.filter((item) => this.passes(item));
    const keys = new Set(wanted.map(keyOf));
    for (const [key, card] of this.cards) {
      if (keys.has(key)) continue;
      card.element.remove();
      this.cards.delete(key);
    }
    wanted.forEach((item, index) => {
      const card = this.cards.get(keyOf(item)) ?? this.newCard(item);
      this.fill(card, item);
      if (this.list.children[index] !== card.element) {
        this.list.insertBefore(card.element, this.list.children[index] ?? null);
      }
    });
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

  passes(item) {
    const [state] = stateOf(item, this.app.outbox);
    const wanted = this.state.value;
    const isState = wanted === "all" || state === wanted || (wanted === "open" && state === "leased");
    return isState && (this.round.value === "all" || this.round.value === String(item.round));
  }

  newCard(item) {
    const map = h("canvas", { class: "reason", width: SIDE, height: SIDE, "aria-hidden": "true" });
    const caption = h("span", {});
    const state = h("span", {});
    const element = h(
      "div",
      { class: "card", role: "option", id: `card-${item.round}-${item.rank}`, "aria-selected": "false", onclick: () => this.onChoose(item) },
      h("img", { src: thumbnailUrl(item, 128), alt: "", width: SIDE, height: SIDE, loading: "lazy", decoding: "async" }),
      map,
      h("span", { class: "caption" }, caption, state),
    );
    const card = { element, map, caption, state, item, isFilled: false };
    element.askmaskCard = card;
    this.cards.set(keyOf(item), card);
    this.seen.observe(element);
    return card;
  }

  fill(card, item) {
    const [state, text] = stateOf(item, this.app.outbox);
    const gotPiece = item.piece && !card.item.piece;
    card.item = item;
    card.caption.textContent = place(item);
    card.state.textContent = text;
    card.state.className = `state ${state}`;
    card.element.title = `${item.image_id}: ${reason(item)} (${term(item)})`;
    card.element.setAttribute("aria-label", `Region ${place(item)}, image ${item.image_id}, ${reason(item)}, ${text}`);
    if (gotPiece && !card.isFilled) {
      this.seen.unobserve(card.element);
      this.seen.observe(card.element);
    }
  }

  fillReasons(entries) {
    for (const { isIntersecting, target } of entries) {
      const card = target.askmaskCard;
      if (!isIntersecting || card.isFilled || !card.item.piece?.scores) continue;
      card.isFilled = true;
      card.map.dataset.drawn = "no";
      drawReason(card.map, card.item).finally(() => {
        card.map.dataset.drawn = "yes";
      });
    }
  }

  /** Mark the region in hand and bring it into sight. */
  setCurrent(item) {
    this.cards.get(this.current)?.element.setAttribute("aria-selected", "false");
    this.current = item ? keyOf(item) : null;
    const card = this.cards.get(this.current);
    if (!card) return;
    card.element.setAttribute("aria-selected", "true");
    card.element.scrollIntoView({ block: "nearest", inline: "center" });
    this.setCursor(card.element);
  }

  setCursor(element) {
    this.cursor?.classList.remove("cursor");
    this.cursor = element;
    this.list.setAttribute("aria-activedescendant", element.id);
    if (document.activeElement !== this.list) return;
    element.classList.add("cursor");
    element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  key(event) {
    const cards = [...this.list.children];
    if (cards.length === 0) return;
    const at = Math.max(0, cards.indexOf(this.cursor));
    const last = cards.length - 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last, PageDown: at + 8, PageUp: at - 8 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.setCursor(cards[Math.min(last, Math.max(0, to))]);
    } else if (event.key === "Enter" && this.cursor) {
      event.preventDefault();
      event.stopPropagation();
      this.onChoose(this.cursor.askmaskCard.item);
    }
  }

  jumpTo(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return;
    const { list } = this.app.items;
    const found = list.find((item) => place(item) === wanted) ?? list.find((item) => item.image_id.toLowerCase().includes(wanted));
    if (found) this.onChoose(found);
    this.jump.setCustomValidity(found ? "" : "No asked region has this number or image.");
    this.jump.reportValidity();
  }
}

/** The part of the score map inside the region, as large as fits. */
async function drawReason(canvas, item) {
  const map = await heatCanvas(scoresUrl(item));
  if (!map) return;
  const scale = SIDE / Math.max(item.width, item.height);
  const [width, height] = [item.width * scale, item.height * scale];
  canvas
    .getContext("2d")
    .drawImage(
      map,
      item.col - item.piece.col,
      item.row - item.piece.row,
      item.width,
      item.height,
      (SIDE - width) / 2,
      (SIDE - height) / 2,
      width,
      height,
    );
}
