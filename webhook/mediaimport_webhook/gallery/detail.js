// The detail of one asset: picture or player, facts, recipe, and what can be done with it.

import * as api from "./api.js";
import { byId, element, size, wording } from "./dom.js";
import { Player } from "./player.js";
import { untilRenewal } from "./renewal.js";

/** @typedef {api.Asset} Asset */
/** @typedef {import("./assets.js").Assets} Assets */

/** After a request that failed. */
const RETRY_MS = 5000;
const RETRIED = "Running again. The state follows.";

/** The dialog; `say` shows a message on the page, for when it is closed. */
export class Detail {
  /**
   * @param {Assets} assets
   * @param {(message: string) => void} say
   */
  constructor(assets, say) {
    this.assets = assets;
    this.say = say;
    this.dialog = byId("detail", HTMLDialogElement);
    /** @type {string | undefined} */
    this.id = undefined;
    this.shown = "";
    /** What the buttons are made of. */
    this.offered = "";
    /** @type {Player | undefined} */
    this.player = undefined;
    this.message = byId("detail-message", HTMLElement);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.renewal = undefined;
    this.dialog.addEventListener("close", () => this.closed());
  }

  /** @param {Asset} asset */
  async open(asset) {
    this.id = asset.id;
    this.tell("");
    this.show(asset);
    this.dialog.showModal();
    // Lists carry no recipe.
    await this.renew();
  }

  /** Show the asset again if the list knows something newer of it. */
  follow() {
    const asset = this.assets.items.find((each) => each.id === this.id);
    if (this.dialog.open && asset !== undefined && state(asset) !== this.shown) this.renew();
  }

  async renew() {
    const id = this.id;
    if (id === undefined) return;
    try {
      const asset = await this.assets.refresh(id);
      if (asset === undefined) this.dialog.close();
      else if (id === this.id) this.show(asset);
    } catch (error) {
      this.tell(sentenceOf(error));
      // Asked for again: URLs end.
      if (id === this.id) this.renewLater(RETRY_MS);
    }
  }

  /** @param {number} ms */
  renewLater(ms) {
    clearTimeout(this.renewal);
    if (ms < Infinity) this.renewal = setTimeout(() => this.renew(), ms);
  }

  /** @param {string} text of the dialog: the page behind it is not read */
  tell(text) {
    this.message.textContent = text;
  }

  closed() {
    this.id = undefined;
    this.shown = "";
    clearTimeout(this.renewal);
    this.player = undefined;
    // Ends a player.
    byId("detail-media", HTMLElement).replaceChildren();
  }

  /** @param {Asset} asset */
  show(asset) {
    const media = byId("detail-media", HTMLElement);
    if (state(asset) !== this.shown || media.childElementCount === 0) media.replaceChildren(...this.view(asset));
    else if (asset.url !== null) this.player?.take(asset.url);
    this.shown = state(asset);
    byId("detail-name", HTMLElement).textContent = asset.name;
    byId("detail-state", HTMLElement).textContent = sentence(asset);
    this.offer(asset);
    byId("detail-facts", HTMLElement).replaceChildren(...pairs(facts(asset)));
    this.recipe(asset);
    this.renewLater(untilRenewal(asset));
  }

  /**
   * Return what a browser can show. A file that may hold a script is never opened here: only its thumbnail is.
   *
   * @param {Asset} asset
   * @returns {HTMLElement[]}
   */
  view(asset) {
    const { url, thumbnail_url: thumbnail, type, name, metadata } = asset;
    const inert = metadata.content_type === "image/svg+xml";
    this.player = undefined;
    if (url !== null && (type === "video" || type === "audio")) {
      const own = type === "video" ? { playsinline: "", ...(thumbnail ? { poster: thumbnail } : {}) } : {};
      this.player = new Player(type, url, own, () => this.renew());
      return [this.player.element];
    }
    if (url !== null && type === "image" && !inert) return [element("img", { src: url, alt: name })];
    return thumbnail === null ? [] : [element("img", { src: thumbnail, alt: name })];
  }

  /**
   * Show the buttons. They stay while they are the same: one of them may have the focus.
   *
   * @param {Asset} asset
   */
  offer(asset) {
    const place = byId("detail-actions", HTMLElement);
    const offered = JSON.stringify([asset.id, asset.name, asset.status, asset.url === null, asset.generation?.input?.["prompt"]]);
    if (offered === this.offered) return;
    this.offered = offered;
    const focused = place.contains(document.activeElement) ? document.activeElement?.textContent : undefined;
    const buttons = this.actions(asset);
    place.replaceChildren(...buttons);
    if (focused) (buttons.find((each) => each.textContent === focused) ?? buttons[0])?.focus();
  }

  /** @param {Asset} asset */
  recipe(asset) {
    const made = asset.generation;
    byId("detail-recipe", HTMLElement).hidden = made === undefined;
    if (made === undefined) return;
    const input = Object.entries(made.input ?? {}).map(([name, value]) => [name, text(value)]);
    byId("detail-recipe-facts", HTMLElement).replaceChildren(
      ...pairs([["model", made.model ?? ""], ["seed", text(made.seed)], ["prediction", made.id], ...input]),
    );
  }

  /**
   * @param {Asset} asset
   * @returns {HTMLElement[]}
   */
  actions(asset) {
    const buttons = [this.button("Copy id", () => this.copy(asset.id))];
    if (asset.url !== null) {
      buttons.push(this.button("Copy URL", () => this.copyUrl(asset.id)));
      buttons.push(this.button("Download", () => this.download(asset.id)));
    }
    const prompt = asset.generation?.input?.["prompt"];
    if (typeof prompt === "string") buttons.push(this.button("Copy prompt", () => this.copy(prompt)));
    if (asset.status !== "uploading") buttons.push(this.button("Retry", () => this.retry(asset.id)));
    buttons.push(this.button("Delete", () => this.remove(asset), "danger"));
    return buttons;
  }

  /**
   * @param {string} label
   * @param {() => Promise<void>} act
   * @param {string} [kind]
   * @returns {HTMLButtonElement}
   */
  button(label, act, kind = "") {
    const made = element("button", { type: "button", class: kind }, label);
    made.addEventListener("click", async () => {
      // A button that is disabled loses the focus.
      if (made.getAttribute("aria-disabled") === "true") return;
      made.setAttribute("aria-disabled", "true");
      try {
        await act();
      } catch (error) {
        this.tell(sentenceOf(error));
      } finally {
        made.removeAttribute("aria-disabled");
      }
    });
    return made;
  }

  /** @param {string} value */
  async copy(value) {
    await navigator.clipboard.writeText(value);
    this.tell("Copied.");
  }

  /** @param {string} id */
  async copyUrl(id) {
    const { url, expires_at } = await api.show(id);
    await navigator.clipboard.writeText(url ?? "");
    this.tell(expires_at === null ? "Copied." : `Copied. The URL works until ${new Date(expires_at).toLocaleTimeString()}.`);
  }

  /** @param {string} id */
  async download(id) {
    const { url, name } = await api.show(id, { download: true });
    // The store answers with Content-Disposition: attachment, so the page stays.
    if (url !== null) element("a", { href: url, download: name, rel: "noreferrer" }).click();
  }

  /** @param {string} id */
  async retry(id) {
    await api.retry(id);
    this.tell(RETRIED);
    await this.renew();
  }

  /** @param {Asset} asset */
  async remove(asset) {
    if (!(await confirmed(`Delete ${asset.name} and its stored files? This cannot be undone.`))) return;
    await api.remove(asset.id);
    this.assets.drop(asset.id);
    this.dialog.close();
    this.say(`${asset.name} is deleted.`);
  }
}

/**
 * @param {string} question
 * @returns {Promise<boolean>}
 */
function confirmed(question) {
  const dialog = byId("confirm", HTMLDialogElement);
  byId("confirm-text", HTMLElement).textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "delete"), { once: true });
  });
}

/** @param {unknown} error */
function sentenceOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {Asset} asset */
function sentence(asset) {
  const advice = asset.status === "failed" ? ` ${asset.metadata.error ?? ""}` : (asset.progress?.message ?? "");
  return `${wording(asset)}${advice ? `. ${advice.trim()}` : ""}${asset.broken ? ` ${asset.broken}` : ""}`;
}

/** @param {Asset} asset */
function state(asset) {
  return JSON.stringify([asset.id, asset.phase, asset.reason, asset.progress?.percent, asset.thumbnail_url === null]);
}

/**
 * @param {Asset} asset
 * @returns {string[][]}
 */
function facts({ id, metadata, tags, job_id, import_job_id, created_at, type }) {
  const { width, height, duration, codec, frame_rate, size_bytes, content_type, sha256 } = metadata;
  return [
    ["type", [type, content_type].filter(Boolean).join(", ")],
    ["size", size_bytes === null ? "" : `${size.bytes(size_bytes)} (${size_bytes} bytes)`],
    ["picture", width && height ? `${width} × ${height}` : ""],
    ["duration", duration === null ? "" : `${duration} s`],
    ["codec", codec ?? ""],
    ["frame rate", frame_rate === null ? "" : `${frame_rate} /s`],
    ["tags", tags.join(", ")],
    ["SHA-256", sha256 ?? ""],
    ["created", new Date(created_at).toLocaleString()],
    ["id", id],
    ["prediction", job_id ?? ""],
    ["resource", import_job_id],
  ];
}

/**
 * @param {string[][]} facts those without a value are left out
 * @returns {HTMLElement[]}
 */
function pairs(facts) {
  return facts
    .filter(([, value]) => value)
    .map(([name = "", value = ""]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

/** @param {unknown} value */
function text(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
