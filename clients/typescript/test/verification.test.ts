// Verification, against a signature of another implementation and against what must be refused.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { verifyWebhook, WebhookVerificationError } from "mediaimport-client";

const KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = `whsec_${Buffer.from("another key, of 32 bytes in all.").toString("base64")}`;
const BODY = JSON.stringify({ type: "asset.ready", timestamp: "2030-01-01T12:00:00Z", data: { id: "a", name: "Füße 🦶.mp4" } });
const NOW = 1_893_499_200_000;

function signed(body = BODY, { key = KEY, seconds = NOW / 1000 } = {}): Record<string, string> {
  const secret = Buffer.from(key.slice("whsec_".length), "base64");
  const signature = createHmac("sha256", secret).update(`msg_1.${seconds}.${body}`).digest("base64");
  return { "webhook-id": "msg_1", "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
}

test("the example of Standard Webhooks is verified", async () => {
  // https://github.com/standard-webhooks/standard-webhooks: the vector of its reference libraries.
  const headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const event: unknown = await verifyWebhook('{"test": 2432232314}', headers, KEY, { now: 1_614_265_330_000 });
  assert.deepEqual(event, { test: 2432232314 });
});

test("a signed event is returned, of a string and of bytes, with headers of any kind", async () => {
  for (const body of [BODY, new TextEncoder().encode(BODY)]) {
    for (const headers of [signed(), new Headers(signed()), { ...signed(), "webhook-id": ["msg_1"] }]) {
      const event = await verifyWebhook(body, headers, KEY, { now: NOW });
      assert.equal(event.type === "asset.ready" && event.data.name, "Füße 🦶.mp4");
    }
  }
});

test("one of several signatures and one of several keys are enough", async () => {
  const headers = signed();
  headers["webhook-signature"] = `v1a,AAAA v1,not-base64! ${signed(BODY, { key: OTHER })["webhook-signature"]} ${headers["webhook-signature"]}`;
  assert.equal((await verifyWebhook(BODY, headers, KEY, { now: NOW })).type, "asset.ready");
  assert.equal((await verifyWebhook(BODY, signed(), [OTHER, KEY], { now: NOW })).type, "asset.ready");
});

test("what is forged, old or not signed is refused", async () => {
  const cases: [string, Record<string, string>][] = [
    [BODY.replace("ready", "failed"), signed()],
    [BODY, signed(BODY, { key: OTHER })],
    [BODY, signed(BODY, { seconds: NOW / 1000 - 301 })],
    [BODY, signed(BODY, { seconds: NOW / 1000 + 301 })],
    [BODY, { ...signed(), "webhook-id": "msg_2" }],
    [BODY, { ...signed(), "webhook-timestamp": "soon" }],
    [BODY, { ...signed(), "webhook-signature": "" }],
    [BODY, {}],
  ];
  for (const [body, headers] of cases) {
    await assert.rejects(verifyWebhook(body, headers, KEY, { now: NOW }), WebhookVerificationError);
  }
});

test("a key that is none is an error of the program", async () => {
  await assert.rejects(verifyWebhook(BODY, signed(), "whsec_", { now: NOW }), TypeError);
});
