"""What outlives a run: ledger, receipts, hashes, and where each lies."""
