"""Downloads on the workers of a Dask cluster: `scheduler`, the way there, `away` and `worker`."""
