"""Systems from outside: what they say of utterances becomes conditions that stages 5 and 8 read as they read ours."""
