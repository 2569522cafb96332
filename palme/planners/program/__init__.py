"""The program planner: a sentence becomes an instruction program, which runs on what the detector sees."""
