"""The prober, ffprobe and ffmpeg behind a Unix socket: no secret and no network where hostile media is read."""
