import type { AcceptedImport, Asset, Problem } from "mediaimport-client";

const base = process.env["MEDIAIMPORT_URL"] ?? "http://127.0.0.1:8080";
const headers = {
  Authorization: `Bearer ${process.env["MEDIAIMPORT_TOKEN"] ?? ""}`,
  "Content-Type": "application/json",
};

async function ask<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  const answer = await fetch(base + path, { ...init, headers });
  if (!answer.ok) {
    const problem = (await answer.json()) as Problem;
    throw new Error(`${problem.status} ${problem.title}: ${problem.detail}`);
  }
  return (await answer.json()) as Answer;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Ask until the asset is ready, telling how far it is; reject with the reason if it fails. */
async function ready(id: string, onProgress: (percent: number) => void): Promise<Asset> {
  for (let wait = 500; ; wait = Math.min(wait * 1.5, 5000)) {
    const asset = await ask<Asset>(`/api/v1/media/${id}`);
    switch (asset.status) {
      case "ready":
        return asset;
      case "failed":
        throw new Error(`${asset.reason}: ${asset.metadata.error}`);
      case "uploading":
        onProgress(asset.progress?.percent ?? 0);
        await sleep(wait);
    }
  }
}

const url = process.argv[2] ?? "";
const body = JSON.stringify({ url, name: "film.mp4", type: "video" });
const { asset_id } = await ask<AcceptedImport>("/api/v1/media/import-from-url", { method: "POST", body });
const { metadata, ...asset } = await ready(asset_id, (percent) => console.error(`${percent} %`));
console.log(`${asset.name}: ${metadata.width}x${metadata.height}, ${metadata.duration} s, ${metadata.codec}`);
console.log(asset.url);
console.log(asset.thumbnail_url);
