"""Event streams: one look at the database per change and topic, whoever and however many follow it.

A `Source` says what changed since its last look, a `Topic` sends that to its readers, the `Hub` has the
topics of this process, hears the broker and limits how many streams are open; an `EventStream` writes to one
reader.
"""
