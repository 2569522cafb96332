"""Control foundation policies: an observation and a goal become chunks of joint targets."""
