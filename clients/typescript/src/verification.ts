// Events that MediaImport's operator sends to an endpoint: Standard Webhooks (https://www.standardwebhooks.com).

/** What became of an asset. It has no URL: read the asset by its id. */
export interface AssetWebhookEvent {
  type: "asset.ready" | "asset.failed" | "asset.deleted";
  timestamp: string;
  data: {
    id: string;
    user_id: string;
    status: "ready" | "failed" | "deleted";
    import_job_id: string;
    job_id?: string;
    name?: string;
    reason?: string;
  };
}

/** A prediction of which no asset comes; `id` is its own. */
export interface PredictionWebhookEvent {
  type: "prediction.failed";
  timestamp: string;
  data: {
    id: string;
    user_id: string;
    status: "failed";
    job_id: string;
    provider: string;
    provider_status: string;
    reason: string;
  };
}

/** What a user has asked for, to test a webhook; `id` is the webhook's. */
export interface TestWebhookEvent {
  type: "webhook.test";
  timestamp: string;
  data: { id: string; user_id: string; status: "test" };
}

/** The body of an event. */
export type WebhookEvent = AssetWebhookEvent | PredictionWebhookEvent | TestWebhookEvent;

/** A message that nobody with the key has signed, or that is too old. */
export class WebhookVerificationError extends Error {
  override readonly name = "WebhookVerificationError";
}

export interface VerifyOptions {
  /** Most seconds between the message's time and now; 300 if left out. */
  toleranceSeconds?: number;
  /** Milliseconds since 1970; the clock's if left out. */
  now?: number;
}

type GivenHeaders = Headers | Record<string, string | string[] | undefined>;

/**
 * Return the event of a message; WebhookVerificationError if none of the keys has signed it.
 *
 * @param body the raw body, before anything has parsed it
 * @param headers of the request; of Node's too
 * @param keys `whsec_…`; several while a key is rotated
 */
export async function verifyWebhook(
  body: string | Uint8Array<ArrayBuffer>,
  headers: GivenHeaders,
  keys: string | string[],
  { toleranceSeconds = 300, now = Date.now() }: VerifyOptions = {},
): Promise<WebhookEvent> {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((each) => header(headers, `webhook-${each}`));
  if (!id || !timestamp || !signatures) throw new WebhookVerificationError("the message is not signed");
  if (!/^\d+$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > toleranceSeconds) {
    throw new WebhookVerificationError("the message is too old, or its time is wrong");
  }
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), bytes);
  const given = signatures.split(" ").flatMap((each) => (each.startsWith("v1,") ? [decoded(each.slice(3))] : []));
  for (const key of [keys].flat()) {
    const imported = await signingKey(key);
    for (const signature of given) {
      // It compares in constant time.
      if (signature && (await crypto.subtle.verify("HMAC", imported, signature, signed))) {
        return JSON.parse(new TextDecoder().decode(bytes)) as WebhookEvent;
      }
    }
  }
  throw new WebhookVerificationError("no signature of the message is by one of the keys");
}

function signingKey(key: string): Promise<CryptoKey> {
  const secret = decoded(key.replace(/^whsec_/, ""));
  if (!secret?.length) throw new TypeError("a signing key is whsec_ and base64");
  return crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

function header(headers: GivenHeaders, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  const found = Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1];
  return (Array.isArray(found) ? found[0] : found) ?? "";
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** Return the bytes of base64; undefined for what is none. */
function decoded(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  } catch {
    return undefined;
  }
}
