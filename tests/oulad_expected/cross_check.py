#!/usr/bin/env python3
"""Computes the same figures as `expected.py` a second time, in plain SQL, and compares.

    python3 tests/oulad_expected/cross_check.py ../shared/data/oulad

The tables (`tables.sql`) and rules (`rules.sql`) are SQL over the raw files; this script only
loads, runs them in order, and compares with `expected.json`.
"""

import csv
import gzip
import json
import sqlite3
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = ["courses", "assessments", "studentInfo", "studentRegistration", "studentAssessment"]
# The negative number stands for the token: equal for equal learners, and nobody's real id.
DISPOSE = {
    "exam-history/pseudonymize":
        "update exam_attempt set learner_id = -learner_id, pseudonymized = 1 where attempt_id in due",
    "exam-history/delete": "delete from exam_attempt where attempt_id in due",
    "enrolment/delete": "delete from enrolment where rowid in due",
    "learner/delete": "delete from learner where rowid in due",
}


def load(db, folder):
    for name in FILES:
        with gzip.open(Path(folder) / f"{name}.csv.gz", "rt", newline="") as file:
            header, *lines = csv.reader(file)
        columns = ", ".join(f"{column} text" for column in header)
        db.execute(f"create table raw_{name}(row_number integer primary key, {columns})")
        places = ", ".join("?" * (len(header) + 1))
        numbered = ([number, *line] for number, line in enumerate(lines, start=1))
        db.executemany(f"insert into raw_{name} values ({places})", numbered)


def run_stage(db, stage):
    db.execute("drop table if exists temp.decided")
    db.execute(f'create temp table decided as select * from "{stage}"')
    db.execute("drop table if exists temp.due")
    db.execute("create temp table due as select record from decided where verdict = 'due'")
    records, subjects, overdue = db.execute(
        "select count(*), count(distinct subject),"
        " coalesce(max(julianday(day) - julianday(last_day) - 1), 0)"
        " from decided, as_of where verdict = 'due'").fetchone()
    retained = dict(db.execute(
        "select verdict, count(*) from decided where verdict <> 'due' group by 1 order by 1"))
    disposed = db.execute(DISPOSE[stage]).rowcount
    return {
        "due": {"records": records, "subjects": subjects},
        "disposed": disposed,
        "retained": retained,
        "oldest_overdue_days": int(overdue),
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    expected = json.loads((HERE / "expected.json").read_text())
    db = sqlite3.connect(":memory:")
    load(db, sys.argv[1])
    for name in ("tables.sql", "rules.sql"):
        db.executescript((HERE / name).read_text())
    differences = 0
    for day, stages in expected.items():
        db.execute("delete from as_of")
        db.execute("insert into as_of values (?)", [day])
        for stage, figures in stages.items():
            found = run_stage(db, stage)
            differences += found != figures
            print("equal" if found == figures else f"DIFFERS: {figures}", day, stage, json.dumps(found))
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
