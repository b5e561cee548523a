"""ffprobe and ffmpeg behind a Unix socket: what reads hostile media holds no secret and no network."""
