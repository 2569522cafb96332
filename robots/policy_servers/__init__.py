"""Guests: other stacks call our policies, and ours call theirs. Wires, servers, clients; no learning."""
