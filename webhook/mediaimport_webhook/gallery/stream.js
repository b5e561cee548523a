// The stream of changes: Server-Sent Events, read by `fetch`, as EventSource cannot send a token.
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

import * as api from "./api.js";

/** @typedef {{type: "asset", asset: api.Asset} | {type: "gone", id: string} | {type: "reset"}} Change */

/** The server sends a comment every 15 seconds; a connection that is silent for longer than this is dead. */
const SILENCE_MS = 45_000;
/** Time after which a server that refused, or knows no stream, is asked again. */
const REFUSED_MS = 30_000;

/** Messages of the text of a stream, however it is cut into pieces. */
export class Messages {
  constructor() {
    this.retryMs = 3000;
    this.rest = "";
    this.event = "";
    /** @type {string[]} */
    this.data = [];
    this.id = "";
    /** Of the last message that has ended; empty before the first. */
    this.lastId = "";
  }

  /**
   * @param {string} text
   * @returns {{event: string, data: string}[]} the messages that it ends
   */
  push(text) {
    const ended = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line) this.field(line);
      else {
        if (this.data.length) ended.push({ event: this.event, data: this.data.join("\n") });
        [this.event, this.data, this.lastId] = ["", [], this.id];
      }
    }
    return ended;
  }

  /** @param {string} line */
  field(line) {
    const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === "event") this.event = value;
    else if (name === "data") this.data.push(value);
    else if (name === "id") this.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }
}

/** The stream of the caller's assets while the page is in sight: a browser has few connections for all its tabs. */
export class Stream {
  /**
   * @param {(change: Change) => void} onChange
   * @param {(live: boolean) => void} onLive hears whether changes arrive here
   * @param {(error: unknown) => void} onRefused hears that the caller is not let in
   */
  constructor(onChange, onLive, onRefused) {
    this.onChange = onChange;
    this.onLive = onLive;
    this.onRefused = onRefused;
    this.wanted = false;
    this.lastId = "";
    this.retryMs = 3000;
    this.controller = new AbortController();
    document.addEventListener("visibilitychange", () => this.connect());
  }

  /** Follow the assets of the caller who has signed in. */
  start() {
    this.wanted = true;
    this.lastId = "";
    this.connect();
  }

  stop() {
    this.wanted = false;
    this.connect();
  }

  /** End the connection, and make another if the page is in sight. */
  connect() {
    this.controller.abort();
    this.onLive(false);
    if (!this.wanted || document.hidden) return;
    this.controller = new AbortController();
    this.follow(this.controller.signal);
  }

  /** @param {AbortSignal} signal */
  async follow(signal) {
    while (!signal.aborted) {
      let status = 0;
      try {
        await this.read(signal);
      } catch (error) {
        status = error instanceof api.ApiError ? error.status : 0;
        if (status === 401 && !signal.aborted) this.onRefused(error);
      }
      if (signal.aborted) return;
      this.onLive(false);
      // Not all pages at once after a restart of the server.
      await sleep((status === 0 ? this.retryMs : REFUSED_MS) * (1 + Math.random() / 2), signal);
    }
  }

  /**
   * Read one connection until its end.
   *
   * @param {AbortSignal} signal
   */
  async read(signal) {
    const messages = new Messages();
    const own = new AbortController();
    const end = () => own.abort();
    signal.addEventListener("abort", end);
    let silence = setTimeout(end, SILENCE_MS);
    try {
      const answer = await api.events(this.lastId, own.signal);
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE_MS);
        if (signal.aborted) return;
        // Only now: a proxy may answer at once, and hold back what follows.
        this.onLive(true);
        for (const { event, data } of messages.push(piece.value)) this.tell(event, data);
        this.lastId = messages.lastId || this.lastId;
        this.retryMs = messages.retryMs;
      }
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", end);
      end();
    }
  }

  /**
   * @param {string} event
   * @param {string} data
   */
  tell(event, data) {
    if (event === "asset") this.onChange({ type: "asset", asset: JSON.parse(data) });
    else if (event === "gone") this.onChange({ type: "gone", id: JSON.parse(data).id });
    else if (event === "reset") this.onChange({ type: "reset" });
    // Any other is of a later version.
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal ends the wait
 * @returns {Promise<void>}
 */
function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
