"""Routes of the API. `app` maps their paths to them."""
