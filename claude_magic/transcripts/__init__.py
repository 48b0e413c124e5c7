"""The CLI's session files as tables: `transcripts.transcripts.read_transcripts` is where it begins."""
