"""The gallery: a page that shows a caller's assets, without a build step: what is here is what a browser gets."""
