"""Many runners, one store, and the limits of providers, on a clock that nobody waits for."""
