/**
 * The image with its region on two canvases: the picture below, the cursor above.
 *
 * Everything is drawn at most once a frame. The viewer knows no tools and no server.
 */

import { penOf } from "../dom.js";
import { fit, keepInSight, pan, toImage, toScreen, visibleTiles, zoomAt } from "./viewport.js";
import { LabelLayer } from "./layers.js";
import { placeOf, reach, slideTiles } from "./slide-around.js";
import { drawUnlabelled } from "./unlabelled.js";

const DIM = 0.3;
const GLIDE = 0.4; // share of a zoom that is done in each frame

export class Viewer extends EventTarget {
  /**
   * @param {HTMLCanvasElement} picture
   * @param {HTMLCanvasElement} overlay
   * @param {import("./tiles.js").Tiles} tiles
   * @param {import("./display.js").Display} display
   */
  constructor(picture, overlay, tiles, display) {
    super();
    this.canvas = picture;
    this.overlay = overlay;
    this.tiles = tiles;
    this.display = display;
    this.viewport = { scale: 1, row: 0, col: 0 };
    /** @type {import("../types.js").Scene} null while nothing is shown */
    this.scene = /** @type {any} */ (null);
    /** @type {LabelLayer | null} */
    this.labels = null;
    /** @type {HTMLCanvasElement | null} */
    this.scores = null;
    this.options = { labels: 0.4, showLabels: true, scores: 0.6, showScores: false, showTexture: true, isDouble: false, showReference: false };
    /** @type {{canvas: CanvasImageSource, row: number, col: number, width: number, height: number} | null} */
    this.reference = null; // what the labels are compared with; null: the bare picture
    this.isPainting = () => false;
    this.onView = (/** @type {number | null} */ _scale) => {}; // told how large pixels are, null: nothing
    this.gliding = { factor: 1, x: 0, y: 0, isOn: false };
    this.drawCursor = (/** @type {CanvasRenderingContext2D} */ _context) => {};
    this.stale = { picture: false, overlay: false };
    tiles.addEventListener("load", () => this.redraw());
    display.addEventListener("change", () => this.redraw());
    new ResizeObserver(() => this.resize()).observe(picture);
  }

  /**
   * Show a region: `{image: {number, width, height, tile, levels}, region: {top, ...}, raster,
   * classes, piece, neighbours}`; null shows nothing.
   */
  show(scene) {
    this.scene = scene;
    this.setScores(null);
    this.reference = null;
    this.gliding.factor = 1;
    this.labels = scene && new LabelLayer(scene.raster, scene.classes, this.options.labels);
    if (scene) this.fitRegion();
    this.redraw();
  }

  /** Number of panes: with two, the left one shows what the labels are compared with. */
  get panes() {
    return this.options.isDouble ? 2 : 1;
  }

  /** Size of one pane on the screen. */
  get size() {
    return { width: this.canvas.clientWidth / this.panes, height: this.canvas.clientHeight };
  }

  fitRegion() {
    this.moveTo(fit(this.scene.region, this.size.width, this.size.height));
  }

  fitImage() {
    const { width, height } = this.scene.image;
    const whole = { top: 0, left: 0, bottom: height, right: width };
    this.moveTo(fit(whole, this.size.width, this.size.height, 0.02));
  }

  moveTo(viewport) {
    if (!this.scene) return;
    this.viewport = keepInSight(viewport, reach(this.scene.image), this.size.width, this.size.height);
    const { scale, row, col } = this.viewport;
    Object.assign(this.overlay.dataset, { scale, row, col });
    this.redraw();
    this.dispatchEvent(new Event("move"));
  }

  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    this.moveTo(zoomAt(this.viewport, factor, x, y));
  }

  /** Zoom in a few frames, so that the eye can follow; at once for people who want no motion. */
  glide(factor, x, y) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.zoom(factor, x, y);
      return;
    }
    Object.assign(this.gliding, { factor: this.gliding.factor * factor, x, y });
    if (this.gliding.isOn) return;
    this.gliding.isOn = true;
    this.glideOn();
  }

  glideOn() {
    const { factor, x, y } = this.gliding;
    const isLast = Math.abs(Math.log(factor)) < 0.01;
    const part = isLast ? factor : factor ** GLIDE;
    this.gliding.factor = factor / part;
    this.gliding.isOn = !isLast;
    this.zoom(part, x, y);
    if (!isLast) requestAnimationFrame(() => this.glideOn());
  }

  pan(dx, dy) {
    this.moveTo(pan(this.viewport, dx, dy));
  }

  /** Bring a position of the image onto the screen, if it is not well inside. */
  reveal(row, col) {
    const { x, y } = toScreen(this.viewport, row, col);
    const { width, height } = this.size;
    const margin = 40;
    const dx = x < margin ? margin - x : x > width - margin ? width - margin - x : 0;
    const dy = y < margin ? margin - y : y > height - margin ? height - margin - y : 0;
    if (dx || dy) this.pan(dx, dy);
  }

  /** Where a pointer is within its pane. */
  within(event) {
    const frame = this.overlay.getBoundingClientRect();
    const { width } = this.size;
    const x = event.clientX - frame.left;
    return { x: this.panes > 1 && x >= width ? x - width : x, y: event.clientY - frame.top };
  }

  /** Position of a pointer in the region, as {row, col}. */
  locate(event) {
    const { x, y } = this.within(event);
    const at = toImage(this.viewport, x, y);
    const { top, left } = this.scene.region;
    return { row: at.row - top, col: at.col - left };
  }

  /** Screen position of a place in the region. */
  place(row, col) {
    const { top, left } = this.scene.region;
    return toScreen(this.viewport, row + top, col + left);
  }

  setOption(name, value) {
    this.options[name] = value;
    if (name === "labels") this.labels?.setOpacity(value);
    if (name === "isDouble" && this.scene) this.fitRegion();
    this.redraw();
  }

  /** Colours of classes have changed. */
  recolour() {
    this.labels?.setOpacity(this.options.labels);
    this.redraw();
  }

  /** Show other things in the reference: `{canvas, row, col, width, height}`; null: the bare picture. */
  setReference(reference) {
    this.reference = reference;
    this.redraw();
  }

  setScores(canvas) {
    this.scores = canvas;
    this.overlay.dataset.scores = canvas ? "yes" : "no";
    this.redraw();
  }

  setNeighbours(boxes) {
    this.scene.neighbours = boxes;
    this.redraw();
  }

  /** The raster changed inside a box. */
  changed(box) {
    if (box) this.labels?.paint(box);
    this.redraw();
  }

  redraw() {
    this.stale.picture = true;
    this.redrawCursor();
  }

  redrawCursor() {
    if (!this.stale.overlay) requestAnimationFrame(() => this.draw());
    this.stale.overlay = true;
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.overlay]) {
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    }
    if (this.scene && !this.wasShown) this.fitRegion();
    this.wasShown = this.size.width > 0;
    this.redraw();
  }

  draw() {
    const { picture } = this.stale;
    if (picture) this.onView(this.scene ? this.viewport.scale : null);
    this.stale = { picture: false, overlay: false };
    const ratio = window.devicePixelRatio || 1;
    if (picture) this.drawPanes(this.fresh(this.canvas, ratio), (context, pane) => this.drawPicture(context, pane));
    const context = this.fresh(this.overlay, ratio);
    if (this.scene) this.drawPanes(context, () => this.drawCursor(context));
  }

  drawPanes(context, draw) {
    const { width, height } = this.size;
    for (let pane = 0; pane < this.panes; pane++) {
      context.save();
      context.translate(pane * width, 0);
      context.beginPath();
      context.rect(0, 0, width, height);
      context.clip();
      draw(context, pane);
      context.restore();
    }
  }

  /** @param {HTMLCanvasElement} canvas @param {number} ratio */
  fresh(canvas, ratio) {
    const context = penOf(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    return context;
  }

  drawPicture(context, pane) {
    if (!this.scene || this.size.width === 0) return;
    const { scene, options, viewport } = this;
    context.imageSmoothingEnabled = viewport.scale < 3; // beyond, people want to see the pixels
    const around = this.slideAround();
    this.drawSlide(context, around.under);
    this.drawTiles(context);
    this.drawSlide(context, around.over);
    if (options.showScores && this.scores && scene.piece) {
      context.globalAlpha = options.scores;
      this.drawAt(context, this.scores, scene.piece.row, scene.piece.col, scene.piece);
      context.globalAlpha = 1;
    }
    this.dimContext(context);
    const isReference = this.panes > 1 ? pane === 0 : options.showReference;
    context.imageSmoothingEnabled = false;
    if (!isReference) this.drawLabels(context);
    else if (this.reference) this.drawAt(context, this.reference.canvas, this.reference.row, this.reference.col, this.reference);
    this.drawBoxes(context);
  }

  /** Labels in hand, and the texture where there are none: not while painting, it would be in the way. */
  drawLabels(context) {
    const { scene, options, labels } = this;
    if (!options.showLabels || !labels) return;
    const { top, left } = scene.region;
    this.drawAt(context, labels.canvas, top, left, scene.raster);
    if (!options.showTexture || this.isPainting()) return;
    const { scale } = this.viewport;
    const size = { width: scene.raster.width * scale, height: scene.raster.height * scale };
    drawUnlabelled(context, labels.unlabelled, { ...toScreen(this.viewport, top, left), ...size }, this.size);
  }

  drawAt(context, picture, row, col, { width, height }) {
    const { x, y } = toScreen(this.viewport, row, col);
    const { scale } = this.viewport;
    context.drawImage(picture, x, y, width * scale, height * scale);
  }

  /** Coarse tiles first: they stand in until the fine ones have come. */
  drawTiles(context) {
    const { image } = this.scene;
    const wanted = visibleTiles(this.viewport, image, this.size, image.tile, image.levels);
    const level = wanted.length ? wanted[0].level : 0;
    this.tiles.get(image.number, { level: image.levels - 1, row: 0, col: 0 });
    const missing = wanted.filter((tile) => this.tiles.get(image.number, tile) === null);
    this.overlay.dataset.missing = String(missing.length);
    for (let coarse = image.levels - 1; coarse >= level; coarse--) {
      const shrunk = { ...this.viewport, scale: Math.min(this.viewport.scale, 2 ** -coarse) };
      const screen = this.seen(shrunk.scale);
      for (const tile of visibleTiles(shrunk, image, screen, image.tile, image.levels)) {
        if (tile.level === coarse) this.drawTile(context, tile);
      }
    }
  }

  /** Tiles of the slide to be drawn under and over the image; none for an image that is no part of one. */
  slideAround() {
    const { slide } = this.scene.image;
    if (!slide) return { under: [], over: [] };
    const { wanted, under, over } = slideTiles(this.viewport, slide, this.size);
    const missing = wanted.filter((tile) => this.tiles.get(`slides/${slide.number}`, tile) === null);
    this.overlay.dataset.around = String(missing.length);
    return { under, over };
  }

  drawSlide(context, tiles) {
    const { slide } = this.scene.image;
    if (!slide) return;
    for (const tile of tiles) {
      const picture = this.tiles.peek(`slides/${slide.number}`, tile);
      if (!picture) continue;
      const { row, col, ...size } = placeOf(tile, slide, picture);
      this.drawAt(context, this.display.show(picture), row, col, size);
    }
  }

  /** Screen that shows at another scale what is seen now. */
  seen(scale) {
    const factor = scale / this.viewport.scale;
    return { width: this.size.width * factor, height: this.size.height * factor };
  }

  drawTile(context, tile) {
    const { image } = this.scene;
    const picture = this.tiles.peek(image.number, tile);
    if (!picture) return;
    const step = 2 ** tile.level;
    const [row, col] = [tile.row * image.tile * step, tile.col * image.tile * step];
    const size = {
      width: Math.min(picture.naturalWidth * step, image.width - col),
      height: Math.min(picture.naturalHeight * step, image.height - row),
    };
    this.drawAt(context, this.display.show(picture), row, col, size);
  }

  dimContext(context) {
    const { region } = this.scene;
    const a = toScreen(this.viewport, region.top, region.left);
    const b = toScreen(this.viewport, region.bottom, region.right);
    context.beginPath();
    context.rect(0, 0, this.size.width, this.size.height);
    context.rect(a.x, a.y, b.x - a.x, b.y - a.y);
    context.fillStyle = `rgb(12 15 20 / ${DIM})`;
    context.fill("evenodd");
  }

  drawBoxes(context) {
    context.lineWidth = 1;
    context.setLineDash([4, 4]);
    for (const box of this.scene.neighbours ?? []) {
      this.strokeBox(context, box, "rgb(255 255 255 / 0.6)", 0);
    }
    context.setLineDash([]);
    this.strokeBox(context, this.scene.region, "rgb(0 0 0 / 0.7)", 1.5);
    this.strokeBox(context, this.scene.region, "#fff", 0.5);
  }

  strokeBox(context, box, colour, outwards) {
    const a = toScreen(this.viewport, box.top, box.left);
    const b = toScreen(this.viewport, box.bottom, box.right);
    context.strokeStyle = colour;
    context.strokeRect(
      a.x - outwards,
      a.y - outwards,
      b.x - a.x + 2 * outwards,
      b.y - a.y + 2 * outwards,
    );
  }
}
