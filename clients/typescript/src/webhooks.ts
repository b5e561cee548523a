// Webhooks of a user: endpoints that get a signed message at each event. `client.webhooks` has these methods.

import type { Transport } from "./transport.js";
import type * as types from "./types.js";

const ALL = "/api/v1/webhooks";

export interface OfUser {
  /** For admins: another user. */
  user?: string;
}

/** Webhooks of the user. `verifyWebhook` reads their messages. */
export class Webhooks {
  constructor(private readonly transport: Transport) {}

  /** Make a webhook, which is told of events of these types, or of all. Only this answer has its signing key. */
  create(url: string, { types = [] }: { types?: types.EventType[] } = {}): Promise<types.KeyedWebhook> {
    return this.transport.json(ALL, { method: "POST", body: { url, types } });
  }

  /** Return all webhooks. */
  async list({ user }: OfUser = {}): Promise<types.Webhook[]> {
    return (await this.transport.json<{ webhooks: types.Webhook[] }>(ALL, { query: { user } })).webhooks;
  }

  /** Return a webhook. */
  get(id: string, { user }: OfUser = {}): Promise<types.Webhook> {
    return this.transport.json(one(id), { query: { user } });
  }

  /** Delete a webhook: it is told of nothing more. */
  async delete(id: string, { user }: OfUser = {}): Promise<void> {
    await this.transport.send(one(id), { method: "DELETE", query: { user } });
  }

  /** Give a webhook a new signing key, and return it. The former one signs, too, until the next rotation. */
  rotateKey(id: string): Promise<types.KeyedWebhook> {
    return this.transport.json(`${one(id)}/rotate-key`, { method: "POST" });
  }

  /** Send a message of type `webhook.test`, once; `deliveries` tells how it ended. */
  test(id: string): Promise<types.WebhookTest> {
    return this.transport.json(`${one(id)}/test`, { method: "POST" });
  }

  /** Deliver again what happened since that time, or since a day ago, by the ids that it had. */
  replay(id: string, { since }: { since?: Date | string } = {}): Promise<types.WebhookReplay> {
    const query = { since: since instanceof Date ? since.toISOString() : since };
    return this.transport.json(`${one(id)}/replay`, { method: "POST", query });
  }

  /** Return the newest deliveries, 50 at most, the newest first. */
  async deliveries(id: string, { user }: OfUser = {}): Promise<types.WebhookDelivery[]> {
    const answer = await this.transport.json<{ deliveries: types.WebhookDelivery[] }>(`${one(id)}/deliveries`, { query: { user } });
    return answer.deliveries;
  }
}

function one(id: string): string {
  return `${ALL}/${encodeURIComponent(id)}`;
}
