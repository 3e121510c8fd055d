//! `is-sql` and `contains-sql`: one or more statements in the grammar of a database, and, where the value names them, tables that may be
//! used. promptfoo 0.121.20 asks node-sql-parser; this asks sqlparser, whose grammars are wider: the differences are in the documentation.
//! Kept out: which tables a statement uses (`sql_tables`).

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};
use serde_json::Value;
use sqlparser::dialect::{
    BigQueryDialect, Dialect, GenericDialect, HiveDialect, MsSqlDialect, MySqlDialect, PostgreSqlDialect,
    RedshiftSqlDialect, SQLiteDialect, SnowflakeDialect,
};
use sqlparser::parser::Parser;

use super::given::{string_of, trimmed};
use super::sql_tables;
use super::{Given, Graded, Thrown};

/// What a statement is held to.
struct Rules {
    database: String,
    tables: Option<Vec<String>>,
}

/// `is-sql`.
pub(super) fn is_sql(given: &Given<'_>) -> Result<Graded, Thrown> {
    let rules = rules(given)?;
    let why = wrong(&given.output.text, &rules)?;
    Ok(given.decided(why.is_none(), why.unwrap_or_else(|| "The output SQL statement is valid".to_owned())))
}

/// `contains-sql`: in one of its code blocks without a language or of SQL; without such a block, the answer as a whole.
pub(super) fn contains_sql(given: &Given<'_>) -> Result<Graded, Thrown> {
    let rules = rules(given)?;
    let text = &given.output.text;
    let blocks = blocks(text);
    let candidates: Vec<&str> =
        if blocks.is_empty() { vec![text] } else { blocks.iter().map(String::as_str).collect() };
    let mut why = Some("Output does not contain valid SQL".to_owned());
    for candidate in candidates.into_iter().filter(|candidate| !trimmed(candidate).is_empty()) {
        why = wrong(candidate, &rules)?;
        if why.is_none() {
            break;
        }
    }
    Ok(given.decided(why.is_none(), why.unwrap_or_else(|| "The output SQL statement is valid".to_owned())))
}

fn rules(given: &Given<'_>) -> Result<Rules, Thrown> {
    let malformed = || super::text::malformed(given, "an object with `databaseType`, `allowedTables`");
    let fields = match &given.value {
        None | Some(Value::Null | Value::Bool(false)) => {
            return Ok(Rules { database: "MySQL".to_owned(), tables: None });
        }
        Some(Value::String(text)) if text.is_empty() => {
            return Ok(Rules { database: "MySQL".to_owned(), tables: None });
        }
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(malformed()),
    };
    if fields.get("allowedColumns").is_some_and(|columns| !columns.is_null()) {
        return Err(Thrown::new(
            "`allowedColumns` is not judged here: which table a column belongs to is not worked out",
        ));
    }
    let database =
        fields.get("databaseType").filter(|name| !name.is_null()).map_or_else(|| "MySQL".to_owned(), string_of);
    let tables = match fields.get("allowedTables") {
        None | Some(Value::Null) => None,
        Some(Value::Array(items)) => Some(items.iter().map(string_of).collect()),
        Some(_) => return Err(malformed()),
    };
    Ok(Rules { database, tables })
}

fn dialect(database: &str) -> Option<Box<dyn Dialect>> {
    Some(match database.to_lowercase().as_str() {
        "mysql" | "mariadb" => Box::new(MySqlDialect {}),
        "postgresql" => Box::new(PostgreSqlDialect {}),
        "sqlite" => Box::new(SQLiteDialect {}),
        "transactsql" => Box::new(MsSqlDialect {}),
        "bigquery" => Box::new(BigQueryDialect {}),
        "snowflake" => Box::new(SnowflakeDialect {}),
        "redshift" => Box::new(RedshiftSqlDialect {}),
        "hive" => Box::new(HiveDialect {}),
        "db2" | "flinksql" | "athena" | "noql" | "trino" => Box::new(GenericDialect {}),
        _ => return None,
    })
}

/// What is wrong with a text as SQL; none where nothing is.
fn wrong(text: &str, rules: &Rules) -> Result<Option<String>, Thrown> {
    let Rules { database, tables } = rules;
    let no_sql = || Some(format!("SQL statement does not conform to the provided {database} database syntax."));
    let Some(dialect) = dialect(database) else { return Ok(no_sql()) };
    let plain = without_texts(trimmed(text), database);
    let odd_quotes = !text.matches('`').count().is_multiple_of(2);
    let series = database == "MySQL" && text.to_lowercase().contains("generate_series");
    if trimmed(text).is_empty() || odd_quotes || series || forgets_comma(&plain, database)? {
        return Ok(no_sql());
    }
    if foreign(&plain, database)? {
        return Ok(no_sql());
    }
    let statements = match Parser::parse_sql(&*dialect, text) {
        Ok(statements) if !statements.is_empty() => statements,
        Ok(_) | Err(_) => return Ok(no_sql()),
    };
    let Some(allowed) = tables else { return Ok(None) };
    let used = sql_tables::used(&statements);
    for table in &used {
        let matches = allowed.iter().any(|pattern| {
            // promptfoo takes each entry as a regular expression over the whole name.
            RegexBuilder::new(&format!("^(?:{pattern})$"))
                .case_insensitive(true)
                .build()
                .is_ok_and(|pattern| pattern.is_match(table))
        });
        if !matches {
            return Ok(Some(format!(
                "SQL references unauthorized table(s). Found: [{}]. Allowed: [{}].",
                used.join(", "),
                allowed.join(", ")
            )));
        }
    }
    Ok(None)
}

/// Words of single databases that sqlparser reads in the grammar of every one, and where they belong.
const OF_SOME: [(&str, &str); 4] = [
    (r"(?i)\bselect\s+(?:distinct\s+)?top\s+\d", " transactsql "),
    (r"(?i)\bilike\b", " postgresql snowflake redshift bigquery hive db2 flinksql athena noql trino "),
    (r"(?i)^\s*explain\b", " mysql mariadb "),
    (r"(?i)\bextract\s*\(", " mysql mariadb postgresql snowflake redshift bigquery db2 flinksql athena noql trino "),
];

/// Whether a statement is in the words of another database.
fn foreign(plain: &str, database: &str) -> Result<bool, Thrown> {
    static COMPILED: LazyLock<Option<Vec<(Regex, &'static str)>>> = LazyLock::new(|| {
        OF_SOME.iter().map(|(words, databases)| Regex::new(words).ok().map(|words| (words, *databases))).collect()
    });
    let all = COMPILED.as_ref().ok_or_else(|| Thrown::new("the words of single databases do not compile"))?;
    let name = format!(" {} ", database.to_lowercase());
    Ok(all.iter().any(|(words, databases)| !databases.contains(&name) && words.is_match(plain)))
}

/// Two names side by side between SELECT and FROM: read as a name and its alias, but as a rule a comma was forgotten.
fn forgets_comma(plain: &str, database: &str) -> Result<bool, Thrown> {
    const WORDS: &str = "all|distinct";
    const WORDS_OF_MYSQL: &str = "all|distinct(?:row)?|high_priority|straight_join|sql_(?:big_result|buffer_result|cache|calc_found_rows|no_cache|small_result)";
    static COMPILED: LazyLock<[Option<(Regex, Regex)>; 2]> = LazyLock::new(|| {
        [WORDS, WORDS_OF_MYSQL].map(|words| {
            let select = format!(r"(?i)\bselect\s+(?:(?:{words})\s+)*([a-z_]\w*)\s+[a-z_]\w*\s+from\b");
            Some((Regex::new(&select).ok()?, Regex::new(&format!("(?i)^(?:{words})$")).ok()?))
        })
    });
    let [standard, mysql] = &*COMPILED;
    let chosen = if matches!(database, "MySQL" | "MariaDB") { mysql } else { standard };
    let (select, word) =
        chosen.as_ref().ok_or_else(|| Thrown::new("the rule for forgotten commas does not compile"))?;
    Ok(select.captures_iter(plain).any(|found| found.get(1).is_some_and(|name| !word.is_match(name.as_str()))))
}

/// The statement without comments, and with a mark in the place of each text in quotes.
fn without_texts(text: &str, database: &str) -> String {
    let brackets = matches!(database, "TransactSQL" | "Sqlite");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (mark, length) = if matches!(letter, '\'' | '"' | '`') || (letter == '[' && brackets) {
            (" ? ", quoted(rest, letter))
        } else if rest.starts_with("--") || letter == '#' {
            (" ", rest.find(['\r', '\n']).unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (" ", rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if let Some(mark) = dollars(rest) {
            let inner = rest.get(mark.len()..).unwrap_or_default();
            (" ? ", inner.find(mark).map_or(rest.len(), |end| end + 2 * mark.len()))
        } else {
            out.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            continue;
        };
        out.push_str(mark);
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// The length of a text in quotes; a doubled quote, or one behind a backslash, does not end it.
fn quoted(text: &str, quote: char) -> usize {
    let end = if quote == '[' { ']' } else { quote };
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && end != ']' {
            letters.next();
        } else if letter == end {
            if letters.peek().is_some_and(|(_, next)| *next == end) {
                letters.next();
            } else {
                return at + letter.len_utf8();
            }
        }
    }
    text.len()
}

/// PostgreSQL's `$name$`.
fn dollars(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let name = inner.get(..end)?;
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !name.starts_with(|letter: char| letter.is_ascii_digit());
    if plain { text.get(..end + 2) } else { None }
}

/// Blocks between fences of backticks or tildes, whose language is SQL or not said.
fn blocks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(char, usize, bool, Vec<&str>)> = None;
    for line in text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')) {
        let fence = fence(line);
        match open.take() {
            None => {
                if let Some((mark, length, language)) = fence {
                    let language = language.to_lowercase();
                    open = Some((mark, length, matches!(language.as_str(), "" | "sql"), Vec::new()));
                }
            }
            Some((mark, length, is_sql, mut lines)) => match fence {
                Some((other, longer, "")) if other == mark && longer >= length => {
                    if is_sql {
                        found.push(trimmed(&lines.join("\n")).to_owned());
                    }
                }
                Some(_) | None => {
                    lines.push(line);
                    open = Some((mark, length, is_sql, lines));
                }
            },
        }
    }
    found
}

/// A fence: its mark, its length, and what stands behind it.
fn fence(line: &str) -> Option<(char, usize, &str)> {
    let inner = line.trim_start_matches([' ', '\t']);
    let mark = inner.chars().next().filter(|mark| matches!(mark, '`' | '~') && line.len() - inner.len() <= 3)?;
    let rest = inner.trim_start_matches(mark);
    let length = inner.len() - rest.len();
    (length >= 3).then(|| (mark, length, trimmed(rest)))
}
