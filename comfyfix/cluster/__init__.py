"""Downloads on the workers of a Dask cluster: `away` sends them, `worker` runs them there."""
