// Signing in at the OpenID Connect issuer: authorization code with PKCE (RFC 7636), as RFC 9700 has it for pages.

import { claims, keep, request, sessionOf } from "./session.js";

/**
 * @typedef {object} Issuer
 * @property {string} issuer
 * @property {string} client_id
 * @property {string} authorization_endpoint
 * @property {string} token_endpoint
 * @property {string} scope
 * @property {string | null} audience for which the access token is to be; null where the API accepts the ID token
 * @property {"access_token" | "id_token"} token
 */
/** @typedef {{state: string, nonce: string, verifier: string}} Begun */

/** The sign-in that this tab has begun, until it returns. */
const KEY = "mediaimport-sign-in";

/** @returns {Promise<Issuer | null>} null where none is configured */
export async function issuer() {
  const answer = await fetch("gallery/config.json");
  if (!answer.ok) throw new Error("The issuer of tokens does not answer, so signing in there is not possible now.");
  return (await answer.json()).oidc;
}

/** Leave the page for the issuer's, which returns to this URL.
 *
 * @param {Issuer} config
 */
export async function leave(config) {
  if (!crypto.subtle) throw new Error("Signing in needs this page by https.");
  const begun = { state: random(), nonce: random(), verifier: random() };
  sessionStorage.setItem(KEY, JSON.stringify(begun));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier));
  const url = new URL(config.authorization_endpoint);
  const query = {
    response_type: "code",
    client_id: config.client_id,
    redirect_uri: here(),
    scope: config.scope,
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
    ...(config.audience === null ? {} : { audience: config.audience }),
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  location.assign(url);
}

/** @returns {URLSearchParams | undefined} what the issuer sent back, taken out of the address; undefined if nothing */
export function returned() {
  const query = new URLSearchParams(location.search);
  if (!query.has("state") && !query.has("code") && !query.has("error")) return undefined;
  history.replaceState(null, "", location.pathname);
  return query;
}

/**
 * Exchange the code for tokens; Error with a sentence.
 *
 * @param {Issuer} config
 * @param {URLSearchParams} query
 */
export async function arrive(config, query) {
  /** @type {Begun | null} */
  const begun = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  sessionStorage.removeItem(KEY);
  if (begun === null || query.get("state") !== begun.state) throw new Error("This sign-in was not begun here. Sign in again.");
  // RFC 9207: the answer of another issuer.
  if (query.has("iss") && query.get("iss") !== config.issuer) throw new Error("The answer is of another issuer. Sign in again.");
  const error = query.get("error_description") ?? query.get("error");
  if (error !== null) throw new Error(`The issuer refuses: ${error}`);
  const tokens = await request(config.token_endpoint, {
    grant_type: "authorization_code",
    code: query.get("code") ?? "",
    redirect_uri: here(),
    client_id: config.client_id,
    code_verifier: begun.verifier,
  });
  if (tokens.id_token !== undefined && claims(tokens.id_token)["nonce"] !== begun.nonce) {
    throw new Error("The token is of another sign-in. Sign in again.");
  }
  keep(
    sessionOf(tokens, {
      kind: config.token,
      tokenEndpoint: config.token_endpoint,
      clientId: config.client_id,
      refreshToken: tokens.refresh_token,
    }),
  );
}

/** @returns {string} the redirect URI */
function here() {
  return location.origin + location.pathname;
}

/** @returns {string} 256 random bits */
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
