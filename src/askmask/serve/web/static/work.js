/**
 * The region in hand: its lease, its draft in the browser, its time, and the answer at the end.
 *
 * Events: "open", "close", "notice" (detail: a sentence, or null), "lost" (a draft could not be kept).
 */

import { call, freshId, itemPath, post } from "./api.js";
import { detailOf, keyOf } from "./dom.js";
import { Draft } from "./drafts.js";
import { History } from "./editor/history.js";
import { Raster, UNLABELLED } from "./editor/raster.js";
import { decodeRuns, encodeRuns } from "./editor/rle.js";
import { Tabs } from "./tabs.js";
import { ActiveTimer } from "./timer.js";

const HEARTBEAT_MS = 30000;
const KEEP_TIME_MS = 1000; // what a reload may lose of the time measured
const LAST = "askmask-last-region"; // per tab: a reload comes back to it

export class Work extends EventTarget {
  /** @param {import("./types.js").App} app @param {import("./editor/editor.js").Editor} editor */
  constructor(app, editor) {
    super();
    this.app = app;
    this.editor = editor;
    /** @type {import("./types.js").Item} null while no region is in hand */
    this.item = /** @type {any} */ (null);
    /** @type {Draft} of the region in hand */
    this.draft = /** @type {any} */ (null);
    /** @type {ActiveTimer} of the region in hand */
    this.timer = /** @type {any} */ (null);
    this.tabs = new Tabs();
    this.isAnswering = false;
    editor.addEventListener("step", (event) => this.keep(detailOf(event).kept));
    for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
      document.addEventListener(kind, () => this.timer?.touch(), { passive: true, capture: true });
    }
    document.addEventListener("visibilitychange", () => this.watch());
    window.addEventListener("pagehide", () => this.leave());
    setInterval(() => this.renew(), HEARTBEAT_MS);
    setInterval(() => this.keepTime(), KEEP_TIME_MS);
  }

  keyFor(item) {
    return `${this.app.project.id ?? this.app.project.name}|${this.app.me.name}|${keyOf(item)}`;
  }

  /** Region that this tab had open before it was loaded again, as {round, rank}. */
  lastPlace() {
    const kept = sessionStorage.getItem(LAST)?.split("|") ?? [];
    const [round, rank] = (kept.at(-1) ?? "").split("/").map(Number);
    const place = { round, rank };
    return kept.length === 3 && sessionStorage.getItem(LAST) === this.keyFor(place) ? place : null;
  }

  /** Hold a region against this browser's other tabs: `{isHeld, letGo()}`. */
  hold(item) {
    return this.tabs.hold(this.keyFor(item));
  }

  /** What this browser keeps of a region: `{key, kept}`; a region of another tab gets its own key. */
  async read(item, isHeld) {
    const key = isHeld ? this.keyFor(item) : `${this.keyFor(item)}|${freshId()}`;
    return { key, kept: await Draft.restore(key) };
  }

  /** Take a region in hand that came with its prefill, and what `read` gave; waits for nothing. */
  open(item, { key, kept }, isHeld) {
    const base = item.answer?.number ?? null;
    const raster = filled(item);
    this.item = item;
    this.draft = kept?.draft ?? Draft.begin(key, raster, { base });
    const { idle_seconds: idleSeconds } = this.app.project;
    this.timer = new ActiveTimer(this.draft.record.seconds, { idleSeconds });
    this.editor.open({
      raster: kept?.raster ?? raster,
      history: kept?.history ?? new History(),
      first: raster.data.slice(),
      tools: this.draft.record.tools,
    });
    sessionStorage.setItem(LAST, this.keyFor(item));
    this.dispatchEvent(new Event("open"));
    this.notice(this.openingNotice(isHeld, base));
  }

  openingNotice(isHeld, base) {
    if (!isHeld) {
      return "This region is also open in another tab. Both answers will be kept; the newer counts.";
    }
    if (this.draft.record.base !== base) return this.newerAnswer(this.item.answer);
    if (this.item.conflict) {
      return "Two answers disagree here; both are kept. What you accept now settles it (compare them under Review).";
    }
    if (this.editor.isEdited) return "Your strokes from before are back.";
    return null;
  }

  newerAnswer(answer) {
    return `${answer.author} has answered this region since you began. Yours will be kept beside it and shown as a conflict.`;
  }

  notice(text) {
    this.dispatchEvent(new CustomEvent("notice", { detail: text }));
  }

  /** The server's news about the region in hand. */
  hear(item) {
    if (!this.item || !item) return;
    const base = this.draft.record.base ?? null;
    const newest = item.answer?.number ?? null;
    if (newest !== base && !this.app.outbox.holds(item)) this.notice(this.newerAnswer(item.answer));
    this.item = { ...this.item, ...item, prefill: this.item.prefill };
  }

  keep(isNew) {
    const { draft, editor } = this;
    const progress = { seconds: this.timer.seconds, tools: [...editor.used] };
    const written = isNew ? draft.keepStep(editor.history, progress) : draft.keepProgress(editor.history, progress);
    written.catch((error) => this.dispatchEvent(new CustomEvent("lost", { detail: error })));
  }

  /** A page that is being left may be gone before its last write is: the time is kept meanwhile. */
  keepTime() {
    if (this.item && !this.isAnswering && this.editor.isEdited && !this.timer.idle) this.keep(false);
  }

  watch() {
    if (document.hidden) this.timer?.stop();
    else this.renew();
  }

  async renew() {
    if (!this.item || document.hidden) return;
    try {
      await post(`${itemPath(this.item)}/lease`);
    } catch (error) {
      if (error.status !== 409) return;
      this.notice(`${error.message} Go on: both answers will be kept.`);
    }
  }

  /** Why the region cannot be accepted as it is; null if it can. */
  obstacle() {
    const { editor } = this;
    if (editor.polygon.length > 0) return "Close the polygon first (double click, or Enter), or drop it (Esc).";
    if (editor.raster.data.every((value) => value === UNLABELLED)) {
      return "Nothing is labelled yet. Label something, or press U if you are not sure.";
    }
    return null;
  }

  /** Whether accepting would only repeat the answer that stands. */
  get isRepeat() {
    return this.item.state === "labels" && !this.item.conflict && !this.editor.isEdited && this.item.prefill?.from === "answer";
  }

  /** Keep the answer in the browser and let it be sent; the region is closed. */
  async answer(kind) {
    const { editor, draft, item } = this;
    if (editor.isDrawing) editor.endStroke();
    editor.isFrozen = true; // a stroke from now on would be in no answer
    const body = {
      id: freshId(),
      kind,
      seconds: Math.round(this.timer.seconds * 100) / 100,
      tool: toolsText(editor.used) || (kind === "labels" ? "accept" : "mark"),
      base: draft.record.base ?? null,
    };
    if (kind === "labels") body.runs = Array.from(encodeRuns(editor.raster.data));
    this.isAnswering = true; // the answer takes the draft's place: nothing may bring it back
    try {
      await draft.queue;
      await this.app.outbox.add(item, body, draft.record.key);
    } catch (error) {
      editor.isFrozen = false;
      throw error;
    } finally {
      this.isAnswering = false;
    }
    this.close();
  }

  /** Put the region down without an answer: the draft stays. */
  putDown() {
    if (!this.item) return;
    this.keepLast();
    this.close();
  }

  /** The page may be going: keep what there is, and let others have the region. */
  leave() {
    if (!this.item) return;
    this.keepLast();
    giveBack(this.item);
  }

  keepLast() {
    if (this.isAnswering) return;
    if (this.editor.isDrawing) this.editor.endStroke();
    if (this.editor.isEdited) this.keep(false);
  }

  close() {
    Object.assign(this, { item: null, timer: null });
    this.editor.close();
    this.dispatchEvent(new Event("close"));
  }
}

/** Tools as the server takes them: at most 64 characters, the last word "more" if some are left out. */
export function toolsText(used) {
  const names = [...used].sort();
  let text = names.join("+");
  for (let n = names.length - 1; text.length > 64; n--) text = [...names.slice(0, n), "more"].join("+");
  return text;
}

/** Give the lease of a region back; if that fails, it runs out. */
export function giveBack(item) {
  call("DELETE", `${itemPath(item)}/lease`, undefined, { keepalive: true }).catch(() => {});
}

function filled(item) {
  const { width, height, prefill } = item;
  const data =
    prefill && prefill.from !== "none"
      ? decodeRuns(prefill.runs, width * height)
      : new Uint8Array(width * height).fill(UNLABELLED);
  return new Raster(width, height, data);
}
