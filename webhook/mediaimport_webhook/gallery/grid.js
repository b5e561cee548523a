// A grid of thumbnails that makes elements only for the rows in sight, so that ten thousand assets scroll smoothly.

import { Card } from "./card.js";

/** @typedef {import("./api.js").Asset} Asset */
/** @typedef {import("./assets.js").Assets} Assets */
/** @typedef {{columns: number, cell: number, row: number, gap: number}} Shape sizes in pixels; a row with its gap */

const GAP = 12;
const LEAST_WIDTH = 180;
/** Height of the text below a thumbnail. */
const CAPTION = 62;
/** Assets below the window at which the next page is asked for: who scrolls is not to wait for it. */
const AHEAD = 100;
/** Rows beyond the edge of the window that are made, too. */
const BEYOND = 4;
/** Time after which a page that does not move has been scrolled. */
const SETTLED_MS = 150;

/** Elements that are kept to be used again. */
const MOST_SPARE = 60;

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
    /** Of the assets in sight. @type {Map<string, Card>} */
    this.cards = new Map();
    /** Of assets that have gone out of sight. @type {Card[]} */
    this.spare = [];
    this.wanted = false;
    /** Whether something has changed since the last layout: a frame of scrolling seldom brings another row. */
    this.stale = true;
    this.laidOut = "";
    /** @type {Shape} */
    this.shape = shapeOf(list.clientWidth);
    this.top = 0;
    this.height = innerHeight;
    this.scrolled = -Infinity;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.sorting = undefined;
    addEventListener("scroll", () => this.request(performance.now()), { passive: true });
    const resized = new ResizeObserver(() => this.draw());
    // What is above the grid may grow, too.
    for (const each of [list, document.body]) resized.observe(each);
    addEventListener("resize", () => this.draw());
    list.addEventListener("keydown", (event) => {
      this.sort();
      this.move(event);
    });
  }

  /** Draw what has changed. */
  draw() {
    this.stale = true;
    this.request();
  }

  /**
   * Draw before the next frame, once however often it is asked for.
   *
   * @param {number} scrolled when the page was last scrolled
   */
  request(scrolled = this.scrolled) {
    this.scrolled = scrolled;
    if (this.wanted) return;
    this.wanted = true;
    requestAnimationFrame(() => {
      this.wanted = false;
      this.layout();
    });
  }

  layout() {
    const { items } = this.assets;
    if (this.stale) this.measure();
    const { columns, row } = this.shape;
    const top = scrollY - this.top;
    const first = Math.max(Math.floor(top / row) - BEYOND, 0) * columns;
    const last = Math.min((Math.ceil((top + this.height) / row) + BEYOND) * columns, items.length);
    if (last >= items.length - AHEAD) this.assets.more();
    const laidOut = `${first} ${last}`;
    if (!this.stale && laidOut === this.laidOut) return;
    [this.stale, this.laidOut] = [false, laidOut];
    this.show(this.placesOf(first, last));
  }

  /** Measure the page. While it is scrolled, nothing but where it is is asked for. */
  measure() {
    const shape = shapeOf(this.list.clientWidth);
    this.shape = shape;
    this.top = this.list.offsetTop;
    this.height = innerHeight;
    this.list.dataset["columns"] = String(shape.columns);
    this.list.style.height = `${Math.ceil(this.assets.items.length / shape.columns) * shape.row}px`;
  }

  /**
   * @param {number} first
   * @param {number} last excluded
   * @returns {number[]} the places in the list that have an element
   */
  placesOf(first, last) {
    const places = Array.from({ length: Math.max(last - first, 0) }, (_, each) => first + each);
    const focused = this.focusedPlace();
    // What has the focus stays, wherever it is.
    if (focused >= 0 && !places.includes(focused)) places[focused < first ? "unshift" : "push"](focused);
    return places;
  }

  /** @param {number[]} places */
  show(places) {
    const shown = places.map((place) => /** @type {Asset} */ (this.assets.items[place]));
    this.release(new Set(shown.map((each) => each.id)));
    const total = this.assets.complete ? this.assets.items.length : -1;
    for (const [each, place] of places.entries()) {
      const card = this.card(/** @type {Asset} */ (shown[each]));
      card.show(/** @type {Asset} */ (shown[each]), place, total);
      card.move(this.shape);
      if (!card.item.isConnected) this.list.append(card.item);
    }
    for (const { item } of this.spare) item.remove();
    this.spare.splice(MOST_SPARE);
    clearTimeout(this.sorting);
    // An element that moves among the others is laid out anew, with all that is in it.
    if (performance.now() - this.scrolled > SETTLED_MS) this.sort();
    else this.sorting = setTimeout(() => this.sort(), SETTLED_MS);
  }

  /** Put the elements in the order of the list, which is that of the Tab key and of screen readers. */
  sort() {
    const items = [...this.cards.values()].sort((one, other) => one.place - other.place).map(({ item }) => item);
    let next = this.list.firstElementChild;
    for (const item of items) {
      // What has the focus would lose it: others move.
      while (next && next !== item && item.contains(document.activeElement)) {
        const after = next.nextElementSibling;
        this.list.append(next);
        next = after;
      }
      if (item === next) next = next.nextElementSibling;
      else this.list.insertBefore(item, next);
    }
  }

  /** @param {Set<string>} inSight ids of assets */
  release(inSight) {
    for (const [id, card] of this.cards) {
      if (inSight.has(id)) continue;
      card.release();
      this.spare.push(card);
      this.cards.delete(id);
    }
  }

  /**
   * @param {Asset} asset
   * @returns {Card} its own, or one that is used again
   */
  card({ id }) {
    const card = this.cards.get(id) ?? this.spare.pop() ?? new Card(this.assets, this.onOpen);
    this.cards.set(id, card);
    return card;
  }

  /** @returns {number} the place of the asset that has the focus; -1 if none has, or it is gone */
  focusedPlace() {
    const focused = document.activeElement?.closest("#grid > li");
    if (!focused) return -1;
    for (const [id, { item }] of this.cards) {
      if (item === focused) return this.assets.items.findIndex((each) => each.id === id);
    }
    return -1;
  }

  /**
   * Move the focus by the arrow keys.
   *
   * @param {KeyboardEvent} event
   */
  move(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.shape.columns, ArrowUp: -this.shape.columns };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    const from = this.focusedPlace();
    if (step === undefined || from < 0) return;
    const next = this.assets.items[from + step];
    if (next === undefined) return;
    event.preventDefault();
    if (!this.cards.has(next.id)) this.scrollTo(from + step);
    const target = this.cards.get(next.id)?.button;
    target?.focus({ preventScroll: true });
    target?.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} place that has no element, as the page was scrolled away from it */
  scrollTo(place) {
    const { columns, row } = this.shape;
    scrollTo(0, this.top + Math.floor(place / columns) * row - (this.height - row) / 2);
    this.layout();
  }
}

/**
 * @param {number} width of the grid
 * @returns {Shape}
 */
function shapeOf(width) {
  const columns = Math.max(Math.floor((width + GAP) / (LEAST_WIDTH + GAP)), width < 2 * LEAST_WIDTH ? 2 : 1);
  const cell = (width + GAP) / columns - GAP;
  return { columns, cell, row: Math.round((cell * 9) / 16) + CAPTION + GAP, gap: GAP };
}
