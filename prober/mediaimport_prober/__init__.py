"""The prober, libvips and ffmpeg behind a Unix socket: no secret and no network where hostile media is read."""
