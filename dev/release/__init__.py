"""Bills of materials of both images, in CycloneDX."""
