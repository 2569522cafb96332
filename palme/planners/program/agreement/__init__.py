"""When a reading is acted on: a word check, a second reading and a calibrated confidence must agree."""
