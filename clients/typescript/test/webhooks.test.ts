// Webhooks of users, against the running webhook of client.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MediaImport, ProblemError } from "mediaimport-client";

const url = process.env["MEDIAIMPORT_URL"] ?? "";
const { webhooks } = new MediaImport({ url, token: process.env["MEDIAIMPORT_TOKEN"] ?? "" });
const admin = new MediaImport({ url, token: process.env["MEDIAIMPORT_ADMIN_TOKEN"] ?? "" });
const HOOK = "https://hooks.example.com/mediaimport";

test("a webhook is made, listed, shown and deleted", async () => {
  const { signing_key, ...made } = await webhooks.create(HOOK, { types: ["asset.ready"] });
  assert.match(signing_key, /^whsec_/);
  assert.deepEqual([made.url, made.types], [HOOK, ["asset.ready"]]);
  assert.deepEqual(await webhooks.get(made.id), made);
  assert.deepEqual(await webhooks.list(), [made]);
  assert.notEqual((await webhooks.rotateKey(made.id)).signing_key, signing_key);
  await webhooks.delete(made.id);
  assert.deepEqual(await webhooks.list(), []);
  await assert.rejects(webhooks.get(made.id), (error) => error instanceof ProblemError && error.slug === "not-found");
});

test("a webhook is tested and told again", async () => {
  const { id, types } = await webhooks.create(HOOK);
  assert.deepEqual(types, []);
  assert.deepEqual(await webhooks.deliveries(id), []);
  const { at } = await webhooks.test(id);
  const [delivery] = await webhooks.deliveries(id);
  assert.deepEqual([delivery?.type, delivery?.at, delivery?.outcome], ["webhook.test", at, "pending"]);
  await assert.rejects(webhooks.test(id), (error) => error instanceof ProblemError && error.slug === "too-many-requests");
  assert.equal((await webhooks.replay(id, { since: new Date("2030-01-01T12:00:00Z") })).since, "2030-01-01T12:00:00Z");
  await webhooks.delete(id);
});

test("an admin reads and deletes the webhook of a user", async () => {
  const { id } = await webhooks.create(HOOK);
  assert.deepEqual(await admin.webhooks.list(), []);
  const user = "default";
  assert.deepEqual((await admin.webhooks.list({ user })).map((each) => each.id), [id]);
  assert.equal((await admin.webhooks.get(id, { user })).url, HOOK);
  assert.deepEqual(await admin.webhooks.deliveries(id, { user }), []);
  await admin.webhooks.delete(id, { user });
  assert.deepEqual(await webhooks.list(), []);
});
