"""Where a model can be had: sources asked in trust order; how a search ends without a file."""
