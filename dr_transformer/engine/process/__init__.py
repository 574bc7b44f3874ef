"""Compute beside the web server: in a process of its own, or on a Dask cluster that exists."""
