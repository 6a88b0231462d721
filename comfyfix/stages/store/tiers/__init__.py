"""Tiers: what workflows need is brought up to a fast disk; what was not needed for longest leaves.

A copy is never the only one: what leaves is removed only while the store has all of it as it was
when it was hashed, or with those hashes now. A directory comes and leaves in one step, so nobody
ever finds a half of it. ComfyUI finds the copy first (`doit paths`).
"""
