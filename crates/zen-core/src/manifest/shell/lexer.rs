//! The lexer proper: one pass, with a stack of what it stands in. Knows not what the findings are for.

use std::collections::BTreeSet;

use super::{Item, Script, Surround, Word, is_variable};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Parenthesis,
    Backtick,
}

struct HereDocument {
    delimiter: String,
    strip_tabs: bool,
    expands: bool,
}

struct Lexer<'a> {
    items: &'a [Item],
    at: usize,
    surrounds: Vec<Surround>,
    heredocs: Vec<HereDocument>,
    assigned: BTreeSet<String>,
    top_level: usize,
    compound: bool,
    script: Script,
}

/// The command being read.
#[derive(Default)]
struct Command {
    words: Vec<Word>,
    /// `for` and `case`: what follows is no command.
    is_header: bool,
}

/// Reads a script.
pub(super) fn read(items: &[Item]) -> Script {
    let mut lexer = Lexer {
        items,
        at: 0,
        surrounds: Vec::new(),
        heredocs: Vec::new(),
        assigned: BTreeSet::new(),
        top_level: 0,
        compound: false,
        script: Script::default(),
    };
    lexer.list(End::Text);
    let mut script = lexer.script;
    script.is_simple = lexer.top_level == 1 && !lexer.compound;
    script
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.char_at(self.at)
    }

    /// `None` at the end, and for a placeholder.
    fn char_at(&self, at: usize) -> Option<char> {
        match self.items.get(at) {
            Some(Item::Char(c)) => Some(*c),
            _ => None,
        }
    }

    fn at_end(&self) -> bool {
        self.at >= self.items.len()
    }

    fn follows(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.char_at(self.at + offset) == Some(c))
    }

    fn hole(&mut self, number: usize, surround: Option<Surround>) {
        let surround = surround.or_else(|| self.surrounds.last().cloned()).unwrap_or(Surround::Bare);
        self.script.holes.push((number, surround));
    }

    fn within<T>(&mut self, surround: Surround, read: impl FnOnce(&mut Self) -> T) -> T {
        self.surrounds.push(surround);
        let result = read(self);
        self.surrounds.pop();
        result
    }

    /// Commands, up to and with the end.
    fn list(&mut self, end: End) {
        let mut command = Command::default();
        let mut cases = 0_usize;
        while !self.at_end() {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.char_at(self.at + 1) == Some('\n') => self.at += 2,
                Some('\n') => {
                    self.at += 1;
                    self.close(&mut command);
                    self.here_documents();
                }
                Some('`') if end == End::Backtick => {
                    self.at += 1;
                    return self.close(&mut command);
                }
                Some(')') => {
                    self.at += 1;
                    self.compound |= self.surrounds.is_empty();
                    // The head of a `case` pattern is no command.
                    if cases > 0 {
                        command = Command::default()
                    } else {
                        self.close(&mut command)
                    }
                    if end == End::Parenthesis && cases == 0 {
                        return;
                    }
                }
                Some('(') => {
                    self.at += 1;
                    self.compound |= self.surrounds.is_empty();
                    self.close(&mut command);
                    self.list(End::Parenthesis);
                }
                Some('&') if self.char_at(self.at + 1) == Some('>') => self.at += 1,
                Some(';' | '&' | '|') => {
                    self.at += 1;
                    self.compound |= self.surrounds.is_empty();
                    self.close(&mut command);
                }
                Some('<' | '>') => self.redirection(&mut command),
                Some('#') => self.comment(),
                _ => {
                    let word = self.word(end);
                    self.take_word(&mut command, word, &mut cases);
                }
            }
        }
        self.close(&mut command);
    }

    fn take_word(&mut self, command: &mut Command, word: Word, cases: &mut usize) {
        const RESERVED: [&str; 13] =
            ["if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}", "time"];
        if !command.words.is_empty() || command.is_header {
            command.words.push(word);
            return;
        }
        if let Some(name) = word.assigns() {
            self.script.sole_holes.extend(word.holes());
            self.assigned.insert(name);
        } else if RESERVED.iter().any(|reserved| word.is(reserved)) {
            self.compound |= self.surrounds.is_empty();
        } else if word.is("esac") {
            *cases = cases.saturating_sub(1);
        } else if ["for", "case", "select", "function"].iter().any(|reserved| word.is(reserved)) {
            *cases += usize::from(word.is("case"));
            self.compound |= self.surrounds.is_empty();
            command.is_header = true;
            command.words.push(word);
        } else {
            command.words.push(word);
        }
    }

    /// The command is complete.
    fn close(&mut self, command: &mut Command) {
        let Command { words, is_header } = std::mem::take(command);
        let literal = |at: usize| words.get(at).and_then(Word::literal);
        let Some(first) = words.first() else { return };
        if is_header {
            if first.is("for") || first.is("select") {
                self.assigned.extend(literal(1));
            }
            return;
        }
        if ["export", "readonly", "local", "declare", "typeset"].iter().any(|builtin| first.is(builtin)) {
            let assigning = || words[1..].iter().filter(|word| word.assigns().is_some());
            self.script.sole_holes.extend(assigning().flat_map(Word::holes));
            self.assigned.extend(assigning().filter_map(Word::assigns));
        }
        if ["read", "getopts", "mapfile", "readarray"].iter().any(|builtin| first.is(builtin)) {
            self.assigned.extend(words[1..].iter().filter_map(Word::literal).filter(|name| is_variable(name)));
        }
        self.top_level += usize::from(self.surrounds.is_empty());
        self.script.commands.push(words);
    }

    fn comment(&mut self) {
        while !self.at_end() && self.peek() != Some('\n') {
            if let Item::Hole(number) = self.items[self.at] {
                self.hole(number, Some(Surround::Comment));
            }
            self.at += 1;
        }
    }

    fn redirection(&mut self, command: &mut Command) {
        // `2>` : the number belongs to the arrow if it touches it.
        let touches = self.at > 0 && self.char_at(self.at - 1).is_some_and(|c| c.is_ascii_digit());
        let is_number = |word: &Word| word.literal().is_some_and(|text| text.chars().all(|c| c.is_ascii_digit()));
        if touches && !command.is_header && command.words.last().is_some_and(is_number) {
            command.words.pop();
        }
        let is_process = self.char_at(self.at + 1) == Some('(');
        if is_process {
            self.at += 2;
            let word = Word { expands: true, ..Word::default() };
            command.words.push(word);
            return self.within(Surround::Substitution, |lexer| lexer.list(End::Parenthesis));
        }
        let here = self.follows("<<") && !self.follows("<<<");
        let strip_tabs = self.follows("<<-");
        while let Some('<' | '>' | '&' | '|' | '-') = self.peek() {
            self.at += 1;
            match (self.at.checked_sub(2).and_then(|at| self.char_at(at)), self.char_at(self.at - 1)) {
                // `>&-` closes, and has no target.
                (Some('&'), Some('-')) => return,
                (_, Some('-')) => break,
                _ => {}
            }
        }
        while let Some(' ' | '\t') = self.peek() {
            self.at += 1;
        }
        if self.at_end() || matches!(self.peek(), Some('\n' | ';' | ')')) {
            return;
        }
        if here {
            let word = self.within(Surround::HereDocument, |lexer| lexer.word(End::Text));
            let delimiter = word.parts.iter().filter_map(|item| if let Item::Char(c) = item { Some(*c) } else { None });
            self.heredocs.push(HereDocument { delimiter: delimiter.collect(), strip_tabs, expands: !word.quoted });
        } else {
            let target = self.word(End::Text);
            self.script.sole_holes.extend(target.holes());
        }
    }

    /// The bodies that begin after this line.
    fn here_documents(&mut self) {
        for HereDocument { delimiter, strip_tabs, expands } in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut end = self.items.len();
            while !self.at_end() {
                let line = self.at;
                while !self.at_end() && self.peek() != Some('\n') {
                    self.at += 1;
                }
                let text: Option<String> = (line..self.at).map(|at| self.char_at(at)).collect();
                self.at += 1;
                // A line with a placeholder is part of the body.
                let Some(text) = text else { continue };
                let text = if strip_tabs { text.trim_start_matches('\t') } else { &text };
                if text.trim_end_matches('\r') == delimiter {
                    end = line;
                    break;
                }
            }
            let after = self.at.min(self.items.len());
            self.at = start;
            self.within(Surround::HereDocument, |lexer| {
                while lexer.at < end {
                    match lexer.items[lexer.at] {
                        Item::Char('\\') if expands && lexer.char_at(lexer.at + 1).is_some() => lexer.at += 2,
                        Item::Char('$') if expands => lexer.dollar(),
                        Item::Char('`') if expands => lexer.backticks(),
                        Item::Char(_) => lexer.at += 1,
                        Item::Hole(number) => {
                            lexer.hole(number, None);
                            lexer.at += 1;
                        }
                    }
                }
            });
            self.at = after.max(self.at.min(self.items.len()));
        }
    }

    fn word(&mut self, end: End) -> Word {
        let start = self.at;
        let word = self.read_word(end);
        if word.holes().next().is_some() {
            self.script.hole_words.push(start..self.at);
        }
        word
    }

    fn read_word(&mut self, end: End) -> Word {
        let mut word = Word::default();
        while !self.at_end() {
            match self.items[self.at] {
                Item::Hole(number) => {
                    self.hole(number, None);
                    word.parts.push(Item::Hole(number));
                    self.at += 1;
                }
                Item::Char(' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => break,
                Item::Char('`') if end == End::Backtick => break,
                Item::Char('`') => {
                    word.expands = true;
                    self.backticks();
                }
                Item::Char('$') => {
                    word.expands = true;
                    self.dollar();
                }
                Item::Char('\\') => {
                    self.at += 1;
                    match self.items.get(self.at).copied() {
                        Some(Item::Char('\n')) => {}
                        Some(Item::Char(c)) => {
                            word.quoted = true;
                            word.parts.push(Item::Char(c));
                        }
                        Some(Item::Hole(number)) => self.hole(number, Some(Surround::Backslash)),
                        None => return word,
                    }
                    self.at += 1;
                }
                Item::Char('\'') => self.single_quotes(&mut word),
                Item::Char('"') => self.double_quotes(&mut word),
                Item::Char(c) => {
                    word.expands |= matches!(c, '*' | '?' | '[') || (c == '~' && word.parts.is_empty());
                    word.parts.push(Item::Char(c));
                    self.at += 1;
                }
            }
        }
        word
    }

    fn single_quotes(&mut self, word: &mut Word) {
        word.quoted = true;
        let start = self.at;
        self.at += 1;
        let close = (self.at..self.items.len()).find(|at| self.items[*at] == Item::Char('\''));
        let close = close.unwrap_or(self.items.len());
        for at in self.at..close {
            if let Item::Hole(number) = self.items[at] {
                self.hole(number, Some(Surround::Quotes('\'', start..close + 1)));
            }
            word.parts.push(self.items[at]);
        }
        self.at = (close + 1).min(self.items.len());
    }

    fn double_quotes(&mut self, word: &mut Word) {
        word.quoted = true;
        let start = self.at;
        let first_hole = self.script.holes.len();
        self.at += 1;
        while !self.at_end() {
            match self.items[self.at] {
                Item::Char('"') => break,
                Item::Char('\\') => {
                    self.at += 1;
                    if let Some(Item::Char(c)) = self.items.get(self.at).copied() {
                        word.parts.push(Item::Char(c));
                        self.at += 1;
                    }
                }
                Item::Char('$') => {
                    word.expands = true;
                    self.within(Surround::Quotes('"', 0..0), Self::dollar);
                }
                Item::Char('`') => {
                    word.expands = true;
                    self.backticks();
                }
                item @ Item::Char(_) => {
                    word.parts.push(item);
                    self.at += 1;
                }
                Item::Hole(number) => {
                    self.hole(number, Some(Surround::Quotes('"', 0..0)));
                    word.parts.push(Item::Hole(number));
                    self.at += 1;
                }
            }
        }
        self.at = (self.at + 1).min(self.items.len());
        let range = start..self.at;
        for (_, surround) in &mut self.script.holes[first_hole..] {
            if *surround == Surround::Quotes('"', 0..0) {
                *surround = Surround::Quotes('"', range.clone());
            }
        }
    }

    fn backticks(&mut self) {
        self.at += 1;
        self.within(Surround::Backticks, |lexer| lexer.list(End::Backtick));
    }

    /// At a `$`.
    fn dollar(&mut self) {
        self.at += 1;
        match self.items.get(self.at).copied() {
            Some(Item::Char('(')) => {
                self.at += 1;
                if self.peek() == Some('(') && self.is_arithmetic() {
                    self.within(Surround::Arithmetic, |lexer| lexer.expansion('(', ')'));
                } else {
                    self.within(Surround::Substitution, |lexer| lexer.list(End::Parenthesis));
                }
            }
            Some(Item::Char('{')) => {
                self.at += 1;
                while let Some('#' | '!') = self.peek() {
                    self.at += 1;
                }
                let name = self.variable();
                if self.follows(":=") || self.follows("=") {
                    self.assigned.extend(name);
                }
                self.within(Surround::Expansion, |lexer| lexer.expansion('{', '}'));
            }
            Some(Item::Char(c)) if c == '_' || c.is_ascii_alphabetic() => {
                self.variable();
            }
            Some(Item::Char('\'')) if self.surrounds.is_empty() => {
                // `$'…'`, where a `\` escapes; without a quoting shell it is a `$` and a quoted string.
                let start = self.at;
                self.at += 1;
                let mut holes = Vec::new();
                while !self.at_end() && self.peek() != Some('\'') {
                    if let Item::Hole(number) = self.items[self.at] {
                        holes.push(number);
                    }
                    let escapes = self.peek() == Some('\\') && self.char_at(self.at + 1).is_some();
                    self.at += if escapes { 2 } else { 1 };
                }
                self.at = (self.at + 1).min(self.items.len());
                for number in holes {
                    self.hole(number, Some(Surround::Quotes('\'', start..self.at)));
                }
            }
            Some(Item::Char('@' | '*' | '#' | '?' | '-' | '$' | '!' | '0'..='9')) => self.at += 1,
            Some(Item::Hole(number)) => {
                self.hole(number, Some(Surround::Dollar));
                self.at += 1;
            }
            _ => {}
        }
    }

    /// Reads a name and notes its use.
    fn variable(&mut self) -> Option<String> {
        let start = self.at;
        while self.peek().is_some_and(|c| c == '_' || c.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        let name: String = (start..self.at).filter_map(|at| self.char_at(at)).collect();
        if !is_variable(&name) {
            return None;
        }
        if !self.assigned.contains(&name) {
            self.script.variables.insert(name.clone());
        }
        Some(name)
    }

    /// Up to and with the `close` that belongs to the `open` just read.
    fn expansion(&mut self, open: char, close: char) {
        let mut depth = 1_usize;
        let mut unused = Word::default();
        while !self.at_end() && depth > 0 {
            match self.items[self.at] {
                Item::Char('\\') => {
                    self.at += 1;
                    if self.peek().is_some() {
                        self.at += 1;
                    }
                }
                Item::Char('$') => self.dollar(),
                Item::Char('`') => self.backticks(),
                Item::Char('"') => self.double_quotes(&mut unused),
                Item::Char('\'') if open == '{' && !self.surrounds.contains(&Surround::Quotes('"', 0..0)) => {
                    self.single_quotes(&mut unused);
                }
                Item::Char(c) => {
                    depth = if c == close { depth - 1 } else { depth + usize::from(c == open && open == '(') };
                    self.at += 1;
                }
                Item::Hole(number) => {
                    self.hole(number, None);
                    self.at += 1;
                }
            }
        }
    }

    /// At the second `(` of `$((`: does the whole end with `))`? `$((a); b)` is a subshell in a substitution.
    fn is_arithmetic(&self) -> bool {
        let mut depth = 1_usize;
        for at in self.at..self.items.len() {
            match self.char_at(at) {
                Some('(') => depth += 1,
                Some(')') if depth == 2 => return self.char_at(at + 1) == Some(')'),
                Some(')') => depth -= 1,
                _ => {}
            }
        }
        false
    }
}
