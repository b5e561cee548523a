"""Release: the version, the licences of dependencies, and bills of materials (CycloneDX) of both images."""
