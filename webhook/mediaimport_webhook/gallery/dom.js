// Elements and wordings. Text is set as text alone: no name can become markup.

/** @typedef {import("./api.js").Asset} Asset */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * @template {HTMLElement} Found
 * @param {string} id
 * @param {new () => Found} kind
 * @returns {Found}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

export const size = {
  /** @param {number} bytes */
  bytes(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
    return `${(bytes / 1024 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
  },
  /** @param {number} seconds */
  duration(seconds) {
    const whole = Math.round(seconds);
    const [minutes, rest] = [Math.floor(whole / 60), String(whole % 60).padStart(2, "0")];
    return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  },
};

/**
 * @param {Asset} asset
 * @returns {number | null} how far the download is; null if unknown
 */
export function percent(asset) {
  return asset.progress?.percent ?? null;
}

/**
 * @param {Asset} asset
 * @returns {string} the state in a few words
 */
export function wording(asset) {
  if (asset.status === "failed") return `failed: ${asset.reason ?? "unknown"}`;
  if (asset.status === "ready") return facts(asset);
  const far = percent(asset);
  return [asset.phase === "Waiting" ? "retries soon" : asset.phase.toLowerCase(), far === null ? "" : `${far} %`].join(" ").trim();
}

/** @param {Asset} asset */
function facts({ type, metadata }) {
  const measured = metadata.width && metadata.height ? `${metadata.width} × ${metadata.height}` : "";
  const bytes = metadata.size_bytes === null ? "" : size.bytes(metadata.size_bytes);
  // The thumbnail tells what a picture is.
  return [measured || (type ?? ""), bytes].filter(Boolean).join(" · ");
}
