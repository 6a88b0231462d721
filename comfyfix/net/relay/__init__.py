"""The relay on loopback by which scripts fetch, where there is a limit to keep together."""
