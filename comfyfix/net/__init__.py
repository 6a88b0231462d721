"""The network: addresses, hosts that are allowed, requests with bounds, one chat endpoint."""
