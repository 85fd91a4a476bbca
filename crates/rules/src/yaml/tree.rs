use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, StructureStyle, Tag};

use super::{Entry, Extent, Kind, MAX_DEPTH, MAX_NODES, MAX_SCALAR_BYTES, Node, Parsed, Style};
use crate::problem::{Problem, Span};

/// Builds the tree from the parser's events, with a stack of our own: depth is a number here,
/// never a stack overflow.
pub(super) fn grow(text: &str) -> Parsed {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut tree = Tree { text, ..Tree::default() };
    let mut extent = Extent::Whole;
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => tree.take(event, span.byte_range().unwrap_or(0..0)),
            Err(error) => Err(Stop::Unreadable(unreadable(text, &error))),
        };
        match step {
            Ok(()) => {}
            Err(Stop::Unreadable(problem)) => {
                tree.problems.push(problem);
                tree.end_all();
                extent = Extent::Beginning;
                break;
            }
            Err(Stop::SecondDocument(problem)) => {
                tree.problems.push(problem);
                break;
            }
        }
    }
    let root = tree.root.take().unwrap_or_else(|| null(0..0));
    Parsed { root, problems: tree.problems, extent }
}

/// Why nothing more is read.
enum Stop {
    /// What follows can't be told.
    Unreadable(Problem),
    /// The first one is complete.
    SecondDocument(Problem),
}

#[derive(Default)]
struct Tree<'t> {
    text: &'t str,
    /// Lists and maps that have begun and not ended.
    open: Vec<Open>,
    /// Finished nodes with a name, by the parser's number for it.
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    has_document: bool,
    /// Where the latest thing that was written ends.
    written_until: usize,
    spent: Cost,
    problems: Vec<Problem>,
}

struct Open {
    start: usize,
    /// Ends where its own bracket stands, not where its last child ends.
    is_flow: bool,
    anchor: usize,
    contents: Contents,
}

enum Contents {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, awaited: Awaited, merges: Vec<Node> },
}

/// What the next node of a map is.
#[derive(Default)]
enum Awaited {
    #[default]
    Key,
    /// The value of this key.
    Value(Box<str>, Span),
    /// What `<<` merges.
    Merged,
    /// The value of a key that was reported.
    Nothing,
}

/// What a tree takes. Copies for aliases and names count, so that a bomb is found before it grows.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Tree<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum is not ours and may grow"
    )]
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        if matches!(event, Event::Scalar(..) | Event::Alias(_)) && !span.is_empty() {
            self.written_until = span.end;
        }
        match event {
            Event::DocumentStart(..) if self.has_document => {
                Err(Stop::SecondDocument(Problem::error(
                    "U103",
                    span,
                    "a second document begins here, and only the first would be read",
                    "delete the line `---`, or move what follows it to a file of its own",
                )))
            }
            Event::DocumentStart(..) => {
                self.has_document = true;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.report_foreign(tag.as_deref(), &span);
                let style = style_of(style, tag.as_deref());
                self.charge(Cost { nodes: 1, bytes: text.len(), depth: 0 }, &span)?;
                let node = Node { span, kind: Kind::Scalar { text: text.into(), style } };
                self.close(node, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.report_foreign(tag.as_deref(), &span);
                self.begin(style, anchor, span, Contents::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.report_foreign(tag.as_deref(), &span);
                let (entries, merges) = (Vec::new(), Vec::new());
                let contents = Contents::Map { entries, awaited: Awaited::Key, merges };
                self.begin(style, anchor, span, contents)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => match self.copy_of(anchor, &span)? {
                Some(node) => self.close(node, 0),
                None => {
                    self.problems.push(Problem::error(
                        "U102",
                        span,
                        "this alias stands inside the value that it names",
                        "write the value out",
                    ));
                    self.leave_out();
                    Ok(())
                }
            },
            // what is no node has no place in the tree
            _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        style: StructureStyle,
        anchor: usize,
        at: Span,
        contents: Contents,
    ) -> Result<(), Stop> {
        self.charge(Cost { nodes: 1, bytes: 0, depth: 1 }, &at)?;
        let is_flow = matches!(style, StructureStyle::Flow);
        self.open.push(Open { start: at.start, is_flow, anchor, contents });
        Ok(())
    }

    fn end(&mut self, at: Span) -> Result<(), Stop> {
        let Some(Open { start, is_flow, anchor, contents }) = self.open.pop() else {
            return Ok(());
        };
        let kind = match contents {
            Contents::List(items) => Kind::List(items),
            Contents::Map { entries, merges, .. } => {
                self.problems.extend(twins(&entries));
                Kind::Map(self.merged(entries, merges))
            }
        };
        if is_flow {
            self.written_until = at.end;
        }
        let end = self.written_until.max(start);
        self.close(Node { span: start..end, kind }, anchor)
    }

    /// The text breaks off: what has begun is what was read of it.
    fn end_all(&mut self) {
        while !self.open.is_empty() {
            if self.end(self.written_until..self.written_until).is_err() {
                return; // too large with what its aliases stand for, which was told
            }
        }
    }

    /// A node is complete: it becomes a key, a value, an item, or the root.
    fn close(&mut self, mut node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            self.charge(cost_of(&node), &node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.contents) {
            None => self.root = Some(node),
            Some(Contents::List(items)) => items.push(node),
            Some(Contents::Map { entries, awaited, merges }) => match std::mem::take(awaited) {
                Awaited::Key => match key_of(node, self.text) {
                    Ok(next) => *awaited = next,
                    Err(problem) => {
                        *awaited = Awaited::Nothing;
                        self.problems.push(problem);
                    }
                },
                Awaited::Merged => merges.push(node),
                Awaited::Nothing => {}
                Awaited::Value(key, key_span) => {
                    if node.span.is_empty() && node.is_null() {
                        node.span = key_span.clone(); // nothing was written: show the key
                        node.kind = Kind::Scalar { text: "".into(), style: Style::Plain };
                    }
                    entries.push(Entry { key, key_span, value: node });
                }
            },
        }
        Ok(())
    }

    /// A node that can't be there: an item, or a key or value with its other half.
    fn leave_out(&mut self) {
        let Some(Open { contents: Contents::Map { awaited, .. }, .. }) = self.open.last_mut()
        else {
            return;
        };
        *awaited = match awaited {
            Awaited::Key => Awaited::Nothing,
            Awaited::Value(..) | Awaited::Merged | Awaited::Nothing => Awaited::Key,
        };
    }

    /// What an anchor names, or `None` inside of it.
    fn copy_of(&mut self, anchor: usize, at: &Span) -> Result<Option<Node>, Stop> {
        let cost = self.anchors.get(&anchor).map(cost_of).unwrap_or_default();
        self.charge(cost, at)?;
        Ok(self.anchors.get(&anchor).cloned())
    }

    fn charge(&mut self, cost: Cost, at: &Span) -> Result<(), Stop> {
        self.spent.nodes += cost.nodes;
        self.spent.bytes += cost.bytes;
        if self.open.len() + cost.depth > MAX_DEPTH {
            Err(Stop::Unreadable(too_large(at.clone(), "it stands too deep")))
        } else if self.spent.nodes > MAX_NODES || self.spent.bytes > MAX_SCALAR_BYTES {
            let why = "it is too large with what its aliases stand for";
            Err(Stop::Unreadable(too_large(at.clone(), why)))
        } else {
            Ok(())
        }
    }

    /// Applies merge keys: a map's own keys win, then what is merged first.
    fn merged(&mut self, mut entries: Vec<Entry>, merges: Vec<Node>) -> Vec<Entry> {
        let sources = merges.into_iter().flat_map(|merge| match merge.kind {
            Kind::List(items) => items,
            Kind::Map(_) | Kind::Scalar { .. } => vec![merge],
        });
        for source in sources {
            let Kind::Map(inherited) = source.kind else {
                self.problems.push(Problem::error(
                    "U102",
                    source.span,
                    "`<<` merges maps, and this is none",
                    "name an anchor of a map, such as `<<: *defaults`, or a list of them",
                ));
                continue;
            };
            for entry in inherited {
                if !entries.iter().any(|own| own.is(&entry.key)) {
                    entries.push(entry);
                }
            }
        }
        entries
    }

    /// A tag of the core schema says what the reader would find anyway; others ask for types that a
    /// config does not have.
    fn report_foreign(&mut self, tag: Option<&Tag>, at: &Span) {
        const CORE: [&str; 7] = ["str", "int", "float", "bool", "null", "seq", "map"];
        let is_core = |tag: &&Tag| tag.core_suffix().is_some_and(|suffix| CORE.contains(&suffix));
        if let Some(tag) = tag.filter(|tag| !is_core(tag)) {
            self.problems.push(Problem::error(
                "U102",
                at.clone(),
                format!("the tag `{}` means nothing in a config", tag.original()),
                "delete the tag",
            ));
        }
    }
}

/// Keys that are given twice. Which of the two would win must not be a matter of luck.
pub(crate) fn twins(entries: &[Entry]) -> Vec<Problem> {
    let mut seen: HashMap<String, &Entry> = HashMap::with_capacity(entries.len());
    let mut problems = Vec::new();
    for entry in entries {
        let Some(first) = seen.insert(entry.key.to_ascii_lowercase(), entry) else { continue };
        let words = if first.key == entry.key {
            "first here"
        } else {
            "first here: case does not count in a key"
        };
        let twice = Problem::error(
            "U104",
            entry.key_span.clone(),
            format!("the key `{}` is given twice", entry.key),
            "delete one of the two",
        );
        problems.push(twice.and_at(first.key_span.clone(), words));
    }
    problems
}

fn cost_of(node: &Node) -> Cost {
    let mut cost = Cost { nodes: 1, bytes: 0, depth: 0 };
    let mut add = |child: Cost| {
        cost.nodes += child.nodes;
        cost.bytes += child.bytes;
        cost.depth = cost.depth.max(child.depth + 1);
    };
    match &node.kind {
        Kind::Scalar { text, .. } => cost.bytes = text.len(),
        Kind::List(items) => items.iter().map(cost_of).for_each(&mut add),
        Kind::Map(entries) => entries.iter().map(|entry| cost_of(&entry.value)).for_each(&mut add),
    }
    cost
}

/// What a map waits for after this key.
fn key_of(node: Node, text: &str) -> Result<Awaited, Problem> {
    match node.kind {
        // quoted, it is a key like any other
        Kind::Scalar { .. } if text.get(node.span.clone()) == Some("<<") => Ok(Awaited::Merged),
        Kind::Scalar { text, .. } => Ok(Awaited::Value(text, node.span)),
        Kind::List(_) | Kind::Map(_) => Err(Problem::error(
            "U102",
            node.span,
            "a key is a word, not a list or map",
            "write `key: value`",
        )),
    }
}

pub(super) fn null(span: Span) -> Node {
    Node { span, kind: Kind::Scalar { text: "".into(), style: Style::Plain } }
}

fn style_of(style: ScalarStyle, tag: Option<&Tag>) -> Style {
    match (style, tag.and_then(Tag::core_suffix)) {
        (ScalarStyle::Plain, Some("str")) => Style::Quoted,
        (ScalarStyle::Plain, _) => Style::Plain,
        _ => Style::Quoted,
    }
}

fn too_large(at: Span, why: &str) -> Problem {
    Problem::error(
        "U101",
        at,
        format!("this is more than a config holds: {why}"),
        "write less, or use fewer aliases",
    )
}

/// The parser's own words, and where the usual cause can be told, a way out.
fn unreadable(text: &str, error: &granit_parser::ScanError) -> Problem {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let (at, help) = usual_cause(text, at, &error.info());
    let end = text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
    Problem::error("U101", at..end, format!("this is not YAML: {}", error.info()), help)
}

/// Where the mistake is, which may be behind the place that the parser names, and what to do.
fn usual_cause(text: &str, at: usize, words: &str) -> (usize, &'static str) {
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
    let indented_with_tab = |line: &str| {
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        line.get(..blanks).and_then(|indent| indent.find('\t'))
    };
    let mut start = line_start;
    for line in text.get(line_start..).unwrap_or_default().split_inclusive('\n') {
        if let Some(tab) = indented_with_tab(line) {
            return (start + tab, "this line is indented with a tab: use spaces");
        }
        if start > at && !words.contains("tab") {
            break;
        }
        start += line.len();
    }
    let help = match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some('*') => {
            "put a value that begins with `*` in quotes, like `'*.example.com'`; without them it \
             repeats what an `&NAME` above it marks"
        }
        Some('@' | '`' | '%') => "put a value that begins with this character in quotes",
        _ => "look for a missing space after `:`, uneven indentation, or a quote that does not end",
    };
    (at, help)
}
