"""Loader of a catalogue: rows as the webhook writes them, made by PostgreSQL itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP = 100_000
WORDS = 5000
"""Number of words in the texts: w0 is the most frequent, w4999 the rarest."""
_FIRST = "'w' || floor(random() ^ 3 * {words})::int"
_INSERT = """
INSERT INTO media_assets (id, user_id, name, status, reason, file_type, tags, job_id, provider, model, size_bytes,
  sha256, created_at, completed_at, file_metadata, generation, thumbnail_s3_key, s3_key, search_words,
  resource_name, resource_uid, resource_version)
SELECT id, owner, name, status, CASE status WHEN 'ready' THEN 'Imported' ELSE 'SourceNotFound' END,
  CASE WHEN status = 'ready' THEN (ARRAY['video', 'image', 'audio'])[1 + (n % 3)::int] END,
  jsonb_build_array('ai-generated', 'tag' || n % 500), 'pred' || n, 'replicate', 'owner/model-' || n % 40,
  CASE WHEN status = 'ready' THEN 100000 + (n * 7919) % 50000000 ELSE 0 END,
  CASE WHEN status = 'ready' THEN md5((n % {distinct})::text) || md5((n % {distinct})::text) END,
  created_at, created_at + interval '20 seconds',
  jsonb_build_object('duration', 5.28, 'width', 1280, 'height', 720, 'codec', 'h264', 'bitrate', 2400000,
    'frame_rate', 25.0, 'format', 'mov,mp4', 'aspect_ratio', '16:9', 'animated', NULL, 'size_bytes', 100000,
    'content_type', 'video/mp4', 'sha256', md5(n::text) || md5(n::text),
    'error', CASE WHEN status = 'failed' THEN 'The source answers HTTP 404.' END, 'scene', n % 90),
  jsonb_build_object('provider', 'replicate', 'id', 'pred' || n, 'pointer', '/0', 'model', 'owner/model-' || n % 40,
    'version', NULL, 'input', jsonb_build_object('prompt', words), 'metrics', NULL, 'seed', n, 'created_at', NULL,
    'started_at', NULL, 'completed_at', NULL, 'truncated', false),
  'media/' || owner || '/' || id || '/thumbnail.jpg', 'media/' || owner || '/' || id || '/video.mp4',
  concat_ws(' ', 'film', n, 'mp4 ai generated tag' || n % 500, words, 'h264 mov video 5 28 1280 720'),
  'import-' || id, id, n
FROM (
  SELECT n, md5('asset' || n)::uuid::text AS id, 'film-' || n || '.mp4' AS name,
    CASE WHEN n % {users} = 0 THEN 'default' ELSE 'user-' || n % {users} END AS owner,
    CASE WHEN n % 50 = 7 THEN 'failed' ELSE 'ready' END AS status,
    timestamptz '2025-01-01' + n * interval '30 seconds' AS created_at,
    {words} AS words
  FROM generate_series({first}::bigint, {last}) AS n
) AS rows
"""


def load(url: str, *, rows: int, users: int) -> None:
    """Fill a migrated database. Its indexes are dropped, and built again in the end, which is faster."""
    listed = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'media_assets' AND indexname NOT LIKE '%pkey'"
    )
    words = "concat_ws(' ', " + ", ".join([_FIRST.format(words=WORDS)] * 12) + ")"
    values = {"users": users, "words": words, "distinct": rows * 9 // 10}
    with psycopg.connect(url, autocommit=True) as connection:
        run = cast("Callable[[str], Any]", connection.execute)
        run("SET maintenance_work_mem = '512MB'")
        definitions = run(listed).fetchall()
        for name, _ in definitions:
            run(f"DROP INDEX {name}")
        for first in range(0, rows, _STEP):
            run(_INSERT.format(first=first, last=min(first + _STEP, rows) - 1, **values))
        for _, definition in definitions:
            run(definition)
        run("VACUUM ANALYZE media_assets")
