//! From a template's parts to a tree. Follows the grammar of nunjucks 3.2.4: what it reads, and with which precedence.

use super::TemplateError;
use super::lex::{Token, tokens};

/// Expressions and blocks in one another.
const DEEPEST: usize = 60;

/// What is printed or done.
#[derive(Debug)]
pub(super) enum Node {
    Data(String),
    Print(Expression),
    If { arms: Vec<(Expression, Vec<Node>)>, otherwise: Vec<Node> },
    For { names: Vec<String>, over: Expression, body: Vec<Node>, otherwise: Vec<Node> },
    Set { names: Vec<String>, value: Setting },
    Macro { name: String, definition: Definition },
    Call { call: Expression, caller: Definition },
    Filtered { name: String, arguments: Arguments, body: Vec<Node> },
    Switch { over: Expression, arms: Vec<(Expression, Vec<Node>)>, otherwise: Vec<Node> },
    Body(Vec<Node>),
}

/// What a name is set to.
#[derive(Debug)]
pub(super) enum Setting {
    To(Expression),
    Rendered(Vec<Node>),
}

/// A macro, or the body of a call.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) names: Vec<String>,
    pub(super) defaults: Vec<(String, Expression)>,
    pub(super) body: Vec<Node>,
}

#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) listed: Vec<Expression>,
    pub(super) named: Vec<(String, Expression)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Or,
    And,
    In,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Equal,
    StrictlyEqual,
    NotEqual,
    StrictlyNotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Expression {
    Text(String),
    Number(f64),
    Flag(bool),
    Null,
    Name(String),
    List(Vec<Expression>),
    Group(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Member(Box<Expression>, Box<Expression>),
    Call(Box<Expression>, Arguments),
    Filter { name: String, input: Box<Expression>, arguments: Arguments },
    Test { input: Box<Expression>, name: String, argument: Option<Box<Expression>> },
    Either { then: Box<Expression>, condition: Box<Expression>, otherwise: Option<Box<Expression>> },
    Binary(Operator, Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
}

/// The tree of a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), depth: 0 };
    let (nodes, end) = parser.nodes(&[])?;
    match end {
        None => Ok(nodes),
        Some(word) => Err(TemplateError::new(format!("`{{% {word} %}}` closes nothing"))),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

type Parsed<T> = Result<T, TemplateError>;

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

    fn deeper(&mut self) -> Parsed<()> {
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
                    let value = self.primary()?;
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

    fn signature(&mut self) -> Parsed<(Vec<String>, Vec<(String, Expression)>)> {
        let Arguments { listed, named } = self.arguments()?;
        let name = |expression: Expression| match expression {
            Expression::Name(name) => Ok(name),
            _ => Err(TemplateError::new("the arguments of a macro are names")),
        };
        Ok((listed.into_iter().map(name).collect::<Parsed<_>>()?, named))
    }

    fn arguments(&mut self) -> Parsed<Arguments> {
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

    fn expression(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let then = self.or()?;
        let result = if self.skip_word("if") {
            let condition = Box::new(self.or()?);
            let otherwise = if self.skip_word("else") { Some(Box::new(self.or()?)) } else { None };
            Expression::Either { then: Box::new(then), condition, otherwise }
        } else {
            then
        };
        self.depth -= 1;
        Ok(result)
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.skip_word("or") {
            left = binary(Operator::Or, left, self.and()?);
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.not()?;
        while self.skip_word("and") {
            left = binary(Operator::And, left, self.not()?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expression> {
        if !self.skip_word("not") {
            return self.within();
        }
        self.deeper()?;
        let inner = self.not()?;
        self.depth -= 1;
        Ok(Expression::Not(Box::new(inner)))
    }

    fn within(&mut self) -> Parsed<Expression> {
        let mut left = self.test()?;
        loop {
            let inverted = self.skip_word("not");
            if self.skip_word("in") {
                left = binary(Operator::In, left, self.test()?);
                if inverted {
                    left = Expression::Not(Box::new(left));
                }
            } else if inverted {
                return Err(TemplateError::new("unexpected `not`"));
            } else {
                return Ok(left);
            }
        }
    }

    fn test(&mut self) -> Parsed<Expression> {
        let input = self.comparison()?;
        if !self.skip_word("is") {
            return Ok(input);
        }
        let inverted = self.skip_word("not");
        let (name, argument) = match self.comparison()? {
            Expression::Name(name) => (name, None),
            Expression::Null => ("null".to_owned(), None),
            Expression::Call(name, arguments) => match (*name, arguments.listed.into_iter().next()) {
                (Expression::Name(name), argument) => (name, argument.map(Box::new)),
                _ => return Err(TemplateError::new("the test behind `is` is no name")),
            },
            _ => return Err(TemplateError::new("the test behind `is` is no name")),
        };
        let test = Expression::Test { input: Box::new(input), name, argument };
        Ok(if inverted { Expression::Not(Box::new(test)) } else { test })
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        self.chain(
            &[
                ("===", Operator::StrictlyEqual),
                ("!==", Operator::StrictlyNotEqual),
                ("==", Operator::Equal),
                ("!=", Operator::NotEqual),
                ("<=", Operator::LessOrEqual),
                (">=", Operator::GreaterOrEqual),
                ("<", Operator::Less),
                (">", Operator::Greater),
            ],
            |parser| parser.arithmetic(0),
        )
    }

    /// Each operator of arithmetic has a precedence of its own: `~ + - * / // % **`, from the loosest to the tightest.
    fn arithmetic(&mut self, level: usize) -> Parsed<Expression> {
        const LEVELS: [(&str, Operator); 8] = [
            ("~", Operator::Concat),
            ("+", Operator::Add),
            ("-", Operator::Subtract),
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("//", Operator::FloorDivide),
            ("%", Operator::Remainder),
            ("**", Operator::Power),
        ];
        match LEVELS.get(level) {
            Some(operator) => self.chain(&[*operator], |parser| parser.arithmetic(level + 1)),
            None => self.unary(true),
        }
    }

    fn chain(
        &mut self,
        operators: &[(&'static str, Operator)],
        next: impl Fn(&mut Self) -> Parsed<Expression>,
    ) -> Parsed<Expression> {
        let mut left = next(self)?;
        'more: loop {
            for (sign, operator) in operators {
                if self.skip(sign) {
                    left = binary(*operator, left, next(self)?);
                    continue 'more;
                }
            }
            return Ok(left);
        }
    }

    fn unary(&mut self, filters: bool) -> Parsed<Expression> {
        self.deeper()?;
        let node = if self.skip("-") {
            Expression::Negative(Box::new(self.unary(false)?))
        } else if self.skip("+") {
            Expression::Positive(Box::new(self.unary(false)?))
        } else {
            self.primary()?
        };
        self.depth -= 1;
        if filters { self.filters(node) } else { Ok(node) }
    }

    fn filters(&mut self, mut input: Expression) -> Parsed<Expression> {
        while self.skip("|") {
            let name = self.filter_name()?;
            let arguments = if self.is_sign("(") { self.arguments()? } else { Arguments::default() };
            input = Expression::Filter { name, input: Box::new(input), arguments };
        }
        Ok(input)
    }

    fn filter_name(&mut self) -> Parsed<String> {
        let mut name = self.name("the name of a filter")?;
        while self.skip(".") {
            name = format!("{name}.{}", self.name("the name of a filter")?);
        }
        Ok(name)
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let mut node = match self.tokens.next() {
            Some(Token::Text(text)) => Expression::Text(text),
            Some(Token::Number(number)) => Expression::Number(number),
            Some(Token::Name(name)) => match name.as_str() {
                "true" => Expression::Flag(true),
                "false" => Expression::Flag(false),
                "none" | "null" => Expression::Null,
                _ => Expression::Name(name),
            },
            Some(Token::Sign("(")) => Expression::Group(self.listed(")")?),
            Some(Token::Sign("[")) => Expression::List(self.listed("]")?),
            Some(Token::Sign("{")) => self.dict()?,
            Some(other) => return Err(TemplateError::new(format!("unexpected {}", shown(&other)))),
            None => return Err(TemplateError::new("a tag ends too early")),
        };
        loop {
            if self.is_sign("(") {
                node = Expression::Call(Box::new(node), self.arguments()?);
            } else if self.skip("[") {
                let mut index = self.listed("]")?;
                let (Some(index), true) = (index.pop(), index.is_empty()) else {
                    return Err(TemplateError::new("an index is one value"));
                };
                node = Expression::Member(Box::new(node), Box::new(index));
            } else if self.skip(".") {
                let name = self.name("a name behind `.`")?;
                node = Expression::Member(Box::new(node), Box::new(Expression::Text(name)));
            } else {
                return Ok(node);
            }
        }
    }

    fn listed(&mut self, end: &'static str) -> Parsed<Vec<Expression>> {
        let mut items = Vec::new();
        loop {
            if self.skip(end) {
                return Ok(items);
            }
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.expression()?);
        }
    }

    fn dict(&mut self) -> Parsed<Expression> {
        let mut pairs = Vec::new();
        loop {
            if self.skip("}") {
                return Ok(Expression::Dict(pairs));
            }
            if !pairs.is_empty() {
                self.expect(",")?;
            }
            let key = match self.primary()? {
                // A bare word is its own text.
                Expression::Name(name) => Expression::Text(name),
                other => other,
            };
            self.expect(":")?;
            pairs.push((key, self.expression()?));
        }
    }

    fn name(&mut self, what: &str) -> Parsed<String> {
        match self.tokens.next() {
            Some(Token::Name(name)) => Ok(name),
            Some(other) => Err(TemplateError::new(format!("{} where {what} is expected", shown(&other)))),
            None => Err(TemplateError::new(format!("{what} is missing"))),
        }
    }

    fn end(&mut self, token: &Token) -> Parsed<()> {
        match self.tokens.next() {
            Some(found) if found == *token => Ok(()),
            Some(found) => Err(TemplateError::new(format!("{} where a tag should end", shown(&found)))),
            None => Err(TemplateError::new("a tag is not closed")),
        }
    }

    fn is(&mut self, token: &Token) -> bool {
        self.tokens.peek() == Some(token)
    }

    fn is_sign(&mut self, sign: &str) -> bool {
        matches!(self.tokens.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn skip(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.tokens.next();
        }
        found
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.peek(), Some(Token::Name(name)) if name == word);
        if found {
            self.tokens.next();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.skip(sign) { Ok(()) } else { Err(TemplateError::new(format!("`{sign}` is missing in a tag"))) }
    }
}

fn binary(operator: Operator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}

fn shown(token: &Token) -> String {
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
