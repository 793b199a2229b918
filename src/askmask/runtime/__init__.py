"""Where work runs: processes, threads, compiled code, what trials share."""
