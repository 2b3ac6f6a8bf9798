-- A mark belongs to a record and to what was written into it. `content` holds the columns that the
-- stage changed, as they stood afterwards: the row holds the same. Without it the mark is of an older
-- kigen, and the row's looks say whether it is still so. `cluster` finds a table that was renamed.
alter table kigen_marker add column cluster text;
alter table kigen_marker add column content text;
