"""Which sentences the system can account for, word by word, and what each asks for."""
