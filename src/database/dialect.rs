//! What engines spell differently in the text of any statement.

/// Writes the parts of statements that engines spell differently.
pub trait Dialect: Send + Sync {
    /// A table of kigen's own, by its short name: `journal`, `entry`.
    fn internal(&self, name: &str) -> String;

    /// The schema of kigen's own tables; none where they are beside all others.
    fn schema(&self) -> Option<&str>;

    /// A text as the database's JSON.
    fn json(&self, expression: &str) -> String;

    /// The text in the field `name` of a JSON document.
    fn field(&self, document: &str, name: &str) -> String;

    /// A derived table `alias(value)` of the texts in the array `name` of a JSON document.
    fn elements(&self, document: &str, name: &str, alias: &str) -> String;

    /// `expression` as text, compared letter by letter, whatever the column's collation.
    fn text_of(&self, expression: &str) -> String;

    /// A bound ISO 8601 text as a moment of kigen's own tables.
    fn moment(&self, parameter: &str) -> String;

    /// The database's time of the transaction.
    fn now(&self) -> &'static str;

    /// The server's clock, in microseconds since 1970; none where the database is a file.
    fn clock(&self) -> Option<&'static str>;

    /// The end of an insertion that does nothing if a row with such a key is there. `column` is one of
    /// the columns that it inserts.
    fn or_nothing(&self, column: &str) -> String;

    /// The end of an insertion that makes `assignments` instead if a row with this `key` is there.
    fn or_set(&self, key: &str, assignments: &str) -> String;

    /// The end of an insertion, a deletion or an update that answers with what it changed.
    fn returning(&self, list: &str) -> String;

    /// Locks the rows of `t` and passes over those that are locked by others.
    fn lock_rows(&self) -> &'static str;

    /// Locks the rows `t` that go with a record, and waits for those that are locked by others.
    fn lock_child_rows(&self) -> &'static str;

    /// Keeps a row of the fence from changing until the transaction ends.
    fn lock_fence(&self) -> &'static str;

    /// Lets one transaction at a time go on with what `name`, a bound text, names in `table`, if one
    /// is named; none where there is only one writer anyway.
    fn serialize(&self, name: &str, table: Option<&str>) -> Option<String>;

    /// The end of a subquery whose expressions are computed once for each row, however often the outer
    /// query names them.
    fn once(&self) -> &'static str;

    /// `statement`, planned and not carried out; `None` where the database refuses nothing for that.
    fn only_plan(&self, statement: &str) -> Option<String>;

    /// Whether the role may insert into every one of `tables`; `None` where there are no roles.
    fn may_insert(&self, tables: &[&str]) -> Option<String>;

    /// Whether the table `name`, a bound text, is there.
    fn table_exists(&self, name: &str) -> String;

    /// The types of a whole number of 64 bits and of a moment in kigen's own tables.
    fn types(&self) -> (&'static str, &'static str);
}

/// Quotes an identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
