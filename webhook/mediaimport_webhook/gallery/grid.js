// A grid of thumbnails that makes elements only for the rows in sight, so that ten thousand assets scroll smoothly.

import { element, percent, size, wording } from "./dom.js";

/** @typedef {import("./api.js").Asset} Asset */
/** @typedef {import("./assets.js").Assets} Assets */
/** @typedef {{item: HTMLElement, shown: string, asset: Asset, place: number, total: number, at: string}} Made what an element shows, and where */

const GAP = 12;
const LEAST_WIDTH = 180;
/** Height of the text below a thumbnail. */
const CAPTION = 62;
/** Assets below the window at which the next page is asked for: who scrolls is not to wait for it. */
const AHEAD = 100;
/** Rows beyond the edge of the window that are made, too. */
const BEYOND = 2;

/** The list of assets as a grid; `onOpen` gets the asset that is chosen. */
export class Grid {
  /**
   * @param {HTMLElement} list
   * @param {Assets} assets
   * @param {(asset: Asset) => void} onOpen
   */
  constructor(list, assets, onOpen) {
    this.list = list;
    this.assets = assets;
    this.onOpen = onOpen;
    /** @type {Map<string, Made>} */
    this.made = new Map();
    this.columns = 1;
    this.wanted = false;
    /** Whether something has changed since the last layout: a frame of scrolling seldom brings another row. */
    this.stale = true;
    this.laidOut = "";
    addEventListener("scroll", () => this.request(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(list);
    list.addEventListener("keydown", (event) => this.move(event));
  }

  /** Draw what has changed. */
  draw() {
    this.stale = true;
    this.request();
  }

  /** Draw before the next frame, once however often it is asked for. */
  request() {
    if (this.wanted) return;
    this.wanted = true;
    requestAnimationFrame(() => {
      this.wanted = false;
      this.layout();
    });
  }

  layout() {
    const { items } = this.assets;
    const width = this.list.clientWidth;
    this.columns = Math.max(Math.floor((width + GAP) / (LEAST_WIDTH + GAP)), width < 2 * LEAST_WIDTH ? 2 : 1);
    const cell = (width + GAP) / this.columns - GAP;
    const row = Math.round((cell * 9) / 16) + CAPTION + GAP;
    const rows = Math.ceil(items.length / this.columns);
    const top = scrollY - this.list.offsetTop;
    const first = Math.max(Math.floor(top / row) - BEYOND, 0) * this.columns;
    const last = Math.min((Math.ceil((top + innerHeight) / row) + BEYOND) * this.columns, items.length);
    if (last >= items.length - AHEAD) this.assets.more();
    const laidOut = `${first} ${last} ${width}`;
    if (!this.stale && laidOut === this.laidOut) return;
    [this.stale, this.laidOut] = [false, laidOut];
    this.list.dataset["columns"] = String(this.columns);
    this.list.style.height = `${rows * row}px`;
    const places = Array.from({ length: Math.max(last - first, 0) }, (_, each) => first + each);
    const focused = this.focusedPlace();
    // What has the focus stays, wherever it is.
    if (focused >= 0 && !places.includes(focused)) places[focused < first ? "unshift" : "push"](focused);
    /** @type {Element | null} */
    let next = this.list.firstElementChild;
    const inSight = new Set();
    for (const place of places) {
      const asset = /** @type {Asset} */ (items[place]);
      inSight.add(asset.id);
      const made = this.item(asset, place);
      const { item } = made;
      // One that was made again has taken the place of the one before.
      if (next !== null && !next.isConnected) next = item;
      // The order of the elements is that of the Tab key and of screen readers.
      if (item === next) next = item.nextElementSibling;
      else this.list.insertBefore(item, next);
      const at = `${place} ${width}`;
      if (made.at === at) continue;
      made.at = at;
      item.style.width = `${cell}px`;
      item.style.height = `${row - GAP}px`;
      const [column, line] = [place % this.columns, Math.floor(place / this.columns)];
      item.style.left = `${column * (cell + GAP)}px`;
      item.style.top = `${line * row}px`;
    }
    for (const [id, { item }] of this.made) {
      if (inSight.has(id)) continue;
      item.remove();
      this.made.delete(id);
    }
  }

  /** @returns {number} the place of the asset that has the focus; -1 if none has, or it is gone */
  focusedPlace() {
    for (const [id, { item }] of this.made) {
      if (item.contains(document.activeElement)) return this.assets.items.findIndex((each) => each.id === id);
    }
    return -1;
  }

  /**
   * Return the asset's element, made again if what it shows has changed.
   *
   * @param {Asset} asset
   * @param {number} place
   * @returns {Made}
   */
  item(asset, place) {
    const total = this.assets.complete ? this.assets.items.length : -1;
    const same = this.made.get(asset.id);
    if (same?.asset === asset && same.place === place && same.total === total) return same;
    const shown = JSON.stringify([asset.name, asset.phase, asset.reason, asset.progress?.percent, asset.thumbnail_url]);
    const before = this.made.get(asset.id);
    let item = before?.item;
    if (item === undefined || before?.shown !== shown) {
      const hadFocus = item?.contains(document.activeElement);
      const fresh = element("li", {}, this.card(asset));
      item?.replaceWith(fresh);
      item = fresh;
      if (hadFocus) item.querySelector("button")?.focus({ preventScroll: true });
    }
    item.dataset["place"] = String(place);
    item.setAttribute("aria-posinset", String(place + 1));
    item.setAttribute("aria-setsize", String(total));
    // One that was made again has no place yet.
    const made = { item, shown, asset, place, total, at: item === before?.item ? before.at : "" };
    this.made.set(asset.id, made);
    return made;
  }

  /**
   * @param {Asset} asset
   * @returns {HTMLElement}
   */
  card(asset) {
    const card = element("button", { type: "button", class: `card ${asset.status}` });
    card.append(this.picture(asset));
    card.append(element("span", { class: "name" }, asset.name));
    card.append(element("span", { class: "note" }, wording(asset)));
    if (asset.status === "uploading") {
      const bar = element("progress", { max: "100", "aria-label": `Progress of ${asset.name}` });
      const value = percent(asset);
      if (value !== null) bar.setAttribute("value", String(value));
      card.append(bar);
    }
    card.addEventListener("click", () => this.onOpen(asset));
    return card;
  }

  /**
   * @param {Asset} asset
   * @returns {HTMLElement}
   */
  picture(asset) {
    if (asset.thumbnail_url === null) {
      return element("span", { class: "picture" }, asset.type ?? (asset.status === "failed" ? "failed" : "…"));
    }
    // Its name is the next line.
    const image = element("img", { class: "picture", alt: "", decoding: "async" });
    image.setAttribute("src", asset.thumbnail_url);
    // A presigned URL ends; one that cannot be renewed is left alone.
    image.addEventListener("error", () => this.assets.refresh(asset.id).catch(() => undefined), { once: true });
    const duration = asset.metadata.duration;
    const mark = asset.type === "video" && duration !== null ? element("span", { class: "duration" }, size.duration(duration)) : "";
    return element("span", { class: "frame" }, image, mark);
  }

  /**
   * Move the focus by the arrow keys.
   *
   * @param {KeyboardEvent} event
   */
  move(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const item = /** @type {HTMLElement} */ (event.target).closest("li");
    if (step === undefined || item === null) return;
    const place = Number(item.dataset["place"]) + step;
    const next = this.assets.items[place];
    if (next === undefined) return;
    event.preventDefault();
    const target = this.made.get(next.id)?.item.querySelector("button");
    target?.focus({ preventScroll: true });
    target?.scrollIntoView({ block: "nearest" });
  }
}
