// Requests to the API.

import { token } from "./session.js";

/** @typedef {import("../../../clients/typescript/src/api.js").components} components */
/** @typedef {components["schemas"]["Asset"]} Asset */
/** @typedef {components["schemas"]["AssetList"]} AssetList */
/** @typedef {components["schemas"]["BegunUpload"]} BegunUpload */
/** @typedef {components["schemas"]["AcceptedImport"]} AcceptedImport */
/** @typedef {components["schemas"]["Job"]} Job */
/** @typedef {components["schemas"]["Model"]} Model */
/** @typedef {components["schemas"]["Operations"]} Operations */
/** @typedef {components["schemas"]["StartedPrediction"]} StartedPrediction */

/** A refused request: the sentence of its problem, and the status. */
export class ApiError extends Error {
  /**
   * @param {number} status of HTTP; 0 without an answer
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Return the answer's JSON; ApiError. Paths are relative to the page, so a path prefix in front of it works.
 *
 * @template Answer
 * @param {string} path
 * @param {{method?: string, body?: unknown, key?: string}} [options] `key` makes a POST repeatable
 * @returns {Promise<Answer>}
 */
export async function ask(path, { method = "GET", body, key } = {}) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  const answer = await send(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  return JSON.parse((await answer.text()) || "null");
}

/**
 * Return the answer to a request with the caller's token; ApiError.
 *
 * @param {string} path
 * @param {RequestInit & {headers: Record<string, string>}} request
 * @returns {Promise<Response>}
 */
async function send(path, request) {
  const headers = { ...request.headers, Authorization: `Bearer ${await token()}` };
  let answer;
  try {
    answer = await fetch(path, { ...request, headers });
  } catch {
    throw new ApiError(0, "The server does not answer. Check the connection; this page tries again.");
  }
  if (!answer.ok) throw new ApiError(answer.status, sentence(answer.status, await answer.text()));
  return answer;
}

/**
 * Open the stream of the caller's assets.
 *
 * @param {string} lastEventId after which it begins; empty for now
 * @param {AbortSignal} signal
 * @returns {Promise<Response>}
 */
export function events(lastEventId, signal) {
  const headers = { Accept: "text/event-stream", ...(lastEventId ? { "Last-Event-ID": lastEventId } : {}) };
  return send("api/v1/events", { headers, signal, cache: "no-store" });
}

/**
 * @param {number} status
 * @param {string} text
 * @returns {string} the problem's sentence, with those of its fields
 */
function sentence(status, text) {
  try {
    const { title, detail, errors = [] } = JSON.parse(text);
    const fields = errors.map((/** @type {{pointer: string, detail: string}} */ each) => `${each.pointer}: ${each.detail}`);
    return [detail || title, ...fields].join(" ");
  } catch {
    return `The server answered ${status}.`;
  }
}

/**
 * @param {Record<string, string>} filters
 * @param {string | null} cursor
 * @returns {Promise<AssetList>}
 */
export function list(filters, cursor) {
  const query = new URLSearchParams({ limit: "100", ...filters });
  if (cursor) query.set("cursor", cursor);
  return ask(`api/v1/media/?${query}`);
}

/**
 * @param {string} id
 * @param {{download?: boolean}} [options]
 * @returns {Promise<Asset>}
 */
export function show(id, { download = false } = {}) {
  return ask(`api/v1/media/${id}${download ? "?download=true" : ""}`);
}

/** @param {string} id */
export function retry(id) {
  return ask(`api/v1/media/${id}/retry`, { method: "POST" });
}

/** @param {string} id */
export function remove(id) {
  return ask(`api/v1/media/${id}`, { method: "DELETE" });
}

/**
 * @param {{url: string, name?: string, tags?: string[]}} wanted
 * @returns {Promise<AcceptedImport>}
 */
export function importFromUrl(wanted) {
  return ask("api/v1/media/import-from-url", { method: "POST", body: wanted });
}

/** @returns {Promise<Model[]>} */
export async function models() {
  return (/** @type {{models: Model[]}} */ (await ask("api/v1/models"))).models;
}

/** @returns {Promise<Operations>} */
export function operations() {
  return ask("api/v1/operations");
}

/**
 * Start a prediction.
 *
 * @param {string} path of the model
 * @param {Record<string, unknown>} body
 * @param {string} key with which a second request starts no other
 * @returns {Promise<StartedPrediction>}
 */
export function generate(path, body, key) {
  // Relative, as a path prefix may be in front of it.
  return ask(path.replace(/^\//, ""), { method: "POST", body, key });
}

/**
 * @param {string} id
 * @returns {Promise<Job>}
 */
export function job(id) {
  return ask(`api/v1/replicate/predictions/${encodeURIComponent(id)}`);
}

/**
 * Upload a file to the store, and import it from there.
 *
 * @param {File} file
 * @param {(percent: number) => void} onProgress
 * @returns {Promise<AcceptedImport>}
 */
export async function upload(file, onProgress) {
  const begun = { name: file.name.slice(-255), content_type: file.type || "application/octet-stream", size_bytes: file.size };
  /** @type {BegunUpload} */
  const { id, url, headers } = await ask("api/v1/media/uploads", { method: "POST", body: begun });
  await put(url, headers, file, onProgress);
  return ask(`api/v1/media/uploads/${id}/complete`, { method: "POST" });
}

/**
 * PUT with progress, which `fetch` does not tell.
 *
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {File} file
 * @param {(percent: number) => void} onProgress
 * @returns {Promise<void>}
 */
function put(url, headers, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      // A browser sets it itself, and refuses it here.
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onProgress(Math.floor((100 * event.loaded) / (event.total || 1)));
    request.onload = () =>
      request.status < 300 ? resolve() : reject(new ApiError(request.status, `The store refused the file (${request.status}).`));
    request.onerror = () =>
      reject(new ApiError(0, "The store does not answer this page. Its bucket may lack a CORS rule for this origin."));
    request.send(file);
  });
}
