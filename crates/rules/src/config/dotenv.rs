//! A `.env` file: nothing but variables, one a line.

use super::Environment;
use crate::problem::Problem;

/// The code of a line that sets none. It may go on with the secret of a quote that was left open.
pub(crate) const NO_VARIABLE: &str = "U114";

/// The variables of a text. Their names have no case, as keys have none.
pub(super) fn variables(text: &str, problems: &mut Vec<Problem>) -> Environment {
    let mut variables = Environment::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let written = line.trim_start_matches('\u{feff}').trim();
        let is_said = !written.is_empty() && !written.starts_with('#');
        match written.strip_prefix("export ").unwrap_or(written).split_once('=') {
            Some((name, value)) if is_said && is_name(name.trim()) => {
                variables.insert(name.trim().to_ascii_uppercase(), value_of(value.trim()));
            }
            _ if is_said => problems.push(Problem::error(
                NO_VARIABLE,
                start..start + line.trim_end().len(),
                "this line is not `NAME=value`",
                "write one variable a line, such as `IDP_CLIENT_ID=usher`",
            )),
            _ => {}
        }
        start += line.len();
    }
    variables
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What stands in quotes, or everything up to a comment.
fn value_of(written: &str) -> String {
    if let Some((inner, _)) = written.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) {
        return inner.to_owned();
    }
    if let Some(inner) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return inner.replace("\\n", "\n").replace("\\\"", "\"");
    }
    written.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn lines_of_a_file_are_variables() {
        let text = "\u{feff}LOG_LEVEL=warn\r\n# a comment\n\nexport cookie_name='x # y'\nA=\"b\\nc\"\nE=\nF=1 # one\n";
        let mut problems = Vec::new();
        let found = variables(text, &mut problems);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected =
            [("A", "b\nc"), ("COOKIE_NAME", "x # y"), ("E", ""), ("F", "1"), ("LOG_LEVEL", "warn")];
        assert_eq!((found.as_slice(), problems.len()), (&expected[..], 0));
        for wrong in ["nonsense", "a b=c", "=x"] {
            variables(wrong, &mut problems);
        }
        assert!(problems.iter().all(|problem| problem.code == "U114") && problems.len() == 3);
    }
}
