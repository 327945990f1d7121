"""Rosters: read as spreadsheets write them; what is wrong in one is said with its row."""

import pandas as pd
import pytest
from commands import assert_refused, sheetgrad

from sheetgrad.classroom.give.roster import RosterError, Student, read_roster

GOOD = {
    "comma": b"id,name,group\nS1,Ada,A\nS2,Emmy,B\n",
    "semicolon": b"ID;Name;group\r\nS1;Ada;A\r\nS2;Emmy;B\r\n",
    "tab and BOM": b"\xef\xbb\xbfid\tname\tgroup\nS1\tAda\tA\n\nS2\tEmmy\tB\n",
    "sep=": b"sep=;\r\nid;name;group\r\nS1;Ada;A\r\nS2;Emmy;B\r\n",
    "UTF-16": "id\tname\tgroup\nS1\tAda\tA\nS2\tEmmy\tB\n".encode("utf-16"),
    "quoted": b'name,group,id\n"Ada",A," S1 "\n"Emmy",B,S2\n',
}


@pytest.mark.parametrize("kind", GOOD)
def test_rosters_are_read_as_spreadsheets_write_them(kind, tmp_path):
    path = tmp_path / "class.csv"
    path.write_bytes(GOOD[kind])
    assert read_roster(path) == [Student("S1", "Ada", {"group": "A"}), Student("S2", "Emmy", {"group": "B"})]


def test_a_roster_may_be_a_workbook_with_numbers_as_ids(tmp_path):
    pd.DataFrame({"id": [7, 10], "name": ["Ünal, Ö.", "b"], "year": [1, 2]}).to_excel(tmp_path / "c.xlsx", index=False)
    assert [student.mark for student in read_roster(tmp_path / "c.xlsx")] == ["7", "10"]
    assert read_roster(tmp_path / "c.xlsx")[0] == Student("7", "Ünal, Ö.", {"year": "1"})
    (tmp_path / "w.csv").write_bytes("id,name\n1,Jos\xe9\n".encode("latin-1"))
    assert read_roster(tmp_path / "w.csv")[0].name == "José"


BAD = {
    b"": ["empty"],
    b"name\nAda\n": ["row 1", "name", "id"],
    b"id\n": ["no students"],
    b"id,name\nS1,a\ns1,b\n": ["row 3", "'s1'", "row 2"],
    b"id,name\n,a\nS2,b\n": ["row 2", "empty"],
    b"id\na/b\n": ["row 2", "'a/b'"],
    b"id\n../x\n": ["row 2", "'../x'"],
    b"id\nCON\n": ["row 2", "'CON'"],
    b"id\n.hidden\n": ["row 2"],
    b"id\nhandout\n": ["row 2", "'handout'"],
    b"id\n" + b"x" * 200 + b"\n": ["row 2", "200"],
    b"id,name\n1,a,b\n": ["more values"],
    b"The class,\nid,name\n1,a\n": ["row 1", "The class", "id"],
    b"PK\x03\x04\0\0\0": ["not a text file"],
}


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:16]))
def test_bad_rosters_name_the_row_before_anything_is_written(text, tmp_path):
    path = tmp_path / "class.csv"
    path.write_bytes(text)
    with pytest.raises(RosterError) as caught:
        read_roster(path)
    assert all(word in str(caught.value) for word in ["class.csv", *BAD[text]]), str(caught.value)
    done = sheetgrad("handout", "mlp", "--roster", "class.csv", "-o", "out", cwd=tmp_path)
    assert_refused(done, "class.csv", *BAD[text])
    assert not (tmp_path / "out").exists()
