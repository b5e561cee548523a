"""Container images: the base ones, those of this project, and what builds and prunes them."""
