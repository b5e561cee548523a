// The order of assets in the list, and what makes one list differ from another.

/** @typedef {import("./api.js").Asset} Asset */

/**
 * @param {Asset} one
 * @param {Asset} other
 * @returns {boolean} whether it comes before the other in the list, as the server orders it
 */
export function isNewer(one, other) {
  return one.created_at === other.created_at ? one.id > other.id : one.created_at > other.created_at;
}

/**
 * @param {Asset[]} before
 * @param {Asset[]} after
 * @returns {boolean} whether anything that is shown differs; presigned URLs do not count until they expire
 */
export function changed(before, after) {
  if (before.length !== after.length) return true;
  return after.some((each, place) => shown(each) !== shown(/** @type {Asset} */ (before[place])));
}

/** @param {Asset} asset */
function shown(asset) {
  return JSON.stringify([asset.id, asset.name, asset.phase, asset.reason, asset.progress, asset.tags, asset.expires_at]);
}
