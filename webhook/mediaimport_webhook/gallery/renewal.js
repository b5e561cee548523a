// Presigned URLs of listed assets: they end, and come anew with the page of the list that has the asset.

import * as api from "./api.js";

/** @typedef {api.Asset} Asset */

/** Life that a URL must have left to be loaded. */
const LEAST_MS = 3000;
/** Time before the end at which URLs that stay in use are renewed. */
const BEFORE_END_MS = 60_000;
const MOST_MS = 2 ** 31 - 1;

/**
 * @param {Asset} asset
 * @returns {number} milliseconds after which its URLs are to be renewed, Infinity if they do not end
 */
export function untilRenewal({ expires_at: end }) {
  if (end === null) return Infinity;
  const left = Date.parse(end) - Date.now();
  return Math.min(Math.max(left - Math.min(BEFORE_END_MS, left / 2), 1000), MOST_MS);
}

/** What is asked for again; `list` asks for a page, `take` gets its assets, `onError` hears of a failed request. */
export class Renewal {
  /**
   * @param {(cursor: string | null) => Promise<Asset[]>} list
   * @param {(assets: Asset[]) => void} take
   * @param {(error: unknown) => void} onError
   */
  constructor(list, take, onError) {
    this.list = list;
    this.take = take;
    this.onError = onError;
    /** Of the page that each asset came with. @type {Map<string, string | null>} */
    this.cursors = new Map();
    /** The end of the newest URLs that the server has given. @type {Map<string, string | null>} */
    this.newest = new Map();
    /** Pages on their way. @type {Set<string | null>} */
    this.asking = new Set();
  }

  clear() {
    this.cursors.clear();
    this.newest.clear();
    this.asking.clear();
  }

  /**
   * Note the page that assets came with.
   *
   * @param {Asset[]} assets
   * @param {string | null} cursor
   */
  came(assets, cursor) {
    for (const { id } of assets) this.cursors.set(id, cursor);
  }

  /**
   * Ask for new URLs of an asset, if its own have ended. A page's clock that is wrong makes no second request.
   *
   * @param {Asset} asset
   * @returns {boolean} whether new ones are on their way
   */
  asks(asset) {
    const { id, expires_at: end } = asset;
    if (end === null || Date.parse(end) - Date.now() > LEAST_MS) return false;
    const cursor = this.cursors.get(id);
    if (cursor === undefined || this.newest.get(id) === end) return false;
    if (!this.asking.has(cursor)) this.ask(cursor);
    return true;
  }

  /** @param {string | null} cursor */
  async ask(cursor) {
    const { asking } = this;
    asking.add(cursor);
    try {
      const assets = await this.list(cursor);
      for (const { id, expires_at: end } of assets) this.newest.set(id, end);
      asking.delete(cursor);
      this.take(assets);
    } catch (error) {
      asking.delete(cursor);
      this.onError(error);
    }
  }
}
