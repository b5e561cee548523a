// The assets that are known, newest first: pages as they are scrolled to, and what changes meanwhile.

import * as api from "./api.js";
import { changed, isNewer } from "./order.js";
import { Renewal } from "./renewal.js";

/** @typedef {api.Asset} Asset */

const POLL_MS = 3000;
/** While the stream tells of changes: it knows nothing of assets that have no resource any more. */
const LIVE_POLL_MS = 60_000;
/** A change that only the server can place in the list waits for others so long. */
const GATHER_MS = 500;
/** Assets under way beyond the first page that are asked for at once, and by one poll. */
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
    /** Whether changes arrive by the stream. */
    this.live = false;
    this.polled = 0;
    /** Time of the last request for a page that failed; 0 after a success. */
    this.failed = 0;
    this.generation = 0;
    this.asking = 0;
    /** What the stream has told since a request began: its answer may be older. @type {Map<string, Asset>} */
    this.heard = new Map();
    /** Deleted here: an answer that was on its way may still have them. @type {Set<string>} */
    this.removed = new Set();
    this.renewal = new Renewal((cursor) => this.page(cursor), (renewed) => this.update(renewed), onError);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.gathering = undefined;
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
    this.failed = 0;
    this.renewal.clear();
    this.onChange();
  }

  /** Ask for nothing more, and forget what was asked for. */
  stop() {
    this.generation += 1;
    this.running = false;
    this.loading = false;
    this.heard.clear();
    clearTimeout(this.timer);
    clearTimeout(this.gathering);
    this.gathering = undefined;
  }

  /** Load the next page, unless one is on its way or all are there. */
  async more() {
    if (!this.running || this.loading || this.complete || Date.now() - this.failed < POLL_MS) return;
    this.loading = true;
    const generation = this.generation;
    try {
      const cursor = this.next;
      const page = await this.ask(api.list(this.filters, cursor));
      if (generation !== this.generation) return;
      this.renewal.came(page.assets, cursor);
      const known = new Set([...this.items.map((each) => each.id), ...this.removed]);
      this.items.push(...page.assets.filter((each) => !known.has(each.id)));
      this.next = page.next;
      this.complete = page.next === null;
      this.failed = 0;
      this.hearAgain();
    } catch (error) {
      if (generation !== this.generation) return;
      this.failed = Date.now();
      this.onError(error);
    } finally {
      if (generation === this.generation) this.loading = false;
    }
    this.onChange();
  }

  /**
   * Wait for an answer, during which the stream may tell newer things.
   *
   * @template Answer
   * @param {Promise<Answer>} answer
   * @returns {Promise<Answer>}
   */
  async ask(answer) {
    if (this.asking === 0) this.heard.clear();
    this.asking += 1;
    try {
      return await answer;
    } finally {
      this.asking -= 1;
    }
  }

  hearAgain() {
    for (const each of this.heard.values()) this.place(each);
  }

  plan() {
    const generation = this.generation;
    this.timer = setTimeout(async () => {
      const due = !this.live || this.failed > 0 || Date.now() - this.polled > LIVE_POLL_MS;
      // Nobody looks at a hidden tab.
      if (due && !document.hidden) await this.poll();
      if (generation === this.generation) this.plan();
    }, POLL_MS);
  }

  /**
   * Take over what the stream tells.
   *
   * @param {import("./stream.js").Change} change
   */
  take(change) {
    if (!this.running) return;
    if (change.type === "reset") this.poll(Infinity);
    else if (change.type === "gone") this.drop(change.id);
    else if (!this.removed.has(change.asset.id)) {
      this.heard.set(change.asset.id, change.asset);
      if (!this.place(change.asset)) this.pollSoon();
      this.onChange();
    }
  }

  pollSoon() {
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      this.poll();
    }, GATHER_MS);
  }

  /**
   * Put an asset where it belongs in the list.
   *
   * @param {Asset} asset
   * @returns {boolean} false if only the server knows where that is
   */
  place(asset) {
    const place = this.items.findIndex((each) => each.id === asset.id);
    const { status, type, ...others } = this.filters;
    const matches = (!status || asset.status === status) && (!type || asset.type === type);
    if (place >= 0) this.items.splice(place, 1, ...(matches ? [asset] : []));
    else if (matches && Object.keys(others).length) return false;
    else if (matches) {
      const after = this.items.findIndex((each) => isNewer(asset, each));
      if (after >= 0) this.items.splice(after, 0, asset);
      // An older one comes with its page.
      else if (this.complete) this.items.push(asset);
    }
    return true;
  }

  /**
   * Ask for the newest page, and for the assets under way below it.
   *
   * @param {number} [most] of these
   */
  async poll(most = MOST_ASKED) {
    const generation = this.generation;
    this.polled = Date.now();
    try {
      const page = await this.ask(api.list(this.filters, null));
      if (generation !== this.generation) return;
      this.renewal.came(page.assets, null);
      this.merge(page.assets.filter((each) => !this.removed.has(each.id)), page.next === null);
      const listed = new Set(page.assets.map((each) => each.id));
      const open = this.items.filter((each) => each.status === "uploading" && !listed.has(each.id)).slice(0, most);
      while (open.length && generation === this.generation) {
        await Promise.all(open.splice(0, MOST_ASKED).map((each) => this.refresh(each.id)));
      }
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
    this.hearAgain();
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
      const asset = await this.ask(api.show(id));
      this.put(asset);
      this.hearAgain();
      return asset;
    } catch (error) {
      if (!(error instanceof api.ApiError) || ![404, 410].includes(error.status)) throw error;
      this.drop(id);
      return undefined;
    }
  }

  /**
   * @param {string | null} cursor
   * @returns {Promise<Asset[]>} the assets of a page that has been there before
   */
  async page(cursor) {
    const generation = this.generation;
    const { assets } = await this.ask(api.list(this.filters, cursor));
    return generation === this.generation ? assets : [];
  }

  /**
   * Take newer answers of assets that are listed.
   *
   * @param {Asset[]} newer
   */
  update(newer) {
    const byId = new Map(newer.map((each) => [each.id, each]));
    this.items = this.items.map((each) => byId.get(each.id) ?? each);
    this.hearAgain();
    this.onChange();
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
    this.heard.delete(id);
    this.items = this.items.filter((each) => each.id !== id);
    this.onChange();
  }
}
