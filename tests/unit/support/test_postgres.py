"""PostgreSQL for tests: it starts again after a kill, whatever its sessions held."""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from dev.cluster.waiting import until
from tests.support.postgres import postgres

if TYPE_CHECKING:
    from tests.support.postgres import Postgres

SESSIONS = 2
KILLS = 5
HOLDS = "SELECT pg_sleep(600) FROM (SELECT repeat('x', 300000000) AS held OFFSET 0) AS held WHERE length(held) > 0"
"""Its session has 300 MB: a kill takes a while to free them."""
HOLDING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


def hold(server: Postgres) -> None:
    with suppress(subprocess.CalledProcessError):
        server.query(HOLDS)


def test_server_whose_sessions_end_slowly_starts_again_after_a_kill() -> None:
    with postgres() as server:
        for _ in range(KILLS):
            sessions = [threading.Thread(target=hold, args=(server,)) for _ in range(SESSIONS)]
            for each in sessions:
                each.start()
            until(lambda: server.query(HOLDING) == str(SESSIONS), timeout_s=60, what="the sessions hold their memory")
            server.kill()
            server.start()
            for each in sessions:
                each.join()
        assert server.query("SELECT 1") == "1"
