// The token of this tab. It lives in sessionStorage: it is in no URL, no cookie, and ends with the tab.

/**
 * @typedef {object} Session
 * @property {string} token sent to the API
 * @property {Renewal} [renewal] absent for a token that was pasted, or has no refresh token
 */
/**
 * @typedef {object} Renewal
 * @property {string} refreshToken
 * @property {number} expires milliseconds since 1970
 * @property {string} tokenEndpoint
 * @property {string} clientId
 * @property {"access_token" | "id_token"} kind which of the issuer's tokens the API accepts
 */

const KEY = "mediaimport-session";
/** Time before its end at which a token is renewed. */
const EARLY_MS = 30_000;

/** @returns {Session | undefined} */
export function session() {
  const stored = sessionStorage.getItem(KEY);
  return stored === null ? undefined : JSON.parse(stored);
}

/** @returns {boolean} whether somebody is signed in */
export function isSignedIn() {
  return session() !== undefined;
}

/** @param {Session | undefined} value undefined to sign out */
export function keep(value) {
  if (value === undefined) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, JSON.stringify(value));
}

/** @type {Promise<void> | undefined} */
let renewing;

/**
 * Return the token, renewed if it ends soon; empty before signing in.
 *
 * @returns {Promise<string>}
 */
export async function token() {
  const { renewal } = session() ?? {};
  if (renewal !== undefined && renewal.expires - Date.now() < EARLY_MS) {
    renewing ??= renew(renewal).finally(() => (renewing = undefined));
    await renewing;
  }
  return session()?.token ?? "";
}

/** @param {Renewal} renewal */
async function renew(renewal) {
  const { refreshToken, tokenEndpoint, clientId } = renewal;
  const form = { grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientId };
  let answer;
  try {
    answer = await request(tokenEndpoint, form);
  } catch (error) {
    // An issuer that is away is asked again with the next request; one that refuses is not.
    if (error instanceof RefusedError && isSignedIn()) keep({ token: session()?.token ?? "" });
    return;
  }
  // Somebody may have signed out meanwhile.
  if (isSignedIn()) keep(sessionOf(answer, { ...renewal, refreshToken: answer.refresh_token ?? refreshToken }));
}

/** The issuer's answer is no. */
export class RefusedError extends Error {}

/**
 * @typedef {{access_token?: string, id_token?: string, refresh_token?: string, expires_in?: number}} Tokens
 */

/**
 * Ask the issuer for tokens; RefusedError.
 *
 * @param {string} endpoint
 * @param {Record<string, string>} form
 * @returns {Promise<Tokens>}
 */
export async function request(endpoint, form) {
  const body = new URLSearchParams(form);
  const answer = await fetch(endpoint, { method: "POST", body, credentials: "omit", referrerPolicy: "no-referrer" });
  const content = await answer.json().catch(() => ({}));
  if (answer.status >= 500) throw new Error(`The issuer answered ${answer.status}.`);
  if (!answer.ok) throw new RefusedError(String(content.error_description ?? content.error ?? `The issuer answered ${answer.status}.`));
  return content;
}

/**
 * @param {Tokens} tokens
 * @param {Omit<Renewal, "expires" | "refreshToken"> & {refreshToken?: string | undefined}} about
 * @returns {Session}
 */
export function sessionOf(tokens, { refreshToken, ...about }) {
  const token = tokens[about.kind];
  if (!token) throw new Error(`The issuer sent no ${about.kind}. Its client has to allow one.`);
  if (refreshToken === undefined) return { token };
  const exp = about.kind === "id_token" ? Number(claims(token)["exp"]) * 1000 : Date.now() + (tokens.expires_in ?? 300) * 1000;
  return { token, renewal: { ...about, refreshToken, expires: exp } };
}

/**
 * @param {string} jwt
 * @returns {Record<string, unknown>} its claims, unverified: the API verifies them
 */
export function claims(jwt) {
  const base64 = (jwt.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))));
}
