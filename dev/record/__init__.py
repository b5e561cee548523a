"""Recording of `kubectl get mi --watch-only` on the demo's cluster, as an animated SVG."""
