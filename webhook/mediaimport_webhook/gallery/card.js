// One asset in the grid: thumbnail, name and state.

import { element, percent, size, wording } from "./dom.js";

/** @typedef {import("./api.js").Asset} Asset */

/** An element of the grid. It shows another asset when its own has gone out of sight: rows that come are not made anew. */
export class Card {
  /**
   * @param {import("./assets.js").Assets} assets
   * @param {(asset: Asset) => void} onOpen
   */
  constructor(assets, onOpen) {
    this.assets = assets;
    /** @type {Asset | undefined} */
    this.asset = undefined;
    this.place = -1;
    this.total = 0;
    this.at = "";
    /** The picture's URL. */
    this.url = "";
    /** Whether it is loaded, gave no picture, or has ended and is not asked for. @type {"used" | "refused" | "ended"} */
    this.state = "used";
    this.name = element("span", { class: "name" });
    this.note = element("span", { class: "note" });
    this.picture = element("span", { class: "frame" });
    this.button = element("button", { type: "button" }, this.picture, this.name, this.note);
    /** @type {HTMLProgressElement | undefined} */
    this.bar = undefined;
    this.item = element("li", {}, this.button);
    this.button.addEventListener("click", () => this.asset && onOpen(this.asset));
  }

  /**
   * @param {Asset} asset
   * @param {number} place in the list, from 0
   * @param {number} total of the list; -1 while it is unknown
   */
  show(asset, place, total) {
    if (place !== this.place) {
      this.place = place;
      this.item.setAttribute("aria-posinset", String(place + 1));
    }
    if (total !== this.total) {
      this.total = total;
      this.item.setAttribute("aria-setsize", String(total));
    }
    if (asset === this.asset) return;
    const before = this.asset;
    this.asset = asset;
    if (asset.status !== before?.status) this.button.className = `card ${asset.status}`;
    write(this.name, asset.name);
    write(this.note, wording(asset));
    this.showProgress(asset);
    this.showPicture(asset, before?.id === asset.id && before.status === asset.status);
  }

  /**
   * Move to its place in the grid.
   *
   * @param {import("./grid.js").Shape} shape
   */
  move({ columns, cell, row, gap }) {
    const at = `${this.place} ${columns} ${cell}`;
    if (at === this.at) return;
    this.at = at;
    const { style } = this.item;
    style.width = `${cell}px`;
    style.height = `${row - gap}px`;
    style.left = `${(this.place % columns) * (cell + gap)}px`;
    style.top = `${Math.floor(this.place / columns) * row}px`;
  }

  /** Load nothing more: the pictures in sight come sooner. */
  release() {
    this.picture.querySelector("img")?.removeAttribute("src");
    this.asset = undefined;
  }

  /** @param {Asset} asset */
  showProgress(asset) {
    if (asset.status !== "uploading") {
      this.bar?.remove();
      this.bar = undefined;
      return;
    }
    if (this.bar === undefined) this.button.append((this.bar = element("progress", { max: "100" })));
    this.bar.setAttribute("aria-label", `Progress of ${asset.name}`);
    const value = percent(asset);
    if (value === null) this.bar.removeAttribute("value");
    else this.bar.value = value;
  }

  /**
   * @param {Asset} asset
   * @param {boolean} same whether the same state of it was shown before
   */
  showPicture(asset, same) {
    const { thumbnail_url: url } = asset;
    if (url === null) {
      this.url = "";
      this.picture.className = "picture";
      this.picture.replaceChildren(asset.type ?? (asset.status === "failed" ? "failed" : "…"));
      return;
    }
    const known = this.state === "refused" ? url === this.url : this.state === "used" && unsigned(url) === unsigned(this.url);
    if (same && known) return;
    this.url = url;
    this.state = this.assets.renewal.asks(asset) ? "ended" : "used";
    this.picture.className = "frame";
    this.picture.replaceChildren(...this.framed(asset, url));
  }

  /**
   * @param {Asset} asset
   * @param {string} url
   * @returns {Node[]}
   */
  framed(asset, url) {
    // Its name is the next line. A new element: one that is used again shows the picture before until the new one is there.
    const image = element("img", { class: "picture", alt: "", decoding: "async" });
    image.addEventListener("error", () => this.refused(asset, url), { once: true });
    if (this.state === "used") image.src = url;
    const { duration } = asset.metadata;
    if (asset.type !== "video" || duration === null) return [image];
    return [image, element("span", { class: "duration" }, size.duration(duration))];
  }

  /**
   * The store refuses a URL: it may have ended. One that cannot be renewed is left alone.
   *
   * @param {Asset} asset
   * @param {string} url
   */
  refused(asset, url) {
    if (this.url !== url || this.asset?.id !== asset.id) return;
    this.state = "refused";
    this.assets.refresh(asset.id).catch(() => undefined);
  }
}

/**
 * @param {string} url presigned
 * @returns {string} the part that stays when it is signed again
 */
function unsigned(url) {
  return url.split("?", 1)[0] ?? "";
}

/**
 * Set a text, if it is another: each that is set is laid out again.
 *
 * @param {HTMLElement} line
 * @param {string} text
 */
function write(line, text) {
  if (line.textContent !== text) line.textContent = text;
}
