// The assets that are known, newest first: pages as they are scrolled to, and what changes meanwhile.

import * as api from "./api.js";

/** @typedef {api.Asset} Asset */

const POLL_MS = 3000;
/** Assets under way beyond the first page that one poll asks for. */
const MOST_ASKED = 20;

/** A list of the API with filters; `onChange` hears of every change, `onError` of every failed request. */
export class Assets {
  /**
   * @param {() => void} onChange
   * @param {(error: unknown) => void} onError
   */
  constructor(onChange, onError) {
    this.onChange = onChange;
    this.onError = onError;
    /** @type {Asset[]} */
    this.items = [];
    /** @type {Record<string, string>} */
    this.filters = {};
    /** @type {string | null} */
    this.next = null;
    this.complete = false;
    this.loading = false;
    this.running = false;
    this.generation = 0;
    /** Deleted here: an answer that was on its way may still have them. @type {Set<string>} */
    this.removed = new Set();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Begin again with other filters.
   *
   * @param {Record<string, string>} filters
   */
  async begin(filters) {
    this.clear();
    this.filters = filters;
    this.running = true;
    const generation = this.generation;
    await this.more();
    if (generation === this.generation) this.plan();
  }

  /** Show nothing, and ask for nothing. */
  clear() {
    this.stop();
    this.items = [];
    this.next = null;
    this.complete = false;
    this.onChange();
  }

  /** Ask for nothing more, and forget what was asked for. */
  stop() {
    this.generation += 1;
    this.running = false;
    this.loading = false;
    clearTimeout(this.timer);
  }

  /** Load the next page, unless one is on its way or all are there. */
  async more() {
    if (!this.running || this.loading || this.complete) return;
    this.loading = true;
    const generation = this.generation;
    try {
      const page = await api.list(this.filters, this.next);
      if (generation !== this.generation) return;
      const known = new Set([...this.items.map((each) => each.id), ...this.removed]);
      this.items.push(...page.assets.filter((each) => !known.has(each.id)));
      this.next = page.next;
      this.complete = page.next === null;
    } catch (error) {
      if (generation !== this.generation) return;
      this.onError(error);
    } finally {
      if (generation === this.generation) this.loading = false;
    }
    this.onChange();
  }

  plan() {
    const generation = this.generation;
    this.timer = setTimeout(async () => {
      // Nobody looks at a hidden tab.
      if (!document.hidden) await this.poll();
      if (generation === this.generation) this.plan();
    }, POLL_MS);
  }

  /** Ask for the newest page, and for the assets under way below it. */
  async poll() {
    const generation = this.generation;
    try {
      const page = await api.list(this.filters, null);
      if (generation !== this.generation) return;
      this.merge(page.assets.filter((each) => !this.removed.has(each.id)), page.next === null);
      const listed = new Set(page.assets.map((each) => each.id));
      const open = this.items.filter((each) => each.status === "uploading" && !listed.has(each.id)).slice(0, MOST_ASKED);
      await Promise.all(open.map((each) => this.refresh(each.id)));
    } catch (error) {
      if (generation === this.generation) this.onError(error);
    }
  }

  /**
   * Take the newest page: the list begins with it. What it no longer has, though it reaches so far, is gone.
   *
   * @param {Asset[]} newest
   * @param {boolean} whole whether no other page follows
   */
  merge(newest, whole) {
    const last = newest[newest.length - 1];
    const listed = new Set(newest.map((each) => each.id));
    const place = last === undefined ? -1 : this.items.findIndex((each) => each.id === last.id);
    const older = whole ? [] : place >= 0 ? this.items.slice(place + 1) : this.items;
    const merged = [...newest, ...older.filter((each) => !listed.has(each.id))];
    if (whole) this.complete = true;
    if (this.next === null && !this.complete) this.complete = whole;
    if (changed(this.items, merged)) this.items = merged;
    this.onChange();
  }

  /**
   * Ask for one asset again: it is under way, or its URLs have expired.
   *
   * @param {string} id
   * @returns {Promise<Asset | undefined>} undefined once it is gone
   */
  async refresh(id) {
    try {
      const asset = await api.show(id);
      this.put(asset);
      return asset;
    } catch (error) {
      if (!(error instanceof api.ApiError) || ![404, 410].includes(error.status)) throw error;
      this.drop(id);
      return undefined;
    }
  }

  /** @param {Asset} asset */
  put(asset) {
    const place = this.items.findIndex((each) => each.id === asset.id);
    if (place < 0) return;
    this.items[place] = asset;
    this.onChange();
  }

  /** @param {string} id of an asset that is gone */
  drop(id) {
    this.removed.add(id);
    this.items = this.items.filter((each) => each.id !== id);
    this.onChange();
  }
}

/**
 * @param {Asset[]} before
 * @param {Asset[]} after
 * @returns {boolean} whether anything that is shown differs; presigned URLs do not count until they expire
 */
function changed(before, after) {
  if (before.length !== after.length) return true;
  return after.some((each, place) => shown(each) !== shown(/** @type {Asset} */ (before[place])));
}

/** @param {Asset} asset */
function shown(asset) {
  return JSON.stringify([asset.id, asset.name, asset.phase, asset.reason, asset.progress, asset.tags, asset.expires_at]);
}
