"""Episodes and single steps that are played to be counted, on one process or several."""
