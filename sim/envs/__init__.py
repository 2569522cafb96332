"""Gymnasium environments over the tabletop; `import sim` registers them."""
