"""What each route does. The wiring is in `app`."""
