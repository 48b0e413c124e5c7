"""What happened, as records: log entries, metrics and turns without pandas; frames of them with it."""
