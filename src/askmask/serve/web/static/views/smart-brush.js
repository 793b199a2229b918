/** Short strokes, from which the server corrects the labels in hand, or labels a region that has none. */

import { itemPath, post } from "../api.js";
import { byId } from "../dom.js";
import { decodeRuns, encodeRuns } from "../editor/rle.js";
import { UNLABELLED } from "../editor/raster.js";
import { say, toast } from "../notices.js";

export class SmartBrush {
  /** @param {import("../work.js").Work} work @param {import("../editor/editor.js").Editor} editor */
  constructor(work, editor) {
    this.work = work;
    this.editor = editor;
    this.turn = 0; // of several strokes on their way the newest counts
    /** @type {string | null} region that the server has prepared */
    this.prepared = null;
    editor.addEventListener("smart", () => this.run());
    editor.addEventListener("tool", () => this.toolChanged());
  }

  /** Cutting a region takes the server a moment: it begins when the tool is taken in hand. */
  toolChanged() {
    const { editor, work } = this;
    byId("canvas").dataset.strokes = String(editor.smart.lines.length);
    if (editor.tool !== "smart" || !editor.raster || !work.item) return;
    const path = itemPath(work.item);
    if (this.prepared === path) return;
    this.prepared = path;
    this.ask([UNLABELLED, editor.raster.data.length], encodeRuns(editor.raster.data)).catch((error) => {
      this.prepared = null;
      if (!error.isTemporary) toast(error.message);
    });
  }

  ask(runs, labels) {
    return post(`${itemPath(this.work.item)}/spread`, { runs: Array.from(runs), labels: Array.from(labels) });
  }

  async run() {
    const { editor, work } = this;
    const turn = ++this.turn;
    const { item } = work;
    byId("canvas").dataset.strokes = String(editor.smart.lines.length);
    if (!editor.smart.isEnough) {
      say("Nothing is labelled yet: now a short stroke in another class.");
      return;
    }
    try {
      const [strokes, before] = [editor.smart.drawn(editor.raster).data, editor.smart.before];
      const { runs } = await this.ask(encodeRuns(strokes), encodeRuns(before));
      const isWanted = turn === this.turn && work.item?.round === item.round && work.item.rank === item.rank && editor.smart.isBegun;
      if (isWanted) editor.propose(decodeRuns(runs, editor.raster.data.length));
    } catch (error) {
      if (turn === this.turn) toast(`Nothing came of the strokes (${error.message}) Take the brush, or draw on to try again.`);
    }
  }
}
