"""Events folded into what the screens show. Knows no Textual: recorded events are all a test needs."""
