"""Reports of runs, evaluations and recorded episodes: event log, HTML pages, films."""
