"""How work runs: processes, threads, compiled code, and caches that trials share."""
