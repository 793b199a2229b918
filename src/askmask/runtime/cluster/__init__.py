"""Machines of a Dask cluster as an `Executor`; the only place that imports dask.

`address` reads what ``--cluster`` says, `connection` reaches the workers, `crew` knows which of
them may be given work, `executor` gives it to them, and `on_worker` is what runs there.
"""
