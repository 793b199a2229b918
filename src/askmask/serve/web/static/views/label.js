/** The view in which regions are labelled: it joins work, editor, viewer, panel and strip. */

import { get, itemPath, scoresUrl } from "../api.js";
import { byId, detailOf, duration, keyOf, sourceOf } from "../dom.js";
import { drawTool } from "../editor/cursor-picture.js";
import { Editor } from "../editor/editor.js";
import { KeyboardCursor } from "../editor/keyboard-cursor.js";
import { Pointer } from "../editor/pointer.js";
import { UNLABELLED } from "../editor/raster.js";
import { banner, say, toast } from "../notices.js";
import { Upcoming } from "../upcoming.js";
import { heatCanvas, isClear } from "../viewer/layers.js";
import { Display } from "../viewer/display.js";
import { Ruler } from "../viewer/ruler.js";
import { ScaleBar } from "../viewer/scale-bar.js";
import { Tiles } from "../viewer/tiles.js";
import { fit, visibleTiles } from "../viewer/viewport.js";
import { Viewer } from "../viewer/viewer.js";
import { Opening } from "../opening.js";
import { giveBack, Work } from "../work.js";
import { labelActions } from "./label-actions.js";
import { BoxAssistant } from "./box-assistant.js";
import { Compare } from "./compare.js";
import { Panel } from "./panel.js";
import { PicturePanel } from "./picture-panel.js";
import { RegionInfo } from "./region-info.js";
import { Strip } from "./strip.js";
import { SmartBrush } from "./smart-brush.js";
import { SuperpixelSource } from "./superpixel-source.js";
import { Waiting } from "./waiting.js";

const MOST_NEIGHBOURS = 100;

export class LabelView {
  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.app = app;
    this.images = new Map();
    this.wanted = null; // region that another view wants to see here
    this.visited = [];
    this.neighbours = { image: -1, items: /** @type {any[]} */ ([]) };
    /** @type {number | null} image whose range is known */
    this.measured = null;
    this.tiles = new Tiles();
    this.editor = new Editor();
    this.display = new Display(app.preferences);
    this.viewer = new Viewer(canvasOf("picture"), canvasOf("canvas"), this.tiles, this.display);
    this.viewer.isPainting = () => this.editor.isDrawing;
    this.editor.cutValue = app.project.classes[0] && isClear(app.project.classes[0]) ? 0 : UNLABELLED;
    this.ruler = new Ruler(app.project.mpp);
    this.pointer = new Pointer(this.viewer, this.editor, this.ruler, say);
    this.keyboard = new KeyboardCursor(this.viewer, this.editor, this.ruler, say);
    this.work = new Work(app, this.editor);
    this.upcoming = new Upcoming(app, this.work, (item) => this.warm(item));
    this.superpixels = new SuperpixelSource(this.tiles);
    this.smart = new SmartBrush(this.work, this.editor);
    this.assistant = app.project.assistant ? new BoxAssistant(this.work, this.editor) : null;
    this.info = new RegionInfo(app, this.work, this.viewer);
    this.waiting = new Waiting(app);
    this.itemNews = 0;
    this.opening = new Opening(this.ports());
    this.compare = new Compare(app, this.viewer, this.editor);
    this.picturePanel = new PicturePanel(this.display, this.pointer, app.preferences);
    this.actions = labelActions(this);
    this.panel = new Panel(app, this.editor, this.viewer, this.actions);
    this.strip = new Strip(app, (item) => this.openPlace(item));
    this.viewer.drawCursor = (context) => drawTool(context, { ...this, colour: this.colour });
    const scaleBar = new ScaleBar(byId("scale-bar"), app.project.mpp);
    this.viewer.onView = (scale) => scaleBar.update(scale);
    this.bind();
  }

  bind() {
    const { app, editor, viewer, work, actions } = this;
    editor.addEventListener("paint", (event) => viewer.changed(detailOf(event)));
    editor.addEventListener("tool", () => this.toolChanged());
    editor.addEventListener("unprompted", () => toast("Drag a box around one object first; then click where the proposal is wrong."));
    work.addEventListener("lost", (event) => {
      const text = `A stroke could not be kept in this browser (${detailOf(event)?.message}). Answer this region before you close the page.`;
      banner("draft", text, { bad: true });
    });
    app.colours.addEventListener("change", () => this.recolour());
    app.items.addEventListener("change", (event) => {
      this.itemNews++;
      if (detailOf(event).stale) this.neighbours.image = -1;
      if (work.item) this.hear(app.items.get(work.item));
      else if (this.opening.state === "waiting") this.tryAgain();
    });
    for (const id of ["accept", "unsure", "artefact", "skip", "back", "reset"]) {
      byId(id).addEventListener("click", () => actions[id]());
    }
    byId("zoom-in").addEventListener("click", actions.zoomIn);
    byId("zoom-out").addEventListener("click", actions.zoomOut);
    byId("zoom-fit").addEventListener("click", actions.fitRegion);
    byId("ruler").addEventListener("click", actions.ruler);
    byId("view-label").addEventListener("click", (event) => {
      const wasPointer = event.detail > 0; // a button pressed by mouse must not keep the Space key
      if (wasPointer && sourceOf(event).closest("button")) byId("canvas").focus({ preventScroll: true });
    });
  }

  /** What the owner of the region in hand needs of the page and the server. */
  ports() {
    const { work, upcoming } = this;
    return {
      next: (after, isWanted) => upcoming.next(after, isWanted),
      take: (place) => upcoming.take(place),
      again: (item) => get(itemPath(item)),
      hold: (item) => work.hold(item),
      prepare: (item, hold) => this.prepare(item, hold),
      show: (item, hold, prepared) => this.show(item, hold, prepared),
      wait: (error) => this.wait(error),
      close: () => work.putDown(),
      keep: (kind) => this.keepAnswer(kind),
      isUntouched: () => !this.editor.isEdited && !this.editor.isDrawing && this.editor.polygon.length === 0,
      giveBack,
      news: () => this.itemNews,
    };
  }

  /** News of the region in hand; a prediction that comes late fills a region not yet touched. */
  hear(item) {
    const { work } = this;
    const isNew = item?.piece && !work.item.piece;
    work.hear(item);
    if (!item) return;
    if (isNew) {
      this.viewer.scene.piece = item.piece;
      this.loadScores(item);
    }
    if (item.piece?.prediction && work.item.prefill?.from === "none") this.opening.refill();
  }

  /** The view came to the front: go on where this tab was, else take the next region. */
  async enter() {
    this.viewer.resize();
    this.strip.update();
    const { wanted } = this;
    this.wanted = null;
    if (wanted) return this.openPlace(wanted);
    if (["opening", "answering"].includes(this.opening.state)) return undefined; // it goes on
    if (this.work.item) {
      this.takeFocus();
      return this.strip.setCurrent(this.work.item);
    }
    const place = this.work.lastPlace();
    const item = place && (await this.app.items.fetch(place).catch(() => null));
    if (this.wanted || this.work.item || ["opening", "answering"].includes(this.opening.state)) return undefined; // it came first
    return item ? this.openPlace(item, { quietly: true }) : this.openNext(null);
  }

  /** Open the next free region. */
  openNext(after) {
    return this.opening.next(after);
  }

  /** Open one region of the strip, also an answered one. */
  async openPlace(place, { quietly = false } = {}) {
    try {
      await this.opening.place(place);
    } catch (error) {
      if (!quietly) toast(error.message);
      if (this.opening.state === "none") await this.openNext(null);
    }
  }

  /** Put the region in hand down, if there is one; its draft stays. */
  leave() {
    this.opening.leave();
  }

  async prepare(item, hold) {
    return { image: await this.imageOf(item), draft: await this.work.read(item, hold.isHeld) };
  }

  show(item, hold, { image, draft }) {
    this.app.items.pin(item);
    this.work.open(item, draft, hold.isHeld);
    this.waiting.hide();
    this.keyboard.at = null;
    this.ruler.clear();
    this.viewer.show(this.sceneOf(item, image));
    this.upcoming.remember(item);
    this.loadScores(item);
    this.loadNeighbours(item);
    this.measure(image);
    this.compare.show(item);
    this.toolChanged();
    this.strip.setCurrent(item);
    this.info.show(item);
    Object.assign(byId("canvas").dataset, { item: keyOf(item), region: `${item.row},${item.col}`, ahead: 0 });
    this.takeFocus();
    setTimeout(() => this.fetchAhead(item), 200);
  }

  /** The picture gets the focus, unless a control has it. */
  takeFocus() {
    const { activeElement } = document;
    const isFree = !activeElement || activeElement === document.body || activeElement.matches("#main, nav *");
    if (isFree) byId("canvas").focus({ preventScroll: true });
  }

  /** Find the range of the image from its smallest picture; what came for another image is dropped. */
  async measure(image) {
    if (this.measured === image.number) return;
    this.measured = image.number;
    const picture = await this.tiles.load(image.number, { level: image.levels - 1, row: 0, col: 0 }).catch(() => null);
    if (this.measured !== image.number) return;
    if (!picture) this.measured = null; // tried again with the next region
    this.display.measure(picture);
  }

  recolour() {
    this.viewer.recolour();
    this.viewer.redrawCursor();
    if (this.opening.item) this.compare.show(this.opening.item);
  }

  async fetchAhead(item) {
    await this.upcoming.fetchAhead(item);
    byId("canvas").dataset.ahead = String(this.upcoming.fetched.size - 1); // without the one in hand
  }

  async imageOf(item) {
    if (!this.images.has(item.image)) this.images.set(item.image, await get(`/images/${item.image}`));
    return this.images.get(item.image);
  }

  sceneOf(item, image) {
    return {
      image,
      region: boxOf(item),
      raster: this.editor.raster,
      classes: this.app.project.classes,
      piece: item.piece,
      neighbours: [],
    };
  }

  /** Other asked regions of the image are outlined once they are known. */
  async loadNeighbours(item) {
    if (this.neighbours.image !== item.image) {
      const part = { at: item, first: -MOST_NEIGHBOURS / 2, limit: MOST_NEIGHBOURS };
      const told = await this.app.items.window({ image: item.image }, part).catch(() => null);
      if (!told) return;
      this.neighbours = { image: item.image, items: told.items };
    }
    if (!this.opening.item || keyOf(this.opening.item) !== keyOf(item)) return;
    const others = this.neighbours.items.filter((other) => keyOf(other) !== keyOf(item));
    this.viewer.setNeighbours(others.map(boxOf));
  }

  async loadScores(item) {
    if (!item.piece?.scores) return;
    const canvas = await heatCanvas(scoresUrl(item));
    if (this.work.item && keyOf(this.work.item) === keyOf(item)) this.viewer.setScores(canvas);
  }

  /** Load the picture of a region before it is opened; rejects if its image is not known. */
  async warm(item) {
    const image = await this.imageOf(item);
    const viewport = fit(boxOf(item), this.viewer.size.width, this.viewer.size.height);
    const tiles = visibleTiles(viewport, image, this.viewer.size, image.tile, image.levels);
    await Promise.allSettled(tiles.slice(0, 12).map((tile) => this.tiles.load(image.number, tile)));
  }

  wait(error) {
    this.viewer.show(null);
    this.panel.update();
    this.info.show(null);
    this.compare.show(null);
    this.strip.setCurrent(null);
    delete byId("canvas").dataset.item;
    this.waiting.show(error);
  }

  tryAgain() {
    const { items, outbox } = this.app;
    const answered = outbox.entries.filter((entry) => items.get(entry)?.state === "open").length;
    if (items.totals.free > answered) this.openNext(null);
  }

  get colour() {
    const cls = this.app.project.classes[this.editor.value];
    return this.editor.ink === UNLABELLED || !cls ? "#ffffff" : cls.color;
  }

  toolChanged() {
    const { editor } = this;
    byId("canvas").dataset.tool = editor.tool;
    byId("canvas").dataset.corners = String(editor.polygon.length);
    if (editor.tool === "superpixel" && editor.raster && !editor.superpixels) this.needPatches();
    this.viewer.redrawCursor();
  }

  async needPatches() {
    const { raster } = this.editor;
    const spacing = this.editor.patchSize;
    try {
      const ids = await this.superpixels.compute(this.viewer.scene.image, this.viewer.scene.region, spacing);
      if (!ids || raster !== this.editor.raster) return;
      this.editor.superpixels = ids;
      byId("canvas").dataset.patches = String(spacing);
      this.viewer.redrawCursor();
    } catch (error) {
      toast(error.message);
    }
  }

  /** Accept, unsure, artefact: kept here at once, sent, and on to the next. */
  async answer(kind) {
    if (!this.work.item) return;
    const obstacle = kind === "labels" ? this.work.obstacle() : null;
    if (obstacle) {
      toast(obstacle);
      return;
    }
    try {
      await this.opening.answer(kind);
    } catch (error) {
      toast(`The answer could not be kept in this browser (${error.message}). The region stays open.`);
    }
  }

  async keepAnswer(kind) {
    const { work } = this;
    const { item } = work;
    const { seconds } = work.timer;
    if (kind === "labels" && work.isRepeat) {
      work.putDown();
      giveBack(item);
    } else {
      await work.answer(kind);
      const names = { labels: "Accepted", unsure: "Marked unsure", artefact: "Marked as artefact" };
      say(`${names[kind]}, ${duration(seconds)}.`);
    }
    this.visited.push(item);
  }
}

/** @param {string} id */
const canvasOf = (id) => /** @type {HTMLCanvasElement} */ (byId(id));

function boxOf(item) {
  return { top: item.row, left: item.col, bottom: item.row + item.height, right: item.col + item.width };
}
