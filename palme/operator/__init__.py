"""The operator's console: a web page that shows a run, and through which a person controls it."""
