//! What the text of a trigger, a function or a rule writes to, as far as a text shows it.
//!
//! It is read for hints and for a second look at what a job declares, not to prove anything: what a
//! function calls, or puts together at run time, stands in no text. Each batch counts what changed.

use crate::job::Operation;

/// One table that a script writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub operation: Operation,
    pub schema: Option<String>,
    pub table: String,
}

/// A word of a script; what stands in quotes is a name and no keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(char),
}

impl Token {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word == keyword)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
            Self::Sign(_) => None,
        }
    }
}

/// The tables that `script` inserts into, updates and deletes from; each once, in its order.
pub(crate) fn writes(script: &str) -> Vec<Write> {
    let tokens = tokens(script);
    let mut writes = Vec::new();
    for at in 0..tokens.len() {
        let Some((operation, name_at)) = write_at(&tokens, at) else {
            continue;
        };
        let Some((schema, table)) = table_at(&tokens, name_at) else {
            continue;
        };
        let write = Write {
            operation,
            schema,
            table,
        };
        if !writes.contains(&write) {
            writes.push(write);
        }
    }
    writes
}

/// Whether a statement that writes begins here, and where its table stands.
fn write_at(tokens: &[Token], at: usize) -> Option<(Operation, usize)> {
    let is = |at: usize, keyword: &str| tokens.get(at).is_some_and(|token| token.is(keyword));
    let first = &tokens[at];
    // `insert or replace`, `update or ignore`
    let behind = if is(at + 1, "or") { at + 3 } else { at + 1 };
    if (first.is("insert") && is(behind, "into")) || (first.is("merge") && is(behind, "into")) {
        return Some((Operation::Insert, behind + 1));
    }
    if first.is("replace") && is(at + 1, "into") {
        return Some((Operation::Insert, at + 2));
    }
    if first.is("delete") && is(at + 1, "from") {
        return Some((Operation::Delete, past_only(tokens, at + 2)));
    }
    if first.is("truncate") {
        let at = if is(at + 1, "table") { at + 2 } else { at + 1 };
        return Some((Operation::Delete, past_only(tokens, at)));
    }
    // `for update`, `for no key update`, `on conflict do update`, `after insert or update`
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    let is_clause = before.is_some_and(|token| {
        ["for", "key", "do", "on", "or", "before", "after", "of"]
            .iter()
            .any(|keyword| token.is(keyword))
    });
    if first.is("update") && !is_clause {
        return Some((Operation::Update, past_only(tokens, behind)));
    }
    None
}

fn past_only(tokens: &[Token], at: usize) -> usize {
    let is_only = tokens.get(at).is_some_and(|token| token.is("only"));
    if is_only { at + 1 } else { at }
}

fn table_at(tokens: &[Token], at: usize) -> Option<(Option<String>, String)> {
    let first = tokens.get(at)?.name()?.to_owned();
    if tokens.get(at + 1) != Some(&Token::Sign('.')) {
        return Some((None, first));
    }
    let second = tokens.get(at + 2)?.name()?.to_owned();
    Some((Some(first), second))
}

/// The words of a script, without comments and texts.
fn tokens(script: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        rest = if rest.starts_with("--") {
            after(rest, "\n")
        } else if let Some(comment) = rest.strip_prefix("/*") {
            after(comment, "*/")
        } else if first == '\'' {
            after(&rest[1..], "'")
        } else if let Some(closing) = closing_of(first) {
            let (name, behind) = quoted(&rest[first.len_utf8()..], closing);
            tokens.push(Token::Quoted(name));
            behind
        } else if let Some(tag) = dollar_tag(rest) {
            after(&rest[tag.len()..], tag)
        } else if is_word(first) {
            let end = rest.find(|character| !is_word(character));
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            tokens.push(Token::Word(word.to_lowercase()));
            behind
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            &rest[first.len_utf8()..]
        };
    }
    tokens
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// What ends a quoted name that begins with `opening`.
fn closing_of(opening: char) -> Option<char> {
    match opening {
        '"' => Some('"'),
        '`' => Some('`'),
        '[' => Some(']'),
        _ => None,
    }
}

/// What follows the next `end`.
fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, behind)| behind)
}

/// A quoted name, in which its end is written twice, and what follows it.
fn quoted(text: &str, closing: char) -> (String, &str) {
    let mut name = String::new();
    let mut rest = text;
    while let Some((part, behind)) = rest.split_once(closing) {
        name.push_str(part);
        rest = behind;
        if !rest.starts_with(closing) {
            return (name, rest);
        }
        name.push(closing);
        rest = &rest[closing.len_utf8()..];
    }
    (name, "")
}

/// `$$` or `$tag$`, which begins a text.
fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    inner[..end].chars().all(is_word).then(|| &text[..end + 2])
}

/// What a `create trigger` of SQLite says before its body: the operation, and the columns of
/// `update of`.
pub(crate) fn sqlite_event(script: &str) -> (Option<Operation>, Vec<String>) {
    let tokens = tokens(script);
    let head: Vec<&Token> = tokens
        .iter()
        .take_while(|token| !token.is("begin"))
        .collect();
    let event = head.iter().position(|token| {
        ["delete", "insert", "update"]
            .iter()
            .any(|keyword| token.is(keyword))
    });
    let Some(event) = event else {
        return (None, Vec::new());
    };
    let operation = match head[event].name() {
        Some("delete") => Operation::Delete,
        Some("insert") => Operation::Insert,
        _ => Operation::Update,
    };
    let mut columns = Vec::new();
    if head.get(event + 1).is_some_and(|token| token.is("of")) {
        let names = head[event + 2..].iter().take_while(|token| !token.is("on"));
        columns.extend(names.filter_map(|token| token.name()).map(str::to_owned));
    }
    (Some(operation), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(script: &str) -> Vec<String> {
        let name = |write: Write| {
            let schema = write.schema.map(|schema| format!("{schema}."));
            format!(
                "{} {}{}",
                write.operation.name(),
                schema.unwrap_or_default(),
                write.table
            )
        };
        writes(script).into_iter().map(name).collect()
    }

    #[test]
    fn every_table_that_a_script_writes_to_is_found() {
        for (script, expected) in [
            ("insert into h values (old.id);", vec!["insert h"]),
            (
                "INSERT INTO Audit.\"History Of\" select 1",
                vec!["insert audit.History Of"],
            ),
            ("insert or replace into h values (1)", vec!["insert h"]),
            ("replace into [h] values (1)", vec!["insert h"]),
            (
                "delete from only essay where id = old.id; delete from essay",
                vec!["delete essay"],
            ),
            ("update or ignore t set a = 1", vec!["update t"]),
            ("update only t set a = 1 from x", vec!["update t"]),
            (
                "merge into t using s on true when matched then delete",
                vec!["insert t"],
            ),
            ("truncate table t", vec!["delete t"]),
            (
                "with gone as (delete from a returning *) insert into b select * from gone",
                vec!["delete a", "insert b"],
            ),
        ] {
            assert_eq!(written(script), expected, "{script}");
        }
    }

    #[test]
    fn what_writes_nothing_is_no_write() {
        for script in [
            "select 1 from t for update",
            "select 1 from t for no key update",
            "raise exception 'delete from t'",
            "perform $$ delete from t $$; return old; -- delete from t",
            "/* update t set a = 1 */ new.updated_at := now(); return new;",
            "select 'it''s', \"delete\" from t",
        ] {
            assert_eq!(written(script), Vec::<String>::new(), "{script}");
        }
        assert_eq!(
            written("insert into t values (1) on conflict do update set a = 1"),
            ["insert t"]
        );
    }

    #[test]
    fn the_event_of_a_trigger_of_sqlite_is_read() {
        for (script, operation, columns) in [
            (
                "create trigger a after delete on t begin select 1; end",
                Operation::Delete,
                vec![],
            ),
            (
                "create trigger \"delete\" before insert on t begin delete from x; end",
                Operation::Insert,
                vec![],
            ),
            (
                "create temp trigger if not exists a instead of update of b, \"C d\" on t for each row when 1 begin select 1; end",
                Operation::Update,
                vec!["b", "C d"],
            ),
        ] {
            assert_eq!(
                sqlite_event(script),
                (
                    Some(operation),
                    columns.into_iter().map(str::to_owned).collect()
                ),
                "{script}"
            );
        }
    }
}
