"""Import a URL and print where the film is: `MEDIAIMPORT_URL=… MEDIAIMPORT_TOKEN=… python import_film.py https://…`."""

from __future__ import annotations

import os
import sys

from mediaimport_client import AssetFailedError, MediaImport

with MediaImport(os.environ["MEDIAIMPORT_URL"], os.environ["MEDIAIMPORT_TOKEN"]) as client:
    accepted = client.import_url(sys.argv[1], name="film.mp4", tags=["example"])
    try:
        asset = client.wait(
            accepted["asset_id"],
            timeout_s=600,
            on_progress=lambda state: print(state["phase"], state["progress"], file=sys.stderr),
        )
    except AssetFailedError as error:
        sys.exit(f"the import failed: {error}")
    measured = asset["metadata"]
    print(f"{asset['name']}: {measured['width']}x{measured['height']}, {measured['duration']} s")
    print(asset["url"])
