"""What a run or an evaluation leaves behind for people: a log, a page, a film."""
