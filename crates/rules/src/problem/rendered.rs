use std::fmt;

use super::{Place, Problem, Severity, Span};
use super::{credentials::HIDDEN, hidden::line_without_secrets};
use crate::config::NO_VARIABLE;

/// Most characters of a line that are shown.
const MAX_SHOWN: usize = 120;

/// How many characters are kept before the place in a line that is cut.
const BEFORE: usize = 40;

/// A problem beside the text that it is about, ready to be shown.
pub struct Rendered<'a> {
    /// The finding.
    pub problem: &'a Problem,
    /// The file's name as the operator gave it.
    pub file: &'a str,
    /// The file's whole text.
    pub text: &'a str,
}

/// A place as people count: lines and characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    line: usize,
    column: usize,
}

/// One line of the text with a mark under it.
struct Excerpt<'a> {
    at: Position,
    line: String,
    indent: usize,
    width: usize,
    mark: char,
    words: &'a str,
}

impl<'a> Rendered<'a> {
    /// One object for programs. Places count lines and characters from 1.
    pub fn to_json(&self) -> serde_json::Value {
        let Problem { severity, code, at, also, what, help } = self.problem;
        let mut object = serde_json::json!({
            "severity": severity.word(),
            "code": code,
            "class": self.problem.class().word(),
            "file": self.file,
            "what": what,
            "help": help,
        });
        if let Some(object) = object.as_object_mut() {
            match at {
                Place::File(span) => {
                    let Position { line, column } = self.position(span.start);
                    object.insert("line".into(), line.into());
                    object.insert("column".into(), column.into());
                }
                Place::Environment(name) => {
                    object.insert("environment".into(), (**name).into());
                }
                Place::Whole => {}
            }
            if let Some((span, words)) = also.as_deref() {
                let Position { line, column } = self.position(span.start);
                let also = serde_json::json!({"line": line, "column": column, "what": **words});
                object.insert("also".into(), also);
            }
        }
        object
    }

    /// `11:5`, or the variable's name, for one line in a log.
    pub fn place(&self) -> String {
        match &self.problem.at {
            Place::File(span) => {
                let Position { line, column } = self.position(span.start);
                format!("{}:{line}:{column}", self.file)
            }
            Place::Environment(name) => format!("environment variable {name}"),
            Place::Whole => self.file.to_owned(),
        }
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.before(offset);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        let in_line = in_line.strip_prefix('\u{feff}').unwrap_or(in_line);
        Position { line: before.matches('\n').count() + 1, column: in_line.chars().count() + 1 }
    }

    /// The text up to `offset`, moved back to where a character begins.
    fn before(&self, offset: usize) -> &'a str {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        self.text.get(..offset).unwrap_or_default()
    }

    fn excerpt<'w>(&self, span: &Span, mark: char, words: &'w str) -> Excerpt<'w> {
        let at = self.position(span.start);
        let line_start = self.before(span.start).rfind('\n').map_or(0, |at| at + 1);
        let line =
            self.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let line = line.trim_start_matches('\u{feff}').trim_end();
        let marked =
            self.text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let told = if self.problem.code == NO_VARIABLE {
            HIDDEN.to_owned()
        } else {
            line_without_secrets(self.before(line_start), line)
        };
        let mut shown: Vec<char> = told.chars().map(visible).collect();
        let mut indent = (at.column - 1).min(shown.len());
        let mut width = marked.trim_end().chars().count().min(shown.len() - indent).max(1);
        if shown.len() > MAX_SHOWN {
            let cut = indent.saturating_sub(BEFORE);
            shown = shown.into_iter().skip(cut).take(MAX_SHOWN).collect();
            indent -= cut;
            width = width.min(MAX_SHOWN - indent);
            if cut > 0 {
                shown.splice(0..1, ['…']);
            }
        }
        Excerpt { at, line: shown.into_iter().collect(), indent, width, mark, words }
    }

    fn excerpts(&self) -> Vec<Excerpt<'_>> {
        let Place::File(span) = &self.problem.at else { return Vec::new() };
        let mut excerpts = vec![self.excerpt(span, '^', "")];
        if let Some((span, words)) = self.problem.also.as_deref() {
            excerpts.push(self.excerpt(span, '-', words));
        }
        excerpts.sort_by_key(|excerpt| excerpt.at);
        excerpts
    }
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { severity, code, at: _, also, what, help } = self.problem;
        let excerpts = self.excerpts();
        let gutter = excerpts.iter().map(|e| e.at.line.to_string().len()).max().unwrap_or(2);
        writeln!(f, "{}[{code}]: {what}", severity.word())?;
        write!(f, "{:width$}--> {}", "", self.place(), width = gutter.saturating_sub(1).max(1))?;
        match also.as_deref() {
            Some((span, _)) => {
                let Position { line, column } = self.position(span.start);
                writeln!(f, " and {}:{line}:{column}", self.file)?;
            }
            None => writeln!(f)?,
        }
        if !excerpts.is_empty() {
            writeln!(f, "{:gutter$} |", "")?;
        }
        for Excerpt { at, line, indent, width, mark, words } in &excerpts {
            writeln!(f, "{:>gutter$} | {line}", at.line)?;
            let marks = mark.to_string().repeat(*width);
            writeln!(
                f,
                "{}",
                format!("{:gutter$} | {:indent$}{marks} {words}", "", "").trim_end()
            )?;
        }
        if let Some(note) = self.problem.class().note() {
            writeln!(f, "{:gutter$} = {note}", "")?;
        }
        write!(f, "{:gutter$} = help: {help}", "")
    }
}

/// Characters that would move the cursor or the marks are shown as one that does not.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '·',
        c => c,
    }
}

/// How many problems there are: `config.yaml: 4 errors, 1 warning`.
pub struct Summary<'a> {
    /// The file's name as the operator gave it.
    pub file: &'a str,
    /// All of them.
    pub problems: &'a [Problem],
}

impl Summary<'_> {
    /// How many of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        match (errors, warnings) {
            (0, 0) => write!(f, "{}: no problems", self.file),
            (0, warnings) => write!(f, "{}: {}", self.file, plural(warnings, "warning")),
            (errors, 0) => write!(f, "{}: {}", self.file, plural(errors, "error")),
            (errors, warnings) => {
                write!(
                    f,
                    "{}: {}, {}",
                    self.file,
                    plural(errors, "error"),
                    plural(warnings, "warning")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Problem, Rendered, Summary};
    use crate::config::keys::{GLOBAL, Kind, ROUTE};

    fn show(
        text: &str,
        at: std::ops::Range<usize>,
        also: Option<std::ops::Range<usize>>,
    ) -> String {
        let mut problem = Problem::error("U110", at, "what", "help");
        if let Some(also) = also {
            problem = problem.and_at(also, "the first one");
        }
        Rendered { problem: &problem, file: "config.yaml", text }.to_string()
    }

    #[test]
    fn one_place() {
        let text = "to: 1\n  ü: ünknown\n";
        let at = text.find("ünk").unwrap();
        assert_eq!(
            show(text, at..at + "ünknown".len(), None),
            "error[U110]: what\n --> config.yaml:2:6\n  |\n2 |   ü: ünknown\n  |      ^^^^^^^\n  = help: help"
        );
    }

    #[test]
    fn two_places_in_the_order_of_the_text() {
        let text = format!("regex: 1\n{}prefix: 2\n", "\n".repeat(9));
        let at = text.find("prefix").unwrap();
        assert_eq!(
            show(&text, at..at + 6, Some(0..5)),
            "error[U110]: what\n --> config.yaml:11:1 and config.yaml:1:1\n   |\n 1 | regex: 1\n   | ----- the first one\n11 | prefix: 2\n   | ^^^^^^\n   = help: help"
        );
    }

    #[test]
    fn odd_places_do_no_harm() {
        for (text, at) in [
            ("", 0..0),
            ("", 5..9),
            ("ü", 1..2),
            ("a\n", 2..2),
            ("\u{feff}a: b", 3..4),
            ("a\r\nb", 3..4),
        ] {
            let shown = show(text, at.clone(), None);
            assert!(shown.ends_with("= help: help"), "{text:?} {at:?}: {shown}");
        }
        assert!(
            show("\u{feff}a: b", 3..4, None).contains(":1:1\n"),
            "a byte order mark is no column"
        );
        assert!(
            show("\ta\u{1b}[2J: b", 1..2, None).contains("1 |  a·[2J: (not shown)\n"),
            "no control characters"
        );
        let long = format!("{}here{}", "x".repeat(499) + " ", "y".repeat(500));
        let shown = show(&long, 500..504, None);
        let line = shown.lines().nth(3).unwrap();
        assert!(line.chars().count() <= 125 && line.contains("here"), "{line}");
        assert_eq!(
            line.chars().position(|c| c == 'h'),
            shown.lines().nth(4).unwrap().chars().position(|c| c == '^')
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        for (line, shown) in [
            ("shared_secret: abc", "shared_secret: (not shown)"),
            ("otel_exporter_otlp_headers: x-k=abc", "otel_exporter_otlp_headers: (not shown)"),
            ("cleint_sceret: abc", "cleint_sceret: (not shown)"),
            ("{idp_client_secret:abc, x: 1}", "{idp_client_secret: (not shown)"),
            ("IDP_CLIENT_SECRET=abc", "IDP_CLIENT_SECRET= (not shown)"),
            ("set_request_headers: {X-K: abc}", "set_request_headers: (not shown)"),
            ("idp_request_params: {k: abc}", "idp_request_params: (not shown)"),
            (
                "policy: [{allow: {or: [{email: {iss: a@b}}]}}]",
                "policy: [{allow: {or: [{email: {iss: a@b}}]}}]",
            ),
            ("to: http://app/?token=abc", "to: http://app/?token= (not shown)"),
            ("to: http://ann:a/bc@app", "to: http://ann:****@app"),
            ("address: 127.0.0.1:x", "address: 127.0.0.1:x"),
            ("{\"idp_client_secret\": \"abc\"}", "{\"idp_client_secret\": (not shown)"),
            ("idp_client_secrt: abc", "idp_client_secrt: (not shown)"),
            ("my_secrets: abc", "my_secrets: (not shown)"),
            ("shared_secret_file: /run/s", "shared_secret_file: /run/s"),
            ("from: b # shared_secret: abc", "from: b # shared_secret: (not shown)"),
            ("shared_secret:", "shared_secret:"),
            ("X-Api-Key: abc", "X-Api-Key: (not shown)"),
            ("to: http://ann:abc@app?x=ann:b", "to: http://ann:***@app?x=ann:b"),
            ("to: [\"http://app\", \"http://ann@b\"]", "to: [\"http://app\", \"http://ann@b\"]"),
            ("  MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g", "(not shown)"),
        ] {
            let text = show(line, 0..1, None);
            assert_eq!(text.lines().nth(3), Some(format!("1 | {shown}").as_str()));
        }
    }

    /// A value on lines of its own belongs to the key above it.
    #[test]
    fn values_below_a_secret_key_are_not_shown() {
        for (text, shown) in [
            ("set_request_headers:\n  X-K: abc\n", "  X-K: (not shown)"),
            ("set_request_headers:\n  X-K:\n    - abc\n", "    (not shown)"),
            ("otel_exporter_otlp_headers:\n- abc\n", "(not shown)"),
            ("sigining_key: |\n\n  # c\n  abc\n", "  (not shown)"),
            (
                "routes:\n- from: https://a\n  set_request_headers:\n    X-K: |\n      abc\n",
                "      (not shown)",
            ),
            ("autocert_fallback_cas:\n- ca: x\n  eab_mac_key: >\n    abc\n", "    (not shown)"),
            (
                "routes:\n- policy:\n  - allow:\n      or:\n      - emial: {is: abc}\n",
                "      - emial: {is: abc}",
            ),
            ("routes:\n- set_request_headers: {}\n  timeout: abc\n", "  timeout: abc"),
        ] {
            let at = text.trim_end().rfind('\n').unwrap() + 1;
            let text = show(text, at..at + 1, None);
            assert_eq!(text.lines().nth(3).unwrap().split_once("| ").unwrap().1, shown);
        }
    }

    /// Invariant 14: whatever the table of keys calls a secret is none of a log's business.
    #[test]
    fn every_secret_of_the_config_is_hidden() {
        let secrets = GLOBAL.iter().chain(ROUTE).filter(|key| matches!(key.kind, Kind::Secret));
        let mut seen = 0;
        for key in secrets {
            let text = show(&format!("{}: abc", key.name), 0..1, None);
            let expected = format!("1 | {}: (not shown)", key.name);
            assert_eq!(text.lines().nth(3), Some(expected.as_str()));
            seen += 1;
        }
        assert!(seen >= 8, "{seen}");
    }

    #[test]
    fn json_and_summary() {
        let problem = Problem::error("U104", 5..6, "twice", "delete").and_at(0..1, "first here");
        let json = Rendered { problem: &problem, file: "c.yaml", text: "a: 1\na: 2\n" }.to_json();
        assert_eq!(
            json.to_string(),
            r#"{"also":{"column":1,"line":1,"what":"first here"},"class":"by-design","code":"U104","column":1,"file":"c.yaml","help":"delete","line":2,"severity":"error","what":"twice"}"#
        );
        let warning = Problem::warning("U120", 0..1, "w", "h");
        for (problems, expected) in [
            (vec![], "c.yaml: no problems"),
            (vec![problem.clone()], "c.yaml: 1 error"),
            (vec![warning.clone(), warning.clone()], "c.yaml: 2 warnings"),
            (vec![problem, warning], "c.yaml: 1 error, 1 warning"),
        ] {
            assert_eq!(Summary { file: "c.yaml", problems: &problems }.to_string(), expected);
        }
    }
}
