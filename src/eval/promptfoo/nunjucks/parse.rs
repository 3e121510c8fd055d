//! From a template's parts to a tree. Follows the grammar of nunjucks 3.2.4: what it reads, and with which precedence.

use super::TemplateError;
use super::lex::{Token, tokens};
pub(super) use super::tree::{Arguments, Definition, Expression, Node, Operator, Setting};

/// Expressions and blocks in one another.
const DEEPEST: usize = 60;

/// The tree of a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), depth: 0 };
    let (nodes, end) = parser.nodes(&[])?;
    match end {
        None => Ok(nodes),
        Some(word) => Err(TemplateError::new(format!("`{{% {word} %}}` closes nothing"))),
    }
}

pub(super) struct Parser {
    pub(super) tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    pub(super) depth: usize,
}

/// The names of a macro's arguments, and those with a default.
type Signature = (Vec<String>, Vec<(String, Expression)>);

pub(super) type Parsed<T> = Result<T, TemplateError>;

impl Parser {
    /// Nodes up to a block whose word is one of `ends`; the word, with the parser behind it.
    fn nodes(&mut self, ends: &[&str]) -> Parsed<(Vec<Node>, Option<String>)> {
        self.deeper()?;
        let mut nodes = Vec::new();
        while let Some(token) = self.tokens.next() {
            match token {
                Token::Data(text) => nodes.push(Node::Data(text)),
                Token::VariableStart => {
                    let expression = self.expression()?;
                    self.end(&Token::VariableEnd)?;
                    nodes.push(Node::Print(expression));
                }
                Token::BlockStart => {
                    let word = self.name("the word of a block")?;
                    if ends.contains(&word.as_str()) {
                        self.depth -= 1;
                        return Ok((nodes, Some(word)));
                    }
                    nodes.push(self.block(&word)?);
                }
                other => return Err(TemplateError::new(format!("unexpected {other:?}"))),
            }
        }
        self.depth -= 1;
        match ends {
            [] => Ok((nodes, None)),
            [.., last] => Err(TemplateError::new(format!("`{{% {last} %}}` is missing"))),
        }
    }

    pub(super) fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(TemplateError::new("nested too deeply")) } else { Ok(()) }
    }

    fn block(&mut self, word: &str) -> Parsed<Node> {
        match word {
            "if" => self.if_block(),
            "for" => self.for_block(),
            "set" => self.set_block(),
            "macro" => {
                let name = self.name("the name of a macro")?;
                let definition = self.definition("endmacro")?;
                Ok(Node::Macro { name, definition })
            }
            "call" => {
                let (names, defaults) = if self.is_sign("(") { self.signature()? } else { (Vec::new(), Vec::new()) };
                let call = self.primary()?;
                self.end(&Token::BlockEnd)?;
                let body = self.body("endcall")?;
                Ok(Node::Call { call, caller: Definition { names, defaults, body } })
            }
            "filter" => {
                let name = self.filter_name()?;
                let arguments = if self.is_sign("(") { self.arguments()? } else { Arguments::default() };
                self.end(&Token::BlockEnd)?;
                Ok(Node::Filtered { name, arguments, body: self.body("endfilter")? })
            }
            "switch" => self.switch_block(),
            "block" => {
                self.name("the name of a block")?;
                self.end(&Token::BlockEnd)?;
                let (nodes, _) = self.nodes(&["endblock"])?;
                if !self.is(&Token::BlockEnd) {
                    self.name("the name of a block")?;
                }
                self.end(&Token::BlockEnd)?;
                Ok(Node::Body(nodes))
            }
            "include" | "extends" | "import" | "from" => {
                Err(TemplateError::new(format!("`{{% {word} %}}`: a template cannot read other templates here")))
            }
            _ => Err(TemplateError::new(format!("unknown block `{word}`"))),
        }
    }

    fn body(&mut self, end: &str) -> Parsed<Vec<Node>> {
        let (nodes, _) = self.nodes(&[end])?;
        self.end(&Token::BlockEnd)?;
        Ok(nodes)
    }

    fn if_block(&mut self) -> Parsed<Node> {
        let mut arms = Vec::new();
        loop {
            let condition = self.expression()?;
            self.end(&Token::BlockEnd)?;
            let (body, end) = self.nodes(&["elif", "elseif", "else", "endif"])?;
            arms.push((condition, body));
            match end.as_deref() {
                Some("elif" | "elseif") => {}
                Some("else") => {
                    self.end(&Token::BlockEnd)?;
                    return Ok(Node::If { arms, otherwise: self.body("endif")? });
                }
                Some(_) | None => {
                    self.end(&Token::BlockEnd)?;
                    return Ok(Node::If { arms, otherwise: Vec::new() });
                }
            }
        }
    }

    fn for_block(&mut self) -> Parsed<Node> {
        let mut names = vec![self.name("the variable of a loop")?];
        while self.skip(",") {
            names.push(self.name("the variable of a loop")?);
        }
        if self.name("`in`")? != "in" {
            return Err(TemplateError::new("a loop has an `in`"));
        }
        let over = self.expression()?;
        self.end(&Token::BlockEnd)?;
        let (body, end) = self.nodes(&["else", "endfor"])?;
        self.end(&Token::BlockEnd)?;
        let otherwise = if end.as_deref() == Some("else") { self.body("endfor")? } else { Vec::new() };
        Ok(Node::For { names, over, body, otherwise })
    }

    fn set_block(&mut self) -> Parsed<Node> {
        let mut names = vec![self.name("the name that is set")?];
        while self.skip(",") {
            names.push(self.name("the name that is set")?);
        }
        if self.skip("=") {
            let value = Setting::To(self.expression()?);
            self.end(&Token::BlockEnd)?;
            return Ok(Node::Set { names, value });
        }
        self.end(&Token::BlockEnd)?;
        Ok(Node::Set { names, value: Setting::Rendered(self.body("endset")?) })
    }

    fn switch_block(&mut self) -> Parsed<Node> {
        let over = self.expression()?;
        self.end(&Token::BlockEnd)?;
        let (_, mut end) = self.nodes(&["case", "default", "endswitch"])?;
        let (mut arms, mut otherwise) = (Vec::new(), Vec::new());
        loop {
            match end.as_deref() {
                Some("case") => {
                    let value = self.expression()?;
                    self.end(&Token::BlockEnd)?;
                    let (body, next) = self.nodes(&["case", "default", "endswitch"])?;
                    arms.push((value, body));
                    end = next;
                }
                Some("default") => {
                    self.end(&Token::BlockEnd)?;
                    (otherwise, end) = self.nodes(&["endswitch"])?;
                }
                Some(_) | None => {
                    self.end(&Token::BlockEnd)?;
                    return Ok(Node::Switch { over, arms, otherwise });
                }
            }
        }
    }

    fn definition(&mut self, end: &str) -> Parsed<Definition> {
        let (names, defaults) = self.signature()?;
        self.end(&Token::BlockEnd)?;
        Ok(Definition { names, defaults, body: self.body(end)? })
    }

    pub(super) fn signature(&mut self) -> Parsed<Signature> {
        let Arguments { listed, named } = self.arguments()?;
        let name = |expression: Expression| match expression {
            Expression::Name(name) => Ok(name),
            _ => Err(TemplateError::new("the arguments of a macro are names")),
        };
        Ok((listed.into_iter().map(name).collect::<Parsed<_>>()?, named))
    }

    pub(super) fn arguments(&mut self) -> Parsed<Arguments> {
        self.expect("(")?;
        let mut arguments = Arguments::default();
        loop {
            if self.skip(")") {
                return Ok(arguments);
            }
            if !(arguments.listed.is_empty() && arguments.named.is_empty()) {
                self.expect(",")?;
            }
            let argument = self.expression()?;
            if self.skip("=") {
                let Expression::Name(name) = argument else {
                    return Err(TemplateError::new("the name of an argument is no name"));
                };
                arguments.named.push((name, self.expression()?));
            } else {
                arguments.listed.push(argument);
            }
        }
    }

    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        match self.tokens.next() {
            Some(Token::Name(name)) if !matches!(name.as_str(), "none" | "null" | "true" | "false") => Ok(name),
            Some(other) => Err(TemplateError::new(format!("{} where {what} is expected", shown(&other)))),
            None => Err(TemplateError::new(format!("{what} is missing"))),
        }
    }

    pub(super) fn end(&mut self, token: &Token) -> Parsed<()> {
        match self.tokens.next() {
            Some(found) if found == *token => Ok(()),
            Some(found) => Err(TemplateError::new(format!("{} where a tag should end", shown(&found)))),
            None => Err(TemplateError::new("a tag is not closed")),
        }
    }

    pub(super) fn is(&mut self, token: &Token) -> bool {
        self.tokens.peek() == Some(token)
    }

    pub(super) fn is_sign(&mut self, sign: &str) -> bool {
        matches!(self.tokens.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    pub(super) fn skip(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.tokens.next();
        }
        found
    }

    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.peek(), Some(Token::Name(name)) if name == word);
        if found {
            self.tokens.next();
        }
        found
    }

    pub(super) fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.skip(sign) { Ok(()) } else { Err(TemplateError::new(format!("`{sign}` is missing in a tag"))) }
    }
}

pub(super) fn shown(token: &Token) -> String {
    match token {
        Token::Data(_) => "text".to_owned(),
        Token::BlockStart => "`{%`".to_owned(),
        Token::BlockEnd => "`%}`".to_owned(),
        Token::VariableStart => "`{{`".to_owned(),
        Token::VariableEnd => "`}}`".to_owned(),
        Token::Text(text) => format!("{text:?}"),
        Token::Number(number) => format!("`{number}`"),
        Token::Name(name) => format!("`{name}`"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}
