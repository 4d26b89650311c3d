"""Snapshots: made, listed, recovered and removed."""

import os

import pytest


def test_a_collection_becomes_again_what_it_was(notes):
    made = notes.create_snapshot("notes")
    assert [it.name for it in notes.list_snapshots("notes")] == [made.name]
    assert made.size > 0 and len(made.checksum) == 64
    notes.delete("notes", points_selector=[1, 2, 3], wait=True)
    assert notes.count("notes").count == 18
    place = f"http://127.0.0.1:{os.environ['REST_PORT']}/collections/notes/snapshots/{made.name}"
    assert notes.recover_snapshot("notes", location=place, checksum=made.checksum)
    assert notes.count("notes").count == 21
    assert notes.get_collection("notes").config.metadata == {"kept": 1}
    with pytest.raises(Exception, match="upload"):
        notes.recover_snapshot("notes", location="http://elsewhere/a.snapshot")
    assert notes.delete_snapshot("notes", made.name)
    assert notes.list_snapshots("notes") == []
    made = notes.create_full_snapshot()
    assert [it.name for it in notes.list_full_snapshots()] == [made.name]
    assert notes.delete_full_snapshot(made.name)
    assert notes.list_full_snapshots() == []
