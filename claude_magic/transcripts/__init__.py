"""The CLI's own session files as DataFrames: `transcripts.read_transcripts` is where it begins.

Nothing else in the package depends on what is in here. A reading goes through these modules:

1. `discover`: which session files there are, and which of them are asked for.
2. `schema`: what stands on a line, decoded by msgspec to the few fields that count; what a person typed.
3. `scan`: one file, line by line, into a `ScannedFile`: `rows` for its turns, API calls and tool uses.
4. `assemble`: the scanned files into one history, in which what was copied from file to file counts once; as tables of
   `columns`, which can be stored and made into DataFrames without a look at single values.
5. `history`: all of this for the files that have changed, and frames with the columns of the live ones. `messages` goes
   through the files once more, because what was said is too much to hold.

Two more make it quick, and change no result. `cache` keeps scanned files and finished tables in SQLite: a year of work
is a gigabyte of files, of which only the newest lines are new. `workers` scans a first time in several processes,
because decoding holds the interpreter's lock. Both may fail or be missing; then reading takes longer.
"""
