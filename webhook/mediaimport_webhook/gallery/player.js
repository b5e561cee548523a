// A player of a film or of sound. Its presigned URL ends, maybe while it is paused or plays: it goes on with the next one.

import { element } from "./dom.js";

/** The player; `onRefused` hears when the store has refused its URL, and gets it another one by `take`. */
export class Player {
  /**
   * @param {"video" | "audio"} kind
   * @param {string} url
   * @param {Record<string, string>} attributes
   * @param {() => void} onRefused
   */
  constructor(kind, url, attributes, onRefused) {
    this.url = url;
    /** A newer URL, for when the store refuses the one that plays. */
    this.next = "";
    this.onRefused = onRefused;
    this.element = element(kind, { controls: "", ...attributes, src: url });
    this.element.addEventListener("error", () => this.refused());
  }

  /**
   * Take a newer URL. What plays is not stopped for it.
   *
   * @param {string} url
   */
  take(url) {
    if (url === this.url) return;
    this.next = url;
    const { paused, error } = this.element;
    if (paused || error !== null) this.change();
  }

  refused() {
    if (this.next) this.change();
    else this.onRefused();
  }

  /** Go on at the same moment. */
  change() {
    const { currentTime, paused } = this.element;
    [this.url, this.next] = [this.next, ""];
    this.element.src = this.url;
    this.element.currentTime = currentTime;
    // A browser may want a gesture first: the controls are there.
    if (!paused) this.element.play().catch(() => undefined);
  }
}
