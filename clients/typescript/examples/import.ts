// Import a URL and print where the film is: `MEDIAIMPORT_URL=… MEDIAIMPORT_TOKEN=… node build/examples/import.js https://…`
import { AssetFailedError, MediaImport } from "mediaimport-client";

const { MEDIAIMPORT_URL: url = "http://127.0.0.1:8080", MEDIAIMPORT_TOKEN: token = "" } = process.env;
const client = new MediaImport({ url, token });

const { asset_id } = await client.import({ url: process.argv[2] ?? "", name: "film.mp4", tags: ["example"] });
try {
  const asset = await client.wait(asset_id, {
    timeoutMs: 600_000,
    onProgress: ({ phase, progress }) => console.error(phase, progress?.percent ?? 0, "%"),
  });
  console.log(`${asset.name}: ${asset.metadata.width}x${asset.metadata.height}, ${asset.metadata.duration} s`);
  console.log(asset.url);
} catch (error) {
  if (!(error instanceof AssetFailedError)) throw error;
  console.error(`the import failed: ${error.message}`);
  process.exitCode = 1;
}
