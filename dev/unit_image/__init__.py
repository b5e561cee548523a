"""Unit tests of importer and prober in the root of the prober's image: its Python, its libraries, its ffmpeg."""
