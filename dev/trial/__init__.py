"""Trial: one import by the real importer and prober as a Job runs them, on this machine; no cluster, no root."""
