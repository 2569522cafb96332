"""The console: what a person sees of a run and does about it, in a browser."""
