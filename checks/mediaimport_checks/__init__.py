"""Program of `helm test`: checks that an installation works, one line for each check."""
