"""Providers: clients of the services, each of which knows one of them."""
