"""One conversation, one turn, and who may run: sessions, turns, the pool. No process and no file is touched here."""
