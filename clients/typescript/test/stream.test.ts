// The parser of Server-Sent Events: messages come whole however the network cuts them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageParser } from "../src/stream.js";

const STREAM = 'retry: 1500\n\n: still here\n\nid: 7\nevent: reset\ndata: {}\n\nevent: asset\ndata: {"id":\ndata: "ü"}\n\nid: 9\r\nevent: gone\r\ndata: {"id": "b"}\r\n\r\n';

for (const size of [1, 2, 3, 1000]) {
  test(`messages in pieces of ${size}`, () => {
    const parser = new MessageParser();
    const found = [];
    for (let start = 0; start < STREAM.length; start += size) found.push(...parser.push(STREAM.slice(start, start + size)));
    assert.deepEqual(found, [
      { event: "reset", id: "7", data: "{}" },
      { event: "asset", id: undefined, data: '{"id":\n"ü"}' },
      { event: "gone", id: "9", data: '{"id": "b"}' },
    ]);
    assert.equal(parser.retryMs, 1500);
  });
}

test("an event that the connection cuts is not told", () => {
  const parser = new MessageParser();
  assert.deepEqual(parser.push("event: asset\ndata: {}\n"), []);
});
