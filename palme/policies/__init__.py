"""Control foundation policies: an observation and a step text become chunks of joint targets."""
