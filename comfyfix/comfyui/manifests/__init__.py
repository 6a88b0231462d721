"""What other tools keep of the models that they have installed: snapshots, locks, manifests.

None of these files is ours, and none is trusted: what they say becomes hints and pins, whose
addresses and names pass the same rules as any other's.
"""
