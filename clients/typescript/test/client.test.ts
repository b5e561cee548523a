// The client against a running webhook, which MEDIAIMPORT_URL and MEDIAIMPORT_TOKEN name, whose imports end at once and
// one of four in failure; and against a server of this file for what no healthy webhook does.
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { AssetFailedError, MediaImport, ProblemError, TimeoutError, type Asset, type StreamEvent } from "mediaimport-client";

const url = process.env["MEDIAIMPORT_URL"] ?? "";
const token = process.env["MEDIAIMPORT_TOKEN"] ?? "";
const client = new MediaImport({ url: `${url}/`, token: async () => token });
const admin = new MediaImport({ url, token: process.env["MEDIAIMPORT_ADMIN_TOKEN"] ?? "" });

/** Import until one ends as wanted: the name decides. */
async function imported(status: "ready" | "failed"): Promise<Asset> {
  for (;;) {
    const { asset_id } = await client.import({ url: "https://example.com/film.mp4", name: "film.mp4", tags: [status] });
    try {
      const asset = await client.wait(asset_id, { timeoutMs: 60_000 });
      if (status === "ready") return asset;
    } catch (error) {
      if (!(error instanceof AssetFailedError)) throw error;
      if (status === "failed") return error.asset;
    }
  }
}

async function serve(answer: RequestListener, use: (client: MediaImport) => Promise<void>): Promise<void> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use(new MediaImport({ url: `http://127.0.0.1:${port}/prefix`, token: "t", retries: 2 }));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("an import is waited for, shown, listed, run again and deleted", async () => {
  const asset = await imported("ready");
  assert.equal(asset.metadata.codec, "h264");
  assert.ok(asset.url);
  assert.deepEqual((await client.get(asset.id)).id, asset.id);
  const edited = await client.edit(asset.id, { name: "cut.mp4", metadata: { scene: 4 } });
  assert.deepEqual([edited.name, edited.metadata["scene"]], ["cut.mp4", 4]);
  const cleared = await client.edit(asset.id, { metadata: { scene: null } });
  assert.deepEqual([cleared.name, cleared.metadata["scene"]], ["cut.mp4", undefined]);
  const listed = [];
  for await (const each of client.list({ status: "ready", limit: 1 })) listed.push(each.id);
  assert.ok(listed.includes(asset.id));
  assert.equal(new Set(listed).size, listed.length);
  assert.equal((await client.retry(asset.id)).asset_id, asset.id);
  await client.wait(asset.id, { timeoutMs: 60_000 });
  await client.delete(asset.id);
  // It is told as deleted until its resource is gone; the stand-in for the operator leaves no tombstone.
  const slugs = ["deleted", "not-found"];
  await assert.rejects(client.get(asset.id), (error) => error instanceof ProblemError && slugs.includes(error.slug));
  assert.ok((await client.stats()).total >= 0);
  assert.deepEqual(await client.deleteJob("no such prediction"), []);
  const usage = await client.usage({ user: "somebody-else" });
  assert.ok(usage.user !== "somebody-else" && usage.total.bytes >= usage.duplicates.bytes);
});

test("a failed import rejects with its reason", async () => {
  const asset = await imported("failed");
  await assert.rejects(client.wait(asset.id), (error) => error instanceof AssetFailedError && error.message.includes("The source is gone"));
});

test("an admin reads, edits and deletes the asset of a user", async () => {
  const { id } = await imported("ready");
  const user = "default";
  assert.equal((await admin.get(id, { user })).id, id);
  assert.equal((await admin.edit(id, { name: "cut.mp4" }, { user })).name, "cut.mp4");
  await assert.rejects(admin.get(id, { user: "nobody" }), (error) => error instanceof ProblemError && error.slug === "not-found");
  await admin.delete(id, { user });
  await assert.rejects(client.get(id), (error) => error instanceof ProblemError && error.slug === "deleted");
});

test("operations have the phases and failures of the caller's imports", async () => {
  await imported("failed");
  const { namespace, failed } = await client.operations();
  assert.equal(namespace, null);
  assert.deepEqual(new Set(failed.map((each) => each.newest.user)), new Set(["default"]));
});

test("one key makes one import", async () => {
  const requests = [1, 2].map(() => client.import({ url: "https://example.com/once.mp4" }, { idempotencyKey: "only-once" }));
  const [first, second] = await Promise.all(requests);
  assert.equal(first?.asset_id, second?.asset_id);
});

test("many imports are answered in their order", async () => {
  const answers = await client.importMany([{ url: "https://example.com/a.mp4" }, { url: "file:///etc/passwd" }]);
  assert.deepEqual(answers.map((each) => each.status), [202, 422]);
});

test("wrong fields are named", async () => {
  await assert.rejects(client.import({ url: "nothing" }), (error) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.status, 422);
    assert.match(error.message, /\/url/);
    return true;
  });
});

test("a prediction starts, and a wait for it ends in time", async () => {
  assert.deepEqual((await client.models()).map((each) => each.alias), ["wan-video-t2v"]);
  const { job_id } = await client.generate("wan-video-t2v", { prompt: "a rabbit" }, { tags: ["rabbit"] });
  assert.ok((await client.job(job_id)).status);
  await assert.rejects(client.waitForJob(job_id, { timeoutMs: 10 }), TimeoutError);
});

test("the stream tells of an import and of its deletion", async () => {
  const stop = new AbortController();
  const events = client.events({ signal: stop.signal });
  assert.equal((await events.next()).value?.type, "reset");
  const seen: StreamEvent[] = [];
  const { asset_id } = await client.import({ url: "https://example.com/seen.mp4" });
  let deleted = false;
  for await (const event of events) {
    if (event.type === "asset" && event.asset.id === asset_id && event.asset.status !== "uploading" && !deleted) {
      deleted = true;
      await client.delete(asset_id);
    }
    seen.push(event);
    if (event.type === "gone" && event.id === asset_id) break;
  }
  const last = seen.at(-1)?.lastEventId;
  assert.match(last ?? "", /^\d+$/);
  const { asset_id: next } = await client.import({ url: "https://example.com/missed.mp4" });
  for await (const event of client.events({ signal: stop.signal, lastEventId: last ?? "" })) {
    assert.notEqual(event.type, "reset");
    if (event.type === "asset" && event.asset.id === next) break;
  }
  stop.abort();
});

test("an import is followed to its end", async () => {
  const { asset_id } = await client.import({ url: "https://example.com/followed.mp4" });
  const states: Asset[] = [];
  for await (const state of client.follow(asset_id)) states.push(state);
  assert.deepEqual(new Set(states.map((each) => each.id)), new Set([asset_id]));
  assert.notEqual(states.pop()?.status, "uploading");
  assert.ok(states.every((each) => each.status === "uploading"));
});

test("an asset is followed over a broken connection until it is deleted", async () => {
  const seen: unknown[] = [];
  const states: string[] = [];
  await serve(
    (request, response) => {
      seen.push(`${request.url} ${request.headers["last-event-id"] ?? "-"}`);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      const gone = "event: gone\ndata: {}\n\n";
      response.end(seen.length === 1 ? 'retry: 1\n\nid: 5\nevent: asset\ndata: {"status": "uploading"}\n\n' : gone);
    },
    async (flaky) => {
      for await (const { status } of flaky.follow("a/b")) states.push(status);
    },
  );
  assert.deepEqual(states, ["uploading"]);
  assert.deepEqual(seen, ["/prefix/api/v1/media/a%2Fb/events -", "/prefix/api/v1/media/a%2Fb/events 5"]);
});

test("a stream that is aborted ends at once", async () => {
  const events = client.events({ signal: AbortSignal.timeout(300) });
  await assert.rejects(async () => {
    for await (const event of events) assert.ok(event);
  }, /TimeoutError|aborted/);
});

test("a stream comes again with what it has seen", async () => {
  const seen: (string | undefined)[] = [];
  await serve(
    (request, response) => {
      seen.push(request.headers["last-event-id"] as string | undefined);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("retry: 1\n\n");
      response.end(`id: ${seen.length}\nevent: gone\ndata: {"id": "a"}\n\n`);
    },
    async (flaky) => {
      for await (const event of flaky.events()) if (event.lastEventId === "3") break;
    },
  );
  assert.deepEqual(seen.slice(0, 3), [undefined, "1", "2"]);
});

test("a refused stream is an error", async () => {
  await assert.rejects(
    new MediaImport({ url, token: "nobody's" }).events().next(),
    (error) => error instanceof ProblemError && error.status === 401,
  );
});

test("a busy server is asked again, a lost answer too, and a POST with the same key", async () => {
  const keys: unknown[] = [];
  await serve(
    (request, response) => {
      keys.push(request.headers["idempotency-key"]);
      if (keys.length === 1) response.writeHead(503, { "Retry-After": "0" }).end("busy");
      else if (keys.length === 2) request.socket.destroy();
      else response.writeHead(202).end(`{"asset_id": "${request.url}"}`);
    },
    async (flaky) => {
      const { asset_id } = await flaky.import({ url: "https://example.com/" });
      assert.equal(asset_id, "/prefix/api/v1/media/import-from-url");
    },
  );
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
});

test("what cannot be repeated is sent once", async () => {
  let requests = 0;
  await serve(
    (_, response) => {
      requests += 1;
      response.writeHead(503).end();
    },
    async (busy) => {
      await assert.rejects(busy.retry("a"), (error) => error instanceof ProblemError && error.slug === "");
      assert.equal(requests, 1);
      await assert.rejects(busy.get("a"), ProblemError);
      assert.equal(requests, 4);
    },
  );
});

test("a file is put into the store without our token, and completed", async () => {
  const requests: string[] = [];
  await serve(
    async (request, response) => {
      let body = "";
      for await (const piece of request) body += String(piece);
      requests.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"} ${body}`);
      const put = { id: "u1", method: "PUT", url: `http://${request.headers.host}/store`, headers: { "Content-Type": "text/plain" } };
      response.writeHead(200).end(JSON.stringify(request.url?.endsWith("/uploads") ? put : { asset_id: "u1" }));
    },
    async (uploading) => {
      const file = new File(["hello"], "hello.txt", { type: "text/plain" });
      assert.equal((await uploading.upload(file, { tags: ["a"] })).asset_id, "u1");
    },
  );
  assert.deepEqual(requests, [
    'POST /prefix/api/v1/media/uploads Bearer t {"tags":["a"],"name":"hello.txt","content_type":"text/plain","size_bytes":5}',
    "PUT /store - hello",
    "POST /prefix/api/v1/media/uploads/u1/complete Bearer t ",
  ]);
});
