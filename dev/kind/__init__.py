"""The demo on kind: images by Docker, an S3 server in the cluster, the chart."""
